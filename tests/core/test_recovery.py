"""What a restart makes of a checkpoint and of the records after it, one by one. Runs on both runtimes."""

import json

from fakes.wall import NOON, Wall

from core import causes, recovery, snapshot
from core.checkpoints import MAX_PAYLOAD
from core.protection import WHOLE
from core.session import Session


def found(state=None):
    """What is known before any record, of a point of ten sockets."""
    return recovery._Found(Wall(awake=False).point, state or {})


def record(kind, socket=None, time=NOON, **fields):
    """A record as the journal gives it back."""
    fields["kind"], fields["time"] = kind, time
    if socket is not None:
        fields["socket"] = socket
    return fields


def begins(socket, session="e-1", time=NOON, longest_s=600):
    limits = {"max_duration_s": longest_s, "max_energy_mwh": 77}
    return record("session_start", socket, time, session=session, account="r-1", source="remote", **limits)


def totals(socket, session="e-1", resumed=None):
    sums = {"energy_mwh": 5, "duration_s": 6, "suspended_s": 7, "peak_ma": 8, "peak_mw": 9}
    return record("session_checkpoint", socket, session=session, resumed=resumed, **sums)


def trips(socket, cause, session=None, time=NOON):
    return record("trip", socket, time, cause=cause, session=session)


def resets(socket, source, time=NOON):
    return record("reset", socket, time, source=source)


def restarted(wall, **more):
    """The boot record of a point that recovers once more, from what its journal says now."""
    recovery.recover(wall.point, "power_on", "0.2.0", 40, more.get("unix"))
    return wall.records("boot")[-1]


# The whole of it -----------------------------------------------------------------------------------------------------


def test_the_number_of_a_boot_follows_whatever_is_known():
    assert Wall(awake=False).point.boot == 1
    for payload, boot in ((b'{"boot":9,"time":null}', 10), (b'{"boot":0,"time":null}', 2), (None, 2)):
        wall = Wall(awake=False)
        wall.journal.checkpoint = payload
        assert restarted(wall)["boot"] == wall.point.boot == boot
        assert wall.journal.checkpoint is None, "it is not needed again, and heap is"


def test_the_boot_record():
    wall = Wall(awake=False, clock=None)
    boot = wall.records("boot")[0]
    assert (boot["uptime_ms"], boot["time"], boot["firmware"], boot["board"]) == (0, None, "0.1.0", "zq10")
    assert boot["reset_cause"] == "power_on" and boot["outage_s"] is None
    assert restarted(wall, unix=NOON)["outage_s"] is None, "nobody knows when it was last alive"
    assert restarted(wall, unix=NOON + 30)["outage_s"] == 30
    assert restarted(wall, unix=NOON + 10)["outage_s"] == 0, "the clock went back"
    assert restarted(wall)["outage_s"] is None and wall.records("boot")[-1]["uptime_ms"] == 40


def test_a_clock_that_survived_is_no_clock_that_was_set():
    wall = Wall(awake=False)
    wall.point.update(2000, NOON + 2)
    assert not wall.records("clock")
    wall = Wall(awake=False, clock=None)
    wall.point.update(2000, NOON + 2)
    assert len(wall.records("clock")) == 1


def test_what_only_rtc_memory_knows_is_journalled_once():
    wall = Wall(awake=False)
    for i, bits in (
        (0, causes.INTERNAL),
        (9, causes.OVERPOWER),
        (WHOLE, causes.SMOKE | causes.OVERTEMPERATURE),
    ):
        wall.protection.restore(i, bits)
    restarted(wall, unix=NOON)
    told = [(trip["socket"], trip["cause"]) for trip in wall.records("trip")]
    assert told == [(None, "smoke"), (None, "overtemperature"), (1, "internal"), (10, "overpower")]
    restarted(wall, unix=NOON)
    again = [(trip["socket"], trip["cause"]) for trip in wall.records("trip")][len(told) :]
    assert again == [(1, "internal")], "what is no lockout is in no journal's memory"


def test_maintenance_is_the_boot_after_its_command_where_the_cpu_was_reset():
    for cause, ops, asked in (
        ("software", ["maintenance"], True),
        ("software", ["reboot"], False),
        ("software", ["maintenance", "reboot"], True),
        ("software", [], False),
        ("watchdog", ["maintenance"], False),
    ):
        wall = Wall(awake=False)
        for n, op in enumerate(ops):
            wall.point.record("command", 5, NOON, id=str(n), op=op, socket=None, actor="o")
        wall.point.alarm("internal", 6, NOON, "what comes between is no restart")
        ids = recovery.recover(wall.point, cause, "0.1.0", 0, NOON)
        assert ids == [str(n) for n in range(len(ops))] and wall.point.maintenance is asked, (cause, ops)
        recovery.recover(wall.point, cause, "0.1.0", 0, NOON)
        assert not wall.point.maintenance, "and no other"


def test_a_first_boot_and_a_rotten_record_ask_for_no_maintenance():
    assert Wall(awake=False, reset_cause="software").point.maintenance is False
    wall = Wall(awake=False)
    read = wall.journal.read
    wall.journal.read = lambda seq: None if seq == 1 else read(seq)
    assert recovery.recover(wall.point, "software", "0.1.0", 0, NOON) == [] and not wall.point.maintenance
    wall.point.record("command", 5, NOON, id="m", op="maintenance", socket=None, actor="o")
    wall.point.alarm("internal", 6, NOON, "x")
    rotten = wall.journal.last_seq
    wall.journal.read = lambda seq: None if seq == rotten else read(seq)
    assert recovery.recover(wall.point, "software", "0.1.0", 0, NOON) == ["m"] and wall.point.maintenance


def test_ids_are_found_three_hundred_records_back():
    for between, ids in ((299, ["far"]), (300, [])):
        wall = Wall(awake=False)
        wall.point.record("command", 5, NOON, id="far", op="ping", socket=None, actor="o")
        for _ in range(between):
            while not wall.journal.ready(1):
                wall.journal.prepare()
            wall.point.record("reset", 5, None, socket=1, cause="smoke", actor="o", source="button")
        assert recovery.recover(wall.point, "power_on", "0.1.0", 0, None) == ids
    wall = Wall(awake=False)
    for n in range(recovery.KEPT_IDS + 1):
        while not wall.journal.ready(1):
            wall.journal.prepare()
        wall.point.record("command", 5, NOON, id=str(n), op="ping", socket=None, actor="o")
    kept = recovery.recover(wall.point, "power_on", "0.1.0", 0, None)
    assert kept == [str(n + 1) for n in range(recovery.KEPT_IDS)] and recovery.KEPT_IDS == 64


# A checkpoint --------------------------------------------------------------------------------------------------------


def test_what_a_checkpoint_holds():
    wall = Wall()
    wall.watts[3] = 100
    wall.start(4)
    wall.live(30)
    point = wall.point
    for i, bits, since in ((WHOLE, causes.SMOKE, NOON), (7, causes.OVERPOWER, None)):
        point.protection.latched[i], point.locked_since[i] = bits, since
    point.boot, point.stray_mwh[2], point.remote_resets = 5, 9, [(1, NOON), (WHOLE, None)]
    assert json.loads(snapshot.pack(point, NOON + 40)) == {
        "boot": 5,
        "time": NOON + 40,
        "sessions": [[3] + point.sessions[3].snapshot(True)],
        "locks": [[WHOLE, causes.SMOKE, NOON], [7, causes.OVERPOWER, None]],
        "stray": [0, 0, 9] + [0] * 7,
        "resets": [[1, NOON], [WHOLE, None]],
    }


def test_the_longest_checkpoint_finds_room():
    """Sixteen sessions with the longest of everything, all about to end, and every reset of a day."""
    point = Wall().point
    protection = point.protection
    protection.latched = [0] * 16 + [causes.SMOKE | causes.RESIDUAL_CURRENT]
    point.stray_mwh = [99_999] * 16
    point.remote_resets = [(i % 16, NOON + i) for i in range(48)]
    point.sessions = []
    for _ in range(16):
        session = Session(50, 900_000)
        session.arm("0123456789abcdef-{}".format(1 << 31), "a" * 32, "local", NOON, 86_400_000, 20_000_000)
        session.event("load")
        session.energy_mwh, session.charge_ms, session.suspended_ms = 19_999_999, 86_399_999, 86_399_999
        session.peak_ma, session.peak_mw, session.plateau_mw, session.recloses = (
            15_999,
            3_679_999,
            3_679_999,
            3,
        )
        session.stop("stopped_remote")
        point.sessions.append(session)
    packed = snapshot.pack(point, NOON + 100)
    assert len(packed) <= MAX_PAYLOAD
    state = json.loads(packed)
    assert len(state["sessions"]) == 16 and state["stray"] == [99_999] * 16
    newest = state["resets"]
    assert newest == [[i % 16, NOON + i] for i in range(48)][48 - len(newest) :] and 40 <= len(newest) < 48


def test_no_reset_is_left_out_that_finds_room():
    point = Wall().point
    for excess, kept in ((0, 3), (1, 2), (15, 2), (16, 1), (30, 1), (31, 0), (44, 0), (45, 0)):
        point.stray_mwh = [10, 10]
        point.remote_resets = [(i, NOON) for i in range(3)]  # 14 bytes and a comma each
        missing = MAX_PAYLOAD + excess - len(snapshot.pack(point, NOON))
        point.stray_mwh = [10] * (2 + missing // 3)
        point.stray_mwh[0] *= 10 ** (missing % 3)
        packed = snapshot.pack(point, NOON)
        assert json.loads(packed)["resets"] == [[i, NOON] for i in range(3)][3 - kept :], excess
        assert len(packed) <= MAX_PAYLOAD
        assert (json.loads(packed)["stray"] == []) is (excess >= 45), "the next to go"


def test_a_checkpoint_always_finds_room():
    wall = Wall()
    point = wall.point
    for i, session in enumerate(point.sessions):
        session.arm("9f3ac2d15b7e0c44-%d" % (10**9), '"' * 32, "remote", NOON, 10**9, (1 << 53) - 1)
        point.protection.restore(i, causes.OVERPOWER)
        point.locked_since[i] = NOON
    point.sessions = point.sessions * 2  # more than any board has
    point.locked_since = point.locked_since * 2
    point.protection.latched = list(point.protection.latched) * 2
    packed = snapshot.pack(point, NOON)
    state = json.loads(packed)
    assert len(packed) <= MAX_PAYLOAD and len(state["sessions"]) == 20
    assert state["stray"] == state["resets"] == [] and len(state["locks"]) == 19
    known = [row[2] for row in state["sessions"]]
    assert known[0] is None and known[-1] == '"' * 32, "no more than it takes"


def test_no_account_is_left_out_that_finds_room():
    for excess, account in ((0, "r-1"), (1, None)):
        point = Wall().point
        point.sessions[0].arm("", "r-1", "remote", NOON, 100, None)
        point.stray_mwh = []
        point.sessions[0].id = "e" * (MAX_PAYLOAD + excess - len(snapshot.pack(point, NOON)))
        point.stray_mwh = [10]
        state = json.loads(snapshot.pack(point, NOON))
        assert state["stray"] == [] and state["sessions"][0][2] == account, excess


def test_a_checkpoint_as_it_was_packed():
    state = {
        "time": NOON,
        "sessions": [[3, "e-1", "r-1"], [9, "e-2", "r-2"]],
        "locks": [[WHOLE, causes.SMOKE, NOON], [4, causes.OVERPOWER, None]],
        "resets": [[2, NOON], [WHOLE, None]],
        "stray": [0, 7] + [0] * 8 + [5],
    }
    known = found(state)
    assert known.alive == NOON and known.reasons == {}
    assert known.sessions == {3: ["e-1", "r-1"], 9: ["e-2", "r-2"]}
    assert known.locks == {WHOLE: (causes.SMOKE, NOON), 4: (causes.OVERPOWER, None)}
    assert known.resets == [(2, NOON), (WHOLE, None)]
    assert known.point.stray_mwh == [0, 7] + [0] * 8, "of a socket that this board has not, nothing"
    known = found()
    assert (known.alive, known.sessions, known.locks, known.resets) == (None, {}, {}, [])


# The records after it ------------------------------------------------------------------------------------------------


def test_the_last_sign_of_life():
    known = found({"time": NOON})
    known.take(record("clock", time=None))
    assert known.alive == NOON
    known.take(record("clock", time=NOON + 5))
    assert known.alive == NOON + 5
    known.take(begins(11, time=NOON + 6))
    assert known.alive == NOON + 6 and known.sessions == {}, "a socket that this board has not"
    known.take(begins(10))
    known.take(begins(1))
    assert sorted(known.sessions) == [0, 9]
    for kind in ("session_start", "session_end", "session_checkpoint", "command"):
        known.take(record(kind, session=None, op="stop"))
    assert sorted(known.sessions) == [0, 9] and known.reasons == {}, "without a socket these say nothing"


def test_a_session_of_which_only_the_beginning_is_known():
    for longest_s in (600, None):
        session = Session(20, 900_000)
        longest_ms = None if longest_s is None else 1000 * longest_s
        session.arm("e-1", "r-1", "remote", NOON, longest_ms, 77)
        known = found()
        known.take(begins(3, longest_s=longest_s))
        assert known.sessions == {2: session.snapshot(False)}
    known.reasons[2] = "smoke"
    known.take(begins(3, "e-2"))
    assert known.reasons == {} and known.sessions[2][0] == "e-2", "what ended the one before is not its"
    known.take(record("session_end", 4))
    known.take(record("session_end", 3))
    assert known.sessions == {}


def test_newer_totals():
    known = found()
    known.take(begins(3))
    row = known.sessions[2]
    row[11], row[12], row[13] = 10, 1, 1
    known.take(totals(3, "another"))
    assert row[6:] == [0, 0, 0, 0, 0, 10, 1, 1, None, None]
    known.take(totals(3))
    assert row[6:] == [5, 6000, 7000, 8, 9, 10, 1, 1, None, None]
    known.take(totals(3, resumed=2))
    assert row[6:] == [5, 6000, 7000, 8, 9, 10, 2, 0, None, None], "not proven since"
    known.point.stray_mwh[2] = known.point.stray_mwh[3] = 7
    known.take(totals(4))
    assert known.point.stray_mwh[3] == 7, "of a session that nobody knows"
    known.take(totals(4, None))
    assert known.point.stray_mwh == [0, 0, 7] + [0] * 7 and len(known.sessions) == 1


def test_a_trip_locks_what_it_locked_and_ends_its_session():
    known = found()
    for cause, session, locks in (
        ("overpower", "e-1", True),
        ("emergency_stop", None, True),
        ("overtemperature", "e-1", True),
        ("overvoltage", None, True),
        ("meter_stale", None, True),
        ("point_overload", None, True),
        ("meter_stale", "e-1", False),
        ("point_overload", "e-1", False),
        ("internal", None, False),
        ("internal", "e-1", False),
        ("of the future", None, False),
    ):
        known = found()
        known.take(trips(3, cause, session, NOON + 1))
        bits = causes.bit(cause) if cause != "of the future" else 0
        assert known.locks == ({2: (bits, NOON + 1)} if locks else {}), (cause, session)
        assert known.reasons == {2: cause}
    known = found()
    known.take(trips(3, "overpower"))
    known.take(trips(3, "overcurrent", time=NOON + 9))
    assert known.locks == {2: (causes.OVERPOWER | causes.OVERCURRENT, NOON + 9)}
    assert known.reasons == {2: "overpower"}, "the first is what ended it"


def test_a_trip_of_the_point_ends_every_session():
    known = found()
    known.take(begins(1))
    known.take(begins(4))
    known.take(trips(None, "smoke"))
    assert known.locks == {WHOLE: (causes.SMOKE, NOON)} and known.reasons == {0: "smoke", 3: "smoke"}


def test_resets_unlock_and_those_from_afar_are_counted():
    known = found()
    for place in (3, None):
        for source, counted in (("button", []), ("remote", [(WHOLE if place is None else 2, NOON + 3)])):
            known.resets = []
            known.take(trips(place, "overpower"))
            known.take(resets(place, source, NOON + 3))
            assert known.locks == {} and known.resets == counted, (place, source)
    known.take(resets(5, "button"))
    assert known.locks == {}, "what was not locked"


def test_a_stop_that_was_obeyed_ends_it():
    known = found()
    for op, reasons in (("start", {}), ("ping", {}), ("stop", {2: "stopped_remote"})):
        known.take(record("command", 3, op=op))
        assert known.reasons == reasons, op
    known.take(trips(3, "overpower", "e-1"))
    known.take(record("alarm", 3, alarm="relay_welded", state="raised"))
    assert known.reasons == {2: "stopped_remote"}, "it was on its way already"


def test_what_was_found_is_handed_over():
    known = found()
    point = known.point
    known.take(begins(1))
    known.take(begins(10))
    known.take(trips(10, "overpower", "e-1", NOON + 4))
    known.take(trips(None, "overtemperature", None, NOON + 5))
    known.take(resets(2, "remote"))
    known.locks[10] = (causes.SMOKE, NOON)  # of a socket that this board has not
    known.apply()
    assert [i for i, session in enumerate(point.sessions) if session.is_open] == [0, 9]
    assert [point.sessions[i].reason for i in (0, 9)] == ["overtemperature", "overpower"]
    assert list(point.protection.latched) == [0] * 9 + [causes.OVERPOWER, causes.OVERTEMPERATURE]
    assert point.locked_since == [None] * 9 + [NOON + 4, NOON + 5] and point.remote_resets == [(1, NOON)]
