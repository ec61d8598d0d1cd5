"""A whole point: what is journalled, in which order, and what a restart makes of it. Runs on both runtimes."""

from fakes.wall import NOON, Wall

from core import causes, protection, rare_commands, status, view


def charging(socket=3, watts=150, seconds=90, **more):
    """A point with a session that has been running for so long."""
    wall = Wall()
    wall.watts[socket - 1] = watts
    assert wall.start(socket, **more) == {"id": "c1", "ok": True}
    wall.live(min(seconds, 10))
    wall.live(seconds - 10, dt_ms=500)
    assert wall.state(socket) == "charging"
    return wall


def kinds(wall):
    return [record["kind"] for record in wall.records()]


def test_a_session_from_start_to_stop():
    wall = charging(seconds=600)
    assert wall.command(id="c2", op="stop", socket=3, actor="operator:li") == {"id": "c2", "ok": True}
    wall.live(2)
    assert wall.state(3) == "ended" and wall.word == 0
    assert kinds(wall) == ["boot", "command", "session_start", "command", "session_end"]
    start = wall.records("session_start")[0]
    end = wall.records("session_end")[0]
    assert start["session"] == end["session"] == "9f3ac2d15b7e0c44-{}".format(start["seq"])
    assert end["reason"] == "stopped_remote" and end["account"] == "r-1" and end["source"] == "remote"
    assert end["started"] == start["time"] and end["time"] - end["started"] == end["duration_s"] + 1
    assert end["energy_mwh"] == wall.drawn_mws[2] // 36_000 * 10
    assert abs(end["energy_mwh"] - 150 * 600 / 3.6) < 100
    assert end["peak_mw"] == 150_000 and end["peak_ma"] == 652


def test_the_start_is_in_the_journal_before_the_relay_closes():
    wall = Wall()
    wall.start(1)
    assert wall.word == 0 and kinds(wall)[-1] == "session_start"
    wall.live(2)
    assert wall.word == 1


def test_refusals():
    wall = charging()
    busy = wall.start(3, id="c9")
    assert busy["error"] == "socket_busy" and "charging" in busy["detail"]
    assert wall.start(11, id="c3")["error"] == "no_such_socket"
    assert wall.start(0, id="c4")["error"] == "no_such_socket"
    assert wall.start(1, id="c5", expires=NOON - 1)["error"] == "expired"
    assert wall.start(1, id="c6", max_duration_s=0)["error"] == "bad_field"
    assert wall.command(id="c7", op="stop", socket=1)["error"] == "no_session"
    assert wall.command(id="c8", op="reset", socket=1)["error"] == "not_locked"
    assert wall.command(id="ca", op="identify")["error"] == "unknown_op"
    pong = wall.command(id="cb", op="ping")
    assert (pong["ok"], pong["inputs"], pong["unread"]) == (True, [], []) and pong["time"] >= NOON
    wall.point.reading.active = causes.SMOKE | causes.METER_STALE
    wall.point.reading.unread = causes.bit("emergency_stop")
    pong = wall.command(id="cd", op="ping")
    assert (pong["inputs"], pong["unread"]) == (["smoke"], ["emergency_stop"])
    wall.point.reading.active = wall.point.reading.unread = 0
    wall.point.problems = ["limits.rated_ma must be 500 to 16000, is 0"]
    assert wall.start(1, id="cc") == {
        "id": "cc",
        "ok": False,
        "error": "not_ready",
        "detail": "limits.rated_ma must be 500 to 16000, is 0",
    }


def test_a_command_is_obeyed_once():
    wall = charging()
    before = len(wall.records())
    assert wall.start(3) == {"id": "c1", "ok": True}
    wall.command(id="c2", op="stop", socket=3)
    wall.live(2)
    assert wall.start(3) == {"id": "c1", "ok": True}, "the id is the same: nothing starts"
    wall.live(2)
    assert wall.state(3) == "ended" and len(wall.records()) == before + 2


def test_resend():
    wall = charging()
    epoch, last = wall.journal.epoch, wall.journal.last_seq
    wall.outbox.restart()
    sent = 0
    while True:
        taken = wall.outbox.take()
        if taken is None:
            break
        sent += 1
        wall.outbox.sent(taken[0], sent)
        wall.outbox.acked(sent)
    assert sent == last
    ask = {"op": "resend", "epoch": epoch, "from": 2, "to": 3}
    assert wall.command(id="r1", **ask) == {"id": "r1", "ok": True}
    assert wall.outbox.take()[0] == 2
    gone = wall.command(id="r2", op="resend", epoch="0000000000000000", **{"from": 1, "to": 2})
    assert gone["error"] == "gone" and gone["first_seq"] == 1 and epoch in gone["detail"]
    gone = wall.command(id="r3", op="resend", epoch=epoch, **{"from": last + 50, "to": last + 60})
    assert gone["error"] in ("gone", "bad_field")
    wide = wall.command(id="r4", op="resend", epoch=epoch, **{"from": 1, "to": 300})
    assert wide["error"] == "bad_field" and "200" in wide["detail"]
    assert wall.records("command")[-1]["id"] == "c1", "asking again changes nothing and is not journalled"


def test_ids_survive_a_restart():
    wall = charging()
    wall.command(id="c2", op="stop", socket=3)
    wall.live(2)
    after = wall.restart(outage_s=5, clock_survives=True)
    after.live(6)
    assert after.start(3) == {"id": "c1", "ok": True}
    after.live(2)
    assert after.state(3) == "idle"


def test_a_trip_locks_ends_the_session_and_survives_restarts():
    wall = charging(watts=800)
    wall.watts[2] = 4000
    wall.live(2)
    assert wall.state(3) == "locked" and wall.word == 0
    trip = wall.records("trip")[0]
    end = wall.records("session_end")[0]
    assert trip["cause"] == end["reason"] == "overcurrent_instant"
    assert trip["socket"] == 3 and trip["session"] == end["session"] and trip["current_ma"] == 17391
    refused = wall.start(3, id="c2")
    assert refused["error"] == "socket_locked" and refused["detail"].startswith(
        "overcurrent_instant since 1764"
    )
    for _ in range(2):
        wall = wall.restart(outage_s=60)
        wall.live(70)
        assert wall.state(3) == "locked" and wall.start(3, id="c3-{}".format(wall.point.boot))["ok"] is False
    assert wall.command(id="c4", op="reset", socket=3, actor="operator:li")["ok"]
    assert wall.records("reset")[0]["actor"] == "operator:li"
    assert wall.state(3) == "idle"
    after = wall.restart()
    after.live(6)
    assert after.state(3) == "idle"


def test_a_trip_that_only_the_rtc_memory_knows():
    wall = charging()
    wall.protection.lock(2, causes.OVERCURRENT)  # and the board dies before the session loop runs
    after = wall.restart(clock_survives=True, memo=wall.memo())
    assert after.records("trip")[-1]["cause"] == "overcurrent"
    after.live(100)
    assert after.state(3) == "locked" and after.records("session_end")[-1]["reason"] == "overcurrent"


def test_three_remote_resets_a_day():
    wall = Wall()
    for n in range(4):
        wall.protection.lock(0, causes.OVERPOWER)
        wall.live(1)
        answer = wall.command(id="r{}".format(n), op="reset", socket=1)
        assert answer["ok"] == (n < 3), answer
    assert answer["error"] == "too_many_resets"
    after = wall.restart(outage_s=10, clock_survives=True)
    after.live(6)
    assert after.command(id="r9", op="reset", socket=1)["error"] == "too_many_resets"
    after.clock += 86_400
    assert after.command(id="r10", op="reset", socket=1)["ok"]


def test_welded_locks_alarms_and_its_energy_is_journalled():
    wall = charging()
    wall.welded[2] = 650
    wall.command(id="c2", op="stop", socket=3)
    wall.live(4)
    assert wall.state(3) == "locked"
    alarm = wall.records("alarm")[0]
    assert (alarm["alarm"], alarm["state"], alarm["socket"]) == ("relay_welded", "raised", 3)
    assert wall.command(id="c3", op="reset", socket=3)["error"] == "local_only"
    wall.live(1800, dt_ms=500)
    stray = [r for r in wall.records("session_checkpoint") if r["session"] is None]
    assert len(stray) == 1 and stray[0]["socket"] == 3 and stray[0]["energy_mwh"] > 0


def test_energy_of_a_welded_relay_outlives_a_power_cut():
    wall = charging()
    wall.welded[2] = 650
    wall.command(id="c2", op="stop", socket=3)
    wall.live(300)
    at_a_checkpoint = wall.point.stray_mwh[2]
    assert at_a_checkpoint > 9000
    wall.live(61)
    kept = wall.restart(outage_s=60).point.stray_mwh[2]
    assert at_a_checkpoint <= kept <= wall.point.stray_mwh[2], "a checkpoint a minute, as of a session"


def test_silence_suspends_and_resumes():
    wall = charging()
    wall.silent[2] = True
    wall.live(30)
    assert wall.state(3) == "suspended" and wall.word == 0
    wall.silent[2] = False
    wall.live(15)
    assert wall.state(3) in ("armed", "charging") and wall.word == 4
    marks = wall.records("session_checkpoint")
    assert [(m["cause"], m["resumed"]) for m in marks] == [("meter_stale", None), (None, 1)]
    wall.command(id="c2", op="stop", socket=3)
    wall.live(2)
    end = wall.records("session_end")[0]
    assert 34 <= end["suspended_s"] <= 46 and abs(end["duration_s"] + end["suspended_s"] - 135) <= 2


def test_telemetry_shows_null_for_a_silent_meter():
    wall = charging()
    row = view.telemetry(wall.point, wall.uptime_ms, wall.clock)["sockets"][2]
    assert row[0] == "charging" and row[1] == 652 and row[2] == 150_000 and row[3] > 3000
    wall.silent[2] = True
    wall.live(1)
    assert view.telemetry(wall.point, wall.uptime_ms, wall.clock)["sockets"][2][1:3] == [None, None]


def said(wall):
    message = status.status(wall.point, wall.clock)
    return message["state"], "; ".join(message["problems"])


def test_status_says_what_the_flash_no_longer_keeps():
    wall = charging()
    wall.journal.write_checkpoint = lambda payload: False
    wall.point.checkpoint_soon()
    wall.live(299.5, dt_ms=500)
    assert said(wall) == ("ready", "")
    wall.live(0.5, dt_ms=500)
    tail = "; pull it, then have the board replaced"
    kept = "the journal takes no checkpoints: a power cut loses what was charged since the last half hour"
    assert said(wall) == ("ready", kept + tail)
    wall.journal._waiting = [b"a record", b"another"]
    waits = "the journal takes no records: 2 wait, no session starts, and a power cut loses what was charged since"
    assert said(wall) == ("ready", waits + tail)
    wall.protection.lock(protection.WHOLE, causes.SMOKE)
    locked = "locked for smoke: remove the cause, then reset the point"
    assert said(wall) == ("locked", locked + "; " + waits + tail)
    wall.journal._waiting = []
    wall.point.state, wall.point.problems = "safe_mode", ["it crashed"]
    assert said(wall) == ("safe_mode", "it crashed; " + kept + tail) and wall.point.problems == ["it crashed"]
    del wall.journal.write_checkpoint
    wall.live(1)
    assert said(wall) == ("safe_mode", "it crashed")


def test_status_says_what_keeps_every_relay_open():
    wall = Wall(awake=False)
    wall.live(1)
    assert wall.protection.against(0)[0] == causes.METER_STALE
    assert said(wall) == ("ready", ""), "it is heard, and trusted in a moment"
    wall.live(10)
    assert said(wall) == ("ready", "")
    for i in range(9):
        wall.silent[i] = True
    wall.live(10)
    assert said(wall) == ("ready", ""), "one socket can be used"
    wall.silent[9] = True
    wall.live(1)
    assert said(wall) == ("meter_fault", "the meter gives no valid reading: every relay is open")
    wall.silent[:] = [False] * 10
    wall.live(10)
    wall.mv = 160_000
    wall.live(5)
    assert said(wall) == ("ready", "every relay is open: undervoltage")
    wall.active = causes.SMOKE
    wall.live(1)
    assert said(wall) == ("locked", "locked for smoke: remove the cause, then reset the point")
    wall.active = 0
    wall.live(1)
    assert said(wall)[0] == "locked", "until somebody resets it"
    wall.point.state, wall.point.problems = "safe_mode", ["it crashed"]
    assert said(wall) == ("safe_mode", "it crashed"), "which is worse, and stays said"


def test_half_hours_are_checkpointed():
    wall = charging(seconds=2 * 3600)
    times = [r["time"] for r in wall.records("session_checkpoint")]
    assert len(times) == 4 and all(time % 1800 <= 1 for time in times)


def test_without_a_clock_half_hours_are_of_uptime():
    wall = Wall(clock=None)
    wall.watts[0] = 100
    wall.start(1)
    wall.live(3700, dt_ms=500)
    marks = wall.records("session_checkpoint")
    assert [r["uptime_ms"] // 1_800_000 for r in marks] == [1, 2] and marks[0]["time"] is None


def test_a_clock_record_when_it_is_set_and_when_it_jumps():
    wall = Wall(clock=None)
    wall.live(60)
    wall.clock = NOON
    wall.live(60)
    wall.clock += 3600
    wall.live(60)
    clocks = wall.records("clock")
    assert len(clocks) == 2
    assert clocks[0]["was"] is None and clocks[0]["time"] in (NOON, NOON + 1)
    assert clocks[1]["time"] - clocks[1]["was"] in (3600, 3601)


def test_a_load_anomaly_is_an_alarm_once():
    wall = charging(watts=180, seconds=1200)
    for watts, seconds in ((60, 300), (140, 300)):
        wall.watts[2] = watts
        wall.live(seconds, dt_ms=500)
    alarms = wall.records("alarm")
    assert len(alarms) == 1 and alarms[0]["alarm"] == "load_anomaly" and alarms[0]["socket"] == 3
    assert wall.state(3) == "charging", "an alarm, not a trip"


def test_a_frozen_counter_under_load_is_not_trusted():
    wall = charging()
    wall.frozen = True
    wall.live(5)
    assert wall.state(3) == "suspended" and wall.held(2) == "meter_implausible" and wall.word == 0
    wall.frozen = False
    wall.protection.trust()
    wall.live(20)
    assert wall.word == 4


def hot_wall():
    """Socket 3 charges; socket 5 is hot, more than a minute from its trip."""
    wall = charging(watts=150)
    wall.protection.judge._power_mw = 2_000_000  # the power stage is not the point here
    wall.watts[4] = 1400  # 6.1 A of 5
    wall.start(5, id="hot")
    wall.live(3)
    assert not wall.protection.may_stall()
    return wall


def test_half_hourly_totals_wait_while_a_socket_is_hot():
    wall = hot_wall()
    wall.clock += 1800 - wall.clock % 1800
    wall.live(7)
    assert not wall.records("session_checkpoint")
    wall.live(5)
    assert len(wall.records("session_checkpoint")) == 2, "ten seconds are the most"


def test_an_erase_waits_while_a_socket_is_hot():
    wall = hot_wall()
    erases = wall.flash.erases
    while not wall.journal.wants_erase:
        wall.point.alarm("journal_damaged", wall.uptime_ms, wall.clock, "x" * 60)
    wall.live(5)
    assert wall.journal.wants_erase and wall.flash.erases == erases
    wall.command(id="c3", op="stop", socket=5)
    wall.live(2)
    assert not wall.journal.wants_erase and wall.flash.erases > erases


def test_what_an_effect_follows_never_waits():
    wall = hot_wall()
    wall.clock += 1800 - wall.clock % 1800
    wall.live(1)
    assert not wall.records("session_checkpoint"), "something waits"
    wall.command(id="c3", op="stop", socket=3)
    wall.start(6, id="c4")
    wall.start(7, id="c5")
    wall.live(2.5)
    assert [r["id"] for r in wall.records("command")] == ["c1", "hot", "c3", "c4", "c5"]
    starts = wall.records("session_start")
    assert [r["socket"] for r in starts] == [3, 5, 6, 7]
    assert len({r["session"] for r in starts}) == 4 and wall.records("session_end")
    wall.watts[4] = 4000
    wall.live(1)
    assert wall.records("trip")[0]["socket"] == 5


def test_a_reclose_is_on_flash_before_it_even_right_after_another_closing():
    wall, _ = after_cut(60)
    while wall.state(3) == "suspended":
        if wall.point.sessions[2]._resume_in_ms in (500, 1000):
            wall.start(1, id="just before")
        wall.live(0.5)
    assert wall.records("session_checkpoint")[-1]["resumed"] == 1
    died = wall.clock
    after = wall.restart()
    after.clock = died + 20
    after.live(120)
    ends = {r["socket"]: r["reason"] for r in after.records("session_end")}
    assert ends[3] == "power_loss" and after.word == 0


def test_a_start_right_after_the_meter_is_back():
    wall = Wall()
    wall.silent[0] = True
    wall.live(1)
    wall.silent[0] = False
    while wall.protection.judge.stale[0]:
        wall.tick(20)
    assert wall.state(1) == "unavailable"
    assert wall.start(1)["ok"] and wall.state(1) == "armed"


def test_a_reset_right_after_a_trip_ends_the_session_all_the_same():
    wall = charging()
    wall.ma[2] = 20_000
    for _ in range(3):
        wall.tick(20)
    wall.ma[2] = 0
    assert wall.command(id="r", op="reset", socket=3, actor="operator:li")["ok"]
    wall.live(40)
    assert wall.state(3) == "idle" or wall.state(3) == "ended"
    assert wall.word == 0 and wall.records("session_end")[0]["reason"] == "overcurrent_instant"
    assert [r["kind"] for r in wall.records() if r["kind"] in ("trip", "reset")] == ["trip", "reset"]


def test_a_stop_is_remembered_through_a_restart():
    wall = charging()
    assert wall.command(id="s", op="stop", socket=3, actor="operator:li")["ok"]
    after = wall.restart(outage_s=20, clock_survives=True)
    after.watts[2] = 150
    after.live(60)
    assert after.word == 0 and after.records("session_end")[0]["reason"] == "stopped_remote"


def test_shedding_is_remembered_through_a_restart():
    wall = charging(watts=600)
    wall.protection.load._limit_ma = 2000
    while not wall.records("trip"):
        wall.live(0.5)
    assert not wall.records("session_end")
    after = wall.restart(outage_s=20, clock_survives=True)
    after.live(60)
    assert after.word == 0 and after.records("session_end")[0]["reason"] == "point_overload"
    assert after.state(3) in ("idle", "ended"), "shedding is no lockout"


def test_used_up_recloses_lock_and_the_lock_survives_a_power_cut():
    wall = charging()
    for _ in range(4):
        wall.silent[2] = True
        wall.live(1)
        wall.silent[2] = False
        wall.live(30)
    assert wall.state(3) == "locked" and wall.records("session_end")[0]["reason"] == "meter_stale"
    after = wall.restart(outage_s=5)
    after.live(7)
    assert after.state(3) == "locked" and after.start(3, id="again")["error"] == "socket_locked"


def test_a_frozen_counter_disturbs_no_other_socket():
    wall = charging(socket=1)
    wall.watts[1] = 150
    wall.start(2, id="c2")
    wall.live(60)
    wall.frozen_sockets = (0,)
    for _ in range(8):
        wall.live(5)
        wall.protection.trust()
    wall.live(60)
    ends = wall.records("session_end")
    assert [(e["socket"], e["reason"]) for e in ends] == [(1, "meter_implausible")]
    assert wall.state(1) == "locked" and wall.state(2) == "charging"


def test_several_causes_at_once_are_a_record_each():
    wall = Wall()
    wall.active = causes.EMERGENCY_STOP | causes.SMOKE
    wall.live(1)
    assert [r["cause"] for r in wall.records("trip")] == ["emergency_stop", "smoke"]
    after = wall.restart()
    assert after.protection.latched[-1] == causes.EMERGENCY_STOP | causes.SMOKE


def test_a_remote_reset_of_the_whole_point_survives_the_next_boot():
    wall = Wall()
    wall.point.record("reset", 1, NOON, socket=None, cause="overtemperature", actor="o", source="remote")
    after = wall.restart()
    assert after.point.boot == 2 and after.point.remote_resets == [(-1, NOON)]


def test_a_checkpoint_of_many_sessions_with_long_accounts_fits():
    wall = Wall()
    for n in range(1, 11):
        wall.watts[n - 1] = 150
        start = {"op": "start", "socket": n, "account": "\u697c" * 10 + "xx"}
        assert wall.command(id="s{}".format(n), **start)["ok"]
    wall.live(70)
    assert wall.journal.checkpoint_seq or wall.point._checkpoint_ms
    after = wall.restart(outage_s=10, clock_survives=True)
    assert after.point.sessions[9].account == "\u697c" * 10 + "xx"


def test_a_reboot_that_was_asked_for():
    wall = charging()
    assert wall.command(id="b", op="reboot", actor="operator:li")["ok"] and wall.point.restart_asked


def test_the_whole_point_locks_and_is_reset_as_a_whole():
    wall = charging()
    wall.active = causes.SMOKE
    wall.live(2)
    assert wall.state(3) == "locked" and wall.state(9) == "locked"
    trip = wall.records("trip")[0]
    assert (trip["cause"], trip["socket"]) == ("smoke", None)
    assert wall.records("session_end")[0]["reason"] == "smoke"
    assert wall.command(id="c2", op="reset")["error"] == "local_only"
    wall = wall.restart()
    wall.live(6)
    assert wall.state(9) == "locked" and wall.start(1, id="c3")["error"] == "socket_locked"
    assert (
        rare_commands.reset(wall.point, -1, True, "installer:wang", "button", wall.uptime_ms, wall.clock)
        is None
    )
    assert wall.state(9) == "idle" and wall.records("reset")[0]["socket"] is None
    after = wall.restart()
    after.live(6)
    assert after.state(9) == "idle"


def test_shedding_ends_the_newest_session():
    wall = charging(socket=1, watts=600)
    for n in range(2, 11):
        wall.watts[n - 1] = 600
        assert wall.start(n, id="s{}".format(n))["ok"]
        wall.live(61, dt_ms=500)
    assert wall.word == 1023
    wall.protection.load._limit_ma = 25_000  # 26.1 A flow
    wall.live(7)
    end = wall.records("session_end")
    assert [(e["socket"], e["reason"]) for e in end] == [(10, "point_overload")]
    assert wall.start(10, id="again")["error"] == "not_ready"


# Power cuts ----------------------------------------------------------------------------------------------------------


def after_cut(outage_s, seconds=300):
    """A session of so long, a power cut, and the point again with its clock set five seconds after power-up."""
    wall = charging(seconds=seconds)
    was = wall.point.sessions[2].energy_mwh
    died = wall.clock
    after = wall.restart()
    after.live(5)
    assert after.state(3) == "suspended" and after.word == 0
    after.clock = died + outage_s + 5
    after.watts[2] = 150
    return after, was


def test_a_short_power_cut_resumes_the_session():
    wall, was = after_cut(120)
    wall.live(60)
    assert wall.state(3) == "charging" and wall.word == 4
    session = wall.point.sessions[2]
    assert session.energy_mwh > was - 2600, "at most a minute's energy is lost"
    assert session.recloses == 1
    wall.live(60)
    wall.command(id="c2", op="stop", socket=3)
    wall.live(2)
    end = wall.records("session_end")[0]
    assert end["session"] == "9f3ac2d15b7e0c44-3"
    assert abs(end["time"] - end["started"] - end["duration_s"] - end["suspended_s"]) <= 3


def test_a_long_power_cut_ends_it():
    wall, was = after_cut(901)
    wall.live(3)
    end = wall.records("session_end")[0]
    assert end["reason"] == "power_loss" and was - 2600 < end["energy_mwh"] <= was
    assert wall.word == 0


def test_an_outage_of_unknown_length_ends_it_after_three_minutes():
    wall = charging(seconds=300)
    after = wall.restart()
    after.live(179, dt_ms=500)
    assert after.state(3) == "suspended"
    after.live(3)
    assert after.records("session_end")[0]["reason"] == "power_loss"


def test_a_time_before_the_journals_last_tells_no_outage():
    """A time server once told the future, and now the truth: how long it was dark is not known, and it ends."""
    wall, _ = after_cut(-86400)
    wall.live(3)
    assert wall.word == 0 and wall.records("session_end")[0]["reason"] == "power_loss"
    assert wall.records("session_end")[0]["suspended_s"] < 10


def test_a_fault_that_took_the_supply_down_is_not_met_again():
    wall = charging(seconds=20)  # no checkpoint since the relay closed
    died = wall.clock
    after = wall.restart()
    after.clock = died + 10
    after.watts[2] = 150
    after.live(120)
    assert after.word == 0 and after.records("session_end")[0]["reason"] == "power_loss"


def test_a_checkpoint_in_the_first_second_proves_nothing():
    """Another socket's: what closed onto a fault, and took the supply down half a second later, stays off."""
    for closed_s, resumes in ((0.9, False), (1.0, True)):
        wall = charging(socket=1, seconds=300)
        wall.watts[2] = 150
        wall.start(3, id="c3")
        while not wall.word & 4:
            wall.tick(20)
        wall.live(closed_s)
        wall.point.checkpoint_soon()
        wall.point.update(wall.uptime_ms, wall.clock)
        assert wall.point.sessions[2].proven is resumes
        after = wall.restart()
        after.clock = wall.clock + 10
        after.watts[0] = after.watts[2] = 150
        after.live(120)
        assert after.word == (5 if resumes else 1), closed_s


def test_a_cut_after_a_reclose_without_a_checkpoint_is_not_resumed_either():
    wall, _ = after_cut(60)
    wall.live(25)
    assert wall.word == 4
    died = wall.clock
    after = wall.restart()
    after.clock = died + 10
    after.live(120)
    assert after.records("session_end")[0]["reason"] == "power_loss"


def test_an_internal_fault_ends_sessions_and_is_not_a_lockout():
    wall = charging()
    wall.protection.fail()
    wall.live(2)
    assert wall.word == 0 and wall.records("session_end")[0]["reason"] == "internal"
    assert wall.records("trip")[0]["cause"] == "internal"
    after = wall.restart(outage_s=1, clock_survives=True)
    after.live(6)
    assert after.state(3) == "idle" and after.start(3, id="c2")["ok"]


def test_boot_numbers_and_outage():
    wall = Wall()
    wall.live(61)
    for boot in (2, 3):
        wall = wall.restart(outage_s=30, clock_survives=True)
        record = wall.records("boot")[-1]
        assert record["boot"] == boot and record["reset_cause"] == "software"
        assert 29 <= record["outage_s"] <= 97, "the last checkpoint is that of the start"


def test_two_power_cuts_in_a_row_end_no_session_whose_outage_is_known():
    """The start writes a checkpoint before the clock is set: it tells the time that it knows."""
    wall = charging(seconds=130)
    after = wall.restart(outage_s=5)
    after.live(30)
    assert after.clock is None and after.state(3) == "suspended"
    again = after.restart()
    again.live(2)
    again.clock = wall.clock + 60
    again.watts[2] = 150
    again.live(90)
    assert again.state(3) == "charging" and not again.records("session_end")
    assert 60 <= again.point.sessions[2].suspended_ms // 1000 <= 130


def test_a_day_of_sessions_keeps_the_journal_within_its_ring():
    wall = Wall()
    wall.watts[4] = 100
    for n in range(150):
        assert wall.start(5, id="s{}".format(n))["ok"]
        wall.live(5, dt_ms=250)
        assert wall.command(id="e{}".format(n), op="stop", socket=5)["ok"]
        wall.live(2, dt_ms=250)
    ends = wall.records("session_end")
    assert len({end["session"] for end in ends}) == len(ends) > 100
    after = wall.restart()
    assert after.point.boot == 2 and after.journal.last_seq == wall.journal.last_seq + 1
