"""`make demo`: two hours of a garage with three points and thirty sockets, in well under 90 s.

Real parts, each in its own process: a private mosquitto, `zhuque collect`, the unchanged firmware on MicroPython, a
process a point. What happens is in demo_day.py: bikes that come and go, an overload, a stuck relay, a network cut, a
power cut in the middle of sessions.

At the end every bike has left and every record is stored. Then the session table comes from the operator's own command,
and what was recorded is held against what was drawn: exit code 1 for a session missing, doubled or still open, and for
an energy, of a session or of a socket, that differs by more than 1 % or 1 Wh, whichever is larger. build/demo keeps
site.db, sessions.csv, truth.json and power.png.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path

from zhuque import boards
from zhuque.collector.broker import BrokerAddress
from zhuque.endings import as_ctrl_c
from zhuque.errors import ZhuqueError
from zhuque.sim import demo_day, picture, truth
from zhuque.sim.broker import Broker, BrokerError
from zhuque.sim.events import Event
from zhuque.sim.garage import Garage, Plan
from zhuque.sim.live import View, screen
from zhuque.sim.narrator import Narrator
from zhuque.sim.tools import ToolMissingError
from zhuque.sim.watch import Collecting, Watcher, trip_text

SITE, BOARD = "riverside", "zq10"
FOLDER = Path("build/demo")
_STORED_S = 30.0
_LONGEST_S = 600.0
_EXPECTED = ("overcurrent", "overcurrent_instant", "relay_welded")


class DemoError(Exception):
    """It did not come to its end; the text says why."""


class Demo:
    """One run of it."""

    def __init__(self) -> None:
        start = int(time.time() - demo_day.DURATION_S) // 60 * 60
        self.plan = Plan(
            SITE,
            demo_day.POINTS,
            boards.load(BOARD).data,
            speed=None,
            seed=demo_day.SEED,
            duration_s=demo_day.DURATION_S,
            events=demo_day.scenario(),
            start_unix=start,
        )

    def run(self) -> int:
        """The exit code."""
        begun = time.monotonic()
        shutil.rmtree(FOLDER, ignore_errors=True)
        FOLDER.mkdir(parents=True)
        points = ", ".join(demo_day.POINTS)
        print(f"{SITE}: {points}, board {BOARD}, two hours, as fast as this machine can\n", flush=True)
        with contextlib.ExitStack() as stack:
            broker = stack.enter_context(Broker(FOLDER / "broker"))
            collecting = Collecting(FOLDER / "site.db", SITE, broker.url)
            stack.callback(collecting.stop)
            with screen(demo_day.POINTS, demo_day.SOCKETS) as view:
                watcher = self._play(stack, broker, collecting, view)
        return self._report(watcher, time.monotonic() - begun)

    def _play(
        self, stack: contextlib.ExitStack, broker: Broker, collecting: Collecting, view: View
    ) -> Watcher:
        """The two hours, until every record of them is stored."""
        address = BrokerAddress(broker.host, broker.port)
        narrator = Narrator(view.print, console=False, wide=True)

        def say(point: str, unix: int, socket: int | None, text: str) -> None:
            narrator.say(unix, socket, text, point)

        def on_event(point: str, event: Event) -> None:
            view.take(point, event)
            narrator.tell(event, point)

        watcher = Watcher(address, SITE, say, view.power)
        stack.callback(watcher.stop)
        collecting.wait_until_connected()
        with Garage(FOLDER / "points", self.plan, address, on_event, say) as garage:
            until = time.monotonic() + _LONGEST_S
            while not garage.is_over():
                time.sleep(0.1)
                if time.monotonic() > until:
                    raise DemoError(f"the two hours did not pass within {_LONGEST_S:.0f} s")
            self._truth = garage.truth()
            self._wait_until_stored(garage, watcher, collecting)
        return watcher

    @staticmethod
    def _wait_until_stored(garage: Garage, watcher: Watcher, collecting: Collecting) -> None:
        until = time.monotonic() + _STORED_S
        while not collecting.holds(watcher.journals()):
            garage.is_over()
            time.sleep(0.05)
            if time.monotonic() > until:
                raise DemoError(
                    f"not every record was stored within {_STORED_S:.0f} s of the end: the journals end at "
                    f"{watcher.journals()}; see {collecting.log}"
                )

    def _report(self, watcher: Watcher, seconds: float) -> int:
        lived = {"sockets": self._truth["sockets"], "sessions": self._truth["sessions"]}
        (FOLDER / "truth.json").write_text(json.dumps(lived, indent=1) + "\n")
        (FOLDER / "sessions.csv").write_text(_zhuque("--csv"))
        sessions = json.loads(_zhuque("--json"))
        balances, problems = truth.compare(lived, sessions)
        print("\nSessions, as `zhuque session list` shows them:\n\n" + _zhuque())
        print("Trips:")
        for record in sorted(watcher.trips, key=lambda record: record["time"]):
            when = datetime.fromtimestamp(record["time"]).strftime("%H:%M:%S")
            print(f"  {when}  {record['point']}/{record['socket']}: {trip_text(record)}")
        print("\nEnergy, recorded against drawn:\n")
        names = [f"{row['point']}/{row['socket']}" for row in lived["sockets"]]
        print_balance(dict(zip(names, balances, strict=True)))
        causes = {record["cause"] for record in watcher.trips}
        if not causes & set(_EXPECTED[:2]) or _EXPECTED[2] not in causes:
            problems.append(
                f"an overload and a welded relay should have tripped; there was {causes or 'none'}"
            )
        for problem in problems:
            print(f"WRONG  {problem}")
        self._draw(watcher)
        print(
            f"\n{len(sessions)} sessions, {len(problems)} differences; {seconds:.0f} s. "
            f"In {FOLDER}: site.db, sessions.csv, truth.json, power.png"
        )
        return 1 if problems else 0

    def _draw(self, watcher: Watcher) -> None:
        curves = []
        for point, socket in demo_day.DRAWN:
            trips = [r for r in watcher.trips if (r["point"], r["socket"]) == (point, socket)]
            trip = (float(trips[0]["time"]), f"trip: {trip_text(trips[0])}") if trips else None
            samples = watcher.power.get((point, socket), [])
            curves.append(picture.Curve(f"{point}/{socket}", samples, trip, self._gap(point)))
        try:
            picture.draw(curves, FOLDER / "power.png")
        except picture.PictureError as error:
            print(f"\n{error}")

    def _gap(self, point: str) -> tuple[float, float, str] | None:
        spans = {
            "p02": (*demo_day.POWER_CUT, "power cut: sessions go on afterwards"),
            "p03": (*demo_day.NETWORK_CUT, "network cut: charging goes on, records follow"),
        }
        if point not in spans:
            return None
        at_s, for_s, text = spans[point]
        return self.plan.start_unix + at_s, self.plan.start_unix + at_s + for_s, text


def print_balance(balances: dict[str, truth.Balance]) -> None:
    """A line a socket, and their sum."""
    print("socket   sessions  recorded Wh      drawn Wh  difference Wh")
    rows = [(name, b.sessions, b.recorded_mwh, b.truth_mwh) for name, b in balances.items()]
    rows.append(("all", sum(r[1] for r in rows), sum(r[2] for r in rows), sum(r[3] for r in rows)))
    for name, count, recorded, drawn in rows:
        difference = (recorded - drawn) / 1000
        print(f"{name:<7}  {count:>8}  {recorded / 1000:>11.3f}  {drawn / 1000:>12.3f}  {difference:>+13.3f}")


def _zhuque(*form: str) -> str:
    command = [sys.executable, "-m", "zhuque", "session", "list", "--db", str(FOLDER / "site.db"), *form]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise DemoError(f"{' '.join(command[2:])} failed: {done.stderr.strip()}")
    return done.stdout


def main() -> int:
    """Runs the demo; the exit code."""
    try:
        with as_ctrl_c():
            return Demo().run()
    except KeyboardInterrupt:
        print("\nstopped", file=sys.stderr)
        return 130
    except (DemoError, ZhuqueError, ToolMissingError, BrokerError, boards.BoardError, OSError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
