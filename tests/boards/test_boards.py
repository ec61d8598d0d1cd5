"""The boards as data: each kind of mistake in a file is named, in words that say what to do."""

from __future__ import annotations

import copy
import shutil
import tomllib
from pathlib import Path
from typing import Any

import pytest
from fakes import serial_bench
from fakes.meter_bench import SECTION

from zhuque.boards import FOLDER, BoardError, check, list_boards, load, load_file, rules
from zhuque.boards.schema import numbers
from zhuque.errors import NotFoundError

GONE = object()


def changed(board: str, **changes: object) -> list[str]:
    """The problems of a board with some values changed; `__` stands for the dot, GONE takes a key out.

    What is new has its origin, so that only the change itself is judged.
    """
    data: dict[str, Any] = tomllib.loads((FOLDER / board / "board.toml").read_text())
    origin = data.pop("origin")
    for path, value in changes.items():
        *parents, key = path.replace("__", ".").split(".")
        table = data
        for parent in parents:
            table = table.setdefault(parent, {})
        if value is GONE:
            table.pop(key)
        else:
            table[key] = copy.deepcopy(value)
    have = {path for path, _ in numbers(data)}
    origin = {path: text for path, text in origin.items() if path in have}
    return check(data, {**dict.fromkeys(have, "test"), **origin})


def test_there_are_the_boards_of_the_design() -> None:
    assert list_boards() == ["devkit-hlw8032", "kc868-a8-pzem", "zq10"]


def test_zq10_is_what_the_design_says() -> None:
    data = load("zq10").data
    assert data["sockets"] == 10
    assert data["limits"] == {"rated_ma": 5000, "max_power_mw": 1000000, "point_current_ma": 40000}
    meter, relay = data["meter"], data["relay"]
    assert isinstance(meter, dict) and isinstance(relay, dict)
    assert meter["spi"] == {"id": 2, "baud": 1000000, "sck": 18, "mosi": 23, "miso": 19, "cs": 21}
    assert relay["spi"] == {"id": 1, "baud": 1000000, "sck": 25, "mosi": 26, "miso": 35}
    assert (relay["latch"], relay["pump"]) == (27, 33)
    assert {"contactor", "inputs", "temperature"} <= data.keys()


def test_the_driver_tests_use_the_numbers_of_zq10() -> None:
    assert load("zq10").data["meter"] == SECTION


BREAKER = {"curve": "C", "rated_ma": 10000}
UART = {"id": 2, "tx": 18, "rx": 19}
BL0942 = {**serial_bench.BL0942, "addresses": [0], "uart": UART}  # in the circuit of its data sheet
LOOP = {"pin": 4, "open_level": 1, "debounce_ms": 40}

BROKEN: list[tuple[str, dict[str, object], str]] = [
    # keys, types and ranges
    ("zq10", {"name": GONE}, "name is missing: 1 to 32 characters"),
    ("zq10", {"mcu": "ESP8266"}, "mcu must be one of ESP32-WROOM-32, "),
    ("zq10", {"sockets": 9}, "the meter has 10 channels in use, the board has 9 sockets"),
    ("zq10", {"sockets": 9}, "relay.sockets is 10, the board has 9"),
    ("zq10", {"sockets": "10"}, "sockets must be an integer of 1 to 16, is '10'"),
    ("zq10", {"limits": GONE}, "limits is missing: a table"),
    ("zq10", {"limits__rated_ma": GONE}, "limits.rated_ma is missing: an integer of 500 to 16000"),
    ("zq10", {"limits__rated_ma": 20000}, "limits.rated_ma must be an integer of 500 to 16000, is 20000"),
    ("zq10", {"limits__rated_a": 5}, "limits.rated_a is no key of a board; there are rated_ma, "),
    (
        "zq10",
        {"meter__driver": "bl0911"},
        "meter.driver must be one of bl0910, bl0942, hlw8032, pzem004t, is 'bl0911'",
    ),
    ("zq10", {"meter__shunt_uohm": GONE}, "meter.shunt_uohm is missing: an integer of 50 to 100000"),
    ("zq10", {"meter__shunt_uohm": 1000.5}, "meter.shunt_uohm must be an integer of 50 to 100000, is 1000.5"),
    ("zq10", {"meter__shunt_uohm": True}, "meter.shunt_uohm must be an integer"),
    ("zq10", {"meter__spi": GONE}, "meter.spi or uart is missing: a table with the bus and its pins"),
    ("zq10", {"meter__spi__cs": 40}, "meter.spi.cs must be a pin of 0 to 39, is 40"),
    ("zq10", {"meter__spi__cs": "21"}, "meter.spi.cs must be a pin of 0 to 39, is '21'"),
    ("zq10", {"meter__current_gain": 3}, "meter.current_gain must be one of 1, 2, 8, 16, is 3"),
    ("zq10", {"meter__cfdiv": 255}, "meter.cfdiv must be a power of two, is 255"),
    ("zq10", {"relay__driver": GONE}, "relay.driver must be one of hc595, pcf8574, gpio, is None"),
    ("zq10", {"relay__extra": 3}, "relay.extra is no key of a board"),
    ("zq10", {"relay__rating_ma": GONE}, "relay.rating_ma is missing"),
    ("zq10", {"relay": []}, "relay is missing: a table"),
    ("zq10", {"contactor": 7}, "contactor must be a table, is 7"),
    ("zq10", {"fuse": {"rated_ma": 1}}, "fuse is no key of a board"),
    ("zq10", {"contactor__active_low": 0}, "contactor.active_low must be true or false, is 0"),
    (
        "zq10",
        {"contactor__pins": [22, 4]},
        "contactor.pins must be a list of 1 to 1 pins of 0 to 39, is [22, 4]",
    ),
    ("zq10", {"inputs__door": LOOP}, "inputs.door is no key of a board"),
    ("zq10", {"inputs": {}}, "inputs has no input: emergency_stop, smoke, residual_current"),
    ("zq10", {"inputs__smoke": 39}, "inputs.smoke must be a table, is 39"),
    ("zq10", {"inputs__smoke__bit": 1}, "inputs.smoke needs either pin or bit"),
    ("zq10", {"inputs__smoke__pin": GONE}, "inputs.smoke needs either pin or bit"),
    (
        "zq10",
        {"inputs__smoke": {"bit": 1, "open_level": 1, "debounce_ms": 40}},
        "inputs has none: chip, address, i2c",
    ),
    (
        "zq10",
        {"inputs__smoke__debounce_ms": 5},
        "inputs.smoke.debounce_ms must be an integer of 10 to 1000, is 5",
    ),
    ("kc868-a8-pzem", {"inputs__i2c": GONE}, "inputs.i2c is missing"),
    (
        "kc868-a8-pzem",
        {"meter__addresses": []},
        "meter.addresses must be a list of 1 to 16 integers of 1 to 247, is []",
    ),
    ("kc868-a8-pzem", {"meter__addresses": [1, 2, 3, 4, 5, 6, 7, 248]}, "meter.addresses must be a list"),
    (
        "kc868-a8-pzem",
        {"reserved__lamp": "2"},
        "reserved.lamp must be a list of 1 to 40 pins of 0 to 39, is '2'",
    ),
    # pins
    ("zq10", {"meter__spi__cs": 23}, "meter.spi.cs is pin 23, which is meter.spi.mosi already"),
    ("zq10", {"meter__spi__cs": 35}, "meter.spi.cs is pin 35, which can only read"),
    ("zq10", {"meter__spi__cs": 20}, "meter.spi.cs is pin 20, which does not exist on an ESP32"),
    (
        "zq10",
        {"inputs__smoke__pin": 37},
        "inputs.smoke.pin is pin 37, which ESP32-WROOM-32E does not bring out",
    ),
    ("zq10", {"relay__latch": 6}, "relay.latch is pin 6, which belongs to the flash"),
    ("zq10", {"relay__latch": 1}, "relay.latch is pin 1, which is the console on USB"),
    ("devkit-hlw8032", {"led__pin": 26}, "led.pin is pin 26, which is relay.pins already"),
    (
        "devkit-hlw8032",
        {"led__active_low": True},
        "led.pin is pin 2, whose level at reset decides how the chip boots",
    ),
    ("devkit-hlw8032", {"led__pin": GONE}, "led.pin is missing: a pin of 0 to 39"),
    ("zq10", {"relay__pump": 12}, "relay.pump is pin 12, whose level at reset decides how the chip boots"),
    (
        "zq10",
        {"inputs__smoke__pin": 0},
        "inputs.smoke.pin is pin 0, whose level at reset decides how the chip boots",
    ),
    ("zq10", {"inputs__smoke__pull_up": True}, "inputs.smoke.pin is pin 39, which has no pull-up of its own"),
    (
        "zq10",
        {"temperature__pin": 13},
        "temperature.pin is pin 13, which the ADC cannot read while Wi-Fi runs",
    ),
    (
        "zq10",
        {"temperature__pin": 36},
        "temperature.pin is pin 36, which is inputs.emergency_stop.pin already",
    ),
    (
        "zq10",
        {"mcu": "ESP32-WROVER-E", "relay__latch": 16},
        "relay.latch is pin 16, which belongs to the memory",
    ),
    (
        "zq10",
        {"contactor__pins": [15]},
        "contactor.pins is pin 15, whose level at reset is 1: it would close the relay",
    ),
    (
        "devkit-hlw8032",
        {"relay__pins": [5]},
        "relay.pins is pin 5, whose level at reset is 1: it would close the relay",
    ),
    (
        "devkit-hlw8032",
        {"relay__pins": [12], "relay__active_low": True},
        "relay.pins is pin 12, whose level at reset is 0: it would close the relay",
    ),
    (
        "devkit-hlw8032",
        {"relay__pins": [4], "relay__active_low": True},
        "relay.pins is pin 4, whose level at reset is 0: it would close the relay",
    ),
    (
        "devkit-hlw8032",
        {"relay__pins": [14]},
        "relay.pins is pin 14, which puts out pulses while the chip boots: the relay would chatter",
    ),
    (
        "devkit-hlw8032",
        {"relay__pins": [5], "relay__active_low": True},
        "relay.pins is pin 5, which puts out pulses while the chip boots: the relay would chatter",
    ),
    (
        "devkit-hlw8032",
        {"relay__pins": [15], "relay__active_low": True},
        "relay.pins is pin 15, which puts out pulses while the chip boots: the relay would chatter",
    ),
    (
        "devkit-hlw8032",
        {"relay__pins": [0], "relay__active_low": True},
        "relay.pins is pin 0, which the BOOT button and esptool's reset hold at 0: each would close the relay",
    ),
    (
        "zq10",
        {"contactor__pins": [0], "contactor__active_low": True},
        "contactor.pins is pin 0, which the BOOT button and esptool's reset hold at 0",
    ),
    (
        "zq10",
        {"relay__pump": 14},
        "relay.pump is pin 14, which puts out pulses while the chip boots: the relays would be held closed",
    ),
    ("zq10", {"relay__pump": 5}, "relay.pump is pin 5, which puts out pulses while the chip boots"),
    ("zq10", {"relay__pump": 0}, "relay.pump is pin 0, whose level at reset decides how the chip boots"),
    (
        "zq10",
        {"relay__latch": 14},
        "relay.latch is pin 14, which puts out pulses while the chip boots: a word that a reset cut off",
    ),
    (
        "kc868-a8-pzem",
        {"reserved__one_wire": GONE, "relay__enable": 14},
        "relay.enable is pin 14, which puts out pulses while the chip boots",
    ),
    ("kc868-a8-pzem", {"meter__uart__tx": 18}, "reserved.ethernet is pin 18, which is meter.uart.tx already"),
    ("kc868-a8-pzem", {"relay__enable": 0}, "relay.enable is pin 0, whose level at reset is 1"),
    ("kc868-a8-pzem", {"relay__i2c__sda": 12}, "relay.i2c.sda is pin 12, whose level at reset decides"),
    (
        "kc868-a8-pzem",
        {"relay__i2c__scl": 4, "inputs__i2c__scl": 4},
        "relay.i2c.sda is pin 4, which is relay.i2c.scl already",
    ),
    ("kc868-a8-pzem", {"temperature__pin": 36}, "temperature.pin is pin 36, which can only read"),
    # what the numbers must satisfy together
    ("zq10", {"limits__rated_ma": 6200}, "full scale is 60634 mA, below 10 x limits.rated_ma"),
    ("zq10", {"meter__current_gain": 16}, "full scale is 30317 mA"),
    (
        "zq10",
        {"meter__divider_low_ohm": 1215},
        "full scale is 399 V, below 400 V: an overvoltage would read as less",
    ),
    ("zq10", {"meter__divider_low_ohm": 1500}, "full scale is 323 V, below 400 V"),
    ("zq10", {"meter__divider_low_ohm": 4300}, "full scale is 113 V, below 400 V"),
    ("zq10", {"meter__divider_low_ohm": 1900}, "might trip nothing; lower meter.divider_low_ohm"),
    (
        "zq10",
        {"meter__voltage_gain": 16},
        "full scale is 70 V, below 400 V: an overvoltage would read as less than it is, and a broken neutral might "
        "trip nothing; lower meter.divider_low_ohm or voltage_gain",
    ),
    ("zq10", {"meter__divider_low_ohm": 105}, "full scale is 4620 V, above 4600 V: 230 V would drown"),
    ("zq10", {"meter__divider_low_ohm": 1}, "above 4600 V: 230 V would drown in the input's noise; raise"),
    ("devkit-hlw8032", {"meter__divider_low_ohm": 4000}, "full scale is 228 V, below 400 V"),
    ("devkit-hlw8032", {"meter": BL0942}, "full scale is 265 V, below 400 V"),
    (
        "zq10",
        {"relay__spi__id": 2},
        "relay.spi.id is 2, which is meter.spi's already: both would get the pins and",
    ),
    ("zq10", {"meter__spi__id": 1}, "relay.spi.id is 1, which is meter.spi's already"),
    ("zq10", {"relay__rating_ma": 4999}, "limits.rated_ma is 5000, above the relay's rating of 4999 mA"),
    ("zq10", {"limits__point_current_ma": 4999}, "limits.point_current_ma is 4999, below limits.rated_ma"),
    (
        "zq10",
        {"limits__max_power_mw": 1265001},
        "more than 5000 mA give at 253 V: it would never trip; at most 1265000",
    ),
    (
        "zq10",
        {"contactor__rating_ma": 39999},
        "contactor.rating_ma is 39999, below limits.point_current_ma of 40000",
    ),
    ("zq10", {"relay__hang_ms": 199}, "relay.hang_ms is 199, but relays on hc595 stay closed for 200 ms"),
    ("devkit-hlw8032", {"relay__hang_ms": 3999}, "relays on gpio stay closed for 4000 ms"),
    ("kc868-a8-pzem", {"relay__hang_ms": 4999}, "relays on pcf8574 stay closed for 5000 ms"),
    ("devkit-hlw8032", {"breaker": GONE}, "the meter is a hlw8032, too slow for the instantaneous stage"),
    ("kc868-a8-pzem", {"breaker": GONE}, "the meter is a pzem004t, too slow for the instantaneous stage"),
    (
        "zq10",
        {"meter__spi": GONE, "meter__uart": UART},
        "the meter is a bl0910 on a UART, too slow for the instantaneous stage: the board needs a circuit breaker",
    ),
    ("zq10", {"meter__uart": UART}, "meter is on spi and on uart: a chip is on one bus"),
    (
        "zq10",
        {"meter__spi": GONE, "meter__uart": {**UART, "baud": 14400}, "breaker": BREAKER},
        "meter.uart.baud must be one of 9600, 19200, 38400, as the chip's pins set it, is 14400",
    ),
    ("zq10", {"meter__fast_trip_ma": 39999}, "meter.fast_trip_ma is 39999, below 8 x limits.rated_ma"),
    (
        "zq10",
        {"meter__fast_trip_ma": 60635},
        "above the meter's full scale of 60634 mA: the chip would never",
    ),
    ("kc868-a8-pzem", {"breaker__rated_ma": 4999}, "breaker.rated_ma is 4999, below limits.rated_ma of 5000"),
    (
        "kc868-a8-pzem",
        {"breaker__rated_ma": 32000, "breaker__curve": "C"},
        "the breaker trips at once only at 320000 mA, above 20 x limits.rated_ma",
    ),
    (
        "zq10",
        {"breaker": {"curve": "C", "rated_ma": 10001}},
        "the breaker trips at once only at 100010 mA",
    ),
    ("kc868-a8-pzem", {"meter__full_scale_ma": 10000}, "full scale is 10000 mA, below 10 x limits.rated_ma"),
    ("kc868-a8-pzem", {"meter__addresses": [1, 2, 3, 4, 5, 6, 7, 7]}, "meter.addresses holds a number twice"),
    (
        "kc868-a8-pzem",
        {"meter__addresses": [1, 2]},
        "the meter has 2 channels in use, the board has 8 sockets",
    ),
    ("kc868-a8-pzem", {"relay__active_low": False}, "every relay would close by itself"),
    ("kc868-a8-pzem", {"relay__addresses": [0x22]}, "inputs has a chip at address 0x22, where relay has one"),
    ("kc868-a8-pzem", {"relay__addresses": [0x28]}, "relay has a pcf8574 at address 0x28: 0x20 to 0x27"),
    (
        "kc868-a8-pzem",
        {"relay__addresses": [0x14]},
        "relay.addresses must be a list of 1 to 2 integers of 0x20 to 0x3f, is [0x14]",
    ),
    (
        "kc868-a8-pzem",
        {"inputs__address": 0x40},
        "inputs.address must be an integer of 0x20 to 0x3f, is 0x40",
    ),
    ("kc868-a8-pzem", {"inputs__address": "0x22"}, "an integer of 0x20 to 0x3f, is '0x22'"),
    (
        "kc868-a8-pzem",
        {"relay__addresses": [0x24, 0x24]},
        "relay.addresses holds a number twice: [0x24, 0x24]",
    ),
    (
        "kc868-a8-pzem",
        {"relay__chip": "pcf8575", "relay__addresses": [0x38]},
        "relay has a pcf8575 at address 0x38",
    ),
    (
        "kc868-a8-pzem",
        {"relay__i2c__freq": 400000},
        "relay.i2c.freq is above the 100000 Hz that a pcf8574 takes",
    ),
    ("kc868-a8-pzem", {"inputs__i2c__freq": 50000}, "inputs.i2c is not relay.i2c"),
    (
        "kc868-a8-pzem",
        {"inputs__smoke__bit": 0},
        "inputs.smoke.bit is 0, which is inputs.emergency_stop already",
    ),
    ("kc868-a8-pzem", {"inputs__smoke__bit": 8}, "inputs.smoke.bit is 8, and the expander has 8"),
    ("kc868-a8-pzem", {"inputs__smoke__open_level": 0}, "a cut wire would read as a closed loop"),
    ("devkit-hlw8032", {"inputs__emergency_stop__open_level": 0}, "a cut wire would read as a closed loop"),
    ("devkit-hlw8032", {"relay__pins": [26, 27]}, "relay drives 2 relays, the board has 1 sockets"),
    ("kc868-a8-pzem", {"sockets": 9, "relay__sockets": 9}, "relay drives 8 relays, the board has 9 sockets"),
    ("zq10", {"temperature__table_ohm": [10000, 5000]}, "temperature.table_ohm must be 34 falling numbers"),
    (
        "zq10",
        {"temperature__table_ohm": list(range(100, 134))},
        "temperature.table_ohm must be 34 falling numbers",
    ),
    ("zq10", {"temperature__open_mv": 3300}, "temperature needs short_mv < open_mv < supply_mv"),
]


@pytest.mark.parametrize(("board", "changes", "expected"), BROKEN, ids=[item[2][:60] for item in BROKEN])
def test_a_mistake_is_named(board: str, changes: dict[str, object], expected: str) -> None:
    problems = changed(board, **changes)
    assert any(expected in problem for problem in problems), problems


GOOD: list[tuple[str, dict[str, object]]] = [
    ("zq10", {"title": "another"}),
    ("zq10", {"limits__max_power_mw": 1265000}),
    ("zq10", {"contactor": GONE, "inputs": GONE, "temperature": GONE}),
    ("devkit-hlw8032", {"relay__pins": [27], "relay__active_low": True}),
    ("devkit-hlw8032", {"relay__pins": [12]}),
    ("devkit-hlw8032", {"relay__pins": [4]}),
    ("kc868-a8-pzem", {"relay__active_low": False, "relay__enable": 16}),
    ("kc868-a8-pzem", {"relay__chip": "pcf8575"}),
    ("kc868-a8-pzem", {"relay__addresses": [0x38]}),
    ("zq10", {"breaker": BREAKER}),
    ("zq10", {"meter__spi": GONE, "meter__uart": UART, "breaker": BREAKER}),
    ("zq10", {"meter__fast_trip_ma": GONE}),
    ("zq10", {"meter__divider_low_ohm": 1214}),
    ("zq10", {"meter__divider_low_ohm": 106}),
    ("devkit-hlw8032", {"meter": {**BL0942, "divider_low_ohm": 300}}),
]


@pytest.mark.parametrize(("board", "changes"), GOOD)
def test_what_is_right_is_not_refused(board: str, changes: dict[str, object]) -> None:
    assert changed(board, **changes) == []


def test_an_spi_and_a_uart_of_the_same_number_are_two() -> None:
    buses = {"meter": {"uart": {"id": 2}}, "relay": {"spi": {"id": 2}}}
    assert list(rules._controllers(buses)) == []
    (problem,) = rules._controllers({"meter": {"uart": {"id": 2}}, "relay": {"uart": {"id": 2}}})
    assert problem.startswith("relay.uart.id is 2, which is meter.uart's already")


def test_every_problem_is_said_at_once() -> None:
    problems = changed("zq10", meter__spi__cs=35, relay__pump=12, relay__rating_ma=4000, relay__hang_ms=50)
    assert len(problems) == 5, problems


def test_every_number_needs_its_origin_and_every_origin_its_number() -> None:
    data = tomllib.loads((FOLDER / "zq10" / "board.toml").read_text())
    origin = data.pop("origin")
    del origin["meter.cfdiv"]
    origin["meter.nothing"] = "somewhere"
    origin["meter.spi.cs"] = " "
    assert check(data, origin) == [
        "meter.cfdiv has no origin",
        "the origin of meter.spi.cs is empty",
        "origin of meter.nothing: no such number",
    ]


def test_what_follows_from_a_wrong_key_is_not_told_as_well() -> None:
    """Its origin, or its lack of one: whoever mends the key mends that."""
    data = tomllib.loads((FOLDER / "zq10" / "board.toml").read_text())
    origin = data.pop("origin")
    data["relay"]["latsh"] = data["relay"].pop("latch")
    data["limits"]["rated_ma"] = "5000"
    del data["meter"]["spi"]
    problems = check(data, origin)
    assert [problem.split(" ", 1)[0] for problem in problems] == [
        "limits.rated_ma",
        "meter.spi",
        "relay.latsh",
        "relay.latch",
    ]
    origin["meter.nothing"] = "somewhere"
    del origin["meter.cfdiv"]
    assert check(data, origin) == [
        *problems,
        "meter.cfdiv has no origin",
        "origin of meter.nothing: no such number",
    ]


def test_an_unknown_board_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(BoardError, match=r"there is no board 'zq11'; there is .*zq10") as caught:
        load("zq11")
    assert isinstance(caught.value, NotFoundError) and caught.value.exit_code == 3
    with pytest.raises(BoardError, match="there is no board"):
        load("../boards/zq10")


def test_a_broken_file_is_refused(tmp_path: Path) -> None:
    shutil.copytree(FOLDER / "zq10", tmp_path / "zq10")
    file = tmp_path / "zq10" / "board.toml"
    good = file.read_text()
    assert load("zq10", tmp_path).data["sockets"] == 10
    file.write_text(good + "\n[limits\n")
    with pytest.raises(BoardError, match="cannot be read as TOML"):
        load("zq10", tmp_path)
    file.write_text(good.replace('name = "zq10"', 'name = "other"'))
    with pytest.raises(BoardError, match="name is 'other', but the folder is 'zq10'"):
        load("zq10", tmp_path)
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(BoardError, match="cannot be read as TOML"):
        load("zq10", tmp_path)
    with pytest.raises(BoardError, match="cannot be read: No such file") as caught:
        load_file(tmp_path / "nothing.toml")
    assert caught.value.exit_code == 3
