"""What a person does at the terminal of a simulation: types lines, and ends it."""

from __future__ import annotations

import os
import select
import signal
import sys
import time
from types import FrameType

_ENDINGS = (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


def end_as_ctrl_c_does() -> None:
    """By KeyboardInterrupt: SIGTERM, a closed terminal, Ctrl-\\.

    The latter two stay ignored where they were from the start: under nohup, or behind a script.
    """
    for number in _ENDINGS:
        if number == signal.SIGTERM or signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _interrupt)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _interrupt)


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


def _interrupt(number: int, frame: FrameType | None) -> None:
    """Once: a terminal that closes says so twice, itself and by the shell; only a Ctrl-C may cut the end short."""
    for ending in _ENDINGS:
        if signal.getsignal(ending) is _interrupt:
            signal.signal(ending, lambda number, frame: None)
    if signal.getsignal(signal.SIGINT) is _interrupt:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    raise KeyboardInterrupt
