"""What ends a command as Ctrl-C does: SIGTERM, a terminal that is closed (SIGHUP), Ctrl-\\ (SIGQUIT).

So whatever is ended is ended in good order: no esptool goes on writing, no board or broker of a simulation stays, no
secret is left in a temporary file.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_ENDINGS = (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


@contextmanager
def as_ctrl_c() -> Iterator[None]:
    """In this `with` each of them raises KeyboardInterrupt in the main thread; afterwards all is as it was before.

    Once: a terminal that closes says so twice, itself and by the shell, and the second would cut off the cleaning up;
    only a Ctrl-C may. What was ignored stays so: under nohup, or behind a script.
    """
    if threading.current_thread() is not threading.main_thread():  # signals are the main thread's
        yield
        return
    taken = {number: signal.getsignal(number) for number in _ENDINGS}
    taken = {number: before for number, before in taken.items() if before is not signal.SIG_IGN}
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        taken[signal.SIGINT] = signal.default_int_handler

    def interrupt(number: int, frame: FrameType | None) -> None:
        for one in taken:
            if signal.getsignal(one) is interrupt:
                signal.signal(one, signal.default_int_handler if one == signal.SIGINT else _nothing)
        raise KeyboardInterrupt

    for number in taken:
        signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number, before in taken.items():
            signal.signal(number, before)


def _nothing(number: int, frame: FrameType | None) -> None:
    """In place of SIG_IGN, which every program that is started meanwhile would inherit."""
