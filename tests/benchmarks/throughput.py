"""Durable QoS 1 records a second: the collector on SQLite and PostgreSQL, against a bare paho subscriber.

The broker holds the records before the clock starts, so that it, not a publisher, is the other side. The three take
turns, each in a process of its own, and the median of each is compared: the ratio holds on any machine, the figures
do not. The bare subscriber stores nothing and lets paho acknowledge.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.fakes.blast import blast
from tests.fakes.postgres import Postgres, PostgresMissingError
from zhuque.sim.broker import Broker

RECORDS = 30_000
TURNS = 5
_POINTS = 30
_SOCKETS = 10


def records(count: int) -> Iterator[tuple[str, bytes]]:
    """(topic, payload) of `count` records of thirty points, as they come: ten sockets a point, sessions of eight."""
    seqs = [0] * _POINTS
    sessions = [[0] * _SOCKETS for _ in range(_POINTS)]
    for i in range(count):
        point, turn = i % _POINTS, i // _POINTS
        socket, step = turn % _SOCKETS, turn // _SOCKETS % 8
        seqs[point] += 1
        seq = seqs[point]
        if step == 0:
            sessions[point][socket] = seq
        body = _record(f"{point + 1:016x}", seq, socket + 1, sessions[point][socket], step)
        yield f"zq/1/riverside/p{point + 1:02}/record", json.dumps(body, separators=(",", ":")).encode()


def _record(epoch: str, seq: int, socket: int, start: int, step: int) -> dict[str, Any]:
    kind = "session_start" if step == 0 else "session_end" if step == 7 else "session_checkpoint"
    head = {
        "epoch": epoch,
        "seq": seq,
        "boot": 3,
        "uptime_ms": seq * 1800,
        "time": 1764000000 + seq,
        "kind": kind,
    }
    head |= {"socket": socket, "session": f"{epoch}-{start}"}
    if step == 0:
        return head | {
            "account": "r-0412",
            "source": "remote",
            "max_duration_s": 14400,
            "max_energy_mwh": None,
        }
    totals = {"duration_s": step * 1800, "suspended_s": 0, "energy_mwh": step * 57000, "peak_ma": 912}
    totals["peak_mw"] = 188000
    if step < 7:
        return head | totals | {"cause": None, "resumed": None}
    return head | {"reason": "full", "account": "r-0412", "source": "remote", "started": 1764000000} | totals


def run(count: int = RECORDS, turns: int = TURNS) -> dict[str, float]:
    """Records a second of `bare`, `sqlite` and, where there is a server, `postgres`; medians."""
    rates: dict[str, list[float]] = {"bare": [], "sqlite": []}
    server = None
    try:
        server = Postgres().start()
        rates["postgres"] = []
    except PostgresMissingError as error:
        print(f"throughput on PostgreSQL left out: {error}")
    try:
        for _ in range(turns):
            for name, found in rates.items():
                with tempfile.TemporaryDirectory() as folder:
                    where = server.new_database() if name == "postgres" and server else f"{folder}/site.db"
                    with Broker(Path(folder) / "broker") as broker:
                        found.append(_turn(broker, name, where, count))
    finally:
        if server:
            server.close()
    return {name: statistics.median(found) for name, found in rates.items()}


def _turn(broker: Broker, name: str, where: str, count: int) -> float:
    _consume(broker, name, where, 0)  # makes the kept session, and the database
    blast(broker.host, broker.port, records(count))
    return count / _consume(broker, name, where, count)


def _consume(broker: Broker, name: str, where: str, count: int) -> float:
    command = [sys.executable, "-m", "tests.benchmarks.throughput", name, broker.url, where, str(count)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return float(done.stdout)


# --- in a process of its own -----------------------------------------------------------------------------------------


def _bare(url: str, count: int) -> float:
    """Seconds from the connection to the last of `count` messages, by paho alone."""
    from paho.mqtt.packettypes import PacketTypes
    from paho.mqtt.properties import Properties

    from zhuque.collector.broker import parse

    address = parse(url)
    client = address.client("bare")
    seen, began, ready = 0, 0.0, False

    def on_connect(*_: Any) -> None:
        nonlocal began
        began = time.monotonic()
        client.subscribe("zq/1/+/+/record", 1)

    def on_subscribe(*_: Any) -> None:
        nonlocal ready
        ready = True

    def on_message(*_: Any) -> None:
        nonlocal seen
        seen += 1

    client.on_connect, client.on_subscribe, client.on_message = on_connect, on_subscribe, on_message
    properties = Properties(PacketTypes.CONNECT)
    properties.SessionExpiryInterval = 3600
    properties.ReceiveMaximum = 1000
    client.connect(address.host, address.port, 30, clean_start=False, properties=properties)
    while not ready or seen < count:
        client.loop(0.1)
    took = time.monotonic() - began
    client.disconnect()
    return took


def _collector(url: str, where: str, count: int) -> float:
    """Seconds from the connection to the commit of the last of `count` records."""
    from zhuque.collector.broker import parse
    from zhuque.collector.client import Collector
    from zhuque.store.write import Store

    store = Store(where)
    times: list[float] = []

    def say(text: str) -> None:
        times.append(time.monotonic())

    collector = Collector(parse(url), store, (), say)

    def watch() -> None:
        while not times or collector.records < count:
            time.sleep(0.002)
        times.append(time.monotonic())
        time.sleep(0.2)
        collector.stop()

    watcher = threading.Thread(target=watch)
    watcher.start()
    collector.run()
    watcher.join()
    store.close()
    return times[-1] - times[0]


if __name__ == "__main__":
    what, broker_url, database, wanted = sys.argv[1:]
    print(_bare(broker_url, int(wanted)) if what == "bare" else _collector(broker_url, database, int(wanted)))
