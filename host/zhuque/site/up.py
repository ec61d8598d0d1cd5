"""Broker and collector of a small site as our children, and how they are: `zhuque site up`.

A child that ends is started again after 1, 2, 4 .. 30 s; one that ends five times within its first seconds is not
going to run, and its last words are the error. The health is a line, said whenever it changes. Ended by Ctrl-C or
SIGTERM, the collector goes first, so that it stores and acknowledges what it has.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Event, Thread

from zhuque.errors import RefusedError, ZhuqueError
from zhuque.site import broker, create
from zhuque.site.settings import Settings
from zhuque.store.engine import open_reader, translate
from zhuque.store.queries import point_views

Say = Callable[[str], None]

_RETRY_MAX_S = 30.0
_YOUNG_S = 5.0
_YOUNG_MOST = 5
_HEALTH_S = 2.0
_APPLY_S = 86_400.0
_STOP_S = 15.0


class Child:
    """A program that shall run. `on_line` gets what it writes, line by line, in a thread."""

    def __init__(
        self, name: str, command: Sequence[str | Path], environment: dict[str, str], on_line: Say
    ) -> None:
        self.name = name
        self._command = command
        self._environment = environment
        self._on_line = on_line
        self._process: subprocess.Popen[str] | None = None
        self._started = self._retry_at = 0.0
        self._retry_s = 1.0
        self._young = 0
        self._words: deque[str] = deque(maxlen=3)

    def look(self, now: float) -> str | None:
        """Starts it where it does not run and it is time; returns how it ended, once. Raises ZhuqueError."""
        process = self._process
        if process is None:
            if now >= self._retry_at:
                self._start(now)
            return None
        code = process.poll()
        if code is None:
            if now - self._started > _YOUNG_S:
                self._young, self._retry_s = 0, 1.0
            return None
        self._process = None
        self._young += 1
        if self._young >= _YOUNG_MOST:
            raise ZhuqueError(
                f"the {self.name} does not run: {' / '.join(self._words) or f'exit code {code}'}"
            )
        self._retry_at = now + self._retry_s
        self._retry_s = min(2 * self._retry_s, _RETRY_MAX_S)
        return f"the {self.name} ended with code {code}; it is started again"

    @property
    def runs(self) -> bool:
        """True while the process is there."""
        return self._process is not None and self._process.poll() is None

    def stop(self) -> None:
        """Asks it to end, and kills it where it does not."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _start(self, now: float) -> None:
        self._started = now
        try:
            self._process = process = subprocess.Popen(
                self._command,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                umask=0o077,
                start_new_session=True,  # a Ctrl-C is for us: we end it in good order
            )
        except OSError as error:
            raise ZhuqueError(f"the {self.name} cannot be started: {error}") from error
        Thread(target=self._follow, args=(process,), daemon=True).start()

    def _follow(self, process: subprocess.Popen[str]) -> None:
        if process.stdout is not None:
            for line in process.stdout:
                self._words.append(line.strip())
                self._on_line(line.rstrip())


class Up:
    """A site that runs. `by` is on record for what a daily `apply` changes."""

    def __init__(self, site: Settings, mosquitto: Path, say: Say, by: str) -> None:
        self._site = site
        self._say = say
        self._by = by
        self._ending = Event()
        self._collecting = False
        self._health = ""
        self._apply_at = 0.0
        configuration = site.folder / "broker" / broker.CONFIGURATION
        collect = [sys.executable, "-m", "zhuque", "collect", site.name, "--site", str(site.folder)]
        ours = {name: value for name, value in os.environ.items() if not name.startswith("ZHUQUE_")}
        self._children = (
            Child("broker", [mosquitto, "-c", configuration], ours, say),
            Child("collector", collect, {**ours, "ZHUQUE_USER": site.name}, self._hear),
        )

    def stop(self) -> None:
        """Ends it; may be called from a signal handler or another thread."""
        self._ending.set()

    def run(self) -> None:
        """Until `stop()`. Raises RefusedError where the broker runs already, ZhuqueError where something never runs."""
        pid = broker.running(self._site)
        if pid is not None:
            raise RefusedError(
                f"the broker of {self._site.name} runs already, as process {pid}: `site up` or its unit has it, "
                f"or it was left behind by one that was killed; `kill {pid}` ends it"
            )
        try:
            while not self._ending.is_set():
                self._turn()
                self._ending.wait(_HEALTH_S if self._health else 0.1)
        finally:
            for child in reversed(self._children):
                child.stop()

    def _turn(self) -> None:
        now = time.monotonic()
        if now >= self._apply_at:
            self._apply_at = now + _APPLY_S
            for line in create.apply(self._site, self._by):
                self._say(line)
        for child in self._children:
            said = child.look(now)
            if said:
                self._say(said)
        health = self.health()
        if health != self._health:
            self._health = health
            self._say(health)

    def health(self) -> str:
        """Broker, collector and points, in a line."""
        parts = ["broker up" if self._children[0].runs else "BROKER DOWN"]
        parts.append("collector connected" if self._collecting else "COLLECTOR NOT CONNECTED")
        try:
            parts.append(_points(self._site))
        except ZhuqueError as error:
            parts.append(str(error))
        return f"{self._site.name}: " + ", ".join(parts)

    def _hear(self, line: str) -> None:
        """The collector says when it is connected and when it is not."""
        if ": connected to" in line:
            self._collecting = True
        elif "is gone" in line or "does not answer" in line or "refuses us" in line:
            self._collecting = False
        self._say(line)


def _points(site: Settings) -> str:
    assert site.database is not None
    engine = open_reader(site.database)
    try:
        with translate(site.database):
            views = point_views(engine, site.name)
    finally:
        engine.dispose()
    online = sum(bool(view.online) for view in views)
    wrong = [view.point for view in views if view.online and view.status.get("state") != "ready"]
    return f"{online} of {len(views)} points online" + (f", not ready: {', '.join(wrong)}" if wrong else "")
