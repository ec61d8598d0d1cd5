"""A point at each of its limits: one below, at, one above; what a new one is, and what a record holds. Runs on both."""

from fakes.bench import Bench, Meter
from fakes.flash import Flash
from fakes.wall import NOON, Wall

from core import causes
from core.energy import Energy
from core.journal import Journal
from core.point import Point
from core.protection import WHOLE
from core.session import IDLE
from wire import config as wire_config
from wire.codes import RECORD_KINDS


def new_point(board=None):
    """A point that nobody has recovered yet; nothing is journalled."""
    bench = Bench(sockets=3, awake=False)
    journal = Journal(Flash(), lambda: "9f3ac2d15b7e0c44")
    journal.recover()
    config = wire_config.config({"session": {"resume_after_outage_s": 7, "max_duration_s": 3600}})
    energy = Energy(3, 36_000, 1)
    return Point(
        board or {}, config, bench.protection, bench.reading, energy, journal, Meter(), lambda low, high: low
    )


class Kept:
    """Stands in for a journal's `append`: what is written, and nothing else."""

    def __init__(self, point):
        self.records = []
        point.journal.append = self.records.append

    def take(self):
        taken, self.records[:] = list(self.records), []
        return taken


def test_what_a_new_point_is():
    point = new_point()
    assert (point.board_name, point.boot, point.state, point.problems) == ("unknown", 0, "starting", [])
    assert new_point({"name": "zq10"}).board_name == "zq10"
    assert (point.restart_asked, point.maintenance, point.outage_from) == (False, False, None)
    assert point.remote_resets == [] and point.locked_since == [None] * 4 and point.stray_mwh == [0] * 3
    assert point.max_duration_s == 3600 and not point.is_charging
    assert (point._uptime_ms, point._half_hour, point._clock_offset_s) == (None, None, None)
    assert (point._clock_lost, point._checkpoint_ms, point._dirty, point._patient) == (True, 0, False, [])
    assert (point._lost_unstored, point._lost_since, point._damaged) == (0, 0, 0)
    assert point._anomalous == [None] * 3
    for session in point.sessions:
        assert (session.floor_ma, session.resume_after_outage_ms, session.state) == (20, 7000, IDLE)
    assert len(point.sessions) == 3


def test_every_record_says_when_and_of_which_boot():
    point = new_point()
    kept = Kept(point)
    point.boot = 7
    point.record("trip", 81_234, None, cause="smoke")
    assert kept.take() == [{"kind": "trip", "boot": 7, "uptime_ms": 81_234, "time": None, "cause": "smoke"}]
    point.alarm("internal", 81_300, NOON, "why")
    assert kept.take() == [
        {"kind": "alarm", "boot": 7, "uptime_ms": 81_300, "time": NOON}
        | {"alarm": "internal", "state": "raised", "detail": "why"}
    ]


def test_a_trip_of_a_socket_and_of_the_point():
    point = new_point()
    kept = Kept(point)
    point.protection.latched[1] = causes.OVERPOWER
    point.record_trip(1, causes.OVERPOWER | causes.METER_STALE, 5, NOON, 4, 3, 2)
    common = {"kind": "trip", "boot": 0, "uptime_ms": 5, "time": NOON, "session": None, "voltage_mv": 2}
    assert kept.take() == [
        common | {"socket": 2, "cause": cause, "current_ma": 4, "power_mw": 3}
        for cause in ("overpower", "meter_stale")
    ]
    assert point.locked_since == [None, NOON, None, None]
    point.protection.latched[2] = causes.OVERPOWER
    point.record_trip(2, causes.METER_STALE, 5, NOON)
    assert kept.take()[0]["current_ma"] is None and point.locked_since[2] is None, (
        "that is not what locked it"
    )
    point.protection.latched[WHOLE] = causes.SMOKE
    point.record_trip(WHOLE, causes.SMOKE, 5, NOON, 4, 3, 2)
    assert kept.take() == [
        common | {"socket": None, "cause": "smoke", "current_ma": None, "power_mw": None}
    ] and point.locked_since == [None, NOON, None, NOON]
    point.record_trip(0, causes.RELAY_WELDED, 6, NOON)
    alarm = kept.take()[1]
    assert (alarm["kind"], alarm["alarm"], alarm["state"], alarm["socket"]) == (
        "alarm",
        "relay_welded",
        "raised",
        1,
    )
    point.record_trip(0, causes.INTERNAL | causes.POINT_OVERLOAD, 6, NOON)
    assert [trip["cause"] for trip in kept.take()] == ["internal", "point_overload"], "the first and the last"


def test_an_hours_checkpoint_to_the_millisecond():
    wall = Wall()
    wall.watts[0] = 100
    wall.start(1)
    wall.live(5)
    point = wall.point
    written = []
    wall.journal.write_checkpoint = lambda payload: written.append(payload) or True
    point._checkpoint_ms = at = wall.uptime_ms
    for later_ms, count in ((59_999, 0), (60_000, 1), (119_999, 1), (120_000, 2)):
        point.update(at + later_ms, wall.clock)
        assert len(written) == count, later_ms
    point._patient.append({"uptime_ms": at + 240_000})
    wall.protection.judge.last_ma[0] = 6001
    point.update(at + 240_000, wall.clock)
    assert len(written) == 2, "never while records wait: replay would miss what they tell"


def test_one_checkpoint_after_the_last_change_and_then_none():
    wall = Wall()
    written = []
    wall.journal.write_checkpoint = lambda payload: written.append(payload) or True
    for seconds, count in ((61, 1), (200, 1)):
        wall.live(seconds, dt_ms=500)
        assert len(written) == count, "the boot is a change"
    wall.point.alarm("internal", wall.uptime_ms, NOON, "x")
    wall.live(1, dt_ms=500)
    assert len(written) == 2
    wall.live(200, dt_ms=500)
    wall.point.checkpoint_soon()
    wall.live(0.5)
    assert len(written) == 3


def test_an_outage_is_unknown_after_three_minutes_to_the_millisecond():
    for ms, ends in ((179_999, False), (180_000, True)):
        wall = Wall()
        wall.watts[2] = 150
        wall.start(3)
        wall.live(70)
        after = wall.restart()
        after.point.update(ms, None)
        assert (after.point.sessions[2].reason == "power_loss") is ends


def test_how_long_the_outage_was():
    """From the last sign of life to this boot: uptime is not outage; two seconds of the future are a clock's jitter."""
    for known_s, outage_ms in ((5, 4000), (1, 0), (0, 0), (-1, 0), (-2, None)):
        wall = Wall()
        wall.watts[2] = 150
        wall.start(3)
        wall.live(90)
        after = wall.restart()
        session = after.point.sessions[2]
        told = []
        session.outage = told.append
        after.point.update(1000, after.point.outage_from + known_s)
        assert told == [outage_ms], known_s


def test_a_clock_that_moved_by_more_than_two_seconds_was_set():
    for step_s, records in ((2, 0), (-2, 0), (3, 1), (-3, 1)):
        point = new_point()
        kept = Kept(point)
        point.clock_known(10_000, NOON)
        point.update(11_000, NOON + 1 + step_s)
        found = [r for r in kept.take() if r["kind"] == "clock"]
        assert len(found) == records, step_s
        if found:
            assert (found[0]["was"], found[0]["time"]) == (NOON + 1, NOON + 1 + step_s)
            point.update(12_000, NOON + 2 + step_s)
            assert not kept.take(), "once"
    point = new_point()
    kept = Kept(point)
    point.clock_known(10_000, None)
    point.update(11_000, None)
    assert not kept.take()
    point.update(12_000, NOON)
    assert kept.take()[0]["was"] is None, "it was not known before"
    point.update(13_000, None)
    point.update(14_000, NOON + 2)
    assert kept.take()[0]["was"] is None, "nor after it was lost"


def test_what_waits_waits_for_ten_seconds_to_the_millisecond():
    point = new_point()
    kept = Kept(point)
    point.protection.may_stall = lambda: False
    point.record("session_checkpoint", 1000, None, socket=1, resumed=None)
    point.record("session_checkpoint", 1500, None, socket=2, resumed=None)
    point.record("session_checkpoint", 1600, None, socket=3, resumed=1)
    assert [r["socket"] for r in kept.take()] == [3], "a reclose is never kept waiting"
    for kind in RECORD_KINDS:
        if kind != "session_checkpoint":
            point.record(kind, 1700, None)
            assert kept.take()[0]["kind"] == kind, "nor what an effect follows, nor a trip, nor an alarm"
    point.update(10_999, None)
    assert not kept.take()
    point.update(11_000, None)
    assert [r["socket"] for r in kept.take()] == [1, 2], "in their order"
    point.record("session_checkpoint", 11_100, None, socket=1, resumed=None)
    point.protection.may_stall = lambda: True
    point.update(11_500, None)
    assert [r["socket"] for r in kept.take()] == [1]
    point.record("session_checkpoint", 11_600, None, socket=2, resumed=None)
    assert [r["socket"] for r in kept.take()] == [2], "at once while nothing is hot"


def test_half_hours_begin_at_the_half_hour():
    wall = Wall()
    wall.watts[0] = 100
    wall.start(1)
    wall.live(5)
    point = wall.point
    kept = Kept(point)
    half = NOON // 1800 * 1800 + 1800
    uptime_ms = wall.uptime_ms
    point.clock_known(uptime_ms, half - 1)
    point.update(uptime_ms, half - 1)
    assert not kept.take()
    point.update(uptime_ms + 1000, half)
    assert [(r["kind"], r["socket"], r["time"]) for r in kept.take()] == [("session_checkpoint", 1, half)]
    point.update(uptime_ms + 1500, half)
    assert not kept.take()
    point.stray_mwh[4] = 9
    point.clock_known(uptime_ms + 2000, half + 1799)
    point.update(uptime_ms + 2000, half + 1799)
    assert not kept.take()
    point.update(uptime_ms + 3000, half + 1800)
    told = kept.take()
    assert [(r["socket"], r["energy_mwh"]) for r in told[1:]] == [(5, 9)] and point.stray_mwh[4] == 0
    assert "session" not in told[1]
