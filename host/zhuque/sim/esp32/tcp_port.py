"""The serial port as a TCP server: `socket://HOST:PORT` for bytes, `rfc2217://HOST:PORT` with DTR, RTS and baud rate.

Which of the two a client wants shows in its first byte: one of RFC 2217 begins with a Telnet command. One client at a
time: whoever comes second is turned away, as from a port that is in use.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable

from serial import rfc2217

from zhuque.errors import UsageError

_IAC = 0xFF
_BAUD = 115200
_MOST_WAITING = 1 << 16


class _Modem:
    """What pyserial's server half of RFC 2217 takes for the serial port that it shares."""

    def __init__(self, on_lines: Callable[[bool, bool], None]) -> None:
        self.baudrate = _BAUD
        self.bytesize, self.parity, self.stopbits = 8, "N", 1
        self.xonxoff = self.rtscts = self.break_condition = False
        self.cts = self.dsr = self.ri = self.cd = False
        self._dtr = self._rts = False
        self._on_lines = on_lines

    @property
    def dtr(self) -> bool:
        return self._dtr

    @dtr.setter
    def dtr(self, on: bool) -> None:
        self._dtr = on
        self._on_lines(on, self._rts)

    @property
    def rts(self) -> bool:
        return self._rts

    @rts.setter
    def rts(self, on: bool) -> None:
        self._rts = on
        self._on_lines(self._dtr, on)

    def reset_input_buffer(self) -> None:
        """Nothing is kept here."""

    def reset_output_buffer(self) -> None:
        """Nothing is kept here."""


class TcpPort:
    """`on_lines(dtr, rts)` is told what an RFC 2217 client sets; `carries_lines` while there is one."""

    def __init__(self, host: str, port: int) -> None:
        """Raises UsageError where it cannot listen there."""
        self.on_lines: Callable[[bool, bool], None] = lambda dtr, rts: None
        self._server = socket.socket()
        self._server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._server.bind((host, port))
        except OSError as error:
            raise UsageError(
                f"cannot listen on {host}:{port}: {error.strerror}; give another --listen"
            ) from error
        self._server.listen(4)
        self._server.setblocking(False)
        self._host, self._port = self._server.getsockname()[:2]
        self._client: socket.socket | None = None
        self._manager: rfc2217.PortManager | None = None
        self._modem: _Modem | None = None
        self._fresh = False  # the client has not said anything yet
        self._there = True
        self._locked = False
        self._out = bytearray()

    @property
    def address(self) -> str:
        """What a person types."""
        return f"rfc2217://{self._host}:{self._port}"

    @property
    def carries_lines(self) -> bool:
        """DTR and RTS can be seen."""
        return self._modem is not None

    @property
    def waits(self) -> bool:
        """The client has not taken all that was written."""
        return bool(self._out)

    def plug(self) -> None:
        """Clients are taken again."""
        self._there = True

    def unplug(self) -> None:
        """The client is thrown out, and others are turned away."""
        self._there = False
        self._drop()

    def close(self) -> None:
        """Listens no more."""
        self._drop()
        self._server.close()

    def lock(self, on: bool) -> None:
        """Another program has it, or no longer."""
        self._locked = on

    def look(self) -> bool:
        """True while a client is there; takes one that has come."""
        with contextlib.suppress(OSError):
            client, _ = self._server.accept()
            if self._client is not None or self._locked or not self._there:
                client.close()
            else:
                client.setblocking(False)
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._client, self._fresh = client, True
        if self._out:
            self._flush()
        return self._client is not None

    def descriptor(self) -> int | None:
        """The client's."""
        return None if self._client is None else self._client.fileno()

    def read(self, most: int) -> bytes:
        """What came, b"" when nothing has; a client that left is gone at the next `look`."""
        if self._client is None:
            return b""
        try:
            data = self._client.recv(most)
        except BlockingIOError:
            return b""
        except OSError:
            data = b""
        if not data:
            self._drop()
            return b""
        if self._fresh and data[0] == _IAC:
            self._modem = _Modem(lambda dtr, rts: self.on_lines(dtr, rts))
            self._manager = rfc2217.PortManager(self._modem, _Sender(self._send))
        self._fresh = False
        return data if self._manager is None else b"".join(self._manager.filter(data))

    def write(self, data: bytes) -> None:
        """What the client does not take waits, up to 64 KiB."""
        if len(self._out) < _MOST_WAITING:
            self._send(data if self._manager is None else b"".join(self._manager.escape(data)))

    def baud(self) -> int | None:
        """What an RFC 2217 client has set; without one what a server was started with."""
        return _BAUD if self._modem is None else self._modem.baudrate

    def _send(self, data: bytes) -> None:
        if self._client is not None:
            self._out += data
            self._flush()

    def _flush(self) -> None:
        try:
            while self._out and self._client is not None:
                del self._out[: self._client.send(self._out)]
        except BlockingIOError:
            pass
        except OSError:
            self._drop()

    def _drop(self) -> None:
        if self._client is not None:
            self._client.close()
        self._client = self._manager = self._modem = None
        self._out.clear()


class _Sender:
    def __init__(self, write: Callable[[bytes], None]) -> None:
        self.write = write
