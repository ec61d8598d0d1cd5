"""A serial port of another machine, by RFC 2217, as a pseudo-terminal here.

Why. esptool sets a new timeout before and after every command, and at each pyserial's client sends all settings anew
and sleeps 50 ms two or three times: 79 s for a write of 19 s. Here settings are sent when they change. And its client
sends DTR and RTS 50 ms apart, in which a chip with the usual two transistors has started its program already; here they
are sent together, and none as the port is opened: that would be a reset, and one into the loader at esptool's own
server, which takes DTR alone for the wish of one.

Rules: a pseudo-terminal carries neither DTR nor RTS, so whoever uses it resets the board with `into_loader` and
`restart`. When either end goes away the pseudo-terminal does, as an adapter that is pulled.
"""

from __future__ import annotations

import contextlib
import os
import select
import termios
import threading
import time
import tty
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

from serial import rfc2217

from zhuque.device import ports
from zhuque.errors import NoAnswerError

_FIRST_BAUD = 115200
_LOOK_S = 0.05
_CHUNK = 4096
_RESET_S = 0.1
_BOOT_S = 0.05


@contextlib.contextmanager
def as_device(port: str) -> Iterator[str]:
    """The port as a device of this computer: one by RFC 2217 for as long as the `with` lasts, any other is as it is.

    Raises NoAnswerError.
    """
    if not ports.is_rfc2217(port):
        yield port
        return
    with NetworkPort(port) as bridge:
        yield bridge.name


class NetworkPort:
    """Use it as a context manager. `name` is the pseudo-terminal's. Raises NoAnswerError where nobody serves `url`."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.name = ""
        self._master = self._device = -1
        self._over = threading.Event()
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._send, self._receive)]

    def __enter__(self) -> NetworkPort:
        self._line = self._open()
        # Both ends are held, or a program that ends would look like a pulled cable.
        self._master, self._device = os.openpty()
        tty.setraw(self._device)
        self.name = os.ttyname(self._device)
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()
        os.close(self._device)
        os.close(self._master)
        with contextlib.suppress(OSError):
            self._line.close()

    def into_loader(self) -> None:
        """A reset with the boot pin held."""
        self._set(dtr=False, rts=True)
        time.sleep(_RESET_S)
        self._set(dtr=True, rts=False)
        time.sleep(_BOOT_S)
        self._set(dtr=False)

    def restart(self) -> None:
        """A reset into the program."""
        self._set(dtr=False, rts=True)
        time.sleep(_RESET_S)
        self._set(dtr=False, rts=False)

    def _open(self) -> _Client:
        try:
            return _Client(ports.as_pyserial_takes(self.url), _FIRST_BAUD, timeout=_LOOK_S)
        except (OSError, ValueError) as error:
            raise NoAnswerError(
                f"{self.url} cannot be opened ({error}): start the server that shares the board, one for RFC 2217 that "
                "nobody else uses now, and run the command again"
            ) from error

    def _send(self) -> None:
        """What a program writes, at the speed that it has set by then."""
        with self._hung_up_at_end():
            while self._waits_for(select.POLLIN):
                data = os.read(self._master, _CHUNK)
                if not data:
                    break
                baud = ports.BAUDS[termios.tcgetattr(self._master)[5]]
                if baud != self._line.baudrate:
                    self._line.baudrate = baud
                self._line.write(data)

    def _receive(self) -> None:
        with self._hung_up_at_end():
            while not self._over.is_set():
                data = self._line.read(max(1, self._line.in_waiting))
                while data and self._waits_for(select.POLLOUT):
                    data = data[os.write(self._master, data) :]

    def _waits_for(self, event: int) -> bool:
        """True when the pseudo-terminal is ready, False when all is over; what was written last is taken by then."""
        poller = select.poll()
        poller.register(self._master, event)
        while True:
            is_over = self._over.is_set()
            if poller.poll(0 if is_over else _LOOK_S * 1000):
                return True
            if is_over:
                return False

    @contextlib.contextmanager
    def _hung_up_at_end(self) -> Iterator[None]:
        """Whoever has the pseudo-terminal open reads an error when the line is gone."""
        try:
            with contextlib.suppress(OSError, termios.error):
                yield
        finally:
            self._over.set()
            with Path(os.devnull).open("rb") as nothing:
                os.dup2(
                    nothing.fileno(), self._master
                )  # the number stays ours until the other thread has ended

    def _set(self, dtr: bool, rts: bool | None = None) -> None:
        """None leaves it as it is: esptool's server takes RTS that goes off for the wish of a restart."""
        values = [rfc2217.SET_CONTROL_DTR_ON if dtr else rfc2217.SET_CONTROL_DTR_OFF]
        if rts is not None:
            values.append(rfc2217.SET_CONTROL_RTS_ON if rts else rfc2217.SET_CONTROL_RTS_OFF)
        try:
            for value in values:
                self._line.rfc2217_send_subnegotiation(rfc2217.SET_CONTROL, value)
        except OSError as error:
            raise NoAnswerError(
                f"{self.url}: the server went away ({error}); run the command again"
            ) from error


class _Client(rfc2217.Serial):  # type: ignore[misc]
    """pyserial's, which leaves DTR and RTS as the server has them, but for what is sent by `NetworkPort`."""

    def _update_dtr_state(self) -> None:
        pass

    def _update_rts_state(self) -> None:
        pass
