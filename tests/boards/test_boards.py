"""The boards as data: every real one passes, and each kind of mistake in a file is named."""

from __future__ import annotations

import shutil
import tomllib
from pathlib import Path

import pytest
from fakes.meter_bench import SECTION, Machine, Pin

from drivers import meter_bl0910, relay_hc595
from zhuque.boards import FOLDER, BoardError, check, list_boards, load
from zhuque.wire.config import board


def zq10() -> tuple[dict[str, object], dict[str, str]]:
    data = tomllib.loads((FOLDER / "zq10" / "board.toml").read_text())
    return data, data.pop("origin")


def changed(path: str, value: object) -> list[str]:
    """The problems of zq10 with one value changed; None takes it out."""
    data, origin = zq10()
    table: dict[str, object] = data
    *parents, key = path.split(".")
    for parent in parents:
        found = table[parent]
        assert isinstance(found, dict)
        table = found
    if value is None:
        del table[key]
        origin.pop(path, None)
    else:
        table[key] = value
    return check(data, origin)


@pytest.mark.parametrize("name", list_boards())
def test_every_board_passes(name: str) -> None:
    found = load(name)
    assert found.name == name and found.data["name"] == name
    assert "origin" not in found.data
    assert (found.folder / "README.md").is_file()
    assert board(found.data)["limits.rated_ma"] > 0


def test_there_is_a_board() -> None:
    assert "zq10" in list_boards()


def test_zq10_is_what_the_design_says() -> None:
    data = load("zq10").data
    assert data["sockets"] == 10
    assert data["limits"] == {"rated_ma": 5000, "max_power_mw": 1000000, "point_current_ma": 40000}
    meter, relay = data["meter"], data["relay"]
    assert isinstance(meter, dict) and isinstance(relay, dict)
    assert meter["spi"] == {"id": 2, "baud": 1000000, "sck": 18, "mosi": 23, "miso": 19, "cs": 21}
    assert relay["spi"] == {"id": 1, "baud": 1000000, "sck": 25, "mosi": 26, "miso": 35}
    assert (relay["latch"], relay["pump"]) == (27, 33)


def test_the_driver_tests_use_the_numbers_of_zq10() -> None:
    assert load("zq10").data["meter"] == SECTION


class Nothing:
    def __init__(self, number: int, **settings: object) -> None:
        self.number = number

    def write_readinto(self, out: bytes, into: bytearray) -> None:
        pass


def test_both_drivers_take_their_section_of_zq10() -> None:
    data = load("zq10").data
    meter = meter_bl0910.from_board(data["meter"], Machine(Pin, Nothing))
    assert meter.channels == 10 and meter.full_scale_ma >= 50000
    assert meter.floor_ma == 50 and meter.rms_floor_ma == 20 and meter.window_ms == 20
    relay_hc595.from_board(data["relay"], Machine(Pin, Nothing))


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("name", None, "name is missing"),
        ("sockets", 9, "meter.sockets is 10, the board has 9"),
        ("limits.rated_ma", None, "limits.rated_ma is missing"),
        ("limits.rated_ma", 6200, "full scale is 60634 mA, below 10 x limits.rated_ma"),
        ("meter.driver", "bl0911", "meter.driver must be one of bl0910, is 'bl0911'"),
        ("meter.shunt_uohm", None, "meter.shunt_uohm must be an integer of 50 to 100000, is None"),
        ("meter.shunt_uohm", 1000.5, "meter.shunt_uohm must be an integer"),
        ("meter.shunt_uohm", True, "meter.shunt_uohm must be an integer"),
        ("meter.current_gain", 16, "full scale is 30317 mA"),
        ("meter.spi.cs", 23, "meter.spi.cs is pin 23, which is meter.spi.mosi already"),
        ("meter.spi.cs", 35, "meter.spi.cs is pin 35, which can only read"),
        ("meter.spi.cs", 40, "meter.spi.cs must be a pin of 0 to 39"),
        ("meter.spi.cs", "21", "origin of meter.spi.cs: no such number"),
        ("meter.spi.sck", None, "meter.spi.sck must be a pin of 0 to 39"),
        ("relay.driver", None, "relay.driver must be one of hc595"),
        ("relay.latch", 6, "relay.latch is pin 6, which belongs to the flash"),
        ("relay.pump", 12, "relay.pump is pin 12, whose level at reset decides how the chip boots"),
        ("relay.extra", 3, "relay.extra has no origin"),
        ("meter.map", [1, 2], "meter.map has no origin"),
    ],
)
def test_a_mistake_is_named(path: str, value: object, expected: str) -> None:
    problems = changed(path, value)
    assert any(expected in problem for problem in problems), problems


def test_zq10_has_no_problem_of_its_own() -> None:
    assert changed("title", "another") == []


def test_every_number_needs_its_origin_and_every_origin_its_number() -> None:
    data, origin = zq10()
    del origin["meter.cfdiv"]
    origin["meter.nothing"] = "somewhere"
    origin["meter.spi.cs"] = " "
    assert check(data, origin) == [
        "meter.cfdiv has no origin",
        "the origin of meter.spi.cs is empty",
        "origin of meter.nothing: no such number",
    ]


def test_an_unknown_board_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(BoardError, match=r"there is no board 'zq11'; there is .*zq10"):
        load("zq11")
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
