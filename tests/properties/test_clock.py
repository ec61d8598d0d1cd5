"""Clocks that jump by hours, are lost and set again, through power cuts: no time is wrong, and none is negative.

The driver's clock over an RTC of the test, a point on the bench, and the host's own dating of its records.
"""

from __future__ import annotations

import calendar
from typing import Any

from fakes.wall import Wall
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from zhuque import board_code
from zhuque.store import derive
from zhuque.store.items import Record

NOON = 1_764_000_000
PROVISIONED = NOON - 86400
HOURS = st.integers(11, 6 * 3600).flatmap(lambda by: st.sampled_from((by, -by)))
step = st.one_of(
    st.tuples(st.just("jump"), HOURS),
    st.tuples(st.just("set"), st.none()),
    st.tuples(st.just("live"), st.sampled_from((1, 7, 45, 130))),
    st.tuples(st.just("start"), st.none()),
    st.tuples(st.just("stop"), st.none()),
    st.tuples(st.just("cut"), st.sampled_from((1, 30, 500, 1000))),
)
driver = board_code.load("drivers.clock")


class World:
    """True time, the board's RTC, and everything that the point does in them."""

    def __init__(self) -> None:
        self.now = NOON
        self.spans: dict[str, list[int | None]] = {}  # session: true begin, true end
        self.untold: dict[str, int] = {}  # session: the dark that no clock had told of when it began
        self.cuts = 0
        self.dark_s = 0
        self.untold_s = 0
        self.rtc = 0
        self._id = 0
        self.wall = Wall(clock=None)
        self._boot()

    def _boot(self) -> None:
        world = self
        self.begun = self.now

        class Time:
            gmtime = staticmethod(driver.time.gmtime)

            @staticmethod
            def time() -> int:
                return world.rtc

            @staticmethod
            def ticks_ms() -> int:
                return (world.now - world.begun) * 1000

            @staticmethod
            def ticks_diff(one: int, other: int) -> int:
                return one - other

        self._time = Time
        self.rtc = 0
        with_time(self._time, lambda: setattr(self, "clock", driver.Clock(self, PROVISIONED)))
        self.clock.believe_from(self.wall.point.outage_from or 0)

    def datetime(self, fields: tuple[int, ...]) -> None:
        """The RTC is set by the driver."""
        year, month, day, _, hour, minute, second, _ = fields
        self.rtc = calendar.timegm((year, month, day, hour, minute, second))

    def live(self, seconds: int) -> None:
        for _ in range(seconds):
            self.wall.clock = self.unix()
            self.wall.live(1, 500)
            self.now += 1
            self.rtc += 1
            self._look()

    def unix(self) -> int | None:
        found: int | None = with_time(self._time, self.clock.unix)
        return found

    def set(self) -> None:
        """What a good time server leads to."""
        with_time(self._time, lambda: self.clock.set_unix(self.now))
        self.untold_s = 0

    def _look(self) -> None:
        session = self.wall.point.sessions[0]
        if session.is_open:
            self.spans.setdefault(session.id, [self.now, None])
            self.untold.setdefault(session.id, self.untold_s)
        elif session.id in self.spans and self.spans[session.id][1] is None:
            self.spans[session.id][1] = self.now

    def play(self, what: str, value: Any) -> None:
        if what == "jump":
            self.rtc += value
            self.wall.clock = self.unix()
        elif what == "set":
            self.set()
        elif what == "live":
            self.live(value)
        elif what == "cut":
            self.cuts += 1
            self.now += value
            self.dark_s += value
            self.untold_s += value
            self.wall = self.wall.restart()
            self.wall.watts[0] = 150
            self._boot()
            self.live(8)
        else:
            self._id += 1
            self.wall.watts[0] = 150
            self.wall.clock = self.unix()
            self.wall.command(id=f"c{self._id}", op=what, socket=1, account="r-1", actor="li")
            self.live(3)


def with_time(module: Any, call: Any) -> Any:
    """The driver with another `time`."""
    before = driver.time
    driver.time = module
    try:
        return call()
    finally:
        driver.time = before


def dated(records: list[dict[str, Any]]) -> dict[str, derive.Row]:
    """Sessions as the host derives them."""
    clocks: dict[tuple[str, int], tuple[int, int]] = {}
    rows: dict[str, derive.Row] = {}
    for body in records:
        if body["kind"] == "clock":
            clocks.setdefault((body["epoch"], body["boot"]), (body["uptime_ms"], body["time"]))
        if body["kind"] in derive.SESSION_KINDS and body["session"]:
            row = rows.setdefault(body["session"], derive.empty("g", "p", body["session"]))
            head = (body["epoch"], body["seq"], body["boot"], body["uptime_ms"], body["time"], body["kind"])
            derive.merge(row, Record("g", "p", *head, body["socket"], body["session"], body, "", 0, ""))
    for row in rows.values():
        derive.date(row, lambda epoch, boot: clocks.get((epoch, boot)))
    return rows


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.booleans(), st.lists(step, max_size=16))
@example(False, [("set", None), ("stop", None), ("cut", 500), ("start", None), ("cut", 1), ("set", None)])
def test_no_time_is_wrong(is_set: bool, steps: list[Any]) -> None:
    world = World()
    if is_set:
        world.set()
    world.live(2)
    for what, value in steps:
        world.play(what, value)
    world.play("stop", None)
    world.live(5)
    told = [record["time"] for record in world.wall.records() if record["time"] is not None]
    assert told == sorted(told), "time went backwards"
    assert all(NOON - 1 <= time <= world.now + 1 for time in told), "a time that never was"
    rows = dated(world.wall.records())
    assert set(rows) == set(world.spans)
    for name, row in rows.items():
        check(row, *world.spans[name], world.untold[name], world)


def check(row: derive.Row, began: int, ended: int | None, untold_s: int, world: World) -> None:
    """One session against what was lived."""
    assert row["end_reason"] is not None
    assert row["duration_s"] >= 0
    assert row["suspended_s"] >= 0
    for told, true in ((row["started_at"], began), (row["ended_at"], ended)):
        assert told is None or true is None or abs(told - true) <= 5
    if ended is not None:
        off = ended - began - row["duration_s"] - row["suspended_s"]
        # Of a cut the minute before it may be lost, and how long it was dark where no clock told; more never. The dark
        # that no clock had told of when it began cannot be told from the outage after it.
        assert -5 - 60 * world.cuts - untold_s <= off <= 5 + 70 * world.cuts + world.dark_s
