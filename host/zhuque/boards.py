"""The boards that firmware runs on, as data: reads and checks `boards/NAME/board.toml`.

A board that contradicts itself is refused here, on the host, with every problem at once: the firmware only sees files
that passed. What each table means is in boards/README.md.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

from zhuque.wire.config import check_board

FOLDER = Path(__file__).resolve().parent / "_boards"

_MIN_FULL_SCALE = 10  # times the rated current: a reading at full scale exceeds every threshold
_INPUT_KEYS = ("miso",)
_INPUT_ONLY_PINS = range(34, 40)
_FLASH_PINS = range(6, 12)
_STRAPPING_PINS = (0, 2, 5, 12, 15)
_LAST_PIN = 39
# What the drivers want: (key, lowest, highest). The chip's own rules stay in the driver.
_Keys = dict[str, tuple[tuple[str, int, int], ...]]
_METERS: _Keys = {
    "bl0910": (
        ("sockets", 1, 10),
        ("shunt_uohm", 50, 100_000),
        ("current_gain", 1, 16),
        ("voltage_gain", 1, 16),
        ("divider_high_ohm", 1000, 10_000_000),
        ("divider_low_ohm", 1, 1_000_000),
        ("vref_uv", 1_000_000, 1_200_000),
        ("fast_ratio_ppm", 400_000, 700_000),
        ("fast_floor_ma", 1, 1000),
        ("cfdiv", 1, 1024),
        ("power_creep", 0, 4095),
        ("rms_creep", 0, 4095),
        ("burst", 0, 16),
    )
}
_RELAYS: _Keys = {"hc595": (("sockets", 1, 16),)}


class BoardError(Exception):
    """There is no such board, or its file is wrong; the text lists every problem."""


@dataclass(frozen=True)
class Board:
    """A checked board: `data` is what the firmware reads as board.json, `origin` says where each number comes from."""

    name: str
    folder: Path
    data: dict[str, object]
    origin: dict[str, str]


def list_boards(folder: Path = FOLDER) -> list[str]:
    """The names of all boards, sorted."""
    return sorted(file.parent.name for file in folder.glob("*/board.toml"))


def load(name: str, folder: Path = FOLDER) -> Board:
    """The board of that name. Raises BoardError."""
    if name not in list_boards(folder):
        raise BoardError(f"there is no board {name!r}; there is {', '.join(list_boards(folder)) or 'none'}")
    path = folder / name / "board.toml"
    try:
        data: dict[str, object] = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BoardError(f"{path} cannot be read as TOML: {error}; mend the file") from error
    origin = {path: str(text) for path, text in _table(data.pop("origin", None)).items()}
    problems = check(data, origin)
    if data.get("name") != name:
        problems.insert(0, f"name is {data.get('name')!r}, but the folder is {name!r}")
    if problems:
        raise BoardError(f"{path} is not a board: " + "; ".join(problems))
    return Board(name, path.parent, data, origin)


def check(data: dict[str, object], origin: dict[str, str]) -> list[str]:
    """Every problem of a board's data, one line each."""
    problems = check_board(data) + _check_origin(data, origin)
    for section, known in (("meter", _METERS), ("relay", _RELAYS)):
        problems += _check_section(section, _table(data.get(section)), known, data.get("sockets"))
    if not problems:
        problems = _check_pins(data) + _check_full_scale(data)
    return problems


def _check_origin(data: dict[str, object], origin: dict[str, str]) -> list[str]:
    numbers = set(_numbers(data))
    missing = [f"{path} has no origin" for path in sorted(numbers - origin.keys())]
    empty = [f"the origin of {path} is empty" for path in sorted(origin) if not origin[path].strip()]
    return missing + empty + [f"origin of {path}: no such number" for path in sorted(origin.keys() - numbers)]


def _numbers(table: dict[str, object], prefix: str = "") -> list[str]:
    """The dotted paths of all numbers; a list of numbers is one."""
    found = []
    for key, value in table.items():
        if isinstance(value, dict):
            found += _numbers(value, f"{prefix}{key}.")
        elif isinstance(value, (int, float, list)) and not isinstance(value, bool):
            found.append(prefix + key)
    return found


def _check_section(
    name: str,
    section: dict[str, object],
    known: _Keys,
    sockets: object,
) -> list[str]:
    driver = section.get("driver")
    if driver not in known:
        return [f"{name}.driver must be one of {', '.join(known)}, is {driver!r}"]
    problems = []
    for key, low, high in known[str(driver)]:
        value = section.get(key)
        if not _is_integer(value) or not low <= _integer(section, key) <= high:
            problems.append(f"{name}.{key} must be an integer of {low} to {high}, is {value!r}")
    if section.get("sockets") != sockets:
        problems.append(f"{name}.sockets is {section.get('sockets')!r}, the board has {sockets!r}")
    return problems


def _check_pins(data: dict[str, object]) -> list[str]:
    problems: list[str] = []
    used: dict[int, str] = {}
    for path, key, pin in _pins(data):
        if pin is None or not 0 <= pin <= _LAST_PIN:
            problems.append(f"{path} must be a pin of 0 to {_LAST_PIN}")
            continue
        if pin in used:
            problems.append(f"{path} is pin {pin}, which is {used[pin]} already")
        used.setdefault(pin, path)
        if pin in _FLASH_PINS:
            problems.append(f"{path} is pin {pin}, which belongs to the flash")
        if key not in _INPUT_KEYS and pin in _INPUT_ONLY_PINS:
            problems.append(f"{path} is pin {pin}, which can only read")
        if key not in _INPUT_KEYS and pin in _STRAPPING_PINS:
            problems.append(f"{path} is pin {pin}, whose level at reset decides how the chip boots")
    return problems


def _pins(data: dict[str, object]) -> list[tuple[str, str, int | None]]:
    """Of every pin its path, its key and its number, None where that is no integer."""
    wanted = [("meter.spi", ("sck", "mosi", "miso", "cs")), ("relay.spi", ("sck", "mosi", "miso"))]
    wanted.append(("relay", ("latch", "pump")))
    found = []
    for path, keys in wanted:
        table = data
        for part in path.split("."):
            table = _table(table.get(part))
        for key in keys:
            number = _integer(table, key) if _is_integer(table.get(key)) else None
            found.append((f"{path}.{key}", key, number))
    return found


def _check_full_scale(data: dict[str, object]) -> list[str]:
    """700 mV peak on the BL0910's pins at gain 1; its driver takes 98 % of that as full scale."""
    meter = _table(data["meter"])
    rated = _integer(_table(data["limits"]), "rated_ma")
    full_ma = 494975 * 10 * 98 // (_integer(meter, "current_gain") * _integer(meter, "shunt_uohm"))
    if full_ma >= _MIN_FULL_SCALE * rated:
        return []
    return [
        f"the meter's full scale is {full_ma} mA, below {_MIN_FULL_SCALE} x limits.rated_ma: a short would read as an "
        "overload; lower current_gain or shunt_uohm"
    ]


def _table(value: object) -> dict[str, object]:
    return value if isinstance(value, dict) else {}


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _integer(table: dict[str, object], key: str) -> int:
    value = table[key]
    assert isinstance(value, int)
    return value
