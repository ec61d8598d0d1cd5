"""How thirty simulated points come back after one outage that strikes all: the seconds over which they are spread."""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from zhuque import boards
from zhuque.collector.broker import BrokerAddress
from zhuque.sim.broker import Broker
from zhuque.sim.events import Event
from zhuque.sim.garage import MOST_POINTS, Garage, Plan

START_UNIX = 1_780_000_000
_AT_S = 400  # the connections before have lasted their minute
_AFTER_S = 400


def returns(points: int, event: Event, seed: int = 1) -> list[int]:
    """Seconds after the end of the outage `event` at which each point was connected again, in order."""
    names = tuple(f"p{number:02}" for number in range(1, points + 1))
    over_s = _AT_S + event["for_s"]
    plan = Plan(
        "garage",
        names,
        boards.load("zq10").data,
        speed=None,
        seed=seed,
        duration_s=int(over_s + _AFTER_S),
        events=[{"at_s": _AT_S, **event}],
        start_unix=START_UNIX,
    )
    seen: dict[str, int] = {}
    lock = threading.Lock()

    def on_event(point: str, told: Event) -> None:
        after_s = told["time"] - START_UNIX - int(over_s)
        if after_s >= 0 and "uplink: connected" in told.get("line", ""):
            with lock:
                seen.setdefault(point, after_s)

    with tempfile.TemporaryDirectory() as folder, Broker(Path(folder) / "broker") as broker:
        address = BrokerAddress(broker.host, broker.port)
        with Garage(Path(folder) / "points", plan, address, on_event, lambda *_: None) as garage:
            while not garage.is_over():
                time.sleep(0.1)
    if len(seen) != points:
        raise RuntimeError(f"only {sorted(seen)} of {points} points came back within {_AFTER_S} s")
    return sorted(seen.values())


def run(quick: bool) -> Iterator[str]:
    """Lines for people."""
    points = 10 if quick else MOST_POINTS
    outages: tuple[tuple[str, Event], ...] = (
        ("network gone for 60 s", {"do": "network_down", "for_s": 60}),
        ("network gone for 10 min", {"do": "network_down", "for_s": 600}),
        ("power cut of 60 s", {"do": "power_cut", "for_s": 60}),
    )
    for name, event in outages:
        found = returns(points, event)
        most = max(sum(at <= other < at + 5 for other in found) for at in found)
        yield (
            f"{points} points after one {name}: back after {found[0]} to {found[-1]} s, half of them after "
            f"{found[len(found) // 2]} s, at most {most} within 5 s"
        )
