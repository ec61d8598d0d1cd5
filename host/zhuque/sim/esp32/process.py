"""The application of the virtual board: MicroPython on the flash file, a process from reset to reset.

Rules. It lives in a folder of its own, where world.json holds what outlives a reset: bikes, relays, RTC memory. Its
standard input and output are the serial port; JSON lines go by two further pipes, and when those of ours end so does
it. Nothing here waits for it, but `kill`.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from zhuque import files
from zhuque.sim.point import BOARD_FOLDER

Event = dict[str, Any]
RESET, WATCHDOG, POWER_CUT, SOFT_RESET, HANG = 81, 82, 83, 84, -signal.SIGALRM
_POWER_ON = 1  # machine.PWRON_RESET
_HEAP = "6M"
_CTRL_C = 3
_DEAF_S = 0.3  # a program that has not read a Ctrl-C for so long does not wait for anything


class Application:
    """Started by `start`; `output` and `events` are descriptors to read from, `take_...` read them."""

    def __init__(self, program: Path, folder: Path, on_event: Callable[[Event], None]) -> None:
        """`program` is MicroPython."""
        self._program = program
        self._folder = folder
        self._settings: dict[str, Any] = {}
        self._on_event = on_event
        self._began = time.time()
        self._process: subprocess.Popen[bytes] | None = None
        self._orders = self._input = self.output = self.events = -1
        self._waiting = bytearray()
        self._rest = self.last_words = b""
        self._interrupted = 0.0
        self._sent = self._interrupt_at = 0
        self._listens = False

    def start(self, settings: dict[str, Any], power_on: bool) -> None:
        """A process; `settings` as board/virtual.py has them; after `power_on` nothing is left in RTC memory.

        Raises FileError, as `go_on` does.
        """
        self._settle_world(power_on)
        self._settings = {**settings, "speed": 1, "start_unix": int(self._began)}
        self._spawn()

    def go_on(self) -> None:
        """The process after a soft reset."""
        self._spawn()

    @property
    def running(self) -> bool:
        """There is a process, or its last words."""
        return self._process is not None

    def _spawn(self) -> None:
        orders, self._orders = os.pipe()
        self.events, events = os.pipe()
        data, self._input = os.pipe()
        self.output, output = os.pipe()
        settings = {**self._settings, "orders_fd": orders, "events_fd": events}
        _write(self._folder / "settings.json", settings)
        os.set_blocking(data, False)
        for ours in (self._input, self.output, self.events):
            os.set_blocking(ours, False)
        self._process = subprocess.Popen(
            [self._program, "-X", f"heapsize={_HEAP}", BOARD_FOLDER / "virtual.py", "settings.json"],
            cwd=self._folder,
            stdin=data,
            stdout=output,
            stderr=output,
            pass_fds=(orders, events),
            start_new_session=True,  # a Ctrl-C at our terminal is for us
        )
        for theirs in (orders, events, data, output):
            os.close(theirs)

    def _settle_world(self, power_on: bool) -> None:
        """The world went on meanwhile; RTC memory did not without a supply."""
        path = self._folder / "world.json"
        if not path.exists():
            self._began = time.time()  # another world begins
            return
        world = json.loads(path.read_text())
        world["now_us"] = max(world["now_us"], int((time.time() - self._began) * 1e6))
        if power_on:
            world["cause"] = _POWER_ON
            world.pop("soft", None)
        _write(path, world)

    def write(self, data: bytes) -> None:
        """Towards its serial input."""
        self._waiting += data
        if _CTRL_C in data:
            self._interrupted = time.monotonic()
            self._interrupt_at = self._sent + self._waiting.rindex(_CTRL_C)
        self._flush()

    def _flush(self) -> None:
        with contextlib.suppress(OSError):
            while self._waiting:
                took = os.write(self._input, self._waiting[:4096])
                del self._waiting[:took]
                self._sent += took

    def on_time(self) -> None:
        """A program that does not look for its Ctrl-C is interrupted where it is."""
        self._flush()
        if not self._interrupted or time.monotonic() - self._interrupted < _DEAF_S:
            return
        unread = struct.unpack("i", fcntl.ioctl(self._input, termios.FIONREAD, b"\0\0\0\0"))[0]
        if self._sent - unread > self._interrupt_at:
            self._interrupted = 0.0  # it was read
        elif self._listens and self._process is not None:
            self._interrupted = 0.0
            self._process.send_signal(signal.SIGINT)

    def order(self, event: Event) -> None:
        """Something happens in its world, as board/world.py has it."""
        with contextlib.suppress(OSError):
            os.write(self._orders, json.dumps(event).encode() + b"\n")

    def take_output(self) -> bytes:
        """What it wrote to its serial port, b"" when nothing or no more."""
        data = _read(self.output)
        self.last_words = (self.last_words + data)[-400:]
        return data

    def take_events(self) -> None:
        """Hands over the lines that came."""
        *lines, self._rest = (self._rest + _read(self.events)).split(b"\n")
        for line in lines:
            with contextlib.suppress(ValueError):
                event = json.loads(line)
                if event["event"] == "listens":
                    self._listens = event["byte"] == _CTRL_C
                else:
                    self._on_event(event)

    def ended(self) -> int | None:
        """Its exit code once it has ended and all it wrote was read."""
        return None if self._process is None else self._process.poll()

    def kill(self) -> None:
        """Ends it at once, as a lost supply does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
        for ours in (self._orders, self._input, self.output, self.events):
            if ours >= 0:
                os.close(ours)
        self._orders = self._input = self.output = self.events = -1
        self._waiting.clear()
        self._rest = b""
        self._interrupted = 0.0
        self._sent = self._interrupt_at = 0
        self._listens = False


def _write(path: Path, content: dict[str, Any]) -> None:
    """Without waiting for the disk: it ends with the board."""
    try:
        path.write_text(json.dumps(content))
    except OSError as error:
        raise files.cannot_write(path, error) from error


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 1 << 16)
    except OSError:
        return b""
