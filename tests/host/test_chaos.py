"""The short form of `make chaos`: two points for half an hour, on each database."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.chaos import __main__ as chaos
from tests.chaos import day

SEED = 11
POINTS = 2
DURATION_S = 2100


def test_the_same_seed_is_the_same_day() -> None:
    assert day.draw(5, 30, 7200) == day.draw(5, 30, 7200)
    assert day.draw(5, 30, 7200) != day.draw(6, 30, 7200)


def test_a_day_ends_quietly() -> None:
    drawn = day.draw(5, 30, 7200)
    loud_s = 7200 - day.QUIET_S
    ends = [event.get("until_s", event["at_s"] + event.get("for_s", 0)) for event in drawn.events]
    assert max(ends) <= loud_s + 0.01
    assert all("until_s" in event for event in drawn.events if "during" in event)
    assert all(strike.at_s < loud_s for strike in drawn.strikes)


@pytest.mark.timeout(240)
def test_nothing_is_lost_or_doubled(
    tmp_path: Path, new_db: Callable[[], str], request: pytest.FixtureRequest, capsys: Any
) -> None:
    db = new_db()
    server = request.getfixturevalue("postgres") if "://" in db else None
    wrong = chaos.play(tmp_path, db, SEED, POINTS, DURATION_S, server)
    said = capsys.readouterr().out
    assert wrong == [], said
    for kind in ("power_cut", "network_down", "clock_jump", "collector_kill", "broker_kill", "database_away"):
        assert f"x {kind}" in said, said
