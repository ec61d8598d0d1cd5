"""A point at each of its limits: one below, at, one above; what a new one is, and what a record holds. Runs on both."""

import json

from fakes.bench import Bench, Meter
from fakes.flash import Flash
from fakes.wall import NOON, Wall

from core import causes, commands
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
        point.journal.enter = self.records.append

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
    assert (point._uptime_ms, point._half_hour, point._clock_offset_s) == (0, None, None)
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
    point.sessions[2].id, point.sessions[2].state = "e-9", "armed"
    point.record_trip(WHOLE, causes.SMOKE, 5, NOON)
    point.record_trip(2, causes.OVERPOWER, 5, NOON)
    assert [trip["session"] for trip in kept.take()] == [None, "e-9"]
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


def test_a_checkpoint_tells_nothing_that_no_record_tells_yet():
    point, kept = charging_point()
    order = kept.records
    point.journal.write_checkpoint = lambda payload: order.append(payload) or True
    point._half_hours = lambda *now: point.protection.lock(0, causes.OVERPOWER)  # a tick in between
    point.update(70_000, NOON + 69)
    assert order[-2]["kind"] == "trip" and json.loads(order[-1])["locks"] == [
        [0, causes.OVERPOWER, NOON + 69]
    ]


def test_a_checkpoint_knows_the_time_as_long_as_the_uptime_tells_it():
    point, kept = charging_point()
    point.journal.write_checkpoint = lambda payload: kept.records.append(payload) or True
    for ms, unix, told in ((70_000, NOON + 71, NOON + 71), (7_200_000, None, NOON + 7199)):
        point.update(ms, unix)
        assert json.loads(kept.take()[-1])["time"] == told
    point._clock_offset_s = None
    point.update(7_300_000, None)
    assert json.loads(kept.take()[-1])["time"] is None


def test_one_checkpoint_after_the_last_change_and_then_none():
    wall = Wall()
    written = []
    wall.journal.write_checkpoint = lambda payload: written.append(payload) or True
    wall.live(200, dt_ms=500)
    assert not written, "that of the boot was written at once"
    wall.point.alarm("internal", wall.uptime_ms, NOON, "x")
    wall.live(1, dt_ms=500)
    assert len(written) == 1
    wall.live(200, dt_ms=500)
    wall.point.checkpoint_soon()
    wall.live(0.5)
    assert len(written) == 2


def test_the_time_of_a_checkpoint_is_the_clocks_or_no_earlier_than_the_last_that_is_known():
    for unix, told in ((None, NOON + 2000), (NOON + 9000, NOON + 9000)):
        point = Wall(clock=None).point
        point.outage_from = NOON
        written = []
        point.journal.write_checkpoint = lambda payload, to=written: (
            to.append(json.loads(payload)["time"]) or True
        )
        point.checkpoint_soon()
        point.update(2_000_000, unix)
        assert written == [told]


def test_a_checkpoint_that_cannot_be_written_for_five_minutes_is_an_alarm_once():
    wall = Wall()
    keep = wall.journal.write_checkpoint
    wall.journal.write_checkpoint = lambda payload: False
    wall.point.checkpoint_soon()
    for seconds, alarms in ((299.5, 0), (0.5, 1), (900, 1)):
        wall.live(seconds, dt_ms=500)
        assert len(wall.records("alarm")) == alarms, seconds
    assert wall.records("alarm")[0]["alarm"] == "journal_damaged"
    assert wall.records("alarm")[0]["detail"] == "no checkpoint could be written for some minutes"
    wall.journal.write_checkpoint = keep
    wall.live(1, dt_ms=500)
    wall.journal.write_checkpoint = lambda payload: False
    wall.clock = None
    wall.point.checkpoint_soon()
    wall.live(301, dt_ms=500)
    assert len(wall.records("alarm")) == 2, "it was written meanwhile"
    assert wall.records("alarm")[1]["time"] is None, "what a checkpoint carries on is no time of a record"


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
    for uptime_ms, known_s, outage_ms in (
        (1000, 5, 4000),
        (1000, 1, 0),
        (1000, 0, 0),
        (1000, -1, 0),
        (1001, -1, None),
        (1000, -2, None),
    ):
        wall = Wall()
        wall.watts[2] = 150
        wall.start(3)
        wall.live(90)
        after = wall.restart()
        session = after.point.sessions[2]
        told = []
        session.outage = told.append
        after.point.update(uptime_ms, after.point.outage_from + known_s)
        assert told == [outage_ms], (uptime_ms, known_s)


def test_a_clock_that_moved_by_more_than_two_seconds_was_set():
    for step_s, records in ((2, 0), (-2, 0), (3, 1), (-3, 1)):
        point = new_point()
        kept = Kept(point)
        point.clock_known(7_210_000, NOON)
        point.update(7_211_000, NOON + 1 + step_s)
        found = [r for r in kept.take() if r["kind"] == "clock"]
        assert len(found) == records, step_s
        if found:
            assert (found[0]["was"], found[0]["time"]) == (NOON + 1, NOON + 1 + step_s)
            point.update(7_212_000, NOON + 2 + step_s)
            assert not kept.take(), "once"
    point = new_point()
    kept = Kept(point)
    point.clock_known(7_210_000, None)
    point.update(7_211_000, None)
    assert not kept.take()
    point.update(7_212_000, NOON)
    assert kept.take()[0]["was"] is None, "it was not known before"
    point.update(7_213_000, None)
    point.update(7_214_000, NOON + 2)
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
    for ms, sockets in ((10_999, []), (11_000, [1]), (11_499, []), (11_500, [2])):
        point.update(ms, None)
        assert [r["socket"] for r in kept.take()] == sockets
    point.record("session_checkpoint", 11_050, None, socket=1, resumed=None)
    point.record("session_checkpoint", 11_100, None, socket=3, resumed=None)
    point.protection.may_stall = lambda: True
    point.update(11_501, None)
    assert [r["socket"] for r in kept.take()] == [1, 3], "in their order"
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


def test_the_first_update_is_no_half_hour():
    point = usable()
    point.journal.prepare()
    assert commands.start(point, 1, None, "card", None, None, 5, NOON) is None
    kept = Kept(point)
    point.update(10, NOON)
    assert [record["kind"] for record in kept.take()] == ["clock"]


def test_without_a_clock_half_hours_are_of_uptime_to_the_millisecond():
    for half in (1, 4):
        point, kept = charging_point()
        point.energy.frozen = lambda *step: False
        point.sessions[1].max_duration_ms = None
        point.update(1_800_000 * half - 1, None)
        kept.take()
        point.update(1_800_000 * half, None)
        assert [record["kind"] for record in kept.take()] == ["session_checkpoint"], half


# A socket ------------------------------------------------------------------------------------------------------------


def usable(sockets=3):
    """A new point whose meter is heard and passed its self-test."""
    point = new_point()
    guard = point.protection
    guard.supply.held = guard._unread = 0
    for i in range(sockets):
        guard.judge.stale[i] = 0
        point.reading.slow_ok[i] = 1
    guard.ready = True
    point.state = "ready"
    return point


def charging_point():
    """The same with a session on socket 2 that has begun to charge, and what is written."""
    point = usable()
    point.journal.prepare()
    point.update(1000, NOON)
    point.energy._rest[1] = 5  # of what passed before it
    assert commands.start(point, 1, "r-1", "card", 100, 50_000, 1000, NOON) is None
    kept = Kept(point)
    point.protection.word, point.protection._since_closing_ms = 2, 1000
    point.reading.current_ma[1], point.reading.power_mw[1] = 800, 180_000
    point.update(2000, NOON + 1)
    point.update(2500, NOON + 1)
    assert point.sessions[1].state == "charging" and point.is_charging and point.energy._rest[1] == 0
    kept.take()
    return point, kept


def test_what_a_socket_without_a_session_is():
    for name, bad, good in (("ready", False, True), ("fault", 1, 0), ("distrusted", 1, 0)):
        point = usable()
        session = point.sessions[0]
        point.rest(0, session)
        assert session.state == "idle"
        setattr(point.protection, name, bad)
        point.rest(0, session)
        assert session.state == "unavailable", name
        point.rest(0, session)
        setattr(point.protection, name, good)
        point.rest(0, session)
        assert session.state == "idle"
    for state in ("idle", "ended", "unavailable"):
        for place in (0, WHOLE):
            point = usable()
            session = point.sessions[0]
            session.state = state
            point.protection.latched[place] = causes.SMOKE
            point.rest(0, session)
            point.rest(0, session)
            assert session.state == "locked"
            point.protection.latched[place] = 0
            point.protection.ready = False
            point.rest(0, session)
            assert session.state == "idle", "one step at a time"
            point.rest(0, session)
            assert session.state == "unavailable"
    point = usable()
    point.sessions[0].state = "ended"
    point.rest(0, point.sessions[0])
    assert point.sessions[0].state == "ended"


def test_why_a_session_cannot_start_in_words():
    point = usable()
    assert commands.why_not_start(point, 0) is None
    guard = point.protection
    point.problems = ["one", "two"]
    assert commands.why_not_start(point, 0) == ("not_ready", "one; two")
    point.problems = []
    guard.ready = False
    point.state = "meter_fault"
    assert commands.why_not_start(point, 0) == ("not_ready", "the point is meter_fault")
    guard.ready = True
    point.restart_asked = True
    assert commands.why_not_start(point, 0) == (
        "not_ready",
        "the point is about to restart; try again in a minute",
    )
    point.restart_asked = False
    point.sessions[0].id, point.sessions[0].state = "e-1", "armed"
    assert commands.why_not_start(point, 0) == ("socket_busy", "session e-1 is armed")
    point.sessions[0].state = "idle"
    guard.latched[WHOLE] = causes.SMOKE
    point.locked_since[WHOLE] = NOON
    whole = "the whole point: smoke since {}".format(NOON)
    assert commands.why_not_start(point, 0) == ("socket_locked", whole)
    guard.latched[WHOLE] = 0
    guard.latched[0] = causes.OVERPOWER
    assert commands.why_not_start(point, 0) == ("socket_locked", "overpower since before the clock was set")
    guard.latched[0] = 0
    guard.fault = 1
    assert commands.why_not_start(point, 0) == ("not_ready", "internal")
    guard.fault = 0
    guard.judge.stale[0] = 1
    assert commands.why_not_start(point, 0) == ("not_ready", "meter_stale")
    guard.judge.stale[0] = 0
    guard.supply.warm = True
    assert commands.why_not_start(point, 0) == ("not_ready", "overtemperature")
    guard.supply.warm = False
    point.journal.ready = lambda n: n < 1
    full = "the journal has no room before its next erase; try again in a few seconds"
    assert commands.why_not_start(point, 0) == ("journal", full)
    point.journal.ready = lambda n: n < 2
    assert commands.why_not_start(point, 0) is None


def test_a_lockout_is_told_with_its_own_place_and_its_own_time():
    point = usable()
    guard = point.protection
    point.locked_since[0], point.locked_since[WHOLE] = NOON, NOON + 600
    for own, whole, told in (
        (causes.OVERCURRENT, 0, "overcurrent since {}".format(NOON)),
        (0, causes.SMOKE, "the whole point: smoke since {}".format(NOON + 600)),
        (causes.OVERCURRENT, causes.SMOKE, "the whole point: smoke since {}".format(NOON + 600)),
        (causes.SMOKE, causes.OVERTEMPERATURE, "smoke since {}".format(NOON)),
        (causes.SMOKE, causes.SMOKE, "the whole point: smoke since {}".format(NOON + 600)),
        (
            causes.OVERCURRENT | causes.SMOKE,
            causes.OVERTEMPERATURE | causes.EMERGENCY_STOP,
            "the whole point: emergency_stop since {}".format(NOON + 600),
        ),
    ):
        guard.latched[0], guard.latched[WHOLE] = own, whole
        assert commands.why_not_start(point, 0) == ("socket_locked", told)


def test_a_stop_in_words():
    point, _ = charging_point()
    point.protection.restore(1, causes.OVERPOWER)
    assert commands.why_not_start(point, 1)[0] == "socket_busy", "it ends with the next update"
    point.protection.latched[1] = 0
    assert commands.stop(point, 0, "stopped_remote") == ("no_session", "socket 1 is idle")
    assert commands.stop(point, 1, "stopped_remote") is None
    assert point.protection.wanted == 0 and point.sessions[1].reason == "stopped_remote"


def test_the_records_of_a_session():
    point, kept = charging_point()
    session = point.sessions[1]
    session.charge_ms, session.suspended_ms, session.energy_mwh = 1_000_000, 2_000_000, 123
    totals = {"boot": 0, "socket": 2, "session": session.id, "duration_s": 1000, "suspended_s": 2000}
    totals |= {"energy_mwh": 123, "peak_ma": 800, "peak_mw": 180_000}
    point._session_record("session_checkpoint", 1, 9, NOON, cause="meter_stale")
    assert kept.take() == [
        totals | {"kind": "session_checkpoint", "uptime_ms": 9, "time": NOON, "cause": "meter_stale"}
    ]
    session.reason = "full"
    point.energy._rest[1] = 5
    point._end(1, session, 10, NOON + 5)
    told = {"reason": "full", "account": "r-1", "source": "card", "started": NOON}
    assert kept.take() == [totals | {"kind": "session_end", "uptime_ms": 10, "time": NOON + 5} | told]
    assert (
        session.state == "ended"
        and list(point.energy._rest) == [0, 0, 0]
        and point.protection.latched[1] == 0
    )
    point.protection.latched[1] = causes.OVERPOWER
    session.state = "armed"
    point._end(1, session, 10, NOON + 5)
    assert session.state == "locked", "it says at once what it is now"


def test_a_session_that_used_up_its_recloses_locks_for_a_cause_alone():
    for reason, bits in (("overvoltage", causes.OVERVOLTAGE), ("power_loss", 0)):
        point, _ = charging_point()
        session = point.sessions[1]
        session.recloses, session.reason, session.cause = 3, reason, reason
        point._end(1, session, 10, NOON)
        assert point.protection.latched[1] == bits, reason
    point, _ = charging_point()
    session = point.sessions[1]
    session.recloses, session.reason, session.cause = 2, "overvoltage", "overvoltage"
    point._end(1, session, 10, NOON)
    assert point.protection.latched[1] == 0


def test_what_keeps_a_session_open_and_what_ends_it():
    point, _ = charging_point()
    guard, session = point.protection, point.sessions[1]
    assert point._against(1, session) == (None, None)
    guard.judge.stale[1] = 1
    assert point._against(1, session) == ("meter_stale", None)
    guard.latched[1] = causes.OVERPOWER
    assert point._against(1, session) == ("meter_stale", "overpower")
    guard.fault = 1
    assert point._against(1, session) == ("meter_stale", "overpower")
    guard.latched[1] = guard.judge.stale[1] = 0
    assert point._against(1, session) == (None, "internal")
    guard.fault = guard.wanted = 0
    for state in ("charging", "armed"):
        session.state = state
        assert point._against(1, session) == ("meter_stale", None), "opened, and nothing says why"
        guard.dropped[1] = causes.OVERVOLTAGE
        assert point._against(1, session) == ("overvoltage", None), "what opened it is gone again"
        guard.supply.held = causes.UNDERVOLTAGE
        assert point._against(1, session) == ("undervoltage", None)
        guard.dropped[1] = guard.supply.held = 0
    session.state = "suspended"
    assert point._against(1, session) == (None, None)


def test_energy_of_a_session_and_of_none():
    point, _ = charging_point()
    session = point.sessions[1]
    before = session.energy_mwh
    for i in (0, 1):
        point.reading.count[i] += 3
    point.update(3000, NOON + 2)
    assert session.energy_mwh == before + 30 and point.stray_mwh == [30, 0, 0]
    point.reading.slow_ok[0] = point.reading.slow_ok[1] = 0
    for i in (0, 1):
        point.reading.count[i] += 3
    point.reading.current_ma[1], point.reading.power_mw[1] = 9999, 999_999
    point.update(3500, NOON + 2)
    assert session.energy_mwh == before + 30 and point.stray_mwh == [30, 0, 0], "not heard, not counted"
    assert session.charge_ms == 2500, "1000 ms had passed before its first update"
    assert (session.peak_ma, session.peak_mw) == (800, 180_000)
    point.reading.current_ma[1], point.reading.power_mw[1] = 800, 180_000
    point.reading.slow_ok[0] = point.reading.slow_ok[1] = 1
    point.update(4000, NOON + 3)
    assert session.energy_mwh == before + 60 and point.stray_mwh == [60, 0, 0]


def test_what_an_update_does_with_its_answer():
    point, kept = charging_point()
    guard, session = point.protection, point.sessions[1]
    guard.judge.stale[1] = 1
    point.update(3000, NOON + 2)
    mark = kept.take()[0]
    assert (mark["kind"], mark["cause"], mark["socket"], mark["time"]) == (
        "session_checkpoint",
        "meter_stale",
        2,
        NOON + 2,
    )
    assert session.state == "suspended" and guard.wanted == 0
    guard.judge.stale[1] = 0
    point.journal.ready = lambda n: n < 1
    for ms in range(3500, 9500, 500):
        point.update(ms, NOON + ms // 1000)
    assert session.state == "suspended" and not kept.take(), "the reclose must be on flash before it"
    point.journal.ready = lambda n: n < 2
    point.update(9500, NOON + 9)
    mark = kept.take()[0]
    assert (mark["resumed"], mark["socket"], mark["session"]) == (1, 2, session.id)
    assert session.state in ("armed", "charging") and guard.wanted == 2
    session.stop("stopped_remote")
    point.update(10_000, NOON + 10)
    assert guard.wanted == 0 and session.is_open, "the relay opens first"
    point.update(10_500, NOON + 10)
    point.update(11_000, NOON + 11)
    assert kept.take()[-1]["kind"] == "session_end" and session.state == "ended"


def test_only_a_load_that_is_charged_moves_its_counter():
    point, _ = charging_point()
    for ms in range(3000, 6000, 500):
        point.update(ms, NOON + ms // 1000)
    assert point.protection.distrusted == 2, "180 W, and no count for 3 s: 540 J of 288"
    point, _ = charging_point()
    for ms in range(3000, 6000, 500):
        point.sessions[1].state = "armed"
        point.reading.power_mw[1] = 4999
        point.update(ms, NOON + ms // 1000)
    assert point.protection.distrusted == 0
    point, _ = charging_point()
    for ms in range(3000, 6000, 500):
        point.reading.slow_ok[1] = 0
        point.update(ms, NOON + ms // 1000)
    assert point.protection.distrusted == 0, "a meter that is not heard is stale, and no more"


def test_an_anomaly_is_an_alarm_each_time_that_one_begins():
    point, kept = charging_point()
    session = point.sessions[1]
    for anomaly, alarms in (("rose", 1), ("rose", 0), (None, 0), ("rose again", 1)):
        session.anomaly = anomaly
        point.update(3000, NOON + 2)
        told = kept.take()
        assert len(told) == alarms
        if told:
            assert told[0] == {
                "kind": "alarm",
                "alarm": "load_anomaly",
                "state": "raised",
                "detail": anomaly,
            } | {
                "boot": 0,
                "socket": 2,
                "uptime_ms": 3000,
                "time": NOON + 2,
            }


# The flash -----------------------------------------------------------------------------------------------------------


def test_what_the_journal_lost_is_said_once_for_each_silence():
    point = usable()
    kept = Kept(point)
    journal = point.journal
    for lost, stored, told in (
        (0, 0, []),
        (5, 0, ["5 records so far"]),
        (9, 0, []),
        (9, 3, ["4 records so far"]),
        (9, 7, []),
        (10, 7, ["1 records so far"]),
    ):
        journal.lost_unstored, journal.stored_seq = lost, stored
        point._care_for_journal(5, NOON)
        found = kept.take()
        assert [alarm["detail"] for alarm in found] == told
        said = {(alarm["alarm"], alarm["uptime_ms"], alarm["time"]) for alarm in found}
        assert said <= {("journal_unstored_lost", 5, NOON)}
    for damaged, told in (
        (1, ["1 blocks with unreadable records"]),
        (1, []),
        (2, ["2 blocks with unreadable records"]),
    ):
        journal.damaged = damaged
        point._care_for_journal(5, NOON)
        found = kept.take()
        assert [alarm["detail"] for alarm in found] == told
        said = {(alarm["alarm"], alarm["uptime_ms"], alarm["time"]) for alarm in found}
        assert said <= {("journal_damaged", 5, NOON)}


def test_the_next_block_is_erased_when_it_may_be():
    point = usable()
    erases = point.journal.window.store.erases
    point.protection.may_stall = lambda: False
    point.journal.ahead = -1
    point._care_for_journal(5, NOON)
    assert point.journal.window.store.erases == erases
    point.protection.may_stall = lambda: True
    point._care_for_journal(5, NOON)
    assert point.journal.window.store.erases == erases + 1
    while point.journal.wants_erase:
        point._care_for_journal(5, NOON)
    erases = point.journal.window.store.erases
    point._care_for_journal(5, NOON)
    assert point.journal.window.store.erases == erases, "one ahead is enough"
