"""From the meter's register above the threshold to the relay's pin, over the whole firmware; and what a tick costs.

Points at speed 1, each a process on the wall clock, trip again and again: a step to four times the rated current
at any moment, the relay's pin, a reset, the next. Once with the network quiet, once in a storm: a TLS broker that is
killed and started again all the time, and points that come back every 50 ms. The chip's own latency and the relay's
are not in it. In the simulator a timer's callback waits for the end of whatever runs, on a board only for the end of
an opcode: what is measured here is the worse case.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.drivers.certificates import Authority, broker_files
from tests.runner import ROOT, environment
from tests.sim.lived import spoilt
from zhuque import boards
from zhuque.sim.broker import Broker
from zhuque.sim.point import PointSettings, SimPoint
from zhuque.sim.tools import ToolMissingError, find_micropython

BUDGET_MS = 45
TRIPS = 1000
_POINTS = 10
_BEGIN_S = 8  # a board boots, and its meter is heard for five seconds
_EACH_S = 3.0
_TICK = Path(__file__).with_name("board_tick.py")

# Runs in the board's process beside the session loop. The tick alone judges and opens; this only moves the load.
_TRIPPER = """
import asyncio, json
from clock import clock
from world import World
import tasks.record, tasks.publish
tasks.publish._random = lambda below_ms: 50
worlds = []
opened = [0]
_plug = World._do_plug
def plug(self, i, event):
    worlds.append(self)
    _plug(self, i, event)
World._do_plug = plug
_move = World._move_contact
def move(self, i):
    if not self.physics.sockets[i].commanded:
        opened[0] = clock.read()
    _move(self, i)
World._move_contact = move
async def trip(point, n):
    guard = point.protection
    while not worlds or guard.judge.stale[n] or not guard.ready:
        await asyncio.sleep_ms(100)
    guard.judge.replica.theta[n] = 0
    world = worlds[0]
    count = 0
    while True:
        guard.want(n, True)
        while not guard.word >> n & 1:
            await asyncio.sleep_ms(10)
        await asyncio.sleep_ms(800 + point.roll(0, 399))
        opened[0] = 0
        world.do({"do": "overload", "socket": n + 1, "watts": 4600.0})
        began = clock.read()
        while not opened[0]:
            await asyncio.sleep_ms(5)
        count += 1
        print(json.dumps({"trip": opened[0] - began}))
        world.do({"do": "overload", "socket": n + 1, "watts": 0.0})
        while guard.unlock(n, True, point.reading) == "cause_present":
            await asyncio.sleep_ms(20)
_loop = tasks.record.record_loop
async def both(point, *others):
    asyncio.create_task(trip(point, 0))
    await _loop(point, *others)
tasks.record.record_loop = both
"""


@dataclass(frozen=True)
class _Settings(PointSettings):
    """A point on a TLS broker."""

    def to_json(self) -> dict[str, Any]:
        settings: Any = super().to_json()
        settings["config"]["broker"]["tls"] = True
        return settings


class _Storm(threading.Thread):
    """Kills the broker and starts it again until told to stop."""

    def __init__(self, broker: Broker) -> None:
        super().__init__(name="storm", daemon=True)
        self._broker = broker
        self._over = threading.Event()
        self.times = 0

    def run(self) -> None:
        while not self._over.wait(0.7):
            self._broker.kill()
            self._over.wait(0.3)
            self._broker.start()
            self.times += 1

    def stop(self) -> None:
        self._over.set()
        self.join()


@dataclass(frozen=True)
class Measured:
    """Milliseconds of every trip; how often the points connected, and the broker was killed."""

    trips_ms: list[float]
    connected: int
    kills: int


def measure(trips: int, points: int, storm: bool) -> Measured:
    """So many trips in all, spread over so many points. Raises RuntimeError when they do not come."""
    found: list[float] = []
    connected = 0
    lock = threading.Lock()

    def on_event(event: dict[str, Any]) -> None:
        nonlocal connected
        line = str(event.get("line", ""))
        with lock:
            if line.startswith('{"trip"'):
                found.append(json.loads(line)["trip"] / 1000)
            connected += "connected to" in line

    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        authority = Authority("bench CA")
        broker = stack.enter_context(
            Broker(folder / "broker", configuration=broker_files(folder, authority, "127.0.0.1"))
        )
        firmware = spoilt(folder / "firmware", _TRIPPER)
        for number in range(points):
            home = folder / f"p{number:02}"
            home.mkdir()
            (home / "ca.der").write_bytes(authority.der)
            stack.enter_context(SimPoint(home, _settings(broker, number, firmware), on_event))
        storming = _Storm(broker)
        if storm:
            storming.start()
        until = time.monotonic() + _BEGIN_S + 2 + _EACH_S * trips / points
        while len(found) < trips and time.monotonic() < until:
            time.sleep(0.1)
        if storm:
            storming.stop()
    if len(found) < trips:
        raise RuntimeError(f"{len(found)} of {trips} trips came in time: the machine is too busy to measure")
    return Measured(found[:trips], connected, storming.times)


def _settings(broker: Broker, number: int, firmware: Path) -> _Settings:
    load = {"peak_w": 150.0, "constant_s": 7200.0, "start_over_peak": 1.0, "ramp_s": 0.0}
    return _Settings(
        board=boards.load("zq10").data,
        broker_host=broker.host,
        broker_port=broker.port,
        point=f"p{number:02}",
        events=({"at_s": 2, "do": "plug", "socket": 1, "load": load},),
        firmware=firmware,
    )


def ticks(quick: bool) -> Iterator[str]:
    """What a tick costs on each MicroPython, and what it takes from the heap."""
    for i386 in (False, True):
        try:
            python = find_micropython(i386=i386)
        except ToolMissingError as error:
            yield f"left out: {error}"
            continue
        command = [python, "-X", "heapsize=16M", _TICK, "500" if quick else "5000"]
        done = subprocess.run(
            command, cwd=ROOT, env=environment(), capture_output=True, text=True, check=True, timeout=300
        )
        for line in done.stdout.splitlines():
            yield f"{python.name}: {line}"


def run(quick: bool) -> Iterator[str]:
    """Lines for people."""
    yield from ticks(quick)
    trips, points = (40, 4) if quick else (TRIPS, _POINTS)
    for storm in (False, True):
        found = measure(trips, points, storm)
        took = sorted(found.trips_ms)
        late = sum(ms > BUDGET_MS for ms in took)
        what = f"storm, broker killed {found.kills} times" if storm else "network quiet"
        yield (
            f"register to pin, {trips} trips, {what}, {found.connected} connections: min {took[0]:.1f}, median "
            f"{statistics.median(took):.1f}, 99 % {took[len(took) * 99 // 100]:.1f}, max {took[-1]:.1f} ms; above "
            f"{BUDGET_MS} ms: {late}"
        )
