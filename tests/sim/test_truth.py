"""What was recorded held against what was drawn: every kind of difference is found."""

from __future__ import annotations

from typing import Any

import pytest

from zhuque.sim import truth

START = 1795440000  # 2026-11-23T13:20:00Z


def _lived(socket: int = 1, started: int = START, energy_mwh: float = 200_000.0) -> dict[str, Any]:
    return {
        "site": "riverside",
        "point": "p01",
        "socket": socket,
        "started": started,
        "ended": started + 3600,
        "energy_mwh": energy_mwh,
    }


def _truth(*lived: dict[str, Any]) -> dict[str, Any]:
    sockets = [
        {
            "site": "riverside",
            "point": "p01",
            "socket": socket,
            "energy_mwh": sum(row["energy_mwh"] for row in lived if row["socket"] == socket),
        }
        for socket in (1, 2)
    ]
    return {"sockets": sockets, "sessions": list(lived)}


def _row(session: str = "a-1", energy_wh: float = 200.0, **changed: Any) -> dict[str, Any]:
    row = {
        "site": "riverside",
        "point": "p01",
        "socket": 1,
        "session": session,
        "started_at": "2026-11-23T13:20:02Z",
        "ended_at": "2026-11-23T14:20:10Z",
        "energy_wh": energy_wh,
    }
    return {**row, **changed}


def test_what_agrees() -> None:
    balances, problems = truth.compare(_truth(_lived()), [_row(energy_wh=200.1)])
    assert problems == []
    assert [(b.socket, b.sessions, round(b.difference_mwh)) for b in balances] == [(1, 1, 100), (2, 0, 0)]


@pytest.mark.parametrize(
    ("rows", "word"),
    [
        ([], "missing"),
        ([_row(), _row("a-2")], "invented or doubled"),
        ([_row(socket=2)], "missing"),
        ([_row(started_at="2026-11-23T13:30:00Z")], "missing"),
        ([_row(started_at=None)], "missing"),
        ([_row(energy_wh=197.9)], "energy"),
        ([_row(energy_wh=202.1)], "energy"),
        ([_row(ended_at=None)], "still open"),
    ],
)
def test_what_does_not(rows: list[dict[str, Any]], word: str) -> None:
    _, problems = truth.compare(_truth(_lived()), rows)
    assert any(problem.startswith(word) for problem in problems), problems


def test_energies_that_cancel_out_are_found_session_by_session() -> None:
    """20 Wh moved from one session to the next: the socket's sum is right."""
    later = START + 7200
    rows = [_row("a-1", 180.0), _row("a-2", 220.0, started_at="2026-11-23T15:20:00Z")]
    _, problems = truth.compare(_truth(_lived(), _lived(started=later)), rows)
    assert len(problems) == 2


@pytest.mark.parametrize(
    ("drawn", "recorded", "right"),
    [
        (0.0, 1000.0, True),
        (0.0, 1000.1, False),
        (50_000.0, 51_000.0, True),
        (50_000.0, 51_001.0, False),
        (200_000.0, 198_000.0, True),
        (200_000.0, 197_999.0, False),
    ],
)
def test_one_percent_or_one_watt_hour(drawn: float, recorded: float, right: bool) -> None:
    assert truth.agrees(drawn, recorded) is right
