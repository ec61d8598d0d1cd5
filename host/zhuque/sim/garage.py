"""A garage: points of the unchanged firmware, a process each, with their residents, from start to stop.

Strategy. `Garage` starts them together and stops them together, whatever happens; a board that resets is started again
by its SimPoint, one that does not run ends the garage with an error. At any speed but 1 each board has a clock of its
own; they are kept side by side: none goes further than LEAD_S of virtual time ahead of the one that is last. When a
point's time is over it tells its truth at that very moment, so that the same seed tells the same.

`on_event(point, event)` is called from the threads of the points, one at a time.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from types import TracebackType

from zhuque.collector.broker import BrokerAddress
from zhuque.errors import NoAnswerError, ZhuqueError
from zhuque.sim import truth
from zhuque.sim.broker import Broker
from zhuque.sim.events import Event
from zhuque.sim.faults import BrokerFaults
from zhuque.sim.point import PointSettings, SimPoint
from zhuque.sim.residents import Residents
from zhuque.sim.scenario import of_point

MOST_POINTS = 30
MAX_SPEED = 100_000.0  # `--speed max`: held back by nothing
LEAD_S = 120
_TRUTH_S = 20.0


@dataclass(frozen=True)
class Plan:
    """What is to run: `events` may name points; `speed` None leaves out the ticks that decide nothing."""

    site: str
    points: tuple[str, ...]
    board: dict[str, object]
    speed: float | None = 1.0
    seed: int | None = None
    duration_s: int | None = None
    events: Sequence[Event] = ()
    start_unix: int = field(default_factory=lambda: int(time.time()))

    def settings(self, number: int, broker: BrokerAddress) -> PointSettings:
        """Of the point with that number, from 0."""
        name = self.points[number]
        events = of_point(self.events, name)
        if self.duration_s:
            over = float(self.duration_s)
            events = (*events, {"at_s": over, "do": "truth"}, {"at_s": over, "do": "end"})
        settings = PointSettings(
            board=self.board,
            broker_host=numeric(broker.host),
            broker_port=broker.port,
            site=self.site,
            point=name,
            speed=MAX_SPEED if self.speed is None else self.speed,
            start_unix=self.start_unix,
            seed=(self.seed or 1) + number,
            events=events,
            skip=self.speed is None,
            entropy=None if self.seed is None else str(self.seed),
            answers=True,
        )
        if self.speed == 1 or len(self.points) == 1:
            return settings
        return replace(settings, horizon_s=LEAD_S)


class Garage:
    """Use it as a context manager. `own` is the broker, where it is ours: its faults happen then."""

    def __init__(
        self,
        folder: Path,
        plan: Plan,
        broker: BrokerAddress,
        on_event: Callable[[str, Event], None],
        say: Callable[[str, int, int, str], None],
        own: Broker | None = None,
    ) -> None:
        """`say(point, time, socket, text)` tells a person what a resident was refused."""
        self.plan = plan
        self._folder = folder
        self._broker = broker
        self._on_event = on_event
        self._say = say
        self._faults = BrokerFaults(own)
        self._stack = contextlib.ExitStack()
        self._lock = threading.Lock()
        self._points: dict[str, SimPoint] = {}
        self._residents: dict[str, Residents] = {}
        self._times = dict.fromkeys(plan.points, 0)
        self._horizon_s = LEAD_S
        self._truths: dict[str, Event] = {}
        self._running = set(plan.points)
        self._failed: BaseException | None = None

    def __enter__(self) -> Garage:
        """Raises NoAnswerError where the broker does not answer, ToolMissingError without MicroPython."""
        with contextlib.ExitStack() as stack:
            for number, name in enumerate(self.plan.points):
                settings = self.plan.settings(number, self._broker)
                point = SimPoint(self._folder / name, settings, partial(self._take, name))
                self._points[name] = point
                self._residents[name] = self._resident(name, point)
                stack.callback(self._residents[name].stop)
            for point in self._points.values():
                stack.callback(point.stop)
                point.start()
            stack.callback(self._close_inputs)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stack.close()

    def _resident(self, name: str, point: SimPoint) -> Residents:
        say = self._say
        residents = Residents(
            self._broker, self.plan.site, name, lambda *words: say(name, *words), point.send
        )
        try:
            return residents.start()
        except OSError as error:
            raise NoAnswerError(
                f"the broker {self._broker} does not answer: {error}; is it running?"
            ) from error

    def _close_inputs(self) -> None:
        """All of them begin to end before we wait for the first."""
        for point in self._points.values():
            point.ask_to_end()

    def send(self, event: Event, name: str | None = None) -> None:
        """Let an event happen now, at one point or at all."""
        for point, running in self._points.items():
            if name in (None, point):
                running.send(event)

    def is_over(self) -> bool:
        """True once every point's time is over. Raises what went wrong: SimError, BrokerError."""
        for point in self._points.values():
            point.wait(0)
        if self._failed is not None:
            raise self._failed
        return not self._running

    def truth(self) -> truth.Row:
        """Of the whole garage: that of the end of its time, or of now. Raises ZhuqueError where a board tells none."""
        missing = [name for name in self.plan.points if name not in self._truths]
        for name in missing:
            self.send({"do": "truth"}, name)
        until = time.monotonic() + _TRUTH_S
        while missing:
            missing = [name for name in self.plan.points if name not in self._truths]
            self.is_over()
            if time.monotonic() > until:
                raise ZhuqueError(f"{', '.join(missing)} told no truth within {_TRUTH_S:.0f} s")
            time.sleep(0.02)
        rows = (truth.named(self._truths[name], self.plan.site, name) for name in self.plan.points)
        return truth.merged(rows)

    def _take(self, name: str, event: Event) -> None:
        """An event of a board, in its thread."""
        with self._lock:
            kind = event["event"]
            if kind == "truth":
                self._truths[name] = event
                return
            try:
                self._faults.on_event(event)
            except Exception as error:  # noqa: BLE001 - told by is_over
                self._failed = error
            self._residents[name].on_event(event)
            if kind == "time":
                self._times[name] = event["time"] - self.plan.start_unix
                self._move_horizon()
            elif kind == "end":
                self._running.discard(name)
            self._on_event(name, event)

    def _move_horizon(self) -> None:
        horizon_s = min(self._times.values()) + LEAD_S
        if len(self._times) > 1 and self.plan.speed != 1 and horizon_s > self._horizon_s:
            self._horizon_s = horizon_s
            self.send({"do": "horizon", "at_s": horizon_s})


def numeric(host: str) -> str:
    """The board asks no name server here. Raises NoAnswerError."""
    try:
        return socket.gethostbyname(host)
    except OSError as error:
        raise NoAnswerError(f"the broker's name {host} is not known: {error}") from error
