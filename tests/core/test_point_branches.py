"""The rarer ways through a point, its commands and its recovery. Runs on both runtimes."""

import sys

from both import raises
from fakes.wall import NOON, Wall

from core import causes, commands, rare_commands, recovery, status
from core import point as point_module
from core.supply import UNKNOWN_DC
from core.trips import Trips


def charging(socket=3, watts=150, seconds=90):
    wall = Wall()
    wall.watts[socket - 1] = watts
    assert wall.start(socket)["ok"]
    wall.live(seconds)
    return wall


def no_room(wall):
    """The journal takes nothing more before its next erase."""
    wall.journal.ready = lambda n: False


def test_a_payload_that_is_no_command_is_answered():
    wall = Wall()
    answer = wall.commands.execute(b"{", 0, NOON, wall.outbox)
    assert answer["ok"] is False and answer["error"] == "bad_json"


def test_a_command_that_cannot_be_journalled_is_not_obeyed():
    wall = charging()
    no_room(wall)
    before = wall.journal.last_seq
    for n, op in enumerate(("start", "reset", "reboot")):
        fields = {"id": "n{}".format(n), "op": op, "actor": "operator:li"}
        if op != "reboot":
            fields["socket"] = 1 if op == "start" else 3
        if op == "start":
            fields["account"] = "r-1"
        answer = wall.command(**fields)
        assert answer["error"] == "journal", (op, answer)
    assert wall.journal.last_seq == before and wall.word == 4 and not wall.point.restart_asked


def test_a_stop_opens_the_relay_though_its_record_must_wait():
    """What forbids the erase that makes room may be this very socket."""
    wall = charging()
    wall.journal.ahead, wall.journal.offset = -1, wall.journal.size  # until an erase
    prepare, wall.journal.prepare = wall.journal.prepare, lambda: None
    assert not wall.journal.ready(1)
    for id in ("s1", "s1", "s2"):
        answer = wall.command(id=id, op="stop", socket=3, actor="operator:li")
        assert answer["error"] == "journal"
        assert answer["detail"] == (
            "the relay is open, but until the next erase a power cut undoes it; stop it again then"
        )
    wall.tick()
    assert wall.word == 0 and not wall.records("command")[1:] and wall.journal.pending == 1
    wall.journal.prepare = prepare
    wall.live(0.5)
    assert wall.command(id="s3", op="stop", socket=3, actor="operator:li")["ok"], "and now it is kept"
    wall.live(3)
    assert [record["id"] for record in wall.records("command")[1:]] == ["s1"]
    assert wall.command(id="s4", op="stop", socket=3)["error"] == "no_session"
    assert len(wall.records("command")) == 2, "what was not obeyed is no record"
    assert wall.records("session_end")[0]["reason"] == "stopped_remote"


def fill(wall):
    """Records that only the ring has, until one waits."""
    while not wall.journal.pending:
        wall.point.alarm("internal", wall.uptime_ms, wall.clock, "x" * 60)
        wall.journal.prepare()


def test_a_ring_that_takes_no_program_forgets_no_lockout_and_no_ending():
    """What came after the last checkpoint is on the flash alone, and the erases that look for a good block are many."""
    wall = charging()
    for _ in range(100):
        wall.point.alarm("internal", wall.uptime_ms, wall.clock, "x" * 60)
        wall.journal.prepare()
    wall.live(61)
    assert wall.journal.checkpoint_seq == wall.journal.last_seq
    assert wall.command(id="s1", op="stop", socket=3, actor="operator:li")["ok"]
    wall.live(2)
    wall.protection.lock(1, causes.OVERCURRENT)
    wall.live(1)
    last = wall.journal.last_seq
    wall.flash.bad_blocks = range(2, 12)
    wall.journal.offset, wall.journal.ahead = wall.journal.size, -1
    wall.point.alarm("internal", wall.uptime_ms, wall.clock, "waits")
    erases = wall.flash.erases
    wall.live(600)
    assert wall.journal.pending and wall.flash.erases > erases + 15 and wall.journal.last_seq == last
    after = wall.restart(outage_s=20, clock_survives=True)
    assert after.problems == [] and after.protection.latched[1] == causes.OVERCURRENT
    assert after.state(3) == "idle" and after.records("session_end")[0]["reason"] == "stopped_remote"


def test_where_no_checkpoint_can_be_kept_a_full_ring_takes_no_more_and_a_restart_heals_it():
    wall = Wall()
    wall.protection.lock(1, causes.OVERCURRENT)
    wall.live(1)
    wall.flash.bad_blocks = (0, 1)
    fill(wall)
    wall.live(400)
    assert wall.start(1)["error"] == "journal" and wall.journal.first_seq == 1
    assert status.status(wall.point, NOON)["problems"]
    after = wall.restart()
    after.live(10)
    assert not after.journal.ready(1) and after.protection.latched[1] == causes.OVERCURRENT
    wall.flash.bad_blocks = ()
    well = after.restart()
    assert well.journal.checkpoint_seq == after.journal.last_seq
    well.live(10)
    assert well.journal.pending == 0 and well.protection.latched[1] == causes.OVERCURRENT
    assert well.records("boot")[-1]["boot"] == 3 and well.start(1)["ok"]
    third = well.restart()
    assert third.protection.latched[1] == causes.OVERCURRENT and third.problems == []


def test_a_start_makes_room_before_its_first_record():
    wall = Wall(awake=False)
    while wall.journal.ready(1):
        wall.point.alarm("internal", wall.uptime_ms, wall.clock, "x" * 60)
    wall.flash.data[3][:] = bytes(4096)
    erases, written = wall.flash.erases, wall.journal.checkpoint_seq
    after = wall.restart()
    assert after.journal.pending == 0 and after.journal.ready(2) and wall.flash.erases == erases + 1
    assert after.journal.checkpoint_seq == written, "a ring that can be erased needs no checkpoint for it"
    wall = Wall(awake=False)
    while wall.journal.ready(2):
        wall.point.alarm("internal", wall.uptime_ms, wall.clock, "x" * 60)
    assert wall.journal.ready(1)
    wall.flash.data[3][:] = bytes(4096)
    erases = wall.flash.erases
    assert wall.restart().journal.pending == 0 and wall.flash.erases == erases, (
        "nothing is erased without need"
    )


def test_half_hourly_totals_wait_until_the_ring_takes_records_again():
    """They would fill what waits, and what does not fit there is a fault that opens every relay."""
    wall = charging()
    wall.welded[7] = 30
    wall.live(10)
    assert wall.point.stray_mwh[7]
    wall.flash.bad_blocks = range(2, 12)
    wall.journal.offset, wall.journal.ahead = wall.journal.size, -1
    wall.point.alarm("internal", wall.uptime_ms, wall.clock, "waits")
    pending = wall.journal.pending
    wall.live(2 * 3600, dt_ms=500)
    assert wall.journal.pending <= pending + 5 and wall.word == 4
    assert not [mark for mark in wall.records("session_checkpoint") if mark["socket"] == 8]
    stray_mwh, energy_mwh = wall.point.stray_mwh[7], wall.point.sessions[2].energy_mwh
    wall.flash.bad_blocks = ()
    wall.live(90)
    assert wall.journal.pending == 0
    totals = {mark["socket"]: mark["energy_mwh"] for mark in wall.records("session_checkpoint")}
    assert totals[3] >= energy_mwh and totals[8] >= stray_mwh > 10_000
    wall.live(300)
    assert len(wall.records("session_checkpoint")) == 2, "once"


def test_what_was_decided_of_an_outage_outlives_the_next_cut():
    wall = charging()
    began = wall.restart()
    began.live(5)
    began.clock = wall.clock + 3600
    began.live(0.5)
    assert began.point.sessions[2].reason == "power_loss" and not began.records("session_end")
    again = began.restart()
    again.watts[2] = 150
    again.live(5)
    again.clock = began.clock + 15
    again.live(100)
    assert again.records("session_end")[0]["reason"] == "power_loss" and again.word == 0
    assert not [mark for mark in again.records("session_checkpoint") if mark["resumed"]]


def test_a_stop_of_what_ends_by_itself_is_kept():
    """No record tells yet that it ends."""
    wall = charging()
    wall.watts[2] = 0
    while not wall.point.sessions[2].reason:
        wall.live(0.5)
    assert wall.point.sessions[2].reason == "unplugged"
    for id in ("s1", "s2"):
        assert wall.command(id=id, op="stop", socket=3, actor="operator:li")["ok"]
    after = wall.restart(outage_s=5, clock_survives=True)
    after.watts[2] = 150
    after.live(90)
    assert after.word == 0 and after.records("session_end")[0]["reason"] == "stopped_remote"


def test_stops_of_what_ends_by_itself_do_not_fill_a_journal_that_waits():
    wall = charging()
    wall.point.sessions[2].stop("full")
    wall.journal.ahead, wall.journal.offset = -1, wall.journal.size
    wall.journal.prepare = lambda: None
    wall.point.alarm("load_anomaly", wall.uptime_ms, wall.clock, "waits")
    for n in range(3):
        assert wall.command(id=str(n), op="stop", socket=3, actor="operator:li")["error"] == "journal"
    assert wall.journal.pending == 1 and wall.point.sessions[2].reason == "full"


def test_totals_that_wait_for_a_quiet_moment_do_not_keep_a_restart_from_its_checkpoint():
    wall = charging()
    wall.point.sessions[2].max_energy_mwh = 1
    wall.live(0.5)
    wall.protection.may_stall = lambda: False
    wall.point.record("session_checkpoint", wall.uptime_ms, wall.clock, socket=1, energy_mwh=7)
    assert wall.point._patient
    assert wall.command(id="b1", op="reboot", actor="operator:li")["ok"]
    wall.point.update(wall.uptime_ms, wall.clock)
    assert not wall.point._patient
    after = wall.restart(outage_s=5, clock_survives=True)
    after.live(90)
    assert after.word == 0 and after.records("session_end")[0]["reason"] == "energy_limit"


def test_a_recovery_that_fails_forgets_no_lock():
    """Its point writes no checkpoint: the old one, and its locks, are what the next start finds."""
    wall = charging()
    wall.protection.restore(4, causes.OVERCURRENT)
    wall.point.checkpoint_soon()
    wall.live(1)
    found = recovery._Found(wall.point, {"locks": [[4, causes.OVERCURRENT, 7]], "sessions": [[1]]})
    wall.protection.latched[4] = 0
    raises(IndexError, found.apply)
    assert wall.protection.latched[4] == causes.OVERCURRENT, "the locks come first"
    wall.protection.latched[4] = 0
    wall.point.forgetful = True
    wall.point.checkpoint_soon()
    wall.live(120)
    assert wall.restart().protection.latched[4] == causes.OVERCURRENT


def test_after_a_recovery_that_failed_nothing_is_erased():
    """What it did not find is still in the blocks that would be next."""
    for forgetful in (True, False):
        wall = Wall()
        wall.point.forgetful = forgetful
        wall.journal.ahead, wall.journal.offset = -1, wall.journal.size  # until an erase
        before = wall.flash.erases
        wall.live(60)
        assert (wall.flash.erases == before) == forgetful and not wall.protection.still
        assert wall.journal.ready(1) != forgetful


def test_what_has_ended_does_not_go_on_after_a_restart_that_was_asked_for():
    wall = charging()
    wall.point.sessions[2].max_energy_mwh = 1
    wall.live(0.5)
    assert wall.point.sessions[2].reason == "energy_limit" and wall.state(3) == "charging"
    assert wall.command(id="b1", op="reboot", actor="operator:li")["ok"]
    wall.point.update(wall.uptime_ms, wall.clock)
    after = wall.restart(outage_s=5, clock_survives=True)
    after.live(90)
    assert after.word == 0 and after.records("session_end")[0]["reason"] == "energy_limit"


def test_a_session_that_a_fault_ended_does_not_go_on_after_the_restart_though_its_meter_is_slow():
    wall = charging()
    wall.point.sessions[2]._settle_ms = 3600
    wall.mv = 150_000
    wall.live(4)
    assert wall.state(3) == "suspended"
    wall.protection.fail()
    wall.tick()
    wall.point.checkpoint_soon()  # as tasks/fault does
    wall.live(2)
    assert not wall.records("session_end")
    after = wall.restart(outage_s=1, clock_survives=True)
    after.live(90)
    assert after.word == 0 and after.records("session_end")[0]["reason"] == "internal"


def test_a_stop_and_a_shed_outlive_a_power_cut_though_a_checkpoint_came_between():
    for reason in ("stopped_remote", "point_overload"):
        wall = charging()
        if reason == "stopped_remote":
            assert wall.command(id="s1", op="stop", socket=3, actor="operator:li")["ok"]
        else:
            wall.protection._shed(2, wall.reading)
        wall.point._checkpoint_ms = wall.uptime_ms - 60_000
        wall.point.update(wall.uptime_ms, wall.clock)
        assert not wall.records("session_end")
        after = wall.restart(outage_s=20)
        after.live(90)
        assert after.word == 0 and after.records("session_end")[0]["reason"] == reason


def test_a_reboot_is_asked_for_and_on_record():
    wall = charging()
    assert wall.command(id="b1", op="reboot", actor="operator:li")["ok"]
    assert wall.point.restart_asked and wall.records("command")[-1]["op"] == "reboot"


def test_nothing_starts_on_a_board_that_is_about_to_restart():
    wall = Wall()
    assert wall.command(id="b1", op="reboot")["ok"]
    answer = wall.start(1, id="c2")
    assert answer["error"] == "not_ready" and "restart" in answer["detail"]
    wall.live(2)
    assert wall.word == 0 and not wall.point.is_charging


def test_no_session_resumes_before_a_restart_that_was_asked_for():
    wall = charging()
    wall.mv = 100_000
    wall.live(4)
    assert wall.state(3) == "suspended"
    wall.mv = 230_000
    assert wall.command(id="b1", op="reboot", actor="operator:li")["ok"]
    wall.live(120)
    assert wall.state(3) == "suspended" and wall.word == 0 and wall.point.sessions[2].recloses == 0
    wall.point.restart_asked = False
    wall.live(1)
    assert wall.word == 4


def test_a_session_resumes_only_once_its_record_fits():
    wall = charging()
    wall.silent[2] = True
    wall.live(3)
    wall.silent[2] = False
    ready = wall.journal.ready
    no_room(wall)
    wall.live(20)
    assert wall.state(3) == "suspended" and wall.word == 0
    wall.journal.ready = ready
    wall.live(3)
    assert wall.word == 4 and wall.records("session_checkpoint")[-1]["resumed"] == 1


def test_a_checkpoint_that_does_not_fit_is_tried_again():
    wall = charging(seconds=20)
    write = wall.journal.write_checkpoint
    wall.journal.write_checkpoint = lambda payload: False
    wall.live(90)
    assert not wall.point.sessions[2].proven
    wall.journal.write_checkpoint = write
    wall.live(2)
    assert wall.point.sessions[2].proven


def test_what_the_journal_lost_is_an_alarm():
    wall = Wall()
    wall.journal.lost_unstored, wall.journal.damaged = 5, 2
    wall.live(2)
    alarms = wall.records("alarm")
    assert [a["alarm"] for a in alarms] == ["journal_unstored_lost", "journal_damaged"]
    wall.journal.lost_unstored = 9
    wall.live(2)
    assert len(wall.records("alarm")) == 2, "one for each silence of the collector"


def test_a_welded_relay_that_is_reset_clears_its_alarm():
    wall = Wall()
    wall.welded[1] = 3000
    wall.live(3)
    assert wall.state(2) == "locked"
    wall.welded[1] = 0
    wall.live(3)
    assert (
        rare_commands.reset(wall.point, 1, True, "installer:wang", "button", wall.uptime_ms, wall.clock)
        is None
    )
    assert [(a["alarm"], a["state"]) for a in wall.records("alarm")] == [
        ("relay_welded", "raised"),
        ("relay_welded", "cleared"),
    ]


def test_a_socket_whose_meter_is_silent_starts_nothing():
    wall = Wall()
    wall.silent[0] = True
    wall.live(2)
    answer = wall.start(1)
    assert answer["error"] == "not_ready" and answer["detail"] == "meter_stale"
    wall.silent[0] = False
    no_room(wall)
    wall.live(8)
    assert commands.why_not_start(wall.point, 0)[0] == "journal"


def test_a_button_starts_nothing_on_a_busy_socket():
    wall = charging()
    before = wall.journal.last_seq
    assert (
        commands.start(wall.point, 2, None, "button", None, None, wall.uptime_ms, wall.clock)[0]
        == "socket_busy"
    )
    assert wall.journal.last_seq == before


def test_a_checkpoint_that_cannot_be_read_is_none():
    for payload in (None, b"", b"{", b"[]", b"7"):
        assert recovery._unpack(payload) == {}
    assert recovery._unpack(b'{"boot":3}') == {"boot": 3}


def test_records_that_belong_to_nothing_change_nothing():
    wall = Wall()
    found = recovery._Found(wall.point, {})
    mark = {"kind": "session_checkpoint", "time": None, "socket": 1, "session": "other"}
    found.take(mark)
    wall.point.stray_mwh[0] = 7
    mark["session"] = None
    found.take(mark)
    assert found.sessions == {} and wall.point.stray_mwh[0] == 0 and found.alive is None
    found.sessions[11] = found.sessions[10] = []  # sockets that this board does not have
    found.locks[11] = found.locks[-2] = (causes.OVERPOWER, None)
    found.apply()
    assert list(wall.protection.latched) == [0] * 11 and not wall.point.is_charging


def test_a_reader_a_ring_behind_takes_the_last_thirty_two():
    trips = Trips()
    for n in range(33):
        trips.put(n, 1, 0, 0, 0)
    assert [trips.take()[0] for _ in range(32)] == list(range(1, 33)) and trips.take() is None


def test_a_session_that_wore_out_on_an_overload_stays_locked_through_a_power_cut():
    """The cause is no lockout and no hold of a socket; what it locked is one all the same."""
    wall = charging()
    session = wall.point.sessions[2]
    session.recloses = 3
    wall.protection.want(2, False)
    wall.protection.load.held, wall.protection.load._clear_ms = True, 0
    wall.live(2)
    assert wall.state(3) == "suspended" and session.cause == "point_overload"
    wall.protection.load.held = False
    wall.live(2)
    assert wall.state(3) == "locked" and wall.records("session_end")[0]["reason"] == "point_overload"
    after = wall.restart(outage_s=5)
    after.live(6)
    assert after.state(3) == "locked" and after.protection.latched[2] == causes.POINT_OVERLOAD


def test_a_session_that_wore_out_is_not_locked_for_its_neighbours_welded_relay():
    wall = charging()
    wall.protection.has_contactor = True
    wall.point.sessions[2].recloses = 3
    wall.protection.restore(0, causes.RELAY_WELDED)
    wall.live(2)
    assert wall.state(3) == "suspended" and wall.point.sessions[2].cause == "relay_welded"
    assert wall.command(id="r1", op="reset", socket=1, actor="installer:wang")["error"] == "local_only"
    wall.protection.latched[0] = 0
    wall.protection._changed()
    wall.live(3)
    assert wall.records("session_end")[0]["reason"] == "relay_welded"
    assert wall.protection.latched[2] == 0 and wall.state(3) == "ended"


def test_where_nothing_may_close_a_session_does_not_wear_itself_out():
    """As in safe mode, where the meter is heard: to resume would be in vain, three times, and then lock the socket."""
    wall = charging()
    session = wall.point.sessions[2]
    session.recloses = 2
    wall.protection.ready = False
    wall.live(60)
    assert wall.state(3) == "suspended" and session.cause == "internal" and session.recloses == 2
    session.recloses = 3
    wall.mv = 150_000
    wall.live(4)
    assert session.cause == "undervoltage", "what is held goes before it"
    wall.mv = 230_000
    wall.live(900)
    assert wall.records("session_end")[0]["reason"] == "internal"
    assert wall.protection.latched[2] == 0, (
        "though it had used up its recloses: a restart is what clears a fault"
    )


def test_a_fourth_power_cut_locks_nothing_however_early_the_time_is_known():
    for survives, at_s in ((True, 0), (False, 0), (False, 3), (False, 30)):
        wall = charging()
        wall.point.sessions[2].recloses = 3
        wall.live(70)
        after = wall.restart(outage_s=20, clock_survives=survives)
        after.clock = wall.clock + 20 if survives or not at_s else None
        after.live(at_s)
        after.clock = wall.clock + 20 + at_s
        after.live(15)
        end = after.records("session_end")[0]
        assert end["reason"] == "power_loss" and after.protection.latched[2] == 0, (survives, at_s)


def test_nor_where_the_thermometer_is_read_only_later():
    wall = charging()
    wall.point.sessions[2].recloses = 3
    wall.live(70)
    after = wall.restart(outage_s=20, clock_survives=True)
    after.protection.supply._has_temperature, after.protection.supply.held = True, causes.OVERTEMPERATURE
    after.dc = UNKNOWN_DC
    after.live(3)
    after.dc = 250
    after.live(15)
    assert after.records("session_end")[0]["reason"] == "power_loss" and after.protection.latched[2] == 0


def test_a_meter_that_stays_silent_after_a_power_cut_is_what_ends_the_session():
    wall = charging()
    wall.live(70)
    after = wall.restart(outage_s=20, clock_survives=True)
    after.silent = [True] * after.sockets
    after.live(910)
    assert after.records("session_end")[0]["reason"] == "meter_stale" and after.protection.latched[2] == 0


def test_no_relay_closes_between_the_question_and_the_erase():
    wall = charging()
    wall.protection.want(0, True)
    wall.live(2)
    wall.protection.want(1, True)
    seen = []

    def prepare():
        for _ in range(20):
            seen.append(wall.tick(100))

    wall.journal.prepare = prepare
    wall.journal.checkpoints.ahead = False  # there is something to erase
    wall.point._care_for_journal(wall.uptime_ms, wall.clock)
    assert not seen[-1] & 2 and not wall.protection.still
    assert wall.tick(100) & 2

    def fails():
        raise MemoryError

    wall.live(2)
    wall.journal.prepare = fails
    wall.journal.checkpoints.ahead = False
    raises(MemoryError, wall.point._care_for_journal, wall.uptime_ms, wall.clock)
    assert not wall.protection.still, "in safe mode nothing else would ever end it"
    wall.journal.prepare = prepare
    wall.protection.still, seen[:] = True, []
    wall.point._care_for_journal(wall.uptime_ms, wall.clock)
    assert seen == [] and wall.protection.still, "a handshake is under way, and says itself when it is over"


def test_maintenance_is_refused_while_anybody_charges_and_then_for_one_restart():
    wall = charging()
    assert wall.command(id="m1", op="maintenance", actor="operator:li")["error"] == "socket_busy"
    assert not wall.point.restart_asked and not wall.records("command")[1:]
    assert wall.command(id="s1", op="stop", socket=3)["ok"]
    assert wall.command(id="m2", op="maintenance")["error"] == "socket_busy", "its session has not ended yet"
    wall.live(3)
    assert wall.command(id="m3", op="maintenance", actor="operator:li")["ok"] and wall.point.restart_asked
    assert wall.records("command")[-1]["op"] == "maintenance"
    assert not wall.point.maintenance
    after = wall.restart(clock_survives=True)
    assert after.point.maintenance
    assert after.command(id="m3", op="maintenance")["ok"] and not after.point.restart_asked, "obeyed once"
    assert not after.restart(clock_survives=True).point.maintenance, "the next boot is as any other"


def test_a_power_cut_ends_maintenance():
    wall = Wall()
    assert wall.command(id="m1", op="maintenance")["ok"]
    assert not wall.restart(outage_s=10).point.maintenance


def test_an_open_relay_without_a_session_lets_maintenance_begin_and_a_closed_one_does_not():
    wall = charging()
    wall.point.sessions[2].reason = None
    session = wall.point.sessions[2]
    session.state = "ended"
    assert not wall.point.is_charging and wall.protection.word
    assert wall.command(id="m1", op="maintenance")["error"] == "socket_busy"


def test_identify_is_for_a_board_and_journalled_by_it():
    wall = Wall()
    assert wall.command(id="i1", op="identify")["error"] == "unknown_op"
    wall.commands.identify = lambda commands, command, uptime_ms, unix: {"led": True}
    assert wall.command(id="i2", op="identify") == {"id": "i2", "ok": True, "led": True}


def failing(wall):
    """From here on the flash keeps what is programmed in RAM."""
    wall.flash.bad_programs = 1000


def test_no_relay_closes_while_the_record_of_its_closing_is_in_ram():
    wall = charging()
    wall.mv = 150_000
    wall.live(5)
    assert wall.state(3) == "suspended"
    wall.mv = 230_000
    session = wall.point.sessions[2]
    append = wall.journal.enter

    def fail_at_the_reclose(record):
        if record.get("resumed"):
            failing(wall)
        return append(record)

    wall.journal.enter = fail_at_the_reclose
    for _ in range(1000):
        wall.live(0.1)
        if session.recloses:
            break
    assert session.recloses == 1 and wall.journal.pending == 1
    wall.live(3)
    assert wall.word == 0 and wall.state(3) == "armed", "it waits, and that is no fault of the meter"
    wall.flash.bad_programs = 0
    wall.live(3)
    assert wall.journal.pending == 0 and wall.word == 4 and wall.point._unwritten == 0
    assert wall.records("session_checkpoint")[-1]["resumed"] == 1


def test_only_what_waits_for_its_record_is_asked_for_when_that_is_written():
    wall = Wall()
    for i in (2, 4):
        commands.start(wall.point, i, "r-1", "remote", None, None, wall.uptime_ms, wall.clock)
    wall.protection.wanted, wall.point._unwritten = 0, 4
    wall.point._close_written()
    assert wall.protection.wanted == 4 and wall.point._unwritten == 0
    wall.point.sessions[2].event("suspend")
    wall.protection.wanted, wall.point._unwritten = 0, 4
    wall.point._close_written()
    assert wall.protection.wanted == 0, "it was suspended meanwhile"
    for asked in (False, True):
        wall.point.restart_asked = asked
        wall.point._unwritten = 16
        wall.point._close_written()
        assert wall.protection.wanted == (0 if asked else 16), "before a restart nothing closes"
        wall.protection.wanted = 0
    wall.point.restart_asked = False
    commands.stop(wall.point, 4, "stopped_remote")
    wall.point._unwritten = 16
    wall.point._close_written()
    assert wall.protection.wanted == 0, "nor what was stopped meanwhile"


def test_a_session_that_is_stopped_while_its_start_is_in_ram_closes_nothing():
    for stops in (False, True):
        wall = Wall()
        failing(wall)
        commands.start(wall.point, 2, "r-1", "remote", None, None, wall.uptime_ms, wall.clock)
        assert wall.state(3) == "armed" and wall.journal.pending
        wall.live(3)
        assert wall.word == 0
        if stops:
            commands.stop(wall.point, 2, "stopped_remote")
        wall.flash.bad_programs = 0
        wall.live(4)
        assert wall.word == (0 if stops else 4), stops


def test_a_lock_for_used_up_recloses_is_on_record_with_the_sessions_end():
    wall = charging()
    wall.point.sessions[2].recloses = 3
    wall.mv = 150_000
    for _ in range(2000):
        wall.live(0.5, dt_ms=500)
        if wall.records("session_end"):
            break
    assert [record["kind"] for record in wall.records()][-2:] == ["session_end", "trip"]
    assert wall.state(3) == "locked"


def test_what_trips_while_the_session_is_looked_at_suspends_nothing():
    wall = charging()
    against = wall.protection.against

    def then_trips(i):
        found = against(i)
        if i == 2:
            wall.protection.against = against
            wall.protection.lock(2, causes.OVERPOWER)
        return found

    wall.protection.against = then_trips
    wall.live(3)
    assert not wall.records("session_checkpoint")
    assert [record["reason"] for record in wall.records("session_end")] == ["overpower"]


def fails(*_):
    raise MemoryError


def test_a_trip_is_told_when_its_record_can_be():
    """What a record takes is loaded before the trip is given up for it."""
    from core import keeping  # the one that the point will import

    wall = charging()
    wall.watts[2] = 5000
    load = keeping.load
    keeping.load = fails
    try:
        raises(MemoryError, wall.live, 3)
        assert wall.protection.latched[2] and not wall.records("trip")
    finally:
        keeping.load = load
    wall.live(3)
    assert [record["cause"] for record in wall.records("trip")] == ["overcurrent_instant"]
    assert wall.records("session_end")[0]["reason"] == "overcurrent_instant"


def test_what_waited_for_a_quiet_moment_is_there_until_it_is_written():
    wall = charging()
    point, enter = wall.point, wall.journal.enter
    wall.protection.may_stall = lambda: False
    point.record("session_checkpoint", wall.uptime_ms, wall.clock, socket=5, energy_mwh=777)
    wall.protection.may_stall = lambda: True
    wall.journal.enter = fails
    raises(MemoryError, wall.live, 1)
    wall.journal.enter = enter
    wall.live(1)
    assert [record["energy_mwh"] for record in wall.records("session_checkpoint")] == [777]


def test_what_cannot_be_loaded_is_none():
    import core
    from core import keeping

    assert point_module._keeping() is keeping
    delattr(core, "keeping")
    sys.modules["core.keeping"] = None
    try:
        assert point_module._keeping() is None
    finally:
        sys.modules["core.keeping"] = core.keeping = keeping


def test_care_for_the_journal_waits_where_nothing_can_be_loaded_for_it():
    wall = charging(seconds=30)
    loads = point_module._keeping
    asked = []
    point_module._keeping = lambda: asked.append(1)
    try:
        wall.journal.checkpoints.ahead = False
        checkpoint = wall.journal.checkpoint_seq
        wall.live(90)
    finally:
        point_module._keeping = loads
    assert asked and not wall.journal.checkpoints.ahead and wall.word == 4 and not wall.protection.fault
    assert wall.journal.checkpoint_seq == checkpoint and wall.point.unkept > 10
    wall.live(2)
    assert (
        wall.journal.checkpoints.ahead and wall.journal.checkpoint_seq > checkpoint and not wall.point.unkept
    )


def test_a_program_that_fails_as_recovery_makes_room_leaves_no_point_without_it():
    wall = Wall()
    wall.live(70)
    n = 0
    while not wall.journal.pending:  # a full ring that no checkpoint knows
        n += 1
        wall.point.record("command", n, wall.clock, id="c", op="ping")
        wall.journal.prepare()
    for programs in (1, 2):
        flash = wall.flash.copy()
        flash.bad_programs = programs
        after = Wall(flash, wall.clock, "software")
        assert not after.journal.pending and after.start(1)["ok"], programs


def test_nothing_is_loaded_for_a_journal_that_has_nothing_to_do_or_would_refuse():
    wall = charging()
    calls = []
    wall.journal.prepare = lambda: calls.append("prepare")
    wall.live(100)
    assert calls == []
    wall.journal.write_checkpoint = lambda payload: calls.append("checkpoint")
    wall.journal.checkpoints.ahead, wall.journal.checkpoints.offset = False, wall.journal.size
    wall.journal.checkpoints.pause = 1 << 20
    wall.live(100)
    assert calls == [] and wall.point.unkept > 10
