"""`make demo`: two hours of one charge point, in under a minute.

Real parts, each in its own process: a private mosquitto, `zhuque collect`, the unchanged firmware on MicroPython. Ten
sockets; bikes come and go, drawn from measured ranges with a fixed seed; a heater on an adapter trips a socket, which
the operator resets once it is gone; a resident leaves early; another stops from the phone.

At the end every bike has left and every record is stored. Then the session table comes from the operator's own command,
and what was recorded is held against what was drawn: exit code 1 for a session missing, doubled or still open, and for
an energy, of a session or of a socket, that differs by more than 1 % or 1 Wh, whichever is larger. build/demo keeps
site.db, sessions.csv and truth.json.
"""

from __future__ import annotations

import contextlib
import json
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from types import FrameType

from paho.mqtt.client import Client, MQTTMessage

from zhuque import boards
from zhuque.collector.broker import BrokerAddress
from zhuque.errors import ZhuqueError
from zhuque.sim import truth
from zhuque.sim.broker import Broker, BrokerError
from zhuque.sim.narrator import Narrator
from zhuque.sim.point import PointSettings, SimPoint
from zhuque.sim.residents import Residents, charger, visit
from zhuque.sim.scenario import Event
from zhuque.sim.tools import ToolMissingError

SITE, POINT, BOARD = "riverside", "p01", "zq10"
FOLDER = Path("build/demo")
SPEED = 300.0  # at most: a slower machine takes longer, and sees the same
SEED = 23
DURATION_S = 7200
_LEFT_S = DURATION_S - 300
_STORED_S = 20.0
_LONGEST_S = 300.0
_OVERLOADED, _EARLY, _STOPPED, _SHORT_TAPER = 7, 2, 5, 9


class DemoError(Exception):
    """It did not come to its end; the text says why."""


def scenario(seed: int = SEED) -> tuple[Event, ...]:
    """What happens in the two hours."""
    chance = random.Random(seed)
    accounts = iter([f"r-{number:04}" for number in chance.sample(range(100, 999), 40)])
    events: list[Event] = []
    for socket in range(1, 11):
        if socket in (_OVERLOADED, _EARLY, _STOPPED, _SHORT_TAPER):
            continue
        at_s = chance.uniform(60, 1500)
        while at_s < _LEFT_S - 1800:
            stays_s = min(chance.triangular(1500, 6300, 3300), _LEFT_S - chance.uniform(0, 900) - at_s)
            events += visit(
                socket, at_s, at_s + stays_s, next(accounts), charger(chance), chance.uniform(8, 40)
            )
            at_s += stays_s + chance.uniform(120, 1200)
    return tuple(sorted(events + _told(chance, accounts), key=lambda event: float(event["at_s"])))


def _told(chance: random.Random, accounts: Iterator[str]) -> list[Event]:
    """The four sockets whose story is told."""
    events = visit(_OVERLOADED, 400, 3300, next(accounts), charger(chance))
    events.append({"at_s": 2400, "do": "overload", "socket": _OVERLOADED, "watts": 2500.0})
    events.append({"at_s": 3600, "do": "ask", "socket": _OVERLOADED, "op": "reset", "actor": "operator:li"})
    events += visit(_OVERLOADED, 3900, 6500, next(accounts), charger(chance))
    events += visit(_EARLY, 700, 1240, next(accounts), charger(chance))
    events += visit(_EARLY, 1900, 5800, next(accounts), charger(chance))
    events += visit(_STOPPED, 300, 3900, next(accounts), charger(chance))
    events.append({"at_s": 3720, "do": "ask", "socket": _STOPPED, "op": "stop", "actor": "resident"})
    nearly_full = {
        **charger(chance),
        "peak_w": 96.0,
        "constant_s": 120,
        "taper_pct_min": 1.6,
        "taper_until": 0.5,
    }
    nearly_full |= {"tau_min": 27.0, "cutoff_w": 25.0, "standby_w": 0.0}
    events += visit(_SHORT_TAPER, 200, 6800, next(accounts), nearly_full)
    return events


class Watcher:
    """What the point says of itself over MQTT: trips and ends as they are journalled, and how far its journal goes."""

    def __init__(self, broker: BrokerAddress, narrator: Narrator) -> None:
        self.last_seq = -1
        self.status_time = 0
        self.epoch = ""
        self.trips: list[Event] = []
        self._narrator = narrator
        self._client: Client = broker.client("demo-watcher")
        self._client.on_connect = lambda client, *_: client.subscribe(f"zq/1/{SITE}/{POINT}/#", 1)
        self._client.on_message = self._on_message
        self._client.connect(broker.host, broker.port)
        self._client.loop_start()

    def stop(self) -> None:
        """Leave the broker."""
        self._client.disconnect()
        self._client.loop_stop()

    def _on_message(self, client: Client, userdata: object, message: MQTTMessage) -> None:
        channel = message.topic.rpartition("/")[2]
        if channel not in ("record", "status"):
            return
        content = json.loads(message.payload)
        if channel == "status" and content.get("online"):
            self.epoch, self.last_seq = content["epoch"], content["last_seq"]
            self.status_time = content.get("time") or 0
        elif channel == "record":
            self._tell(content)

    def _tell(self, record: Event) -> None:
        if record["kind"] == "trip":
            self.trips.append(record)
            self._narrator.say(record["time"], record["socket"], f"TRIP: {trip_text(record)}")
        elif record["kind"] == "session_end":
            energy = record["energy_mwh"] / 1000
            text = f"session of {record['account']} over: {record['reason']}, {energy:.1f} Wh"
            self._narrator.say(record["time"], record["socket"], text)


def trip_text(record: Event) -> str:
    """A trip record in words."""
    current, voltage = record["current_ma"], record["voltage_mv"]
    return f"{record['cause']} at {(current or 0) / 1000:.1f} A, {(voltage or 0) / 1000:.0f} V"


class Collecting:
    """`zhuque collect` as an operator runs it."""

    def __init__(self, db: Path, broker: Broker) -> None:
        self._log = db.with_name("collect.log")
        self._db = db
        command = [sys.executable, "-m", "zhuque", "collect", SITE, "--db", str(db), "--broker", broker.url]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def wait_until_connected(self) -> None:
        """Raises DemoError."""
        until = time.monotonic() + 20
        while "connected to" not in self._log.read_text():
            if time.monotonic() > until or self._process.poll() is not None:
                raise DemoError(
                    f"the collector did not start: {self._log.read_text().strip() or 'it said nothing'}"
                )
            time.sleep(0.02)

    def holds(self, epoch: str, last_seq: int) -> bool:
        """True when the database has every record of the journal up to that one."""
        query = "SELECT count(*), max(seq) FROM records WHERE site = ? AND point = ? AND epoch = ?"
        with contextlib.closing(sqlite3.connect(f"file:{self._db}?mode=ro", uri=True)) as db:
            count, last = db.execute(query, (SITE, POINT, epoch)).fetchone()
        return bool(count) and last >= last_seq and count == last

    def stop(self) -> None:
        """Ends it in good order."""
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class Demo:
    """One run of it."""

    def __init__(self) -> None:
        self.narrator = Narrator(console=False)
        self.truth: truth.Row | None = None
        self._over = threading.Event()
        self._told = threading.Event()
        self.residents: Residents

    def on_event(self, event: Event) -> None:
        """From the board, in its thread."""
        if event["event"] == "truth":
            self.truth = event
            self._told.set()
            return
        if event["event"] == "end":
            self._over.set()
        self.narrator.tell(event)
        self.residents.on_event(event)

    def run(self) -> int:
        """The exit code."""
        begun = time.monotonic()
        shutil.rmtree(FOLDER, ignore_errors=True)
        FOLDER.mkdir(parents=True)
        start = int(time.time() - DURATION_S) // 60 * 60
        end = {"at_s": DURATION_S, "do": "end"}
        with contextlib.ExitStack() as stack:
            broker = stack.enter_context(Broker(FOLDER / "broker"))
            address = BrokerAddress(broker.host, broker.port)
            collecting = Collecting(FOLDER / "site.db", broker)
            stack.callback(collecting.stop)
            settings = PointSettings(
                board=boards.load(BOARD).data,
                broker_host=broker.host,
                broker_port=broker.port,
                site=SITE,
                point=POINT,
                speed=SPEED,
                start_unix=start,
                seed=SEED,
                events=(*scenario(), end),
            )
            self.residents = Residents(address, SITE, POINT, self.narrator.say).start()
            stack.callback(self.residents.stop)
            watcher = Watcher(address, self.narrator)
            stack.callback(watcher.stop)
            collecting.wait_until_connected()
            print(f"{SITE}/{POINT}: board {BOARD}, two hours, up to {SPEED:.0f} times as fast\n", flush=True)
            point = stack.enter_context(SimPoint(FOLDER / POINT, settings, self.on_event))
            self._wait_for(point, self._over, _LONGEST_S, "the two hours did not pass")
            self._wait_until_stored(point, watcher, collecting, start + DURATION_S)
            point.send({"do": "truth"})
            self._wait_for(point, self._told, 10, "the board did not tell the truth")
        return self._report(watcher, time.monotonic() - begun)

    @staticmethod
    def _wait_for(point: SimPoint, event: threading.Event, longest_s: float, otherwise: str) -> None:
        until = time.monotonic() + longest_s
        while not event.wait(0.1):
            point.wait(0)
            if time.monotonic() > until:
                raise DemoError(f"{otherwise} within {longest_s:.0f} s")

    @staticmethod
    def _wait_until_stored(point: SimPoint, watcher: Watcher, collecting: Collecting, end: int) -> None:
        """Until a status from after the end names a last record, and the collector has all up to it."""
        until = time.monotonic() + _STORED_S
        while not collecting.holds(watcher.epoch, watcher.last_seq):
            point.wait(0.05)
            if time.monotonic() > until:
                raise DemoError(
                    f"not every record was stored within {_STORED_S:.0f} s of the end: the journal ends at "
                    f"{watcher.last_seq}; see {FOLDER / 'collect.log'}"
                )

    def _report(self, watcher: Watcher, seconds: float) -> int:
        if self.truth is None:
            raise DemoError("the board told no truth")
        lived = truth.named({key: self.truth[key] for key in ("sockets", "sessions")}, SITE, POINT)
        truth.write(lived, FOLDER / "truth.json")
        (FOLDER / "sessions.csv").write_text(_zhuque("--csv"))
        sessions = json.loads(_zhuque("--json"))
        balances, problems = truth.compare(lived, sessions)
        print("\nSessions, as `zhuque session list` shows them:\n\n" + _zhuque())
        print("Trips:")
        for record in watcher.trips:
            when = datetime.fromtimestamp(record["time"]).strftime("%H:%M:%S")
            print(f"  {when}  socket {record['socket']}: {trip_text(record)}")
        print("\nEnergy, recorded against drawn:\n")
        print_balance(balances)
        if not watcher.trips:
            problems.append("the overload tripped nothing")
        for problem in problems:
            print(f"WRONG  {problem}")
        print(
            f"\n{len(sessions)} sessions, {len(problems)} differences; {seconds:.0f} s. "
            f"In {FOLDER}: site.db, sessions.csv, truth.json"
        )
        return 1 if problems else 0


def print_balance(balances: list[truth.Balance]) -> None:
    """A line a socket, and their sum."""
    print("socket  sessions  recorded Wh      drawn Wh  difference Wh")
    rows = [(str(b.socket), b.sessions, b.recorded_mwh, b.truth_mwh) for b in balances]
    rows.append(("all", sum(r[1] for r in rows), sum(r[2] for r in rows), sum(r[3] for r in rows)))
    for name, count, recorded, drawn in rows:
        difference = (recorded - drawn) / 1000
        print(f"{name:>6}  {count:>8}  {recorded / 1000:>11.3f}  {drawn / 1000:>12.3f}  {difference:>+13.3f}")


def _zhuque(*form: str) -> str:
    command = [sys.executable, "-m", "zhuque", "session", "list", "--db", str(FOLDER / "site.db"), *form]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise DemoError(f"{' '.join(command[2:])} failed: {done.stderr.strip()}")
    return done.stdout


def _on_sigterm(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def main() -> int:
    """Runs the demo; the exit code."""
    signal.signal(signal.SIGTERM, _on_sigterm)
    try:
        return Demo().run()
    except KeyboardInterrupt:
        print("\nstopped", file=sys.stderr)
        return 130
    except (DemoError, ZhuqueError, ToolMissingError, BrokerError, boards.BoardError, OSError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
