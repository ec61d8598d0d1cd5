"""The serial port at the computer's end, as a pseudo-terminal: what the kernel shows as /dev/pts/N, and a link to it.

The link is the port's name: the kernel gives N out again, and a tool that tries a board once more after its cable was
pulled would find another board there.

What a pseudo-terminal carries: bytes both ways, the baud rate, whether a program has it open, and the lock with which
pyserial keeps others out. It carries neither DTR nor RTS. Nobody listening means that what the board says is lost, as
behind a USB adapter. An adapter that is pulled takes its device away: `unplug` does, and `plug` brings another.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import termios
import tty
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from zhuque import files
from zhuque.errors import RefusedError
from zhuque.sim.esp32 import claim

_CHUNK = 4096
_MOST_WAITING = 1 << 16
_BAUDS = {
    getattr(termios, name): int(name[1:]) for name in dir(termios) if name[0] == "B" and name[1:].isdigit()
}


class Port(Protocol):
    """What the board needs of a port. `on_lines(dtr, rts)` is called where those can be seen."""

    on_lines: Callable[[bool, bool], None]

    @property
    def address(self) -> str:
        """What a person types."""

    @property
    def carries_lines(self) -> bool:
        """DTR and RTS can be seen now."""

    def look(self) -> bool:
        """True while a program has it open."""

    def descriptor(self) -> int | None:
        """What becomes readable when bytes came, or somebody."""

    def read(self, most: int) -> bytes:
        """What came, b"" when nothing has."""

    def write(self, data: bytes) -> None:
        """To whoever has it open; else it is lost."""

    def baud(self) -> int | None:
        """What the program has set, None where that is not known."""

    @property
    def waits(self) -> bool:
        """The program has not taken all that was written."""

    def lock(self, on: bool) -> None:
        """Another program has it, or no longer."""

    def unplug(self) -> None:
        """The device goes away."""

    def plug(self) -> None:
        """A device is there."""

    def close(self) -> None:
        """For good."""


class PtyPort:
    """`link` is made a symbolic link to the device, and removed with it; between, no other port takes that name."""

    def __init__(self, link: Path) -> None:
        """Raises RefusedError where `link` is a file of somebody else."""
        self.on_lines: Callable[[bool, bool], None] = lambda dtr, rts: None
        self.carries_lines = False
        self._link = link
        self._name = claim.Name(link, "--link")
        self._device = ""
        self._master: int | None = None
        self._locked: int | None = None
        self._out = bytearray()
        if not link.is_symlink() and link.exists():
            raise RefusedError(f"{link} is there and is no link: it is left alone; name another --link")

    @property
    def address(self) -> str:
        """What a person types."""
        return str(self._link)

    def plug(self) -> None:
        """Opens the pair; it is raw, without echo.

        Raises NoAnswerError while another board is plugged in under this name, NotFoundError for want of its folder,
        RefusedError, FileError; then there is none.
        """
        if self._master is not None:
            return
        with contextlib.ExitStack() as undo:
            undo.callback(self.unplug)
            self._name.take()
            self._master, device = os.openpty()
            tty.setraw(device)
            self._device = os.ttyname(device)
            os.close(device)  # from here on the master shows whether somebody has it open
            os.set_blocking(self._master, False)
            self._show()
            undo.pop_all()

    def _show(self) -> None:
        """The link, in the place of one that a killed board left."""
        new = self._link.with_name(f".{self._link.name}.new")
        try:
            new.unlink(missing_ok=True)
            new.symlink_to(self._device)
            new.replace(self._link)
        except OSError as error:
            raise files.cannot_write(self._link, error) from error

    def unplug(self) -> None:
        """Whoever has it open reads an error."""
        self.lock(False)
        if self._master is not None:
            if self._link.is_symlink() and str(self._link.readlink()) == self._device:
                self._link.unlink()
            os.close(self._master)
        self._master = None
        self._name.give_back()
        self._out.clear()

    def close(self) -> None:
        """As `unplug`."""
        self.unplug()

    def look(self) -> bool:
        """True while a program has it open."""
        if self._master is None:
            return False
        poller = select.poll()
        poller.register(self._master, 0)
        is_open = not any(events & select.POLLHUP for _, events in poller.poll(0))
        if not is_open:
            self._out.clear()
        elif self._out:
            self._flush()
        return is_open

    def descriptor(self) -> int | None:
        """None while nobody has it open: then it would be ready all the time."""
        return self._master

    def read(self, most: int = _CHUNK) -> bytes:
        """What came, b"" when nothing has."""
        if self._master is None:
            return b""
        try:
            return os.read(self._master, most)
        except OSError:  # EAGAIN, or EIO while nobody has it open
            return b""

    def write(self, data: bytes) -> None:
        """What the program does not take waits, up to 64 KiB."""
        if self._master is not None and len(self._out) < _MOST_WAITING:
            self._out += data
            self._flush()

    @property
    def waits(self) -> bool:
        """Something could not be written yet."""
        return bool(self._out)

    def _flush(self) -> None:
        with contextlib.suppress(OSError):
            while self._out and self._master is not None:
                took = os.write(self._master, self._out[:_CHUNK])
                del self._out[:took]

    def baud(self) -> int | None:
        """The speed in the terminal's settings."""
        if self._master is None:
            return None
        return _BAUDS.get(termios.tcgetattr(self._master)[5])

    def lock(self, on: bool) -> None:
        """The lock that pyserial asks for with `exclusive`; it fails at once for whoever comes second."""
        if not on:
            if self._locked is not None:
                os.close(self._locked)
            self._locked = None
        elif self._locked is None and self._master is not None:
            self._locked = os.open(self._device, os.O_RDWR | os.O_NOCTTY)
            fcntl.flock(self._locked, fcntl.LOCK_EX | fcntl.LOCK_NB)
