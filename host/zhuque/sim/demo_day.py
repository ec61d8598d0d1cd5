"""What happens in the demo: two hours of a garage of three points, thirty sockets, drawn with a fixed seed.

Bikes come and go at every socket; the sockets named below have a story. p01: a heater beside a charger trips socket 7,
which the operator resets once it is gone; a resident leaves early, another stops from the phone, a battery is nearly
full. p02: the supply fails for two minutes while bikes charge, and they go on; near the end, when the others have left,
the relay of socket 4 welds and does not open when its resident stops. p03: the network is gone for five minutes.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from zhuque.sim.events import Event
from zhuque.sim.residents import charger, visit

POINTS = ("p01", "p02", "p03")
SOCKETS = 10
SEED = 23
DURATION_S = 7200
LEFT_S = DURATION_S - 300
OVERLOAD, EARLY, STOPPED, NEARLY_FULL = 7, 2, 5, 9
WELDED = 4
OVERLOAD_AT_S = 2400
POWER_CUT = (3380, 120)
NETWORK_CUT = (2700, 300)
_WELDS_S = 6600
# Whose power is drawn in the picture: the trip, the outage, the network.
DRAWN = (("p01", OVERLOAD), ("p02", 3), ("p03", 8))


def scenario(seed: int = SEED) -> list[Event]:
    """The events, each with its point."""
    chance = random.Random(seed)
    accounts = iter([f"r-{number:04}" for number in chance.sample(range(100, 1000), 200)])
    told = {"p01": _first(chance, accounts), "p02": _second(chance, accounts), "p03": _third()}
    apart = {"p01": (OVERLOAD, EARLY, STOPPED, NEARLY_FULL), "p02": (WELDED,), "p03": ()}
    events: list[Event] = []
    for point in POINTS:
        own = told[point]
        until_s = _WELDS_S - 120 if point == "p02" else LEFT_S
        for socket in range(1, SOCKETS + 1):
            if socket not in apart[point]:
                own += _visits(socket, until_s, chance, accounts)
        events += [{**event, "point": point} for event in own]
    return sorted(events, key=lambda event: float(event["at_s"]))


def _visits(socket: int, until_s: float, chance: random.Random, accounts: Iterator[str]) -> list[Event]:
    events: list[Event] = []
    at_s = chance.uniform(60, 1500)
    while at_s < until_s - 1800:
        stays_s = min(chance.triangular(1500, 6300, 3300), until_s - chance.uniform(0, 900) - at_s)
        load = charger(chance)
        events += visit(socket, at_s, at_s + stays_s, next(accounts), load, chance.uniform(8, 40))
        at_s += stays_s + chance.uniform(120, 1200)
    return events


def _first(chance: random.Random, accounts: Iterator[str]) -> list[Event]:
    events = visit(OVERLOAD, 400, 3300, next(accounts), charger(chance))
    events.append({"at_s": OVERLOAD_AT_S, "do": "overload", "socket": OVERLOAD, "watts": 2500.0})
    events.append({"at_s": 3600, "do": "ask", "socket": OVERLOAD, "op": "reset", "actor": "operator:li"})
    events += visit(OVERLOAD, 3900, 6500, next(accounts), charger(chance))
    events += visit(EARLY, 700, 1240, next(accounts), charger(chance))
    events += visit(EARLY, 1900, 5800, next(accounts), charger(chance))
    events += visit(STOPPED, 300, 3900, next(accounts), charger(chance))
    events.append({"at_s": 3720, "do": "ask", "socket": STOPPED, "op": "stop", "actor": "resident"})
    load = {**charger(chance), "peak_w": 96.0, "constant_s": 120, "taper_pct_min": 1.6, "taper_until": 0.5}
    load |= {"tau_min": 27.0, "cutoff_w": 25.0, "standby_w": 0.0}
    return events + visit(NEARLY_FULL, 200, 6800, next(accounts), load)


def _second(chance: random.Random, accounts: Iterator[str]) -> list[Event]:
    at_s, for_s = POWER_CUT
    events = visit(WELDED, 4200, _WELDS_S + 30, next(accounts), charger(chance))
    events.append({"at_s": at_s, "do": "power_cut", "for_s": for_s})
    events.append({"at_s": _WELDS_S, "do": "relay_stuck", "socket": WELDED})
    events.append({"at_s": _WELDS_S + 20, "do": "ask", "socket": WELDED, "op": "stop", "actor": "resident"})
    return events


def _third() -> list[Event]:
    at_s, for_s = NETWORK_CUT
    return [{"at_s": at_s, "do": "network_down", "for_s": for_s}]
