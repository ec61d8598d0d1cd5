"""Every key that a board.toml may have, with its type and range; and that every number says where it comes from.

A key that is not in a table here is refused: a typing mistake must not read as a default. Tables of a driver are chosen
by the section's `driver`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

INPUTS = ("emergency_stop", "smoke", "residual_current")
NTC_POINTS = 34  # -40 to 125 degrees in steps of 5


@dataclass(frozen=True)
class Key:
    """`kind`: integer, pin, boolean, text, or a list of integers or pins; bounds are of each number, or of a length."""

    name: str
    kind: str
    low: int = 0
    high: int = 0
    optional: bool = False
    choices: tuple[str, ...] = ()
    most: int = 1  # of a list, its length
    hexadecimal: bool = False  # how its numbers are told, as data sheets and files write them


def _int(name: str, low: int, high: int, optional: bool = False) -> Key:
    return Key(name, "integer", low, high, optional)


def _pin(name: str, optional: bool = False) -> Key:
    return Key(name, "pin", 0, 39, optional)


def _ints(name: str, low: int, high: int, most: int) -> Key:
    return Key(name, "integers", low, high, most=most)


def _i2c(name: str, kind: str, most: int = 1) -> Key:
    """The address of an expander: PCF8574 and PCF8575 from 0x20, PCF8574A from 0x38."""
    return Key(name, kind, 0x20, 0x3F, most=most, hexadecimal=True)


def _one_of(name: str, *choices: str) -> Key:
    return Key(name, "text", choices=choices)


_ACTIVE_LOW = Key("active_low", "boolean")
_SPI = (_int("id", 1, 2), _int("baud", 10_000, 20_000_000), _pin("sck"), _pin("mosi"), _pin("miso"))
_UART = (_int("id", 1, 2), _pin("tx"), _pin("rx"))
_I2C = (_pin("scl"), _pin("sda"), _int("freq", 10_000, 400_000))
_SHUNT = _int("shunt_uohm", 50, 100_000)
_DIVIDER = (_int("divider_high_ohm", 1000, 10_000_000), _int("divider_low_ohm", 1, 1_000_000))
_FAST_RATIO = _int("fast_ratio_ppm", 200_000, 2_000_000)
_FLOOR = _int("floor_ma", 1, 1000)
_SOCKETS = _int("sockets", 1, 16)
_RELAY = (_SOCKETS, _int("rating_ma", 1000, 100_000), _int("hang_ms", 50, 10_000))

TOP = (
    Key("name", "text", 1, 32),
    Key("title", "text", 1, 80),
    _one_of(
        "mcu", "ESP32-WROOM-32", "ESP32-WROOM-32D", "ESP32-WROOM-32E", "ESP32-WROOM-32UE", "ESP32-WROVER-E"
    ),
    _SOCKETS,
)
LIMITS = (
    _int("rated_ma", 500, 16_000),
    _int("max_power_mw", 50_000, 4_000_000),
    _int("point_current_ma", 1000, 80_000),
)
BREAKER = (_one_of("curve", "B", "C", "D"), _int("rated_ma", 1000, 63_000))
METERS: dict[str, tuple[Key, ...]] = {
    "bl0910": (
        _int("sockets", 1, 10),
        _SHUNT,
        _int("current_gain", 1, 16),
        _int("voltage_gain", 1, 16),
        *_DIVIDER,
        _int("vref_uv", 1_000_000, 1_200_000),
        _int("fast_ratio_ppm", 400_000, 700_000),
        _int("fast_floor_ma", 1, 1000),
        _int("fast_trip_ma", 1000, 200_000, optional=True),
        _int("cfdiv", 1, 1024),
        _int("power_creep", 0, 4095),
        _int("rms_creep", 0, 4095),
        _int("burst", 0, 16, optional=True),
    ),
    "bl0942": (
        _ints("addresses", 0, 3, 4),
        _SHUNT,
        _int("current_gain", 1, 24),
        *_DIVIDER,
        _int("vref_uv", 1_100_000, 1_300_000),
        _FAST_RATIO,
        _int("fast_floor_ma", 1, 1000),
        _int("start_baud", 4800, 38_400, optional=True),
    ),
    "hlw8032": (_SHUNT, *_DIVIDER, _FLOOR),
    "pzem004t": (
        _ints("addresses", 1, 247, 16),
        _FLOOR,
        _int("full_scale_ma", 5000, 100_000, optional=True),
    ),
}
RELAYS: dict[str, tuple[Key, ...]] = {
    "hc595": (*_RELAY, _pin("latch"), _pin("pump")),
    "pcf8574": (
        *_RELAY,
        _one_of("chip", "pcf8574", "pcf8575"),
        _i2c("addresses", "integers", most=2),
        _ACTIVE_LOW,
        _pin("enable", optional=True),
    ),
    "gpio": (*_RELAY, Key("pins", "pins", 0, 39, most=16), _ACTIVE_LOW),
}
CONTACTORS: dict[str, tuple[Key, ...]] = {
    "gpio": (Key("pins", "pins", 0, 39), _ACTIVE_LOW, _int("rating_ma", 1000, 100_000)),
}
TEMPERATURES: dict[str, tuple[Key, ...]] = {
    "ds18b20": (_pin("pin"),),
    "ntc": (
        _pin("pin"),
        _int("supply_mv", 1000, 5000),
        _int("series_ohm", 100, 1_000_000),
        _int("open_mv", 1000, 5000),
        _int("short_mv", 1, 500),
        _ints("table_ohm", 10, 10_000_000, NTC_POINTS),
    ),
}
LOOP = (
    _pin("pin", optional=True),
    _int("bit", 0, 15, optional=True),
    _int("open_level", 0, 1),
    _int("debounce_ms", 10, 1000),
    Key("pull_up", "boolean", optional=True),
)
EXPANDER = (_one_of("chip", "pcf8574", "pcf8575"), _i2c("address", "integer"))
# The buses that a driver's chip may be on: a table in its section, one of them.
BUSES: dict[str, dict[str, tuple[Key, ...]]] = {
    "bl0910": {"spi": (*_SPI, _pin("cs")), "uart": (*_UART, _int("baud", 9600, 38_400, optional=True))},
    "hc595": {"spi": _SPI},
    "bl0942": {"uart": _UART},
    "hlw8032": {"uart": (_int("id", 1, 2), _pin("tx", optional=True), _pin("rx"))},
    "pzem004t": {"uart": _UART},
    "pcf8574": {"i2c": _I2C},
}
LED = (_pin("pin"), _ACTIVE_LOW)
_SECTIONS = ("limits", "breaker", "meter", "relay", "contactor", "inputs", "temperature", "led", "reserved")


def table(value: object) -> dict[str, object]:
    """The table, or an empty one where it is none."""
    return value if isinstance(value, dict) else {}


def integer(section: dict[str, object], key: str, default: int = 0) -> int:
    """An integer of a table that was checked; the default where the key is absent."""
    value = section.get(key, default)
    assert isinstance(value, int)
    return value


def integers(section: dict[str, object], key: str) -> list[int]:
    """A list of integers of a table that was checked."""
    value = section.get(key, [])
    assert isinstance(value, list)
    return value


def check(data: dict[str, object]) -> list[str]:
    """Every key that is missing, unknown, of the wrong type or out of range."""
    problems = _check_table("", data, TOP, _SECTIONS)
    for name in ("limits", "meter", "relay"):
        if not isinstance(data.get(name), dict):
            problems.append(f"{name} is missing: a table")
    for name in _SECTIONS:
        if name in data:
            problems += _check_section(name, data[name])
    return problems


def _check_section(name: str, value: object) -> list[str]:
    if not isinstance(value, dict):
        return [] if name in ("limits", "meter", "relay") else [f"{name} must be a table, is {value!r}"]
    if name == "limits":
        return _check_table("limits.", value, LIMITS)
    if name == "breaker":
        return _check_table("breaker.", value, BREAKER)
    if name == "led":
        return _check_table("led.", value, LED)
    if name == "inputs":
        return _check_inputs(value)
    if name == "reserved":
        keys = tuple(Key(key, "pins", 0, 39, most=40) for key in value)
        return _check_table("reserved.", value, keys)
    known = {"meter": METERS, "relay": RELAYS, "contactor": CONTACTORS, "temperature": TEMPERATURES}[name]
    return _check_driver(name, value, known)


def _check_driver(name: str, section: dict[str, object], known: dict[str, tuple[Key, ...]]) -> list[str]:
    driver = section.get("driver")
    if driver not in known:
        return [f"{name}.driver must be one of {', '.join(known)}, is {driver!r}"]
    driver = str(driver)
    buses = BUSES.get(driver, {})
    problems = _check_table(f"{name}.", section, known[driver], ("driver", *buses))
    return problems + (_check_bus(name, section, buses) if buses else [])


def _check_bus(name: str, section: dict[str, object], buses: dict[str, tuple[Key, ...]]) -> list[str]:
    found = [bus for bus in buses if bus in section]
    if len(found) > 1:
        return [f"{name} is on {' and on '.join(found)}: a chip is on one bus; leave the others away"]
    if not found or not isinstance(section[found[0]], dict):
        return [f"{name}.{' or '.join(buses)} is missing: a table with the bus and its pins"]
    return _check_table(f"{name}.{found[0]}.", table(section[found[0]]), buses[found[0]])


def _check_inputs(section: dict[str, object]) -> list[str]:
    expander = any(key in section for key in ("chip", "address", "i2c"))
    keys = EXPANDER if expander else ()
    problems = _check_table("inputs.", section, keys, (*INPUTS, "i2c") if expander else INPUTS)
    if expander:
        problems += _check_bus("inputs", section, BUSES["pcf8574"])
    loops = [name for name in INPUTS if name in section]
    if not loops:
        problems.append(f"inputs has no input: {', '.join(INPUTS)}")
    for name in loops:
        loop = section[name]
        path = f"inputs.{name}"
        if not isinstance(loop, dict):
            problems.append(f"{path} must be a table, is {loop!r}")
            continue
        problems += _check_table(path + ".", loop, LOOP)
        if ("pin" in loop) == ("bit" in loop):
            problems.append(f"{path} needs either pin or bit (of the expander)")
        elif "bit" in loop and not expander:
            problems.append(f"{path}.bit is of an expander, and inputs has none: chip, address, i2c")
    return problems


def _check_table(
    prefix: str, section: dict[str, object], keys: tuple[Key, ...], tables: tuple[str, ...] = ()
) -> list[str]:
    names = [key.name for key in keys]
    problems = [
        f"{prefix}{name} is no key of a board; there are {', '.join(names)}"
        for name in section
        if name not in names and name not in tables
    ]
    for key in keys:
        if key.name in section:
            problem = _judge(key, section[key.name])
            if problem:
                problems.append(f"{prefix}{key.name} {problem}")
        elif not key.optional:
            problems.append(f"{prefix}{key.name} is missing: {_wanted(key)}")
    return problems


def _wanted(key: Key) -> str:
    if key.choices:
        return "one of " + ", ".join(key.choices)
    bounds = f"{_told(key, key.low)} to {_told(key, key.high)}"
    return {
        "integer": f"an integer of {bounds}",
        "pin": f"a pin of {bounds}",
        "boolean": "true or false",
        "text": f"{bounds} characters",
        "integers": f"a list of 1 to {key.most} integers of {bounds}",
        "pins": f"a list of 1 to {key.most} pins of {bounds}",
    }[key.kind]


def _judge(key: Key, value: object) -> str:
    good = {
        "integer": _is_in(value, key),
        "pin": _is_in(value, key),
        "boolean": isinstance(value, bool),
        "text": isinstance(value, str)
        and (value in key.choices or (not key.choices and key.low <= len(value) <= key.high)),
        "integers": _all_in(value, key),
        "pins": _all_in(value, key),
    }[key.kind]
    return "" if good else f"must be {_wanted(key)}, is {_told(key, value)}"


def _told(key: Key, value: object) -> str:
    """A value of this key as its file would write it."""
    if key.hexadecimal and isinstance(value, list):
        return "[" + ", ".join(_told(key, item) for item in value) + "]"
    if key.hexadecimal and isinstance(value, int) and not isinstance(value, bool):
        return f"0x{value:02x}"
    return repr(value)


def _is_in(value: object, key: Key) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and key.low <= value <= key.high


def _all_in(value: object, key: Key) -> bool:
    return (
        isinstance(value, list) and 1 <= len(value) <= key.most and all(_is_in(item, key) for item in value)
    )


def numbers(section: dict[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    """The dotted paths of all numbers, and the numbers; a list of numbers is one."""
    for key, value in section.items():
        if isinstance(value, dict):
            yield from numbers(value, f"{prefix}{key}.")
        elif isinstance(value, (int, float, list)) and not isinstance(value, bool):
            yield prefix + key, value


def check_origin(data: dict[str, object], origin: dict[str, str], named: set[str]) -> list[str]:
    """Numbers without an origin, origins without a number; not those of the keys and tables in `named`, a follow-up."""
    found = {path for path, _ in numbers(data)}
    missing = [f"{path} has no origin" for path in sorted(found - origin.keys() - named)]
    empty = [f"the origin of {path} is empty" for path in sorted(origin) if not origin[path].strip()]
    lost = [path for path in sorted(origin.keys() - found) if not any(_is_within(path, key) for key in named)]
    return missing + empty + [f"origin of {path}: no such number" for path in lost]


def _is_within(path: str, key: str) -> bool:
    return path == key or path.startswith(key + ".")
