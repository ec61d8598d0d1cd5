"""The virtual board: a chip on its flash, between the port and whatever runs on it. One thread does all of it.

Strategy. A board is `off` (no cable), in its `loader`, `running` its application, or `stuck` where the boot code
found nothing to start. A pseudo-terminal carries no DTR and RTS, so the board takes a SYNC request, a frame of 46
bytes that nobody types, as the reset with the boot pin held that esptool would have made before it; and the end of the
connection to the loader as the reset that esptool makes after its work. On a port that carries the lines, they alone
decide.

Rules: orders come from any thread; everything else happens in the board's own. Whatever ends the thread, nothing that
it started is left.
"""

from __future__ import annotations

import contextlib
import os
import queue
import select
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from zhuque import boards
from zhuque.errors import NotFoundError, ZhuqueError
from zhuque.files import FileError
from zhuque.sim import scenario
from zhuque.sim.esp32 import boot, process
from zhuque.sim.esp32.chip import CHIPS
from zhuque.sim.esp32.faults import Faults, Order, Unplugged, is_fault, parse
from zhuque.sim.esp32.flash import FlashFile
from zhuque.sim.esp32.line import Pace, ResetLines, SyncWatch
from zhuque.sim.esp32.loader import Leave, Loader
from zhuque.sim.esp32.port import Port, PtyPort
from zhuque.sim.tools import find_micropython

Event = dict[str, Any]
_LOOK_S = 0.02
_STUCK_S = 1.0
_BAUD = 115200  # where a port cannot tell
# A board that resets this often within so many seconds is not going to run.
_MANY, _SOON_S = 30, 10.0
_RESETS = {
    process.RESET: "software",
    process.WATCHDOG: "watchdog",
    process.HANG: "watchdog",
    process.POWER_CUT: "power_on",
}
_WATCHDOG_TEXT = (
    b"E (4123) task_wdt: Task watchdog got triggered. The following tasks/users did not reset the watchdog in time:\r\n"
    b"E (4123) task_wdt:  - mp_task (CPU 1)\r\nAborting.\r\nRebooting...\r\n"
)


@dataclass(frozen=True)
class BoardOptions:
    """`mac` is 6 bytes; `flash` is made where it is not there; `size` in bytes, None: as it is, or 4 MiB.

    `link` is the name of its port, None: one of its own in a folder for temporary files.

    `board` names the wall it hangs on: the chips around it. `boot_ms` passes before boot.py. `paced` lets bytes take
    the time of the port's baud rate. With `listen`, (host, port), it is a TCP server, without a device.
    """

    flash: Path
    size: int | None = None
    chip: str = "esp32"
    mac: bytes = b"\x24\x0a\xc4\x7a\x68\x75"
    link: Path | None = None
    board: str = "zq10"
    boot_ms: int = 300
    listen: tuple[str, int] | None = None
    paced: bool = False


class VirtualBoard:
    """Use it as a context manager, or start() and stop(). `on_event` is called from the board's thread."""

    def __init__(self, options: BoardOptions, on_event: Callable[[Event], None] | None = None) -> None:
        """Raises UsageError, RefusedError, NotFoundError for a flash, a link or a board that does not fit, FileError.

        NoAnswerError where another virtual board has them; ToolMissingError without MicroPython, at once and not when
        there is something to run. Nothing is left then.
        """
        self.options = options
        self._program = find_micropython()
        try:
            self._wall = boards.load(options.board).data
        except boards.BoardError as error:
            raise NotFoundError(str(error)) from error
        self.chip = CHIPS[options.chip]
        self._folder = _temporary_folder()
        with contextlib.ExitStack() as undo:
            undo.callback(self._folder.cleanup)
            self.port = self._port()
            undo.callback(self.port.close)
            self.port.plug()
            # Last, for none is made for a board that cannot be.
            self.flash = FlashFile(options.flash, options.size)
            undo.pop_all()
        self.port.on_lines = self._on_lines
        self.faults = Faults()
        self.pace = Pace(options.paced)
        self.state = "off"
        self._on_event = on_event or (lambda event: None)
        self._orders: queue.SimpleQueue[Order] = queue.SimpleQueue()
        self._wake = os.pipe()
        self._timers: list[tuple[float, Order]] = []
        self._loader: Loader | None = None
        self._application: process.Application | None = None
        self._started: list[float] = []
        self._watch = SyncWatch()
        self._lines = ResetLines()
        self._was_open = False
        self._stay = self._by_lines = False
        self._stuck_text = ""
        self._stuck_at = 0.0
        self._stopping = False
        self._failed: BaseException | None = None
        self._thread = threading.Thread(target=self._live, name="virtual board", daemon=True)

    def _port(self) -> Port:
        if self.options.listen is None:
            return PtyPort(self.options.link or Path(self._folder.name) / "port")
        from zhuque.sim.esp32.tcp_port import TcpPort

        return TcpPort(*self.options.listen)

    @property
    def address(self) -> str:
        """What tools take as the port."""
        return self.port.address

    def start(self) -> VirtualBoard:
        """Puts the supply on."""
        self._thread.start()
        return self

    def stop(self) -> None:
        """Takes it away; the flash stays as it is. Raises what the board's thread died of."""
        self._stopping = True
        self._poke()
        if self._thread.is_alive():
            self._thread.join()
        if self._failed is not None:
            raise self._failed

    def __enter__(self) -> VirtualBoard:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def order(self, order: str | Order) -> None:
        """A fault or a button, as faults.py has them, or an event of its world, as scenario.py. Raises UsageError."""
        if isinstance(order, str) and is_fault(order):
            order = parse(order)
        elif isinstance(order, str):
            order = {"do": "world", "event": scenario.parse_line(order, int(str(self._wall["sockets"])))}
        self._orders.put(order)
        self._poke()

    def _poke(self) -> None:
        with contextlib.suppress(OSError):
            os.write(self._wake[1], b"!")

    def _tell(self, event: str, **keys: Any) -> None:
        self._on_event({"event": event, "time": int(time.time()), **keys})

    # The thread -------------------------------------------------------------------------------------------------------

    def _live(self) -> None:
        try:
            self._start("power_on")
            while not self._stopping:
                self._turn()
        except BaseException as error:  # noqa: BLE001 - kept for whoever stops us
            self._failed = error
            self._tell("died", why=str(error) if isinstance(error, ZhuqueError) else repr(error))
        finally:
            self._halt()
            self.port.close()
            self.flash.close()
            self._folder.cleanup()

    def _turn(self) -> None:
        """Waits for something, and does it."""
        is_open = self.port.look()
        if self._was_open and not is_open:
            self._take(self.pace.all() + self.port.read(1 << 16))
            self._on_closed()
        elif is_open and not self._was_open:
            self._stay = self._by_lines = False
        self._was_open = is_open
        poller = select.poll()
        poller.register(self._wake[0], select.POLLIN)
        now = time.monotonic()
        self._take(self.pace.arrived(now))
        descriptor = self.port.descriptor()
        if is_open and descriptor is not None and not self.pace.is_busy:
            poller.register(descriptor, select.POLLIN | (select.POLLOUT if self.port.waits else 0))
        application = self._running()
        if application is not None:
            if not self.port.waits:
                poller.register(application.output, select.POLLIN)
            poller.register(application.events, select.POLLIN)
        ready = poller.poll(min(_LOOK_S, self.pace.left_s(now)) * 1000)
        while not self._orders.empty():  # before the bytes that came after them
            self._obey(self._orders.get())
        for number, _ in ready:
            if number == self._wake[0]:
                os.read(number, 4096)
            elif number == descriptor:
                self._take(self._paced(self.port.read(4096)))
        if application is not None and application is self._running():
            self._serve(application)
        self._on_time(time.monotonic())

    def _on_time(self, now: float) -> None:
        due = [order for at, order in self._timers if at <= now]
        self._timers = [(at, order) for at, order in self._timers if at > now]
        for order in due:
            self._obey(order)
        by_pin = self._lines.boots(now)
        if by_pin is not None:
            self._boot(by_pin)
        if self.state == "stuck" and now >= self._stuck_at:
            self._stuck_at = now + _STUCK_S
            self.port.write(self._stuck_text.encode())

    def _serve(self, application: process.Application) -> None:
        """Carries what it wrote, and lets the next process follow where it ended."""
        code = application.ended()
        if not self.port.waits:
            self._say(application.take_output())
        application.take_events()
        application.on_time()
        if code is None:
            return
        self._say(application.take_output())
        application.take_events()
        application.kill()
        if code == process.SOFT_RESET:
            application.go_on()
            return
        self._started = [at for at in self._started if time.monotonic() - at < _SOON_S] + [time.monotonic()]
        if code not in _RESETS or len(self._started) > _MANY:
            words = " / ".join(application.last_words.decode(errors="replace").split("\r\n")[-4:])
            self._halt()
            self._stuck_text = ""
            self._become("stuck", why=f"MicroPython ended with exit code {code}: {words}")
            return
        if code in (process.WATCHDOG, process.HANG):
            self._say(_WATCHDOG_TEXT)
        self._tell("restart", after=_RESETS[code])
        self._start(_RESETS[code])

    def _running(self) -> process.Application | None:
        return self._application if self._application is not None and self._application.running else None

    def _say(self, data: bytes) -> None:
        if data:
            self.port.write(data)

    def _on_closed(self) -> None:
        """A tool that is done with the loader resets the board, but for one that left it on purpose."""
        if self.state == "loader" and not self._stay and not self._by_lines:
            self._start("power_on")

    # Bytes ------------------------------------------------------------------------------------------------------------

    def _paced(self, data: bytes) -> bytes:
        follows = self._loader is not None and self._loader.in_frame
        return self.pace.take(data, self.port.baud() or _BAUD, follows, time.monotonic())

    def _take(self, data: bytes) -> None:
        if not data:
            return
        loader = self._loader
        data = self.faults.to_board(data, self.port.baud(), loader.baud if loader else None)
        if self._lines.is_down:
            return
        self._by_lines = self._by_lines or self.port.carries_lines
        if loader is None:
            if self._by_lines:
                self._to_application(data)
                return
            data, request = self._watch.feed(data)
            if data:
                self._to_application(data)
            if request is None:
                return
            self._enter_loader()
            data, loader = request, self._loader
        assert loader is not None
        self._to_loader(loader, data)

    def _to_loader(self, loader: Loader, data: bytes) -> None:
        try:
            answer = loader.feed(data)
        except Unplugged:
            order = self.faults.unplug or {}
            self.faults.unplug = None
            self._unplug(order.get("for_s"))
            return
        if not self.faults.mute:
            self.port.write(answer)
        if loader.leave is Leave.RUN:
            self._start("software")
        elif loader.leave is Leave.RELOAD:
            self._enter_loader()
            self._stay = True

    def _to_application(self, data: bytes) -> None:
        """What runs on the board reads it."""
        if self.faults.deaf:
            data = data.replace(b"\x03", b"")
        application = self._running()
        if application is not None:
            application.write(data)

    # States -----------------------------------------------------------------------------------------------------------

    def _on_lines(self, dtr: bool, rts: bool) -> None:
        if self._lines.set(dtr, rts, time.monotonic()):
            self._halt()
            self._become("held")

    def _boot(self, by_pin: bool) -> None:
        if by_pin:
            self._enter_loader()
            self.port.write(boot.banner(self.chip, "power_on", download=True).encode())
        else:
            self._start("power_on")

    def _enter_loader(self) -> None:
        self._halt()
        self._loader = Loader(self.chip, self.flash, self.options.mac)
        self._loader.on_written = self.faults.check_write
        self._stay = False
        self._become("loader")

    def _start(self, reset: str) -> None:
        """The boot code looks at the flash."""
        self._halt()
        self.port.write(boot.banner(self.chip, reset, download=False).encode())
        try:
            found = boot.start(self.chip, self.flash)
        except boot.BootError as error:
            self._stuck_text = f"{error}{boot.banner(self.chip, error.reset, download=False)}"
            self._stuck_at = 0.0
            self._become("stuck", why=str(error).strip().splitlines()[0])
            return
        self.port.write(found.loaded.encode())
        self._run(found, power_on=reset == "power_on")

    def _run(self, found: boot.Application, power_on: bool) -> None:
        self._become("running", project=found.project, version=found.version, banner=found.banner)
        if not found.banner:
            text = f"I (61) cpu_start: Project name:     {found.project}\r\n"
            self._say(f"{text}I (66) cpu_start: App version:      {found.version}\r\n".encode())
            return
        if self._application is None:
            self._application = process.Application(self._program, Path(self._folder.name), self._on_event)
        self._application.start(self._settings(found), power_on)

    def _settings(self, found: boot.Application) -> dict[str, Any]:
        """As board/virtual.py reads them."""
        return {
            "board": self._wall,
            "flash": str(self.flash.path.absolute()),
            "partitions": [
                [part.label, part.type, part.subtype, part.offset, part.size] for part in found.partitions
            ],
            "banner": found.banner,
            "mac": self.options.mac.hex(),
            "boot_us": self.options.boot_ms * 1000,
        }

    def _halt(self) -> None:
        """Nothing runs any more."""
        self._loader = None
        self._watch = SyncWatch()
        if self._application is not None:
            self._application.kill()

    def _become(self, state: str, **keys: Any) -> None:
        if state != self.state:
            self.state = state
            self._tell("board", state=state, **keys)

    # Orders -----------------------------------------------------------------------------------------------------------

    def _obey(self, order: Order) -> None:
        if not self.faults.take(order):
            getattr(self, "_do_" + order["do"])(order)
        if order.get("on", True) and "for_s" in order and order["do"] not in ("unplug", "plug"):
            self._later(order["for_s"], {**order, "on": False, "for_s": 0})

    def _later(self, seconds: float, order: Order) -> None:
        order.pop("for_s", None)
        self._timers.append((time.monotonic() + seconds, order))

    def _do_unplug(self, order: Order) -> None:
        self._unplug(order.get("for_s"))

    def _unplug(self, for_s: float | None) -> None:
        self._halt()
        self.pace.all()
        self.port.unplug()
        self._was_open = False
        self._become("off")
        if for_s is not None:
            self._later(for_s, {"do": "plug"})

    def _do_plug(self, order: Order) -> None:
        if self.state != "off":
            return
        try:
            self.port.plug()
        except ZhuqueError as error:  # its name was free while it was unplugged: another may have it now
            self._tell("stays_off", why=str(error))
            return
        self._start("power_on")

    def _do_world(self, order: Order) -> None:
        application = self._running()
        if application is not None:
            application.order(order["event"])

    def _do_in_use(self, order: Order) -> None:
        self.port.lock(order.get("on", True))

    def _do_reset(self, order: Order) -> None:
        if self.state != "off":
            self._start("power_on")

    def _do_download(self, order: Order) -> None:
        if self.state != "off":
            self._boot(by_pin=True)
            self._stay = True


def _temporary_folder() -> tempfile.TemporaryDirectory[str]:
    try:
        return tempfile.TemporaryDirectory(prefix="zhuque-board-")
    except OSError as error:
        raise FileError(
            f"no temporary folder can be made: {error.strerror}; free some space, or set TMPDIR to a folder that has it"
        ) from error
