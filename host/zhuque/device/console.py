"""What a board says of itself on its console after it started.

The firmware prints `zhuque: {...}` when it knows how it is: see firmware/tasks/announce.py. Everything else on the
console (the ROM's and the bootloader's lines, other words of the firmware) is kept for the case that it never does.
"""

from __future__ import annotations

import contextlib
import json
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from zhuque.device import ports
from zhuque.errors import NoAnswerError, ZhuqueError

BAUD = 115200
WAIT_S = 30.0
_PREFIX = "zhuque: {"
# States that will not change by themselves within the time that one waits.
_SETTLED = ("ready", "misconfigured", "safe_mode", "maintenance")
_PULSE_S = 0.1
_KEPT_LINES = 12
# What the ROM or MicroPython prints for ever where nothing starts; the text says what that means.
_DEAD = (
    ("invalid header", "its flash holds nothing that starts; flash it again"),
    ("No bootable app", "its bootloader finds no application; flash it again"),
    ("sectors looks corrupt", "its file system is half written or damaged; flash it again"),
)
# The same where it says so once.
_HOPELESS = (
    *_DEAD,
    ("incompatible .mpy file", "its MicroPython cannot load the application; use one of 1.23 to 1.29"),
    ("MemoryError", "it ran out of memory while it started; use the plain ESP32_GENERIC image"),
)


# The first line of MicroPython's prompt: where main.py ended. After a traceback it is the firmware that failed.
_PROMPT = re.compile(r"MicroPython v?\d.* on \d{4}-")
_TRACEBACK = "Traceback (most recent call last):"


class Silent(NoAnswerError):
    """The board never said how it is."""


@dataclass(frozen=True)
class Hello:
    """What a board says: `state` is the point's (wire/codes.py), `problems` a line each, `heap_free` bytes."""

    firmware: str
    board: str
    state: str
    problems: tuple[str, ...]
    heap_free: int

    def wrong(self, board: str, provisioned: bool) -> list[str]:
        """What keeps a board from passing; a board without identity may lack its config.json, and nothing else."""
        if self.board != board:
            return [f"it says that it is a {self.board!r} and not a {board!r}: flash it again"]
        problems = [p for p in self.problems if provisioned or not p.startswith("config.json ")]
        if problems or self.state in ("ready", "misconfigured"):
            return problems
        return [f"its state is {self.state}"]


def parse(line: str) -> Hello | None:
    """The Hello in a line of the console, None where it is another line."""
    if not line.startswith(_PREFIX):
        return None
    try:
        data: Any = json.loads(line.removeprefix("zhuque: "))
        problems = tuple(str(problem) for problem in data.get("problems", ()))
        return Hello(
            str(data["firmware"]), str(data["board"]), str(data["state"]), problems, int(data["heap_free"])
        )
    except (ValueError, KeyError, TypeError):
        return None  # cut off by a reset; it will come again


def why_dead(text: str) -> str | None:
    """What a line means that a board says, again and again, in place of running its firmware; None for any other."""
    return next((meaning for words, meaning in _DEAD if words in text), None)


def listen(
    port: str,
    wait_s: float = WAIT_S,
    is_stopped: Callable[[], bool] = lambda: False,
    explained: Callable[[str], str] = str,
) -> Hello:
    """Restarts the board where its lines allow it, and waits until it says how it is.

    A meter may need some seconds after power-up, so that a `meter_fault` is believed only when it stays. Its words on a
    failure are told as `explained` gives them.

    Raises Silent with its last words, ZhuqueError where it will never start, NoAnswerError where another program
    listens too, or the port cannot be opened any more.
    """
    line = _open(port)
    try:
        _restart(line)
        return _wait(line, port, wait_s, is_stopped, explained)
    except OSError as error:
        raise NoAnswerError(
            f"{port}: the board went away while it started ({error}); everything was written. Plug it in again and run "
            "the command again: it only looks"
        ) from error
    finally:
        with contextlib.suppress(OSError):
            line.close()


def restart(port: str) -> None:
    """Restarts the board into its program where its lines allow it, and nobody else has the port."""
    with contextlib.suppress(NoAnswerError, OSError):
        line = _open(port, alone=True)
        try:
            _restart(line)
            time.sleep(_PULSE_S)  # a virtual board takes the end of a connection that it has seen for it
        finally:
            line.close()


def hear(port: str, wait_s: float) -> Iterator[str]:
    """What a board says in that time, line by line, without a restart. Raises NoAnswerError."""
    line = _open(port)
    try:
        yield from _texts(line, wait_s, lambda: False)
    except OSError as error:
        raise NoAnswerError(
            f"{port}: the board went away ({error}); plug it in again and run the command again"
        ) from error
    finally:
        with contextlib.suppress(OSError):
            line.close()


def _open(port: str, alone: bool = False) -> Any:
    import serial

    options = {"exclusive": True} if alone and not ports.is_url(port) else {}
    try:
        url = ports.as_pyserial_takes(port)
        line = serial.serial_for_url(url, baudrate=BAUD, timeout=0.1, do_not_open=True, **options)
        line.dtr = line.rts = False  # as they are at rest, or opening would be a reset
        line.open()
    except (OSError, ValueError) as error:
        raise NoAnswerError(
            f"{port} cannot be opened any more: {error}; plug the board in again and run the command again"
        ) from error
    return line


def _restart(line: Any) -> None:
    """A pulse on EN. A pseudo-terminal or a socket has no such line: esptool's own reset must do there."""
    with contextlib.suppress(OSError):
        line.rts = True
        time.sleep(_PULSE_S)
        line.rts = False


def _wait(
    line: Any, port: str, wait_s: float, is_stopped: Callable[[], bool], explained: Callable[[str], str]
) -> Hello:
    heard: list[str] = []
    last: Hello | None = None
    for text in _texts(line, wait_s, is_stopped):
        last = parse(text) or last
        if last and last.state in _SETTLED:
            return last
        heard.append(text)
        _give_up_where_hopeless(port, text)
        if _PROMPT.match(text) and _TRACEBACK in heard:
            raise ZhuqueError(
                f"{port}: everything was written, but its firmware fails as it starts: {_failure(heard, explained)}. "
                "Flash the board again, or with another version of MicroPython; if it stays so, report this text"
            )
    if last:
        return last
    if not ports.is_url(port) and ports.who_has(port):  # without a lock, and it takes what the board says
        raise ports.in_use(port)
    raise Silent(
        f"{port}: everything was written, but the board has not said how it is within {wait_s:.0f} s; "
        + explained(_last_words(heard))
    )


def _texts(line: Any, wait_s: float, is_stopped: Callable[[], bool]) -> Iterator[str]:
    """The lines that come in that time."""
    rest = b""
    until = time.monotonic() + wait_s
    while time.monotonic() < until and not is_stopped():
        rest += line.read(max(1, line.in_waiting))
        *lines, rest = rest.split(b"\n")
        yield from (raw.decode(errors="replace").strip() for raw in lines)


def _give_up_where_hopeless(port: str, text: str) -> None:
    for words, meaning in _HOPELESS:
        if words in text:
            raise ZhuqueError(f"{port}: the board says {text!r}: {meaning}")


def _failure(heard: list[str], explained: Callable[[str], str]) -> str:
    """The last traceback, in one line."""
    first = len(heard) - 1 - heard[::-1].index(_TRACEBACK)
    return explained(" / ".join(text for text in heard[first:-1] if text.isprintable() and text))


def _last_words(heard: list[str]) -> str:
    words = [text for text in heard if text.isprintable() and text][-_KEPT_LINES:]
    if not words:
        return "it said nothing at all: press its EN button and run the command again"
    return "its last words: " + " / ".join(words)
