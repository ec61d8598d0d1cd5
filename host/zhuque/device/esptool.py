"""esptool as a process of its own, and what it prints.

esptool is GPL and its logger is global to a process, so it is never imported: one process a port, ended with us. What
it says is read line by line: facts (chip, MAC, flash size), how far a write is, and, when it fails, why. Its
sentences are no stable interface, so the major version is checked first and what is not understood is shown as it is.
"""

from __future__ import annotations

import os
import re
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

from zhuque.device import ports
from zhuque.device.network_port import NetworkPort
from zhuque.errors import NoAnswerError, NotFoundError, RefusedError, UsageError, ZhuqueError

MAJOR = 5
# Nothing of what we ask for is silent for this long, the slowest erase of a flash chip included.
SILENCE_S = 90.0
_CONNECT_ATTEMPTS = 4

_FACTS = {
    "chip": re.compile(r"^Chip type:\s+(.+)$"),
    "mac": re.compile(r"^MAC:\s+([0-9a-f:]{17})$"),
    "flash_size": re.compile(r"^(?:Auto-d|D)etected flash size: (\S+)$"),
}
_AT = re.compile(r"^(?:Writing at|Reading from) (0x[0-9a-f]+)")
_FAILED = re.compile(r"(?:ERROR: )?A (?:fatal|serial exception) error occurred: (.*)")
_LOST = "Lost connection"


class SlowerError(ZhuqueError):
    """The line did not carry what was sent: a lower baud rate may."""


@dataclass
class Talk:
    """What an esptool process said."""

    facts: dict[str, str] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    error: str = ""
    skipped: int = 0  # files that were in the flash already


class Esptool:
    """esptool on one port. `run` may be called again and again; `stop` ends what runs, from any thread."""

    def __init__(self, port: str, chip: str) -> None:
        self.port = port
        self.chip = chip
        self.is_stopped = False
        self._process: subprocess.Popen[bytes] | None = None

    def run(
        self,
        baud: int,
        arguments: Sequence[str],
        on_at: Callable[[int], None] = lambda at: None,
        stays: bool = False,
    ) -> Talk:
        """One esptool command; `on_at` hears the flash address that a write or a read has reached.

        The board runs its program afterwards, unless it `stays` in its loader.

        Raises ZhuqueError in one of its kinds: SlowerError where a lower baud rate may do.
        """
        for again in range(_OPEN_ATTEMPTS - 1, -1, -1):
            talk, code = self._reach(baud, arguments, on_at, stays)
            if not code and not talk.error:
                return talk
            if not again or not _BUSY.search(talk.error):
                break
            time.sleep(1)  # a program that has just ended may hold the port for a moment
        raise explain(self.port, talk)

    def _reach(
        self, baud: int, arguments: Sequence[str], on_at: Callable[[int], None], stays: bool
    ) -> tuple[Talk, int]:
        after = "no-reset" if stays else "hard-reset"
        if not ports.is_rfc2217(self.port):
            return self._talk(self.port, baud, ("--after", after, *arguments), on_at)
        with NetworkPort(self.port) as bridge:
            bridge.into_loader()
            bare = ("--before", "no-reset", "--after", "no-reset", *arguments)
            talk, code = self._talk(bridge.name, baud, bare, on_at)
            if not code and not stays:
                bridge.restart()
            return talk, code

    def _talk(
        self, port: str, baud: int, arguments: Sequence[str], on_at: Callable[[int], None]
    ) -> tuple[Talk, int]:
        talk = Talk()
        if self.is_stopped:
            raise ZhuqueError(f"{self.port}: stopped before it began; run the command again")
        with self._start(port, baud, arguments) as process:
            try:
                assert process.stdout is not None
                for line in _lines(process.stdout.fileno(), self.port):
                    _hear(line, talk, on_at)
                    if line.startswith(
                        _LOST
                    ):  # it would go on by the port's name, which may be another board's soon
                        process.kill()
                code = process.wait(SILENCE_S)
            finally:
                process.kill()
        if self.is_stopped:
            raise ZhuqueError(f"{self.port}: stopped; the board is not finished, run the command again")
        return talk, code

    def stop(self) -> None:
        """Ends the process that runs, and those that would follow."""
        self.is_stopped = True
        if self._process is not None:
            self._process.kill()

    def _start(self, port: str, baud: int, arguments: Sequence[str]) -> subprocess.Popen[bytes]:
        command = [
            *(sys.executable, "-m", "esptool", "--chip", self.chip.lower().replace("-", "")),
            *("--port", port, "--baud", str(baud), "--connect-attempts", str(_CONNECT_ATTEMPTS)),
            *arguments,
        ]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("ESPTOOL_")}
        environment |= {"NO_COLOR": "1", "COLUMNS": "200", "PYTHONUNBUFFERED": "1"}
        environment |= {"ESPTOOL_OPEN_PORT_ATTEMPTS": "1"}
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,  # a Ctrl-C is for us: we end it in good order
        )
        self._process = process
        if self.is_stopped:  # meanwhile, and whoever did it has not seen this process
            process.kill()
        return process


def _hear(line: str, talk: Talk, on_at: Callable[[int], None]) -> None:
    """Takes from a line what is of use."""
    talk.lines.append(line)
    for name, pattern in _FACTS.items():
        if found := pattern.match(line):
            talk.facts[name] = found[1]
    if found := _AT.match(line):
        on_at(int(found[1], 16))
    elif found := _FAILED.search(line):
        talk.error = found[1]
    elif line.startswith(_LOST):
        talk.error = line
    elif talk.error:
        talk.error += "\n" + line
    elif "already in flash" in line:
        talk.skipped += 1


def _lines(descriptor: int, port: str) -> Iterator[str]:
    """The lines of a pipe until its end. Raises NoAnswerError when nothing came for SILENCE_S."""
    rest = b""
    while True:
        if not select.select([descriptor], [], [], SILENCE_S)[0]:
            raise NoAnswerError(
                f"{port}: esptool has said nothing for {SILENCE_S:.0f} s; unplug the board, plug it in again, and "
                "run the command again: it goes on where it stopped"
            )
        data = os.read(descriptor, 65536)
        *lines, rest = (rest + (data or b"\n")).split(b"\n")
        for line in lines:
            yield line.decode(errors="replace").strip()
        if not data:
            return


def check_version() -> None:
    """Raises ZhuqueError where esptool is missing, or of a major version whose words are not known."""
    try:
        found = metadata.version("esptool")
    except metadata.PackageNotFoundError:
        raise ZhuqueError(
            f"esptool is not installed, and it is what writes boards; pip install 'esptool>={MAJOR},<{MAJOR + 1}'"
        ) from None
    if found.split(".")[0] != str(MAJOR):
        raise ZhuqueError(
            f"esptool {found} is installed, and Zhuque knows what version {MAJOR} says: nothing was written; "
            f"pip install 'esptool>={MAJOR},<{MAJOR + 1}'"
        )


_BUSY = re.compile(
    r"exclusively lock|[Rr]esource (?:temporarily unavailable|busy)|[Dd]evice or resource busy"
)
_OPEN_ATTEMPTS = 3
_OTHER_CHIP = r"This chip is (\S+), not (\S+)\."
_AGAIN = "run the command again: it goes on where it stopped"
_ONCE_MORE = "Then run the command again"
_AWAY = "the board went away in the middle: the cable or its hub; plug it in again, and " + _AGAIN
# (what esptool's words hold, the error, what it means and what to do); the first that fits is meant. {0} is group 1.
_REASONS: tuple[tuple[str, type[ZhuqueError], str], ...] = (
    (
        r"could not open port.*No such file",
        NotFoundError,
        "the port is not there: is the cable in? Plug the board in again, and " + _AGAIN,
    ),
    (
        r"Inappropriate ioctl for device",
        UsageError,
        "this is no serial port; give one such as /dev/ttyUSB0",
    ),
    (
        r"Name or service not known|name resolution",
        NoAnswerError,
        "no machine of that name is known: is it spelled right, and is this computer's network up? "
        + _ONCE_MORE,
    ),
    (
        r"Connection refused|No route to host|Could not open (?:socket|rfc2217)",
        NoAnswerError,
        "nobody serves this port there: start the server that shares the board. " + _ONCE_MORE,
    ),
    (
        _OTHER_CHIP,
        RefusedError,
        "this is an {0}, and the image is for another chip; nothing was written. ",
    ),
    (
        r"will not fit in (\d+) bytes of flash",
        RefusedError,
        "its flash holds {0} bytes, and Zhuque needs 4194304; nothing was written. Use a module with 4 MB or more",
    ),
    (
        r"Wrong boot mode detected",
        NoAnswerError,
        "the chip answers, but runs its program instead of taking a new one: hold its BOOT button, press EN, let go, "
        "and run the command again",
    ),
    (
        r"Failed to connect",
        NoAnswerError,
        "no ESP32 answers here. Is it powered, is this its port, does the cable carry data? If so, hold its BOOT "
        "button while the command says that it connects",
    ),
    (
        r"device disconnected|Input/output error|No such device|Broken pipe|Lost connection|write failed|read failed"
        r"|[Cc]onnection failed|Bad file descriptor|Attempting to use a port that is not open|socket disconnected",
        NoAnswerError,
        _AWAY,
    ),
    (
        r"MD5 of file does not match|region is empty",
        SlowerError,
        "what is in the flash afterwards is not what was sent: bytes were damaged on the line, or its flash is worn "
        "out; " + _AGAIN,
    ),
    (
        r"Secure Boot|[Ff]lash encryption|Secure Download",
        RefusedError,
        "this chip was locked for ever to somebody's signed or encrypted firmware; it cannot be used",
    ),
    (r"No space left on device", ZhuqueError, "the disk is full; free some space and run the command again"),
    (
        r"[Tt]imed out|stopped|Invalid (?:head|SLIP)|Failed to (?:write|enter|erase|read|get|start)|[Cc]hecksum"
        r"|Corrupt data|No serial data received|Response doesn't match|serial noise|Packet|No more data to read"
        r"|Unable to verify flash chip connection",
        SlowerError,
        "the line loses bytes: a long or bad cable, a loaded hub, or an adapter that is not made for this speed; "
        + _AGAIN,
    ),
)


def _for_chip(chip: str) -> str:
    """What to do with a chip that the image is not for."""
    from zhuque import boards
    from zhuque.device.image import chip_of

    chips = {chip_of(boards.load(name)) for name in boards.list_boards()}
    if chip in chips:
        return "Choose the board with --board"
    return f"No board of Zhuque has that chip: take a module with an {' or '.join(sorted(chips))}"


def went_away(port: str) -> NoAnswerError:
    """The error for a board that was there a moment ago."""
    return NoAnswerError(f"{port}: {_AWAY}")


def explain(port: str, talk: Talk) -> ZhuqueError:
    """The error for what esptool said when it failed: what happened, what it means, what to do."""
    said = talk.error.splitlines() or talk.lines[-3:] or ["nothing"]
    words = " / ".join(line for line in said if line)
    if "mac" in talk.facts and not (ports.is_url(port) or Path(port).exists()):
        return went_away(port)
    if _BUSY.search(words):
        return ports.in_use(port)
    if "Permission denied" in words:
        try:
            ports.check(port)
        except RefusedError as error:
            return error
    for pattern, kind, text in _REASONS:
        if found := re.search(pattern, words):
            advice = _for_chip(found[1]) if pattern is _OTHER_CHIP else ""
            return kind(f"{port}: {text.format(*found.groups())}{advice}")
    return ZhuqueError(f"{port}: esptool failed, with words that Zhuque does not know: {words}; {_AGAIN}")
