"""Scenarios and typed events: what can happen, and what is refused by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from zhuque.errors import UsageError
from zhuque.sim import chance, demo_day, scenario
from zhuque.sim.events import check, check_order


def test_a_file_comes_in_order(tmp_path: Path) -> None:
    file = tmp_path / "day.toml"
    file.write_text(
        '[[event]]\nat_s = 60.5\ndo = "unplug"\nsocket = 3\n'
        '[[event]]\nat_s = 5\ndo = "plug"\nsocket = 3\nload = { peak_w = 120 }\n'
    )
    assert scenario.load(file, 10) == [
        {"at_s": 5, "do": "plug", "socket": 3, "load": {"peak_w": 120}},
        {"at_s": 60.5, "do": "unplug", "socket": 3},
    ]


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "no [[event]]"),
        ("event = 3", "no [[event]]"),
        ("[[event", "not TOML"),
        ('[[event]]\nat_s = 1\ndo = "explode"', "no 'explode'"),
        ('[[event]]\nat_s = 1\ndo = "plug"\nsocket = 11', "no socket 11"),
        ('[[event]]\nat_s = 1\ndo = "plug"\nsocket = "1"', "no socket '1'"),
        ('[[event]]\nat_s = 1\ndo = "plug"', "needs socket"),
        ('[[event]]\ndo = "unplug"\nsocket = 1', "needs at_s"),
        ('[[event]]\nat_s = -1\ndo = "unplug"\nsocket = 1', "at_s must be a number"),
        ('[[event]]\nat_s = nan\ndo = "unplug"\nsocket = 1', "at_s must be a number"),
        ('[[event]]\nat_s = 1\ndo = "overload"\nsocket = 1', "needs watts"),
        ('[[event]]\nat_s = 1\ndo = "ask"\nop = "stop"', "ask needs socket for stop"),
        ('[[event]]\nat_s = 1\ndo = "ask"\nop = "reset"\nat_point = 1', "at_point must be true or false"),
        ('[[event]]\nat_s = 1\ndo = "short"\nsocket = 1\nwatts = 3', "no key watts"),
        ('[[event]]\nat_s = 1\ndo = "overload"\nsocket = 1\nwatts = "many"', "watts must be a number"),
    ],
)
def test_what_cannot_happen_is_refused(tmp_path: Path, text: str, word: str) -> None:
    file = tmp_path / "bad.toml"
    file.write_text(text)
    with pytest.raises(UsageError) as refused:
        scenario.load(file, 10)
    assert word in str(refused.value)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        scenario.load(tmp_path / "none.toml", 10)


def test_typed_events() -> None:
    assert scenario.parse_line("overload 3 watts=3000 for_s=2.5\n", 10) == {
        "do": "overload",
        "socket": 3,
        "watts": 3000,
        "for_s": 2.5,
    }
    assert scenario.parse_line("plug 1 account=r-1", 10)["account"] == "r-1"
    assert scenario.parse_line('{"do": "network_up"}', 10) == {"do": "network_up"}
    assert scenario.parse_line("ask op=reset at_point=true", 10) == {
        "do": "ask",
        "op": "reset",
        "at_point": True,
    }
    for line in (
        "ask op=start",
        "ask",
        "plug 0",
        "plug",
        "foo",
        '{"do": ',
        '{"do": ["plug"]}',
        "[]",
        "unplug 1 now=1",
    ):
        with pytest.raises(UsageError):
            scenario.parse_line(line, 10)


@pytest.mark.parametrize("seed", range(20))
def test_the_demo_can_happen(seed: int) -> None:
    """No two bikes in a socket, a minute between two, all of them gone before the end, whatever the seed."""
    events = demo_day.scenario(seed)
    assert [problem for event in events for problem in check(event, 10, timed=True)] == []
    problems: list[str] = []
    check_order(events, demo_day.POINTS, lambda number, problem: problems.append(problem))
    assert problems == []
    last: dict[tuple[Any, int], tuple[str, float]] = {}
    for event in sorted(events, key=lambda event: float(event["at_s"])):
        if event["do"] not in ("plug", "unplug"):
            continue
        place = event["point"], event["socket"]
        if event["do"] == "plug" and place in last:
            assert event["at_s"] - last[place][1] >= 60
        last[place] = event["do"], event["at_s"]
    assert {what for what, _ in last.values()} == {"unplug"}
    assert max(at_s for _, at_s in last.values()) <= demo_day.DURATION_S - 200


PLUG = '[[event]]\nat_s = 10\ndo = "plug"\nsocket = 3\n'


@pytest.mark.parametrize(
    ("text", "place", "word"),
    [
        (PLUG + '[[event]]\nat_s = 1\ndo = "plug"\nsocket = 99\n', "5: event 2", "no socket 99"),
        (PLUG + "\n# again\n" + PLUG.replace("10", "20"), "7: event 2", "socket 3 is taken"),
        (
            PLUG + '[[event]]\nat_s = 5\ndo = "unplug"\nsocket = 3',
            "5: event 2",
            "nothing is plugged into socket 3",
        ),
        ('[[event]]\nat_s = 100\ndo = "network_down"\nuntil_s = 90', "1: event 1", "ends before it starts"),
        ('[[event]]\nat_s = 100\ndo = "power_cut"\nuntil_s = 100', "1: event 1", "ends before it starts"),
        ('[[event]]\nat_s = 1\ndo = "network_down"\nfor_s = -5', "1: event 1", "for_s must be"),
        (
            '[[event]]\nat_s = 1\ndo = "relay_stuck"\nsocket = 1\non = false\n'
            '[[event]]\nat_s = 9\ndo = "relay_stuck"\nsocket = 1',
            "1: event 1",
            "ends before it starts",
        ),
        ('[[event]]\nat_s = 1\ndo = "network_up"', "1: event 1", "ends before it starts"),
        (
            '[[event]]\nat_s = 9\ndo = "power_cut"\nfor_s = 1\nduring = "erase"\nuntil_s = 9',
            "1: event 1",
            "ends before it starts",
        ),
        (
            '[[event]]\nat_s = 1\ndo = "smoke"\nfor_s = 1\nuntil_s = 9',
            "1: event 1",
            "either for_s or until_s",
        ),
        ('[[event]]\nat_s = 1\ndo = "meter_frozen"\nwhat = "voltage"', "1: event 1", "what must be one of"),
        (
            '[[event]]\nat_s = 1\ndo = "meter_register"\nregister = 300\nvalue = 1',
            "1: event 1",
            "register must be",
        ),
        (
            '[[event]]\nat_s = 1\ndo = "power_cut"\nfor_s = 1\nduring = "lunch"',
            "1: event 1",
            "during must be one of",
        ),
        ('[[event]]\nat_s = 1\ndo = "heat"\ncelsius = 400', "1: event 1", "celsius must be"),
        ('[[event]]\nat_s = 1\ndo = "smoke"\npoint = "P 1"', "1: event 1", "names of points"),
        (PLUG + "load = { peak_w = -1 }", "1: event 1", "peak_w must be"),
        (PLUG + 'load = { kind = "kettle" }', "1: event 1", "no load of kind 'kettle'"),
        (PLUG + 'load = { like = "nothing" }', "1: event 1", "no load is like 'nothing'"),
        (PLUG + 'load = { file = "none.csv" }', "1: event 1", "none.csv cannot be replayed"),
        (PLUG + "load = 5", "1: event 1", "load must be a table"),
    ],
)
def test_bad_input_names_the_line_and_the_entry(tmp_path: Path, text: str, place: str, word: str) -> None:
    file = tmp_path / "bad.toml"
    file.write_text(text)
    with pytest.raises(UsageError) as refused:
        scenario.load(file, 10)
    assert f"bad.toml:{place}: " in str(refused.value)
    assert word in str(refused.value)


def test_every_problem_is_named_at_once(tmp_path: Path) -> None:
    file = tmp_path / "bad.toml"
    file.write_text('[[event]]\nat_s = 1\ndo = "plug"\nsocket = 99\n[[event]]\nat_s = 1\ndo = "explode"\n')
    with pytest.raises(UsageError) as refused:
        scenario.load(file, 10)
    assert str(refused.value).count("bad.toml:") == 2


GARAGE = """
[[event]]
at_s = 5
do = "plug"
socket = 1
point = "p01"
[[event]]
at_s = 6
do = "plug"
socket = 1
point = "p02"
[[event]]
at_s = 60
do = "power_cut"
for_s = 5
points = ["p01", "p03"]
[[event]]
at_s = 70
do = "network_down"
until_s = 80
"""


def test_one_some_and_all_points(tmp_path: Path) -> None:
    file = tmp_path / "garage.toml"
    file.write_text(GARAGE)
    events = scenario.load(file, 10, ("p01", "p02", "p03"))
    happens = {p: [event["do"] for event in scenario.of_point(events, p)] for p in ("p01", "p02", "p03")}
    assert happens == {
        "p01": ["plug", "power_cut", "network_down"],
        "p02": ["plug", "network_down"],
        "p03": ["power_cut", "network_down"],
    }
    assert scenario.of_point(events, "p03")[-1] == {"at_s": 70, "do": "network_down", "for_s": 10}


def test_a_point_that_is_not_there_and_a_bike_in_every_socket(tmp_path: Path) -> None:
    file = tmp_path / "garage.toml"
    file.write_text(GARAGE)
    with pytest.raises(
        UsageError, match=r"garage.toml:12: event 3: there is no point 'p03'; there is p01, p02"
    ):
        scenario.load(file, 10, ("p01", "p02"))
    file.write_text(PLUG + '[[event]]\nat_s = 20\ndo = "plug"\nsocket = 3\npoint = "p02"\n')
    with pytest.raises(UsageError, match=r"garage.toml:5: event 2: socket 3 is taken .* entry 1"):
        scenario.load(file, 10, ("p01", "p02"))


def test_chance_is_the_same_for_the_same_seed() -> None:
    wanted: dict[str, Any] = {"until_s": 36000, "sockets": 10, "points": ("p01", "p02"), "per_hour": 30}
    first = chance.faults(seed=7, **wanted)
    assert first == chance.faults(seed=7, **wanted)
    assert first != chance.faults(seed=8, **wanted)
    assert 200 < len(first) < 400
    assert {event["do"] for event in first} == set(chance.FAULTS)
    for event in first:
        assert scenario.check(event, 10, timed=True) == [], event
    cuts = [event for event in first if event["do"] == "power_cut"]
    assert any("points" in event for event in cuts) and any("point" in event for event in cuts)


def test_chance_in_a_file_tells_its_seed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "chance.toml"
    file.write_text("[random]\nuntil_s = 7200\nper_hour = 20\n")
    first = scenario.load(file, 10)
    told = capsys.readouterr().err
    seed = int(told.split("seed = ")[1].split()[0])
    file.write_text(f"[random]\nuntil_s = 7200\nper_hour = 20\nseed = {seed}\n")
    assert scenario.load(file, 10) == first != []


@pytest.mark.parametrize(
    ("table", "word"),
    [
        ("", "needs until_s"),
        ("until_s = 5\nfrom_s = 9", "ends before it starts"),
        ("until_s = 5\nper_day = 9", "has the keys"),
        ('until_s = 5\nkinds = ["rain"]', "no fault 'rain'"),
        ("until_s = 5\nper_hour = 0", "per_hour"),
    ],
)
def test_chance_that_cannot_be(tmp_path: Path, table: str, word: str) -> None:
    file = tmp_path / "chance.toml"
    file.write_text(f"[random]\n{table}\n")
    with pytest.raises(UsageError, match=word):
        scenario.load(file, 10)


EXAMPLES = sorted((Path(scenario.__file__).parent / "scenarios").glob("*.toml"))


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.name)
def test_the_examples_can_happen(file: Path) -> None:
    assert scenario.load(file, 10)
