"""Every event that a scenario may hold, with its keys and their ranges; and what cannot happen, in words.

What the events mean is in README.md. An event says `at_s`, when; `for_s`, for how long, or `until_s`, until when; and
`point` or `points`, where, in a garage of several: without it, everywhere.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from zhuque.wire.topics import is_name

Event = dict[str, Any]

# The board's own check of a load; it runs on both sides.
load_keys: Any = importlib.import_module("zhuque.sim.board.load_keys")

LONGEST_S = 400 * 86400
LOWEST_S = -LONGEST_S


@dataclass(frozen=True)
class Kind:
    """Whether an event is about a socket, the keys it needs and may have; `lasts`: it has a beginning and an end."""

    of_socket: bool | None = False  # None: it may name one
    needs: tuple[str, ...] = ()
    may: tuple[str, ...] = ()
    lasts: bool = False


_FOR = ("for_s", "until_s", "on")
EVENTS: dict[str, Kind] = {
    "plug": Kind(True, (), ("load", "account", "scan_after_s")),
    "scan": Kind(True, (), ("account",)),
    "ask": Kind(None, ("op",), ("actor", "at_point")),
    "unplug": Kind(True),
    "overload": Kind(True, ("watts",), ("for_s", "until_s", "ramp_s")),
    "short": Kind(True, (), ("for_s", "until_s")),
    "leak": Kind(True, ("ma",), ("over_s", *_FOR), lasts=True),
    "heat": Kind(False, ("celsius",), ("over_s", *_FOR), lasts=True),
    "mains": Kind(False, ("volts",), _FOR, lasts=True),
    "smoke": Kind(False, (), _FOR, lasts=True),
    "emergency_stop": Kind(False, (), _FOR, lasts=True),
    "residual_current": Kind(False, (), _FOR, lasts=True),
    "relay_stuck": Kind(True, (), _FOR, lasts=True),
    "relay_dead": Kind(True, (), _FOR, lasts=True),
    "meter_silent": Kind(None, (), _FOR, lasts=True),
    "meter_frozen": Kind(None, (), ("what", *_FOR), lasts=True),
    "meter_corrupt": Kind(None, (), ("frames",)),
    "meter_reset": Kind(None),
    "meter_error": Kind(None, ("percent",)),
    "meter_register": Kind(None, ("register", "value")),
    "network_down": Kind(False, (), ("for_s", "until_s")),
    "network_up": Kind(),
    "wifi": Kind(False, ("password",)),
    "broker_down": Kind(False, (), ("for_s", "until_s", "kill")),
    "broker_up": Kind(),
    "power_cut": Kind(False, ("for_s",), ("until_s", "during")),
    "clock_jump": Kind(False, ("by_s",)),
    "time_server": Kind(False, ("by_s",), _FOR, lasts=True),
    "speed": Kind(False, ("speed",)),
}
_ENDS = {"network_up": "network_down", "broker_up": "broker_down"}
# key: (lowest, highest, whether it must be an integer)
_NUMBERS: dict[str, tuple[float, float, bool]] = {
    "at_s": (0, LONGEST_S, False),
    "for_s": (0, LONGEST_S, False),
    "until_s": (0, LONGEST_S, False),
    "scan_after_s": (0, LONGEST_S, False),
    "over_s": (0, LONGEST_S, False),
    "ramp_s": (0, LONGEST_S, False),
    "by_s": (LOWEST_S, LONGEST_S, False),
    "watts": (0, 100_000, False),
    "ma": (0, 1000, False),
    "celsius": (-40, 125, False),
    "volts": (0, 450, False),
    "percent": (-50, 50, False),
    "frames": (1, 1_000_000, True),
    "register": (0, 255, True),
    "value": (0, 0xFFFFFF, True),
    "speed": (1, 100_000, False),
}
_CHOICES = {
    "what": ("all", "counter"),
    "during": ("program", "erase"),
    "op": ("start", "stop", "reset", "limit", "ping", "identify", "reboot", "maintenance"),
}
# What is asked of a socket and never of the whole point.
_OF_A_SOCKET = ("start", "stop", "limit")
_FLAGS = ("on", "kill", "at_point")
_TEXTS = ("account", "actor", "password")


def check(event: Any, sockets: int, timed: bool = False) -> list[str]:
    """Every problem of an event by itself, in words; `timed` wants an `at_s`."""
    if not isinstance(event, dict):
        return ["is not a table of keys"]
    name = event.get("do")
    if not isinstance(name, str) or name not in EVENTS:
        return [f"there is no {name!r}; there is {', '.join(EVENTS)}"]
    kind = EVENTS[name]
    needed = ("at_s",) * timed + ("socket",) * bool(kind.of_socket) + kind.needs
    possible = ("do", *needed, *kind.may, *(("socket",) * (kind.of_socket is None)), "point", "points")
    if event.get("on") is False:  # an end need not say again what ends
        needed = tuple(key for key in needed if key in ("at_s", "socket"))
    if name == "power_cut" and "until_s" in event:
        needed = tuple(key for key in needed if key != "for_s")
    problems = [f"{name} needs {key}" for key in needed if key not in event]
    if name == "ask" and event.get("op") in _OF_A_SOCKET and "socket" not in event:
        problems.append(f"ask needs socket for {event['op']}: that cannot be asked of the whole point")
    problems += [f"{name} has no key {key}" for key in event if key not in possible]
    if "socket" in event and kind.of_socket is not False:
        number = event["socket"]
        if type(number) is not int or not 1 <= number <= sockets:
            problems.append(f"there is no socket {number!r}; there are 1 to {sockets}")
    problems += _values(event)
    return problems + _span(name, event)


def _values(event: Event) -> list[str]:
    problems = []
    for key, value in event.items():
        if key in _NUMBERS:
            low, high, whole = _NUMBERS[key]
            if type(value) not in ((int,) if whole else (int, float)) or not low <= value <= high:
                wanted = "an integer" if whole else "a number"
                problems.append(f"{key} must be {wanted} from {low:g} to {high:g}, is {value!r}")
        elif key in _CHOICES and value not in _CHOICES[key]:
            problems.append(f"{key} must be one of {', '.join(_CHOICES[key])}, is {value!r}")
        elif key in _FLAGS and not isinstance(value, bool):
            problems.append(f"{key} must be true or false, is {value!r}")
        elif key in _TEXTS and not isinstance(value, str):
            problems.append(f"{key} must be a text, is {value!r}")
        elif key == "load":
            problems += _load(value)
    return problems + _where(event)


def _load(load: object) -> list[str]:
    if not isinstance(load, dict):
        return [f"load must be a table of keys, is {load!r}"]
    try:
        return list(load_keys.problems(load))
    except (TypeError, AttributeError, KeyError, IndexError) as error:
        return [f"load cannot be understood: {error}"]


def _where(event: Event) -> list[str]:
    if "point" in event and "points" in event:
        return ["either point or points, not both"]
    names = event.get("points", [event["point"]] if "point" in event else [])
    if not isinstance(names, list) or not all(isinstance(name, str) and is_name(name) for name in names):
        return [f"points must be names of points, is {names!r}"]
    return ["points is empty: leave it away to mean all of them"] if "points" in event and not names else []


def _span(name: str, event: Event) -> list[str]:
    """An end that is not after the beginning."""
    until, at = event.get("until_s"), event.get("at_s", 0)
    if until is None or type(until) not in (int, float) or type(at) not in (int, float):
        return []
    if "for_s" in event and "during" not in event:
        return ["either for_s or until_s, not both"]
    if until <= at:
        return [f"{name} ends before it starts: until_s is {until}, at_s is {at}"]
    return []


def places(event: Event) -> list[str | None]:
    """The points that an event names; [None] where it means every point."""
    if "point" in event:
        return [event["point"]]
    return list(event.get("points", [None]))


def check_order(events: list[Event], points: tuple[str, ...], say: Callable[[int, str], None]) -> None:
    """What events cannot do after one another; `say(number from 0, problem)`. They need not be in order."""
    all_points: tuple[str | None, ...] = points or (None,)
    plugged: dict[tuple[str | None, int], int] = {}
    running: dict[tuple[str | None, str, object], int] = {}
    for number in sorted(range(len(events)), key=lambda n: (events[n]["at_s"], n)):
        event = events[number]
        name = event["do"]
        named = places(event)
        for point in all_points if named == [None] else named:
            if points and point not in points:
                say(number, f"there is no point {point!r}; there is {', '.join(points)}")
                continue
            _bike(event, name, (point, event.get("socket", 0)), plugged, number, say)
            _fault(event, name, point, running, number, say)


def _bike(
    event: Event,
    name: str,
    place: tuple[str | None, int],
    plugged: dict[tuple[str | None, int], int],
    number: int,
    say: Callable[[int, str], None],
) -> None:
    at = f"at_s {event['at_s']:g}"
    if name == "plug":
        if place in plugged:
            say(
                number, f"socket {place[1]} is taken {at}: entry {plugged[place] + 1} plugged a bike in there"
            )
        plugged[place] = number
    elif name == "unplug" and plugged.pop(place, None) is None:
        say(number, f"nothing is plugged into socket {place[1]} {at}")


def _fault(
    event: Event,
    name: str,
    point: str | None,
    running: dict[tuple[str | None, str, object], int],
    number: int,
    say: Callable[[int, str], None],
) -> None:
    begins = _ENDS.get(name, name)
    ends = name in _ENDS or (EVENTS[name].lasts and event.get("on") is False)
    key = (point, begins, event.get("socket"))
    if ends and running.pop(key, None) is None:
        say(number, f"{begins} ends before it starts: nothing began it before at_s {event['at_s']:g}")
    elif not ends and (EVENTS[name].lasts or begins in _ENDS.values()):
        running[key] = number
