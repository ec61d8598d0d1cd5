"""Scenarios and typed events: what can happen, and what is refused by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from zhuque.errors import UsageError
from zhuque.sim import scenario
from zhuque.sim.demo import DURATION_S
from zhuque.sim.demo import scenario as demo_scenario


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
    for line in ("plug 0", "plug", "foo", '{"do": ', '{"do": ["plug"]}', "[]", "unplug 1 now=1"):
        with pytest.raises(UsageError):
            scenario.parse_line(line, 10)


@pytest.mark.parametrize("seed", range(20))
def test_the_demo_can_happen(seed: int) -> None:
    """No two bikes in a socket, all of them gone before the end, whatever the seed."""
    plugged: set[int] = set()
    last: dict[int, float] = {}
    for event in demo_scenario(seed):
        assert scenario.check(event, 10, timed=True) == []
        socket, at_s = event["socket"], event["at_s"]
        if event["do"] == "plug":
            assert socket not in plugged
            assert at_s - last.get(socket, -1000.0) >= 60
            plugged.add(socket)
        elif event["do"] == "unplug":
            plugged.remove(socket)
            last[socket] = at_s
            assert at_s <= DURATION_S - 200
    assert not plugged
    assert sorted(last) == list(range(1, 11))
