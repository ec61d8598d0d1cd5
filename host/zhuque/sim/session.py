"""`zhuque sim run` and `zhuque sim garage`: simulated points with their residents, for as long as somebody wants them.

Everything it starts ends with it, on Ctrl-C and SIGTERM too: the boards die with their standard input, the broker is
stopped, the folder of all is removed. Lines on standard input are events (scenario.parse_line); in a garage the first
word may name the point.
"""

from __future__ import annotations

import contextlib
import random
import sys
import tempfile
from pathlib import Path

from zhuque import boards
from zhuque.collector.broker import BrokerAddress
from zhuque.endings import as_ctrl_c
from zhuque.errors import NotFoundError, UsageError
from zhuque.sim import scenario, truth
from zhuque.sim.broker import Broker
from zhuque.sim.events import Event
from zhuque.sim.garage import Garage, Plan
from zhuque.sim.live import Lines, screen
from zhuque.sim.narrator import Narrator
from zhuque.sim.typed import TypedLines
from zhuque.sim.watch import Watcher


class Simulation:
    """One run. Raises UsageError, NotFoundError for what cannot be simulated."""

    def __init__(
        self,
        broker: BrokerAddress | None,
        site: str,
        points: tuple[str, ...],
        board: str,
        speed: float | None,
        duration: int | None,
        scenario: Path | None,
        truth_file: Path | None,
        seed: int | None,
        live: bool = False,
        port: int | None = None,
    ) -> None:
        """`port` is that of a broker of our own, None for any; `live` shows a view on a terminal."""
        self._broker = broker
        self._port = port
        self._live = live
        try:
            data = boards.load(board).data
        except boards.BoardError as error:
            raise NotFoundError(str(error)) from error
        sockets = data["sockets"]
        assert isinstance(sockets, int)
        self._sockets = sockets
        self._truth_file = truth_file
        seed = random.SystemRandom().randrange(1, 1_000_000) if seed is None else seed
        self.plan = Plan(site, points, data, speed, seed, duration, self._events(scenario, points))

    def _events(self, file: Path | None, points: tuple[str, ...]) -> list[Event]:
        return scenario.load(file, self._sockets, points) if file else []

    def run(self) -> None:
        """Until its duration is over, Ctrl-C or SIGTERM. Raises NoAnswerError when the broker does not answer."""
        plan = self.plan
        names = f"{plan.points[0]} to {plan.points[-1]}" if len(plan.points) > 1 else plan.points[0]
        with as_ctrl_c(), contextlib.ExitStack() as stack, contextlib.suppress(KeyboardInterrupt):
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="zhuque-sim-")))
            own = None
            address = self._broker
            if address is None:
                own = stack.enter_context(Broker(folder / "broker", self._port))
                address = BrokerAddress(own.host, own.port)
            print(f"{plan.site}/{names} on {address}, seed {plan.seed}; Ctrl-C ends it", flush=True)
            view = stack.enter_context(screen(plan.points, self._sockets, self._live))
            narrator = Narrator(view.print, wide=len(plan.points) > 1)

            def on_event(point: str, event: Event) -> None:
                view.take(point, event)
                narrator.tell(event, point)

            garage = stack.enter_context(
                Garage(folder / "points", plan, address, on_event, narrator.say_at, own)
            )
            if not isinstance(view, Lines):  # the view shows what the points say over MQTT
                stack.callback(Watcher(address, plan.site, narrator.say_at, view.power).stop)
            with contextlib.suppress(KeyboardInterrupt):
                self._attend(garage)
            self._write_truth(garage)

    def _attend(self, garage: Garage) -> None:
        """Takes events from standard input until it is over."""
        lines = TypedLines()
        while not garage.is_over():
            for line in lines.wait(0.2):
                self._order(garage, line)

    def _order(self, garage: Garage, line: str) -> None:
        name, _, rest = line.strip().partition(" ")
        if name not in self.plan.points:
            name, rest = "", line
        try:
            garage.send(scenario.parse_line(rest, self._sockets), name or None)
        except UsageError as error:
            print(f"not understood: {error}", file=sys.stderr, flush=True)

    def _write_truth(self, garage: Garage) -> None:
        if self._truth_file is not None:
            truth.write(garage.truth(), self._truth_file)
