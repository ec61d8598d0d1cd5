"""What a person does at the terminal of a simulation: types lines, and ends it."""

from __future__ import annotations

import os
import select
import signal
import sys
import time
from types import FrameType


def end_on_sigterm() -> None:
    """SIGTERM ends it as Ctrl-C does: by KeyboardInterrupt."""
    signal.signal(signal.SIGTERM, _interrupt)


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
        read = os.read(self._file, 4096)
        if not read:
            self._file = None
        *whole, self._rest = (self._rest + read).split(b"\n")
        return [line.decode(errors="replace") for line in whole if line.strip()]


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
