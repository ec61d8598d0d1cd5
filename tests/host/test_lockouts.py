"""What locks, what of it the whole point, and what is locked after which records: the host as the board has it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from fakes.wall import Wall
from hypothesis import given
from hypothesis import strategies as st

from core import causes, rare_commands
from core.protection import WHOLE
from core.recovery import _Found
from core.supply import UNKNOWN_DC
from zhuque import lockouts
from zhuque.cli.refusals import refusal
from zhuque.cli.targets import Target
from zhuque.store.locked import Lockout, Told, believed, standing
from zhuque.wire.codes import CAUSES

SOCKETS = 3


def _names(bits: int) -> set[str]:
    return {name for name in CAUSES if causes.bit(name) & bits}


def test_the_causes_are_those_of_the_board() -> None:
    assert _names(causes.LOCKOUTS) == lockouts.LOCKING
    assert _names(causes.LOCAL_ONLY) == lockouts.AT_THE_POINT


@pytest.mark.parametrize(
    ("socket", "cause", "port", "says"),
    [
        (3, "overcurrent", None, "then `zhuque socket reset g/p01/3`"),
        (3, "relay_welded", None, "then, at the point, `zhuque socket reset g/p01/3 --port PORT`"),
        (3, "relay_welded", "COM3", "then `zhuque socket reset g/p01/3 --port COM3`"),
        (3, "smoke", None, "then, at the point, `zhuque socket reset g/p01/3 --port PORT`"),
        (3, "overtemperature", None, "then `zhuque socket reset g/p01/3`"),
        (None, "smoke", None, "the whole point is locked: find the cause"),
        (None, "smoke", None, "at the point, `zhuque point reset g/p01 --port PORT`"),
        (None, "overtemperature", None, "then `zhuque point reset g/p01`"),
        (None, "smoke", "COM3", "then `zhuque point reset g/p01 --port COM3`"),
        (3, "of_the_future", None, "then `zhuque socket reset g/p01/3`"),
        (None, None, None, "then `zhuque point reset g/p01`"),
    ],
)
def test_the_way_out(socket: int | None, cause: str | None, port: str | None, says: str) -> None:
    assert says in lockouts.way_out("g/p01", socket, cause, port)


def test_a_cause_in_the_words_of_a_point() -> None:
    assert lockouts.cause_in("locked for smoke: remove the cause, then reset the point") == "smoke"
    assert lockouts.cause_in("smoke_in_the_attic since 5") is None


@pytest.mark.parametrize("cause", ["overtemperature", "smoke"])
def test_a_worn_out_session_locks_its_socket_for_a_cause_of_the_whole_point(cause: str) -> None:
    """Its thermometer fell silent, or its input was not read, a fourth time: what one is told to type resets that."""
    wall = Wall()
    wall.protection.supply._has_temperature = True
    wall.watts[2] = 200
    assert wall.start(3)["ok"]
    wall.live(70)
    for _ in range(4):
        if cause == "smoke":
            wall.reading.unread = causes.SMOKE
        else:
            wall.dc = UNKNOWN_DC
        wall.live(35)
        wall.dc, wall.reading.unread = 250, 0
        wall.live(90)
    assert [(trip["socket"], trip["cause"]) for trip in wall.records("trip")] == [(3, cause)]
    answer = wall.start(3, id="again")
    told = str(refusal(Target("g", "p01", 3), "start", answer["error"], answer["detail"]))
    assert "socket reset g/p01/3" in told and "point reset" not in told
    now = ("li", "button", wall.uptime_ms, wall.clock)
    assert rare_commands.reset(wall.point, WHOLE, True, *now)[0] == "not_locked"
    assert rare_commands.reset(wall.point, 2, True, *now) is None
    assert wall.start(3, id="then")["ok"]


def test_a_locked_point_says_that_it_is_the_whole_of_it() -> None:
    wall = Wall()
    wall.active = causes.SMOKE
    wall.live(1)
    answer = wall.start(3)
    told = str(refusal(Target("g", "p01", 3), "start", answer["error"], answer["detail"]))
    assert "the whole point is locked" in told and "point reset g/p01 " in told


RECORDS = st.lists(
    st.builds(
        lambda kind, place, cause, session, at: {
            "kind": kind,
            "socket": place,
            "cause": cause,
            "session": session,
            "source": "button",
            "time": at,
        },
        st.sampled_from(("trip", "reset")),
        st.sampled_from((None, *range(1, SOCKETS + 1))),
        st.sampled_from((*CAUSES, "of_the_future")),
        st.sampled_from((None, "9f3ac2d15b7e0c44-2")),
        st.none() | st.integers(1, 9),
    ),
    max_size=12,
)


@given(RECORDS)
def test_the_same_is_locked_as_the_board_finds_again(records: list[dict[str, Any]]) -> None:
    found = _Found(SimpleNamespace(sessions=[None] * SOCKETS, stray_mwh=[]), {})
    told = []
    for record in records:
        found.take(record)
        told.append(
            Told(record["kind"], record["socket"], record["session"], record["cause"], record["time"])
        )
    by_the_board = {
        None if i < 0 else i + 1: (causes.name(bits), since) for i, (bits, since) in found.locks.items()
    }
    lockouts_here = standing(told)
    assert {one.socket: (one.cause, one.since) for one in lockouts_here} == by_the_board
    assert [one.socket or 0 for one in lockouts_here] == sorted(one.socket or 0 for one in lockouts_here)


def test_the_point_knows_better_than_records() -> None:
    whole, third = Lockout(None, "smoke", 1), Lockout(3, "overcurrent", 2)
    both = [whole, third]
    assert believed(both, "ready", ["locked", "idle", "idle"]) == (), "their resets are under way, or lost"
    assert believed(both, "ready", ["idle", "idle", "locked"]) == (third,)
    assert believed(both, "locked", []) == (whole,), "there was no telemetry yet"
    assert believed(both, "ready", ["locked"] * 3) == (whole, third), "its status is a minute old"
