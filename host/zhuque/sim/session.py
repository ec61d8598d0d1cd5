"""`zhuque sim run`: one simulated point with its residents, for as long as somebody wants it.

Everything it starts ends with it, on Ctrl-C and SIGTERM too: the board dies with its standard input, the broker is
stopped, the folder of both is removed. Lines on standard input are events (scenario.parse_line).
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import sys
import tempfile
import threading
import time
from pathlib import Path
from types import FrameType

from zhuque import boards
from zhuque.collector.broker import BrokerAddress
from zhuque.errors import NoAnswerError, NotFoundError, UsageError, ZhuqueError
from zhuque.sim import scenario, truth
from zhuque.sim.broker import Broker
from zhuque.sim.faults import BrokerFaults
from zhuque.sim.narrator import Narrator
from zhuque.sim.point import PointSettings, SimPoint
from zhuque.sim.residents import Residents
from zhuque.sim.scenario import Event

_TRUTH_S = 10.0


class Simulation:
    """One run. Raises UsageError, NotFoundError for what cannot be simulated."""

    def __init__(
        self,
        broker: BrokerAddress | None,
        name: tuple[str, str],
        board: str,
        speed: float,
        duration: int | None,
        scenario: Path | None,
        truth_file: Path | None,
        seed: int,
    ) -> None:
        self._broker = broker
        self.site, self.point = name
        try:
            self._board = boards.load(board).data
        except boards.BoardError as error:
            raise NotFoundError(str(error)) from error
        self._sockets = self._board["sockets"]
        self._speed = speed
        self._seed = seed
        self._truth_file = truth_file
        self._events = self._read(scenario, duration)
        self._narrator = Narrator()
        self._residents: Residents | None = None
        self._faults = BrokerFaults(None)
        self._truth: Event | None = None
        self._over = threading.Event()
        self._told = threading.Event()

    def _read(self, file: Path | None, duration: int | None) -> tuple[Event, ...]:
        assert isinstance(self._sockets, int)
        events = scenario.of_point(scenario.load(file, self._sockets), self.point) if file else ()
        end: tuple[Event, ...] = ({"at_s": duration, "do": "end"},) if duration else ()
        return (*events, *end)

    def run(self) -> None:
        """Until its duration is over, Ctrl-C or SIGTERM. Raises NoAnswerError when the broker does not answer."""
        signal.signal(signal.SIGTERM, _interrupt)
        with contextlib.ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="zhuque-sim-")))
            address = self._broker or self._own_broker(stack, folder)
            settings = PointSettings(
                board=self._board,
                broker_host=_numeric(address.host),
                broker_port=address.port,
                site=self.site,
                point=self.point,
                speed=self._speed,
                seed=self._seed,
                events=self._events,
            )
            self._residents = Residents(address, self.site, self.point, self._narrator.say)
            try:
                self._residents.start()
            except OSError as error:
                raise NoAnswerError(
                    f"the broker {address} does not answer: {error}; is it running?"
                ) from error
            stack.callback(self._residents.stop)
            print(f"{self.site}/{self.point} on {address}; Ctrl-C ends it", flush=True)
            point = stack.enter_context(SimPoint(folder / "point", settings, self._on_event))
            with contextlib.suppress(KeyboardInterrupt):
                self._attend(point)
            self._write_truth(point)

    def _own_broker(self, stack: contextlib.ExitStack, folder: Path) -> BrokerAddress:
        broker = stack.enter_context(Broker(folder / "broker"))
        self._faults = BrokerFaults(broker)
        return BrokerAddress(broker.host, broker.port)

    def _on_event(self, event: Event) -> None:
        """From the board, in its thread."""
        if event["event"] == "truth":
            self._truth = event
            self._told.set()
            return
        self._narrator.tell(event)
        self._faults.on_event(event)
        if self._residents is not None:
            self._residents.on_event(event)
        if event["event"] == "end":
            self._over.set()

    def _attend(self, point: SimPoint) -> None:
        """Takes events from standard input until it is over."""
        lines = _Lines()
        while not self._over.is_set() and not point.wait(0):
            for line in lines.wait(0.2):
                self._order(point, line)

    def _order(self, point: SimPoint, line: str) -> None:
        assert isinstance(self._sockets, int)
        try:
            point.send(scenario.parse_line(line, self._sockets))
        except UsageError as error:
            print(f"not understood: {error}", file=sys.stderr, flush=True)

    def _write_truth(self, point: SimPoint) -> None:
        if self._truth_file is None:
            return
        point.send({"do": "truth"})
        if not self._told.wait(_TRUTH_S) or self._truth is None:
            raise ZhuqueError(
                f"the board did not tell the truth within {_TRUTH_S:.0f} s: {self._truth_file} is missing"
            )
        truth.write(truth.named(self._truth, self.site, self.point), self._truth_file)


class _Lines:
    """Lines of standard input as they come; once it has ended, none."""

    def __init__(self) -> None:
        self._file: int | None = None if sys.stdin is None else sys.stdin.fileno()
        self._rest = b""

    def wait(self, seconds: float) -> list[str]:
        """The whole lines that came within so long."""
        if self._file is None:
            time.sleep(seconds)
            return []
        if not select.select([self._file], [], [], seconds)[0]:
            return []
        read = os.read(self._file, 4096)
        if not read:
            self._file = None
        *whole, self._rest = (self._rest + read).split(b"\n")
        return [line.decode(errors="replace") for line in whole if line.strip()]


def _numeric(host: str) -> str:
    """The board asks no name server here. Raises NoAnswerError."""
    try:
        return socket.gethostbyname(host)
    except OSError as error:
        raise NoAnswerError(f"the broker's name {host} is not known: {error}") from error


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
