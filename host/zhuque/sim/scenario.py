"""A scenario: what happens to a point, and when. A TOML file of `[[event]]` tables, or made by residents.py.

    [[event]]
    at_s = 30                 # seconds since the start
    do = "plug"
    socket = 3
    account = "r-0412"
    scan_after_s = 20         # the resident scans the code so much later
    load = { peak_w = 120, constant_s = 1800 }

    [[event]]
    at_s = 600
    do = "overload"
    socket = 3
    watts = 3000
    for_s = 60

The events and their keys are described in board/world.py, the keys of a load in board/loads.py. Events asked for by
hand have the same form: `parse_line` reads them as JSON, or as words: `overload 3 watts=3000 for_s=60`.
"""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

from zhuque.errors import UsageError

Event = dict[str, Any]

# event: (whether it is about a socket, keys it needs, keys it may have)
EVENTS: dict[str, tuple[bool, tuple[str, ...], tuple[str, ...]]] = {
    "plug": (True, (), ("load", "account", "scan_after_s")),
    "scan": (True, (), ("account",)),
    "ask": (True, ("op",), ("actor",)),
    "unplug": (True, (), ()),
    "overload": (True, ("watts",), ("for_s",)),
    "short": (True, (), ()),
    "relay_stuck": (True, (), ("on",)),
    "relay_dead": (True, (), ("on",)),
    "meter_silent": (False, (), ("for_s", "on")),
    "meter_corrupt": (False, (), ("frames",)),
    "network_down": (False, (), ("for_s",)),
    "network_up": (False, (), ()),
    "power_cut": (False, ("for_s",), ()),
    "speed": (False, ("speed",), ()),
}
_NUMBERS = ("scan_after_s", "watts", "for_s", "speed", "frames")
_LONGEST_S = 400 * 86400


def load(path: Path, sockets: int) -> list[Event]:
    """The events of a scenario file, in order. Raises UsageError naming every problem."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"the scenario {path} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"the scenario {path} is not TOML: {error}") from error
    events = data.get("event")
    if not isinstance(events, list) or not events:
        raise UsageError(f"the scenario {path} holds no [[event]]")
    problems = []
    for number, event in enumerate(events, 1):
        problems += [f"event {number}: {problem}" for problem in check(event, sockets, timed=True)]
    if problems:
        raise UsageError(f"the scenario {path} cannot happen: " + "; ".join(problems))
    return sorted(events, key=lambda event: float(event["at_s"]))


def check(event: Any, sockets: int, timed: bool = False) -> list[str]:
    """Every problem of an event, in words; `timed` wants an `at_s`."""
    if not isinstance(event, dict):
        return ["is not a table of keys"]
    name = event.get("do")
    if not isinstance(name, str) or name not in EVENTS:
        return [f"there is no {name!r}; there is {', '.join(EVENTS)}"]
    of_socket, needed, possible = EVENTS[name]
    needed = ("at_s",) * timed + ("socket",) * of_socket + needed
    problems = [f"{name} needs {key}" for key in needed if key not in event]
    problems += [f"{name} has no key {key}" for key in event if key not in ("do", *needed, *possible)]
    if of_socket and "socket" in event:
        number = event["socket"]
        if type(number) is not int or not 1 <= number <= sockets:
            problems.append(f"there is no socket {number!r}; there are 1 to {sockets}")
    for key in ("at_s", *_NUMBERS):
        value = event.get(key)
        if value is not None and (type(value) not in (int, float) or not 0 <= float(value) <= _LONGEST_S):
            problems.append(f"{key} must be a number from 0, is {value!r}")
    return problems


def parse_line(line: str, sockets: int) -> Event:
    """An event typed by a person. Raises UsageError."""
    try:
        event = json.loads(line) if line.lstrip().startswith("{") else _words(line)
    except ValueError as error:
        raise UsageError(f"{line.strip()!r} is not an event: {error}") from error
    problems = check(event, sockets)
    if problems:
        raise UsageError("; ".join(problems))
    return dict(event)


def _words(line: str) -> Event:
    name, *rest = line.split()
    event: Event = {"do": name}
    for word in rest:
        key, equals, value = word.partition("=")
        if not equals:
            key, value = "socket", word
        try:
            event[key] = json.loads(value)
        except ValueError:
            event[key] = value
    return event
