"""What the simulator costs: a tick, a point at every tick and at speed max, a garage of 30 at the wall clock."""

from __future__ import annotations

import os
import resource
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from zhuque import boards
from zhuque.collector.broker import BrokerAddress
from zhuque.sim import demo_day
from zhuque.sim.broker import Broker
from zhuque.sim.garage import MAX_SPEED, MOST_POINTS, Garage, Plan

_TICKS_S = 50


def _memory_mib(folder: str) -> float:
    """Resident memory of the processes that run in the folder, shared pages counted in each."""
    kib = 0
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and str((entry / "cwd").readlink()).startswith(folder):
                kib += int((entry / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024
        except OSError:
            continue
    return kib / 1024


def measure(points: int, speed: float | None, seconds: int, busy: bool) -> tuple[float, float, float]:
    """(wall seconds, CPU seconds of boards and broker, MiB of the boards) of so much virtual time."""
    names = tuple(f"p{number:02}" for number in range(1, points + 1))
    day = [
        event for event in demo_day.scenario() if event["point"] == "p03" and event["do"] != "network_down"
    ]
    events = [{key: value for key, value in event.items() if key != "point"} for event in day] if busy else []
    plan = Plan("garage", names, boards.load("zq10").data, speed, 1, seconds, events)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begun = time.monotonic()
    memory = 0.0
    with tempfile.TemporaryDirectory() as folder, Broker(Path(folder) / "broker") as broker:
        address = BrokerAddress(broker.host, broker.port)
        with Garage(Path(folder) / "points", plan, address, lambda *_: None, lambda *_: None) as garage:
            while not garage.is_over():
                time.sleep(0.1)
            memory = _memory_mib(f"{folder}/points")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.monotonic() - begun, cpu, memory


def run(quick: bool) -> Iterator[str]:
    """Lines for people."""
    seconds = 900 if quick else 7200
    _, every, _ = measure(1, MAX_SPEED, seconds, busy=True)
    _, fewer, _ = measure(1, None, seconds, busy=True)
    yield f"tick, everything of a point counted in: {every / seconds / _TICKS_S * 1e6:.0f} us"
    yield f"point, {seconds} s with bikes: every tick {every:.1f} s CPU, speed max {fewer:.1f} s"
    seconds = 20 if quick else 120
    wall, cpu, memory = measure(MOST_POINTS, 1.0, seconds, busy=False)
    yield f"garage of {MOST_POINTS} at speed 1: {cpu / wall:.2f} cores (start included), {memory:.0f} MiB"
