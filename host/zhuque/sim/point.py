"""One simulated charge point: the process with the unchanged firmware, from start to stop.

Rules. The process lives in a folder of its own: its flash and what goes on while it restarts are files there. It reads
events on standard input and dies when that ends, so it never outlives us, however we end. What it writes comes to
`on_event` as dicts, in a thread of ours: `event`, `time` (Unix seconds of the simulated world) and more, as in
board/world.py. A reset, a watchdog and a power cut end the process; it is then started again on the same flash.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from zhuque.errors import ZhuqueError
from zhuque.sim.scenario import Event
from zhuque.sim.tools import find_micropython

BOARD_FOLDER = Path(__file__).resolve().parent / "board"
FIRMWARE_FOLDER = Path(__file__).resolve().parents[1] / "_firmware"

_RESTARTS = {81: "reset", 82: "watchdog", 83: "power cut", -14: "hang"}
_HEAP = "6M"
_STOP_S = 3.0
# A board that resets this often within so many seconds of wall time is not going to run.
_MANY, _SOON_S = 30, 10.0


class SimError(ZhuqueError):
    """The simulated board ended by itself; the text holds its last words."""


@dataclass(frozen=True)
class PointSettings:
    """What a simulated point is. `start_unix` is when its world begins; `speed` 1 follows the wall clock.

    `skip` leaves out ticks that cannot decide anything (board/quiet.py); `entropy` is what the firmware's own chance
    comes from, None for real chance; with `answers` somebody answers every `scan` and `ask` with a `go`; further than
    `horizon_s` the world does not go by itself. With `config` it is the point that this file says.
    """

    board: dict[str, object]
    broker_host: str
    broker_port: int
    site: str = "garage"
    point: str = "p01"
    speed: float = 1.0
    start_unix: int = field(default_factory=lambda: int(time.time()))
    seed: int = 1
    events: tuple[Event, ...] = ()
    skip: bool = False
    entropy: str | None = None
    answers: bool = False
    horizon_s: float | None = None
    firmware: Path = FIRMWARE_FOLDER
    # What provisioning would have put on the board: its config.json, and the files beside it. They hold secrets.
    config: dict[str, object] | None = field(default=None, repr=False)
    files: dict[str, bytes] = field(default_factory=dict, repr=False)

    def to_json(self) -> dict[str, object]:
        """As board/run.py reads it."""
        config = self.config or {
            "wire": 1,
            "site": self.site,
            "point": self.point,
            "provisioned": self.start_unix - 86400,
            "wifi": {"ssid": "simulated"},
            "broker": {"host": self.broker_host, "port": self.broker_port, "tls": False, "keepalive_s": 30},
        }
        return {
            "config": config,
            "board": self.board,
            "firmware": str(self.firmware),
            "speed": self.speed,
            "start_unix": self.start_unix,
            "seed": self.seed,
            "events": list(self.events),
            "skip": self.skip,
            "entropy": self.entropy and f"{self.entropy}/{self.site}/{self.point}/{self.start_unix}",
            "answers": self.answers,
            "horizon_s": self.horizon_s,
        }


class SimPoint:
    """Use it as a context manager, or start() and stop(). `send` is safe from any thread."""

    def __init__(self, folder: Path, settings: PointSettings, on_event: Callable[[Event], None]) -> None:
        self.folder = folder
        self.settings = settings
        self.last_time = settings.start_unix
        self._on_event = on_event
        self._process: subprocess.Popen[str] | None = None
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._stopping = False
        self._words: list[str] = []
        self._failed: BaseException | None = None
        self._ended = threading.Event()

    def start(self) -> SimPoint:
        """Begins a new world in the folder. Raises ToolMissingError."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for name in ("world.json", "flash.bin", "config.json"):
            (self.folder / name).unlink(missing_ok=True)
        self._put("settings.json", json.dumps(self.settings.to_json()).encode())
        for name, content in self.settings.files.items():
            self._put(name, content)
        self._spawn()
        self._thread = threading.Thread(target=self._follow, name="simulated point", daemon=True)
        self._thread.start()
        return self

    def send(self, event: Event) -> None:
        """Let an event happen now; nothing when the process is between two lives."""
        with self._lock:
            process = self._process
            if process is None or process.stdin is None:
                return
            try:
                process.stdin.write(json.dumps(event) + "\n")
                process.stdin.flush()
            except OSError:
                pass  # it just ended: _follow says why

    def wait(self, timeout_s: float | None = None) -> bool:
        """True once the board has ended for good; raises SimError where it did so by itself."""
        ended = self._ended.wait(timeout_s)
        if self._failed is not None:
            raise self._failed
        return ended

    def ask_to_end(self) -> None:
        """Lets the process end, without waiting for it."""
        self._stopping = True
        with self._lock:
            process = self._process
            if process is not None and process.stdin is not None:
                with contextlib.suppress(OSError):
                    process.stdin.close()

    def stop(self) -> None:
        """Ends the process; nothing of it is left afterwards."""
        self.ask_to_end()
        process = self._process
        if process is not None:
            _end(process)
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(_STOP_S)

    def __enter__(self) -> SimPoint:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def _put(self, name: str, content: bytes) -> None:
        path = self.folder / name
        path.touch(mode=0o600)
        path.write_bytes(content)

    def _spawn(self) -> None:
        with self._lock:
            if self._stopping:
                return
            self._process = subprocess.Popen(
                [find_micropython(), "-X", f"heapsize={_HEAP}", BOARD_FOLDER / "run.py", "settings.json"],
                cwd=self.folder,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                umask=0o077,  # config.json holds passwords
                start_new_session=True,  # a Ctrl-C is for us: we end it in good order
            )

    def _follow(self) -> None:
        """The thread: events, and a new life after every reset."""
        restarts: list[float] = []
        try:
            while True:
                code = self._live()
                if self._stopping or code == 0:
                    return
                restarts = [t for t in restarts if time.monotonic() - t < _SOON_S] + [time.monotonic()]
                if code not in _RESTARTS or len(restarts) > _MANY:
                    raise SimError(
                        f"the simulated board {self.settings.site}/{self.settings.point} does not run (exit code "
                        f"{code}); its last words: " + (" / ".join(self._words) or "none")
                    )
                self._hand_over({"event": "restart", "time": self.last_time, "after": _RESTARTS[code]})
                self._spawn()
        except BaseException as error:  # noqa: BLE001 - kept for whoever waits
            self._failed = error
        finally:
            self._ended.set()

    def _live(self) -> int:
        process = self._process
        if process is None or process.stdout is None:
            return 0
        for line in process.stdout:
            self._words = [*self._words[-4:], line.strip()]
            self._hand_over(self._event(line))
        return process.wait()

    def _event(self, line: str) -> Event:
        """The event of a line; what MicroPython itself printed is one of the console."""
        try:
            event: Any = json.loads(line)
        except ValueError:
            event = None
        if not isinstance(event, dict) or "event" not in event:
            return {"event": "console", "time": self.last_time, "line": line.rstrip()}
        self.last_time = event.get("time", self.last_time)
        return event

    def _hand_over(self, event: Event) -> None:
        if not self._stopping:
            self._on_event(event)


def _end(process: subprocess.Popen[str]) -> None:
    try:
        process.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
