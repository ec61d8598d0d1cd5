"""A scenario: what happens to one point or to many, and when. A TOML file of `[[event]]` tables; README.md has
examples.

    [[event]]
    at_s = 30                 # seconds since the start
    do = "plug"
    socket = 3
    account = "r-0412"
    scan_after_s = 20         # the resident scans the code so much later
    load = { peak_w = 120, constant_s = 1800 }

    [random]                  # and faults by chance, the same for the same seed
    seed = 7
    per_hour = 3
    until_s = 7200

The events are in events.py, the keys of a load in board/load_keys.py. Events asked for by hand have the same form:
`parse_line` reads them as JSON, or as words: `overload 3 watts=3000 for_s=60`.
"""

from __future__ import annotations

import csv
import json
import random
import re
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from zhuque.errors import UsageError
from zhuque.sim import chance
from zhuque.sim.events import EVENTS, Event, check, check_order, load_keys, places

__all__ = ["EVENTS", "Event", "check", "load", "of_point", "parse_line"]

_TABLE = re.compile(r"\s*\[\[\s*event\s*\]\]")
_RANDOM_KEYS = {"seed", "per_hour", "until_s", "from_s", "kinds"}


class _Problems:
    """Problems with the file, line and number of what they are about."""

    def __init__(self, path: Path, text: str) -> None:
        self._path = path
        self._lines = [number for number, line in enumerate(text.splitlines(), 1) if _TABLE.match(line)]
        self.found: list[str] = []

    def add(self, entry: int, problem: str) -> None:
        """Of the event with this number, from 0."""
        line = f"{self._path}:{self._lines[entry]}" if entry < len(self._lines) else str(self._path)
        text = f"{line}: event {entry + 1}: {problem}"
        if text not in self.found:
            self.found.append(text)

    def raise_them(self) -> None:
        """UsageError, if there are any."""
        if self.found:
            raise UsageError("the scenario cannot happen:\n  " + "\n  ".join(self.found))


def load(path: Path, sockets: int, points: Sequence[str] = ()) -> list[Event]:
    """The events of a scenario file, in order, for a garage with these points (none: for any one point).

    Raises UsageError naming every problem with its line. A seed that the file leaves to chance is told on stderr.
    """
    data, text = _read(path)
    events = data.get("event", [])
    if not isinstance(events, list) or not (events or "random" in data):
        raise UsageError(f"the scenario {path} holds no [[event]]")
    unknown = [key for key in data if key not in ("event", "random", "title")]
    if unknown:
        raise UsageError(f"the scenario {path} has no {', '.join(unknown)}; it has [[event]] and [random]")
    problems = _Problems(path, text)
    for number, event in enumerate(events):
        for problem in _resolve(event, path.parent) + check(event, sockets, timed=True):
            problems.add(number, problem)
    problems.raise_them()
    check_order(events, tuple(points), problems.add)
    problems.raise_them()
    events = [_lasting(event) for event in events] + _by_chance(path, data.get("random"), sockets, points)
    return sorted(events, key=lambda event: float(event["at_s"]))


def of_point(events: Sequence[Event], point: str) -> tuple[Event, ...]:
    """The events that happen to this point, without the keys that say so."""
    return tuple(
        {key: value for key, value in event.items() if key not in ("point", "points")}
        for event in events
        if places(event) == [None] or point in places(event)
    )


def _read(path: Path) -> tuple[dict[str, Any], str]:
    try:
        text = path.read_text(encoding="utf-8")
        return tomllib.loads(text), text
    except OSError as error:
        raise UsageError(f"the scenario {path} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"the scenario {path} is not TOML: {error}") from error


def _lasting(event: Event) -> Event:
    """`until_s` as the board knows it: `for_s`. When a cut during an operation begins, only the board knows."""
    if "until_s" not in event:
        return event
    lasting = {"for_s": event["until_s"] - event["at_s"], **event}
    if "during" not in event:
        del lasting["until_s"]
    return lasting


# Loads that name a measured curve -----------------------------------------------------------------------------------


def _resolve(event: Any, folder: Path) -> list[str]:
    """Puts what `like` and `file` name into the loads of an event; the problems."""
    load = event.get("load") if isinstance(event, dict) else None
    if not isinstance(load, dict):
        return []
    parts = load["loads"] if isinstance(load.get("loads"), list) else []
    problems = []
    for table in [load, *(part for part in parts if isinstance(part, dict))]:
        problems += _resolve_like(table) + _resolve_file(table, folder)
    return problems


def _resolve_like(load: dict[str, Any]) -> list[str]:
    name = load.pop("like", None)
    if name is None:
        return []
    fitted = load_keys.FITTED.get(name)
    if fitted is None:
        return [f"no load is like {name!r}; there is {', '.join(load_keys.FITTED)}"]
    load.update({**fitted, **load})
    return []


def _resolve_file(load: dict[str, Any], folder: Path) -> list[str]:
    name, plug = load.pop("file", None), load.pop("plug", None)
    if name is None:
        return []
    try:
        load["points"] = curve(folder / str(name), plug)
    except (OSError, ValueError, KeyError) as error:
        return [f"the curve {name} cannot be replayed: {error}"]
    load.setdefault("kind", "replay")
    return []


def curve(path: Path, plug: str | None = None) -> list[list[float]]:
    """Seconds and watts of a measured curve: a CSV with columns t_s, power_w and, for several, plug.

    Raises OSError, ValueError, KeyError.
    """
    with path.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if plug is None or row["plug"] == plug]
    points = [[float(row["t_s"]), float(row["power_w"])] for row in rows]
    if len(points) < 2:
        raise ValueError(f"it has {len(points)} points{f' of {plug}' if plug else ''}; at least 2 are needed")
    return points


# Chance -------------------------------------------------------------------------------------------------------------


def _by_chance(path: Path, table: Any, sockets: int, points: Sequence[str]) -> list[Event]:
    if table is None:
        return []
    if not isinstance(table, dict) or set(table) - _RANDOM_KEYS:
        raise UsageError(f"{path}: [random] has the keys {', '.join(sorted(_RANDOM_KEYS))}")
    if "until_s" not in table:
        raise UsageError(f"{path}: [random] needs until_s, the second at which it ends")
    if table.get("from_s", 0) >= table["until_s"]:
        raise UsageError(f"{path}: [random] ends before it starts: until_s is {table['until_s']}")
    wanted = dict(table)
    if "seed" not in wanted:
        wanted["seed"] = random.randrange(1, 1 << 31)
        print(f"{path}: [random] seed = {wanted['seed']} gives these faults again", file=sys.stderr)
    try:
        return chance.faults(sockets=sockets, points=points, **wanted)
    except (ValueError, TypeError) as error:
        raise UsageError(f"{path}: [random]: {error}") from error


# Typed --------------------------------------------------------------------------------------------------------------


def parse_line(line: str, sockets: int) -> Event:
    """An event typed by a person. Raises UsageError."""
    try:
        event = json.loads(line) if line.lstrip().startswith("{") else _words(line)
    except ValueError as error:
        raise UsageError(f"{line.strip()!r} is not an event: {error}") from error
    problems = _resolve(event, Path()) + check(event, sockets)
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
