"""Faults by chance: drawn from a seed, so that the same seed is the same garage.

Times are a Poisson process; what happens, where and for how long is drawn from `FAULTS`. No fault begins on a socket or
a point while one of its kind goes on there.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from zhuque.sim.events import Event

Draw = Callable[[random.Random], Event]


def _span(low: float, high: float) -> Draw:
    return lambda chance: {"for_s": round(chance.uniform(low, high), 3)}


def _mains(chance: random.Random) -> Event:
    volts = chance.choice((chance.uniform(120, 175), chance.uniform(265, 290), chance.uniform(305, 400)))
    return {"volts": round(volts, 1), "for_s": round(chance.uniform(1, 90), 2)}


def _cut(chance: random.Random) -> Event:
    event: Event = {"for_s": round(chance.triangular(1, 2400, 60), 3)}
    where = chance.choice((None, None, "program", "erase"))  # half of them in the middle of a flash operation
    return event if where is None else {**event, "during": where}


# fault: (how often, as a weight; whether it strikes a socket; its keys)
FAULTS: dict[str, tuple[float, bool, Draw]] = {
    "power_cut": (3, False, _cut),
    "network_down": (4, False, _span(5, 1200)),
    "broker_down": (1, False, _span(2, 120)),
    "meter_silent": (2, False, _span(0.1, 60)),
    "meter_frozen": (
        1,
        False,
        lambda chance: {**_span(5, 300)(chance), "what": chance.choice(("all", "counter"))},
    ),
    "meter_corrupt": (2, False, lambda chance: {"frames": chance.randint(1, 400)}),
    "meter_reset": (2, False, lambda chance: {}),
    "relay_stuck": (1, True, _span(60, 1800)),
    "relay_dead": (1, True, _span(60, 1800)),
    "clock_jump": (
        2,
        False,
        lambda chance: {"by_s": round(chance.choice((-1, 1)) * chance.expovariate(1 / 600))},
    ),
    "mains": (2, False, _mains),
    "overload": (
        2,
        True,
        lambda chance: {
            "watts": round(chance.uniform(400, 5000)),
            "for_s": round(chance.uniform(1, 300), 2),
            "ramp_s": chance.choice((0, 0, 30)),
        },
    ),
    "leak": (1, True, lambda chance: {"ma": 35, "over_s": round(chance.uniform(1, 1800)), "for_s": 3600}),
    "smoke": (0.3, False, _span(10, 120)),
}
_EVERYWHERE = ("broker_down",)  # there is one broker


def faults(
    *,
    seed: int,
    until_s: float,
    sockets: int,
    points: Sequence[str] = (),
    from_s: float = 0.0,
    per_hour: float = 2.0,
    kinds: Sequence[str] = (),
) -> list[Event]:
    """Events between these seconds, `per_hour` in all on average. Raises ValueError for a fault that there is not."""
    unknown = [kind for kind in kinds if kind not in FAULTS]
    if unknown:
        raise ValueError(f"there is no fault {', '.join(map(repr, unknown))}; there is {', '.join(FAULTS)}")
    if not 0 < per_hour <= 3600:
        raise ValueError(f"per_hour must be above 0, up to 3600, is {per_hour!r}")
    chance = random.Random(seed)
    names = list(kinds) or list(FAULTS)
    weights = [FAULTS[name][0] for name in names]
    busy: dict[tuple[object, ...], float] = {}
    events: list[Event] = []
    at_s = float(from_s)
    while (at_s := at_s + chance.expovariate(per_hour / 3600)) < until_s:
        name = chance.choices(names, weights)[0]
        _, of_socket, draw = FAULTS[name]
        event: Event = {"at_s": round(at_s, 6), "do": name}
        if of_socket:
            event["socket"] = chance.randint(1, sockets)
        if points and name not in _EVERYWHERE:
            event |= _place(chance, name, points)
        event |= draw(chance)
        key = (name, event.get("socket"), event.get("point"), tuple(event.get("points", ())))
        if at_s >= busy.get(key, -1.0):
            busy[key] = at_s + event.get("for_s", 0.0)
            events.append(event)
    return events


def _place(chance: random.Random, name: str, points: Sequence[str]) -> Event:
    """One point; of power cuts a third strikes several or all of them."""
    if name == "power_cut" and len(points) > 1 and chance.random() < 1 / 3:
        return {"points": sorted(chance.sample(list(points), chance.randint(2, len(points))))}
    return {"point": chance.choice(list(points))}
