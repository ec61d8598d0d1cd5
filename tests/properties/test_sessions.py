"""Sessions tile time: on a socket they follow one another without overlap, each begins once and ends once at most.

And what flowed through a socket is in its sessions, to within the counter's quantum for each.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from fakes.wall import Wall
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

socket = st.integers(1, 2)
step = st.one_of(
    st.tuples(st.just("start"), socket, st.none()),
    st.tuples(st.just("stop"), socket, st.none()),
    st.tuples(st.just("watts"), socket, st.sampled_from((0, 3, 40, 150, 900, 1600, 4000))),
    st.tuples(st.just("reset"), socket, st.none()),
    st.tuples(st.just("live"), st.none(), st.sampled_from((1, 3, 12, 40))),
)
cut = st.tuples(st.just("cut"), st.none(), st.sampled_from((0, 5, 100, 2000)))


def _play(steps: list[Any]) -> Wall:
    wall = Wall()
    for number, (what, place, value) in enumerate(steps):
        if what == "start":
            wall.start(place, id=f"c{number}")
            wall.live(2)
        elif what in ("stop", "reset"):
            wall.command(id=f"c{number}", op=what, socket=place, actor="operator:li")
            wall.live(2)
        elif what == "watts":
            wall.watts[place - 1] = value
        elif what == "live":
            wall.live(value)
        else:
            watts = wall.watts
            wall = wall.restart(outage_s=value, clock_survives=True)
            wall.watts = watts
            wall.live(8)
    wall.watts = [0] * wall.sockets
    wall.live(20)
    return wall


def _sessions(wall: Wall, number: int) -> list[tuple[Any, Any]]:
    """(start, end or None) of a socket, in the order of the journal."""
    found: dict[str, list[Any]] = {}
    for record in wall.records():
        if record.get("socket") != number:
            continue
        if record["kind"] == "session_start":
            assert record["session"] not in found, "begun twice"
            found[record["session"]] = [record, None]
        elif record["kind"] == "session_end":
            assert found[record["session"]][1] is None, "ended twice"
            found[record["session"]][1] = record
    return [(start, end) for start, end in found.values()]


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.one_of(step, step, step, cut), max_size=14))
def test_sessions_follow_one_another(steps: list[Any]) -> None:
    wall = _play(steps)
    for number in (1, 2):
        sessions = _sessions(wall, number)
        for (start, end), (after, _) in pairwise(sessions):
            assert end is not None, "a session began while another was open"
            assert end["seq"] < after["seq"]
            assert start["time"] <= end["time"] <= after["time"]
        for start, end in sessions:
            if end is not None:
                lasted = end["duration_s"] + end["suspended_s"]
                assert 0 <= end["time"] - start["time"] - lasted <= 4 + _outages(steps)
        assert sum(end is None for _, end in sessions) <= 1


def _outages(steps: list[Any]) -> int:
    """Seconds of outages, of starting after them, and of the minute before that no checkpoint had yet."""
    return sum(value + 12 + 60 for what, _, value in steps if what == "cut")


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(step, max_size=14))
def test_what_flowed_is_in_the_sessions(steps: list[Any]) -> None:
    """Without a power cut: every milliwatt-hour, but for one count (10 mWh) and one mWh a session."""
    wall = _play(steps)
    for number in (1, 2):
        sessions = _sessions(wall, number)
        recorded = sum(end["energy_mwh"] for _, end in sessions if end is not None)
        if any(end is None for _, end in sessions):
            continue
        drawn = wall.drawn_mws[number - 1] / 3600
        assert abs(drawn - recorded) <= 11 * (len(sessions) + 1)
