"""The console of a board that runs our firmware, as a line for commands: firmware/wire/README.md, "The console".

A board is not restarted by it, and its sessions go on. What comes is taken only where its CRC-32 is right; all other
lines (the firmware's words, half a line) are passed over, but for those that say that no firmware runs: then nobody
waits. Opening leaves DTR and RTS as the system, or the server of another machine's port, sets them, both on: one alone
would reset the board.
"""

from __future__ import annotations

import contextlib
import json
import time
import zlib
from collections.abc import Callable
from types import TracebackType
from typing import Any

from zhuque.device import console, ports
from zhuque.device.network_port import as_device
from zhuque.errors import NoAnswerError

BAUD = 115200
# A longer line may lose bytes in a busy board.
MAX_COMMAND = 250
_PREFIX = b'zhuque: {"'
_PROMPT = b">>> "  # of MicroPython, which comes when main.py has ended
_AT_PROMPT = (
    "the board shows MicroPython's prompt, its firmware does not run: press its EN button and try again"
)
_CHECK = b',"crc32":'
_AGAIN_S = 2.0
_READ_S = 0.1


class ConsoleLink:
    """Use it as a context manager; every method may raise NoAnswerError. The board may be silent for `timeout_s`."""

    def __init__(self, port: str, timeout_s: float = 15.0) -> None:
        self.port = port
        self.firmware = ""  # the version that it runs, as its status told
        self._timeout_s = timeout_s
        self._line: Any = None
        self._open = contextlib.ExitStack()
        self._rest = b""
        self._why_dead = ""  # why no answer will come

    def __enter__(self) -> ConsoleLink:
        import serial

        ports.check(self.port)
        options = {} if ports.is_url(self.port) else {"exclusive": True}
        with contextlib.ExitStack() as undo:
            device = undo.enter_context(as_device(self.port))
            try:
                self._line = serial.serial_for_url(device, baudrate=BAUD, timeout=_READ_S, **options)
            except (OSError, ValueError) as error:
                if ports.is_url(self.port):
                    raise NoAnswerError(
                        f"{self.port} cannot be opened ({error}); start its server and try again"
                    ) from error
                raise ports.in_use(self.port) from error
            self._open = undo.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._open, contextlib.suppress(OSError):
            self._line.close()

    def status(self) -> dict[str, Any]:
        """How the board says that it is: the `status` message, with `site` and `point`."""
        until = time.monotonic() + self._timeout_s
        while time.monotonic() < until and not self._why_dead:
            self._send(b"\n\n")  # the first ends whatever half line there was
            found = self._next(lambda channel: channel == "status", min(until, time.monotonic() + _AGAIN_S))
            if found is not None:
                status: dict[str, Any] = json.loads(found[1])
                self.firmware = str(status.get("firmware") or "")
                return status
        raise self._silent()

    def ask(
        self, command: dict[str, Any], on_record: Callable[[bytes], None] = lambda raw: None
    ) -> dict[str, Any]:
        """The board's reply to a command with an `id`; `on_record` gets each record that comes before it, as JSON."""
        payload = json.dumps(command, ensure_ascii=False, separators=(",", ":")).encode()
        assert len(payload) <= MAX_COMMAND, payload
        self._send(payload + b"\n")
        while True:
            found = self._next(
                lambda channel: channel in ("record", "reply"), time.monotonic() + self._timeout_s
            )
            if found is None:
                raise self._silent()
            channel, raw = found
            if channel == "record":
                on_record(raw)
                continue
            reply: dict[str, Any] = json.loads(raw)
            if reply.get("id") in (command["id"], None):
                return reply

    def _next(self, wanted: Callable[[str], bool], until: float) -> tuple[str, bytes] | None:
        """The next message on such a channel, None when the time is over or nothing runs that could send one."""
        while True:
            *lines, self._rest = self._rest.split(b"\n")
            for i, line in enumerate(lines):
                found = parse(line.strip())
                if found and wanted(found[0]):
                    self._rest = b"\n".join([*lines[i + 1 :], self._rest])
                    return found
                if found is None:
                    self._judge(line)
            if self._rest == _PROMPT:
                self._why_dead = _AT_PROMPT
            if self._why_dead or time.monotonic() > until:
                return None
            try:
                self._rest += self._line.read(max(1, self._line.in_waiting))
            except OSError as error:
                raise self._gone() from error

    def _judge(self, line: bytes) -> None:
        """Whether a line that is no message says that nothing runs."""
        text = line.decode(errors="replace").strip()
        if meaning := console.why_dead(text):
            self._why_dead = f"the board says {text!r}: {meaning}"

    def _send(self, data: bytes) -> None:
        try:
            self._line.write(data)
        except OSError as error:
            raise self._gone() from error

    def _gone(self) -> NoAnswerError:
        return NoAnswerError(
            f"{self.port}: the board went away in the middle; what came until then is kept. Plug it in again and run "
            "the command again: it goes on from there"
        )

    def _silent(self) -> NoAnswerError:
        if self._why_dead:
            return NoAnswerError(f"{self.port}: {self._why_dead}")
        return NoAnswerError(
            f"{self.port}: no answer on the board's console within {self._timeout_s:.0f} s. If it has just started, "
            "try again. If it is half written, for `zhuque flash` or `zhuque provision` was stopped, run that again; "
            "if its firmware is older than this zhuque, `zhuque flash` brings it up to date and keeps its journal"
        )


def parse(line: bytes) -> tuple[str, bytes] | None:
    """(channel, message as JSON) of a line that a console sent whole, None for any other."""
    if not line.startswith(_PREFIX):
        return None
    channel, colon, rest = line.removeprefix(_PREFIX).partition(b'":')
    raw, check, number = rest.rpartition(_CHECK)
    if not (colon and check) or number != b"%d}" % zlib.crc32(raw):
        return None
    return channel.decode(errors="replace"), raw
