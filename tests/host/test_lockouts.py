"""What locks, what of it the whole point, and what is locked after which records: the host as the board has it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import causes
from core.recovery import _Found
from zhuque import lockouts
from zhuque.store.locked import Lockout, Told, believed, standing
from zhuque.wire.codes import CAUSES

SOCKETS = 3


def _names(bits: int) -> set[str]:
    return {name for name in CAUSES if causes.bit(name) & bits}


def test_the_causes_are_those_of_the_board() -> None:
    assert _names(causes.LOCKOUTS) == lockouts.LOCKING
    assert _names(causes.LOCAL_ONLY) == lockouts.AT_THE_POINT
    assert _names(causes.INPUTS | causes.OVERTEMPERATURE) == lockouts.OF_THE_POINT


@pytest.mark.parametrize(
    ("socket", "cause", "port", "says"),
    [
        (3, "overcurrent", None, "then `zhuque socket reset g/p01/3`"),
        (3, "relay_welded", None, "then, at the point, `zhuque socket reset g/p01/3 --port PORT`"),
        (3, "relay_welded", "COM3", "then `zhuque socket reset g/p01/3 --port COM3`"),
        (3, "smoke", None, "the whole point is locked: find the cause"),
        (3, "smoke", None, "at the point, `zhuque point reset g/p01 --port PORT`"),
        (3, "overtemperature", None, "then `zhuque point reset g/p01`"),
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
