"""What the points of a site say of themselves over MQTT, and `zhuque collect` beside them: the demo's own ears.

Rules: this only listens. `Watcher`'s callbacks run in its own thread.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from paho.mqtt.client import Client, MQTTMessage

from zhuque.collector.broker import BrokerAddress
from zhuque.errors import ZhuqueError
from zhuque.sim.events import Event

Say = Callable[[str, int, int | None, str], None]


class WatchError(ZhuqueError):
    """The collector did not start, or did not store everything."""


class Watcher:
    """Trips and ends as they are journalled, how far each journal goes, and the power of every socket."""

    def __init__(
        self,
        broker: BrokerAddress,
        site: str,
        say: Say,
        on_power: Callable[[str, list[int | None], list[str]], None] = lambda *_: None,
    ) -> None:
        """`say(point, time, socket, text)`; `on_power(point, milliwatts, states)` at each telemetry."""
        self.trips: list[Event] = []
        self.power: dict[tuple[str, int], list[tuple[int, float]]] = {}
        self._journals: dict[str, tuple[str, int]] = {}
        self._told: set[tuple[str, str, int]] = set()  # a board publishes again what was not confirmed
        self._lock = threading.Lock()
        self._say = say
        self._on_power = on_power
        self._client: Client = broker.client(f"watcher-{site}")
        self._client.on_connect = lambda client, *_: client.subscribe(f"zq/1/{site}/+/+", 1)
        self._client.on_message = self._on_message
        self._client.connect(broker.host, broker.port)
        self._client.loop_start()

    def stop(self) -> None:
        """Leave the broker."""
        self._client.disconnect()
        self._client.loop_stop()

    def journals(self) -> dict[str, tuple[str, int]]:
        """Of each point: the epoch and the last record that were told."""
        with self._lock:
            return dict(self._journals)

    def _on_message(self, client: Client, userdata: object, message: MQTTMessage) -> None:
        *_, point, channel = message.topic.split("/")
        if channel not in ("record", "status", "telemetry"):
            return
        content = json.loads(message.payload)
        if channel == "telemetry":
            self._take_power(point, content)
        elif channel == "record":
            self._reach(point, content["epoch"], content["seq"])
            self._tell(point, content)
        elif content.get("online"):
            self._reach(point, content["epoch"], content["last_seq"])

    def _reach(self, point: str, epoch: str, seq: int) -> None:
        with self._lock:
            was = self._journals.get(point, (epoch, 0))
            self._journals[point] = epoch, max(seq, was[1] if was[0] == epoch else 0)

    def _take_power(self, point: str, content: Event) -> None:
        rows = content["sockets"]
        if content.get("time"):
            for i, row in enumerate(rows):
                series = self.power.setdefault((point, i + 1), [])
                series.append((content["time"], (row[2] or 0) / 1000))
        self._on_power(point, [row[2] for row in rows], [row[0] for row in rows])

    def _tell(self, point: str, record: Event) -> None:
        """A line for a record that is worth one, the first time that it comes."""
        text = record_text(record)
        known_by = point, record["epoch"], record["seq"]
        if text is None or known_by in self._told:
            return
        self._told.add(known_by)
        if record["kind"] == "trip":
            self.trips.append({**record, "point": point})
        self._say(point, record["time"] or 0, record.get("socket"), text)


def record_text(record: Event) -> str | None:
    """A record in words, None for one that is not worth any."""
    if record["kind"] == "trip":
        return f"TRIP: {trip_text(record)}"
    if record["kind"] == "session_end":
        energy = record["energy_mwh"] / 1000
        return f"session of {record['account']} over: {record['reason']}, {energy:.1f} Wh"
    if record["kind"] == "session_checkpoint" and record.get("cause"):
        return f"session is suspended: {record['cause']}"
    if record["kind"] == "session_checkpoint" and record.get("resumed"):
        return "session goes on"
    if record["kind"] == "alarm":
        return f"ALARM: {record['alarm']} {record['state']}"
    return None


def trip_text(record: Event) -> str:
    """A trip record in words."""
    current, voltage = record["current_ma"], record["voltage_mv"]
    return f"{record['cause']} at {(current or 0) / 1000:.1f} A, {(voltage or 0) / 1000:.0f} V"


class Collecting:
    """`zhuque collect` as an operator runs it."""

    def __init__(self, db: Path, site: str, url: str) -> None:
        self.log = db.with_name("collect.log")
        self._db = db
        self._site = site
        command = [sys.executable, "-m", "zhuque", "collect", site, "--db", str(db), "--broker", url]
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def wait_until_connected(self) -> None:
        """Raises WatchError."""
        until = time.monotonic() + 20
        while "connected to" not in self.log.read_text():
            if time.monotonic() > until or self._process.poll() is not None:
                said = self.log.read_text().strip() or "it said nothing"
                raise WatchError(f"the collector did not start: {said}")
            time.sleep(0.02)

    def holds(self, journals: dict[str, tuple[str, int]]) -> bool:
        """True when the database has every record of these journals."""
        query = "SELECT count(*), max(seq) FROM records WHERE site = ? AND point = ? AND epoch = ?"
        with contextlib.closing(sqlite3.connect(f"file:{self._db}?mode=ro", uri=True)) as db:
            for point, (epoch, last_seq) in journals.items():
                found: Any = db.execute(query, (self._site, point, epoch)).fetchone()
                if not found[0] or found[1] < last_seq or found[0] != found[1]:
                    return False
        return bool(journals)

    def stop(self) -> None:
        """Ends it in good order."""
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
