"""A garage of simulated points, the real firmware in each, and an office under fire, until everything is stored.

The points run at speed max; strikes come at seconds of their simulated day and last seconds of the wall clock, in which
the points live on. The day is the same for the same seed; to what instant of a process a strike comes is for the
machine to say.
"""

from __future__ import annotations

import shutil
import time
from collections import Counter, deque
from pathlib import Path

from tests.chaos import judge
from tests.chaos.day import SITE, Day
from tests.chaos.office import Office
from zhuque import boards
from zhuque.collector.broker import BrokerAddress
from zhuque.sim.events import Event
from zhuque.sim.garage import Garage, Plan
from zhuque.sim.truth import Row

BOARD = "zq10"
START_UNIX = 1_780_000_000  # so that the same seed gives the same epochs and ids
_SETTLE_S = 180.0
_LINES = 40  # of what a point did last
_COUNTED = ("power_cut", "network_down", "clock_jump")


class SiegeError(Exception):
    """It did not come to its end; the text says why."""


class Siege:
    """One day of it; `survived` counts what happened, `truth` is what was lived."""

    def __init__(self, folder: Path, day: Day, seed: int, office: Office) -> None:
        self.survived: Counter[str] = Counter()
        self.truth: Row = {}
        self.journals: dict[str, judge.Journal] = {}
        self._points = folder / "points"
        self._day = day
        self._office = office
        self._now_s = 0.0
        self._said = {name: deque[str](maxlen=_LINES) for name in day.points}
        self._plan = Plan(
            SITE,
            day.points,
            boards.load(BOARD).data,
            speed=None,
            seed=seed,
            duration_s=day.duration_s,
            events=day.events,
            start_unix=START_UNIX,
        )

    def run(self) -> None:
        """Raises SiegeError, and what a garage raises."""
        address = BrokerAddress(self._office.broker.host, self._office.broker.port)
        strikes = list(self._day.strikes)
        with Garage(self._points, self._plan, address, self._on_event, lambda *_: None) as garage:
            while (
                not garage.is_over() or strikes
            ):  # a busy office is late: the points may be through their day
                if strikes and strikes[0].at_s <= self._now_s:
                    strike = strikes.pop(0)
                    self._office.strike(strike.kinds, strike.for_s)
                time.sleep(0.02)
            self.truth = garage.truth()
            self._settle(garage)
        self.survived += self._office.survived

    def _on_event(self, point: str, event: Event) -> None:
        kind = event["event"]
        if kind not in ("time", "relay"):
            at_s = event["time"] - self._plan.start_unix
            self._said[point].append(f"{point} {at_s:>6} s  {kind} {event.get('line', '')}")
        if kind == "time":
            self._now_s = max(self._now_s, event["time"] - self._plan.start_unix)
        elif kind == "restart" and event["after"] != "power cut":
            self.survived[f"restart after a {event['after']}"] += 1
            print("\n".join(self._said[point]))  # nothing here asks for one: somebody has to look
        elif kind == "power_cut" and event["during"]:
            self.survived[f"power_cut in a flash {event['during']}"] += 1
        elif kind in _COUNTED:
            self.survived[kind] += 1

    def _settle(self, garage: Garage) -> None:
        """Until the database holds every journal to its end."""
        until = time.monotonic() + _SETTLE_S
        while True:
            garage.is_over()
            self.journals = {name: self._journal(name) for name in self._day.points}
            behind = judge.behind(self._office.db, self.journals)
            if not behind:
                return
            if time.monotonic() > until:
                said = self._office.where_it_hangs()
                late = [name for name in self._day.points if name + " " in behind]
                said += "".join("\n".join(("", *self._said[name])) for name in late[:5])
                raise SiegeError(f"not stored {_SETTLE_S:.0f} s after the last fault: {behind}\n{said}")
            time.sleep(0.5)

    def _journal(self, name: str) -> judge.Journal:
        copy = self._points / name / "flash.copy"
        shutil.copyfile(self._points / name / "flash.bin", copy)
        return judge.read_journal(copy)
