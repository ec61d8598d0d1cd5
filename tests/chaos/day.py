"""The day that chaos plays, drawn from a seed: bikes at every socket, faults of the points, strikes at the office.

Everything has ended some time before the day has: the last ten minutes are quiet, so that what was begun comes to its
end and the ground truth, told at the end of the day, is whole.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from zhuque.sim.events import Event
from zhuque.sim.residents import charger, visit

SITE = "garage"
SOCKETS = 10
QUIET_S = 600  # a clock is waited for 180 s, a resume 60 s, a load 120 s
SHORTEST_S = 1800
_FAULTS_FROM_S = 120
_STRIKE_EVERY_S = 240.0
_LONGEST_JUMP_S = 6 * 3600
_LONGEST_AWAY_S = 2.0  # of wall time, in which the points live through much more

# What is struck at once, and how often as a weight; host.py lets it happen.
STRIKES: dict[tuple[str, ...], int] = {
    ("collector_kill",): 4,
    ("broker_kill",): 3,
    ("broker_restart",): 2,
    ("database_away",): 3,
    ("broker_kill", "collector_kill"): 1,
    ("database_away", "collector_kill"): 1,
    ("database_away", "broker_kill"): 1,
}


@dataclass(frozen=True)
class Strike:
    """At a second of the simulated day, for so many seconds of the wall clock."""

    at_s: float
    kinds: tuple[str, ...]
    for_s: float


@dataclass(frozen=True)
class Day:
    """What happens to the points, and what to the office."""

    points: tuple[str, ...]
    duration_s: int
    events: list[Event]
    strikes: list[Strike]


def draw(seed: int, points: int, duration_s: int) -> Day:
    """The same for the same seed. `duration_s` is at least SHORTEST_S."""
    chance = random.Random(seed)
    names = tuple(f"p{number:02}" for number in range(1, points + 1))
    loud_s = duration_s - QUIET_S
    accounts = (f"r-{number:04}" for number in range(10_000))
    events: list[Event] = []
    for name in names:
        for socket in range(1, SOCKETS + 1):
            events += [{**event, "point": name} for event in _visits(socket, loud_s, chance, accounts)]
    events += _faults(chance, names, loud_s)
    events.sort(key=lambda event: float(event["at_s"]))
    return Day(names, duration_s, events, _strikes(chance, loud_s))


def _visits(socket: int, loud_s: float, chance: random.Random, accounts: Iterator[str]) -> list[Event]:
    """Residents one after the other; some stop from the phone before they leave."""
    events: list[Event] = []
    at_s = chance.uniform(60, 900)
    while at_s < loud_s - 300:
        leaves_s = min(at_s + chance.triangular(200, 5400, 1500), loud_s)
        scan_s = chance.uniform(5, 60)
        events += visit(socket, at_s, leaves_s, next(accounts), charger(chance), scan_s)
        if chance.random() < 0.2 and leaves_s - at_s > 400:
            stop = {"do": "ask", "socket": socket, "op": "stop", "actor": "resident"}
            events.append({"at_s": chance.uniform(at_s + 300, leaves_s), **stop})
        at_s = leaves_s + chance.uniform(30, 900)
    return events


def _faults(chance: random.Random, names: tuple[str, ...], loud_s: float) -> list[Event]:
    """What befalls each point, and now and then the whole garage."""
    events: list[Event] = []
    for name in (*names, None):
        for do, (every_s, keys) in FAULTS.items():
            at_s = float(_FAULTS_FROM_S)
            while (at_s := at_s + chance.expovariate(1 / every_s)) < loud_s - 60:
                event: Event = {"at_s": round(at_s, 3), "do": do, **keys(chance)}
                if name is not None:
                    event["point"] = name
                if "for_s" in event:
                    event["for_s"] = round(min(event["for_s"], loud_s - at_s), 3)
                    at_s += event["for_s"]
                if "during" in event:  # nobody knows yet when it begins
                    event["until_s"] = loud_s
                events.append(event)
    return events


def _power_cut(chance: random.Random) -> Event:
    """Often short, sometimes longer than a session waits; half of them in the middle of a flash operation."""
    event: Event = {"for_s": chance.choice((chance.uniform(1, 120), chance.uniform(1, 1500)))}
    during = chance.choice((None, None, "program", "erase"))
    return event if during is None else {**event, "during": during}


def _network_down(chance: random.Random) -> Event:
    return {"for_s": chance.choice((chance.uniform(1, 60), chance.uniform(60, 1200)))}


def _clock_jump(chance: random.Random) -> Event:
    return {"by_s": chance.choice((-1, 1)) * round(chance.uniform(3, _LONGEST_JUMP_S))}


# fault: (mean seconds from the end of one to the next, of each point and of all together; its keys)
FAULTS: dict[str, tuple[float, Callable[[random.Random], Event]]] = {
    "power_cut": (1500, _power_cut),
    "network_down": (1500, _network_down),
    "clock_jump": (1500, _clock_jump),
}


def _strikes(chance: random.Random, loud_s: float) -> list[Strike]:
    strikes = []
    at_s = 60.0
    while (at_s := at_s + chance.expovariate(1 / _STRIKE_EVERY_S)) < loud_s:
        (kinds,) = chance.choices(list(STRIKES), list(STRIKES.values()))
        strikes.append(Strike(at_s, kinds, chance.uniform(0, _LONGEST_AWAY_S)))
    return strikes
