"""What a person types at the terminal of a simulation."""

from __future__ import annotations

import os
import select
import sys
import time


class TypedLines:
    """Lines of standard input as they come; once it has ended, none."""

    def __init__(self) -> None:
        self._file: int | None = None if sys.stdin is None else sys.stdin.fileno()
        self._rest = b""

    def wait(self, seconds: float) -> list[str]:
        """The whole lines that came within so long."""
        if self._file is None:
            time.sleep(seconds)
            return []
        if not select.select([self._file], [], [], seconds)[0]:
            return []
        read = self._read()
        if not read:
            self._file = None
        *whole, self._rest = (self._rest + read).split(b"\n")
        return [line.decode(errors="replace") for line in whole if line.strip()]

    def _read(self) -> bytes:
        assert self._file is not None
        try:
            return os.read(self._file, 4096)
        except OSError:  # the terminal is gone
            return b""
