"""A board as tables for people: what hangs on which pin, what hangs on its expanders, every number and its origin."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from zhuque.boards import Board, traits
from zhuque.boards.pins import uses
from zhuque.boards.schema import INPUTS, integer, integers, numbers, table


@dataclass(frozen=True)
class Wire:
    """`at` is a pin (GPIO18) or a bit of an expander (0x24 P3), `path` the key that says so."""

    at: str
    goes_to: str
    path: str


@dataclass(frozen=True)
class Number:
    """A number of the board, and where it comes from."""

    path: str
    value: str
    origin: str


def wires(board: Board) -> list[Wire]:
    """Every pin in use, by its number, then the expanders' bits."""
    by_pin: dict[int, list[tuple[str, str]]] = {}
    for use in uses(board.data):
        by_pin.setdefault(use.pin, []).append((use.what.strip(), use.path))
    found = []
    for pin, named in sorted(by_pin.items()):
        what = " and ".join(dict.fromkeys(what for what, _ in named))
        found.append(Wire(f"GPIO{pin}", what, ", ".join(path for _, path in named)))
    return found + list(_expander_bits(board.data)) + list(_own_outputs(board.data))


def _expander_bits(data: dict[str, object]) -> Iterator[Wire]:
    relay, inputs = table(data["relay"]), table(data.get("inputs"))
    if "chip" in relay:
        width = traits.width(relay)
        closes = 0 if relay["active_low"] else 1
        for i in range(integer(relay, "sockets")):
            address = integers(relay, "addresses")[i // width]
            what = f"relay of socket {i + 1}, closes at {closes}"
            yield Wire(_bit(address, i % width), what, "relay.addresses")
    for name in INPUTS:
        loop = table(inputs.get(name))
        if "bit" in loop:
            what = f"{name} loop, open at {integer(loop, 'open_level')}"
            yield Wire(_bit(integer(inputs, "address"), integer(loop, "bit")), what, f"inputs.{name}.bit")


def _own_outputs(data: dict[str, object]) -> Iterator[Wire]:
    """What the meter chip does without the processor."""
    meter = table(data["meter"])
    if "fast_trip_ma" in meter:
        for i in range(integer(meter, "sockets")):
            what = f"drops the relay of socket {i + 1} above {integer(meter, 'fast_trip_ma')} mA by itself"
            yield Wire(f"BL0910 M{i + 1}", what, "meter.fast_trip_ma")


def _bit(address: int, bit: int) -> str:
    return f"0x{address:02x} P{bit}"


def figures(board: Board) -> list[Number]:
    """Every number in the order of the file."""
    return [Number(path, _text(path, value), board.origin[path]) for path, value in numbers(board.data)]


def _text(path: str, value: object) -> str:
    if isinstance(value, list):
        parts = [_text(path, item) for item in value]
        return (
            ", ".join(parts) if len(parts) <= 10 else f"{', '.join(parts[:3])}, … {parts[-1]} ({len(parts)})"
        )
    return f"0x{value:02x}" if path.endswith(("relay.addresses", "inputs.address")) else str(value)


def summary(board: Board) -> dict[str, object]:
    """What `zhuque board list` says of a board."""
    data = board.data
    meter, relay, limits = table(data["meter"]), table(data["relay"]), table(data["limits"])
    return {
        "name": board.name,
        "title": data["title"],
        "mcu": data["mcu"],
        "sockets": data["sockets"],
        "meter": meter["driver"],
        "relay": relay["driver"],
        "rated_ma": limits["rated_ma"],
        "max_power_mw": limits["max_power_mw"],
        "point_current_ma": limits["point_current_ma"],
        "breaker": "breaker" in data,
        "contactor": "contactor" in data,
        "inputs": [name for name in INPUTS if name in table(data.get("inputs"))],
        "temperature": table(data.get("temperature")).get("driver"),
        "hang_ms": relay["hang_ms"],
    }
