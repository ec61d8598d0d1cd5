"""Commands one by one: who may ask what, what is answered, what is on record before its effect. Runs on both."""

from fakes.wall import NOON, Wall

from core import causes, rare_commands
from core.obeyed import KEPT_IDS, Obeyed
from core.protection import WHOLE


class Here:
    """The line of whoever stands at the point."""

    is_local = True

    def resend(self, epoch, first, last):
        self.asked = epoch, first, last
        return last - first + 1


def here(wall, unix=NOON, line=None, **fields):
    """A command at the point itself."""
    import json

    return wall.commands.execute(json.dumps(fields).encode(), wall.uptime_ms, unix, line or Here())


def refused(answer):
    return answer.get("error"), answer.get("detail")


# Any command ---------------------------------------------------------------------------------------------------------


def test_a_command_is_dead_after_its_time():
    wall = Wall()
    now = wall.clock
    for n, (expires, dead) in enumerate(((now + 1, False), (now, False), (now - 1, True), (now - 7, True))):
        answer = wall.command(id=str(n), op="ping", expires=expires)
        assert answer["ok"] is not dead
        if dead:
            assert refused(answer) == ("expired", "expired {} s ago".format(now - expires))
    wall.clock = None
    assert wall.command(id="n", op="ping", expires=5)["ok"], "without a clock it is judged by its receipt"
    assert wall.command(id="m", op="ping", expires=None)["ok"]


def test_sockets_are_counted_from_one():
    wall = Wall()
    for socket, there in ((0, False), (1, True), (10, True), (11, False)):
        answer = wall.command(id="s{}".format(socket), op="stop", socket=socket, actor="o")
        known = ("no_session", "socket {} is idle".format(socket))
        assert refused(answer) == (known if there else ("no_such_socket", "sockets are 1 to 10"))
    assert wall.start(10)["ok"]
    wall.live(2)
    assert wall.word == 1 << 9


def test_each_id_once():
    wall = Wall()
    assert wall.start(1, id="a")["ok"] and wall.command(id="b", op="stop", socket=2)["error"] == "no_session"
    count = len(wall.records("command"))
    assert wall.command(id="b", op="reboot")["error"] == "no_session", "the same answer again"
    assert wall.command(id="a", op="reboot") == {"id": "a", "ok": True} and not wall.point.restart_asked
    assert len(wall.records("command")) == count


def test_the_last_sixty_four_that_were_obeyed_and_the_last_eight_that_were_refused_are_known():
    obeyed = Obeyed(["before", "the restart"])
    for n in range(KEPT_IDS - 1):
        obeyed.remember({"id": str(n), "ok": True, "config": "large"})
    assert obeyed.answer_to("before") is None and obeyed.answer_to("the restart") == {
        "id": "the restart",
        "ok": True,
    }
    assert obeyed.answer_to("0") == {"id": "0", "ok": True}, (
        "that it was obeyed, and not all that was told then"
    )
    refusals = [{"id": "no" + str(n), "ok": False, "error": "gone", "detail": None} for n in range(9)]
    for refusal in refusals:
        obeyed.remember(refusal)
    assert [obeyed.answer_to(refusal["id"]) for refusal in refusals] == [None] + refusals[1:]
    assert obeyed.answer_to("the restart"), "who is refused pushes out nothing that was obeyed"
    obeyed.remember({"id": "x", "ok": True})
    assert obeyed.answer_to("the restart") is None and obeyed.answer_to("x") == {"id": "x", "ok": True}


def test_what_changes_nothing_is_kept_by_no_id():
    wall = Wall()
    for op, more in (("ping", {}), ("resend", {"epoch": wall.journal.epoch, "from": 1, "to": 1})):
        wall.command(id="x", op=op, **more)
    assert wall.obeyed.answer_to("x") is None and not wall.records("command")
    wall.commands.configure = lambda *order: {"config": {"calibration": {}}}
    assert wall.command(id="x", op="config", config={}) == {
        "id": "x",
        "ok": True,
        "config": {"calibration": {}},
    }
    assert wall.command(id="x", op="config", config={}) == {"id": "x", "ok": True}


def test_a_command_is_on_record_before_its_effect():
    wall = Wall()
    wall.start(2, id="a")
    command, start = wall.records()[-2:]
    assert (command["kind"], command["id"], command["op"], command["socket"], command["actor"]) == (
        "command",
        "a",
        "start",
        2,
        "operator:li",
    )
    assert start["kind"] == "session_start" and command["time"] == start["time"] == wall.clock
    assert command["uptime_ms"] == start["uptime_ms"] == wall.uptime_ms
    wall.command(id="b", op="reset", actor="o")
    assert wall.records()[-1]["socket"] is None


def test_room_for_a_command_and_for_what_follows():
    wall = Wall()
    asked = []
    wall.journal.ready = lambda n: asked.append(n) or n < 2
    full = "journal", "the journal has no room before its next erase; try again in a few seconds"
    assert refused(wall.start(1)) == full
    assert asked == [1, 2] and not wall.point.is_charging


# Every day -----------------------------------------------------------------------------------------------------------


def test_a_start_has_its_limits():
    wall = Wall()
    assert refused(wall.start(1, id="a", max_duration_s=0)) == (
        "bad_field",
        "max_duration_s is 0; leave it out for no limit of its own",
    )
    assert refused(wall.start(1, id="b", max_energy_mwh=0))[0] == "bad_field"
    assert wall.start(1, id="c", max_duration_s=1, max_energy_mwh=1)["ok"]
    session = wall.point.sessions[0]
    assert (session.max_duration_ms, session.max_energy_mwh) == (1000, 1)
    for socket, asked, longest_s in ((2, None, 43_200), (3, 43_199, 43_199), (4, 43_201, 43_200)):
        assert wall.start(socket, id="d{}".format(socket), max_duration_s=asked)["ok"]
        start = wall.records("session_start")[-1]
        assert start["max_duration_s"] == longest_s and start["max_energy_mwh"] is None
        assert wall.point.sessions[socket - 1].max_duration_ms == 1000 * longest_s
        assert wall.point.sessions[socket - 1].started == start["time"] == wall.clock
        assert start["session"] == wall.point.sessions[socket - 1].id
        assert start["session"].endswith("-{}".format(start["seq"]))


def test_what_is_refused_is_on_no_record():
    wall = locked()
    assert wall.start(5, id="a")["error"] == "socket_locked" and not wall.records("command")


def test_who_stands_at_the_point_and_who_does_not():
    wall = Wall()
    assert wall.start(1, id="a")["ok"] and here(wall, id="b", op="start", socket=2, account="r-2")["ok"]
    sources = [(start["source"], start["account"]) for start in wall.records("session_start")]
    assert sources == [("remote", "r-1"), ("button", "r-2")]
    assert wall.command(id="c", op="stop", socket=1)["ok"] and here(wall, id="d", op="stop", socket=2)["ok"]
    assert [wall.point.sessions[i].reason for i in (0, 1)] == ["stopped_remote", "stopped_local"]
    assert wall.protection.wanted == 0


def test_resend_says_what_is_gone():
    wall = Wall()
    line = Here()
    epoch = wall.journal.epoch
    assert here(wall, id="a", op="resend", epoch=epoch, line=line, **{"from": 1, "to": 3})["ok"]
    assert line.asked == (epoch, 1, 3)
    assert here(wall, id="b", op="resend", epoch="0" * 16, line=line, **{"from": 1, "to": 3}) == {
        "id": "b",
        "ok": False,
        "error": "gone",
        "detail": "this journal's epoch is " + epoch,
        "first_seq": 1,
    }
    wall.journal.first_seq = 2
    for first, gone in ((1, True), (2, False)):
        answer = here(wall, id="c", op="resend", epoch=epoch, line=line, **{"from": first, "to": 3})
        assert answer["ok"] is not gone
    line.resend = lambda epoch, first, last: 0
    answer = here(wall, id="d", op="resend", epoch=epoch, line=line, **{"from": 2, "to": 3})
    assert refused(answer) == ("gone", "the journal begins at 2") and answer["first_seq"] == 2


# Rare ones -----------------------------------------------------------------------------------------------------------


def locked(bits=causes.OVERPOWER, i=4):
    wall = Wall()
    wall.protection.restore(i, bits)
    wall.point.locked_since[i] = NOON
    wall.live(1)
    return wall


def test_three_resets_a_day_of_each_socket_from_afar():
    wall = locked()
    point = wall.point
    point.remote_resets = [(4, wall.clock - 86_400), (4, wall.clock - 86_399), (4, None), (3, wall.clock)]
    assert wall.command(id="a", op="reset", socket=5)["ok"], "the third within a day"
    assert point.remote_resets == [
        (4, wall.clock - 86_399),
        (4, wall.clock),
        (3, wall.clock),
        (4, wall.clock),
    ]
    wall.protection.restore(4, causes.OVERPOWER)
    answer = wall.command(id="b", op="reset", socket=5)
    assert refused(answer) == ("too_many_resets", "3 today: have somebody look at the socket")
    assert wall.protection.latched[4] == causes.OVERPOWER and wall.records("command")[-1]["id"] == "a"
    assert here(wall, id="c", op="reset", socket=5)["ok"], "at the point as often as it takes"
    assert wall.records("reset")[-1]["source"] == "button" and len(point.remote_resets) == 4
    assert wall.records("command")[-1]["id"] == "c"


def test_resets_of_a_time_that_is_not_known_count_until_it_is():
    wall = locked()
    wall.clock = None
    for n in range(3):
        wall.protection.restore(4, causes.OVERPOWER)
        assert wall.command(id=str(n), op="reset", socket=5)["ok"]
    wall.protection.restore(4, causes.OVERPOWER)
    assert wall.command(id="x", op="reset", socket=5)["error"] == "too_many_resets"
    wall.clock = NOON
    assert wall.command(id="y", op="reset", socket=5)["error"] == "too_many_resets"
    wall.point.remote_resets = [(4, NOON + 500)] * 3
    assert wall.command(id="z", op="reset", socket=5)["error"] == "too_many_resets"
    assert wall.point.remote_resets == [(4, NOON)] * 3, "none is of the future"


def test_a_reset_that_is_refused_counts_for_nothing():
    wall = locked(causes.RELAY_WELDED)
    assert refused(wall.command(id="a", op="reset", socket=5)) == ("local_only", "relay_welded")
    assert refused(wall.command(id="b", op="reset", socket=1)) == ("not_locked", "nothing is locked there")
    assert wall.point.remote_resets == [] and not wall.records("reset")
    assert wall.point.locked_since[4] == NOON


def test_a_reset_is_journalled_with_who_did_it():
    wall = locked(causes.OVERCURRENT | causes.OVERPOWER)
    assert wall.command(id="a", op="reset", socket=5, actor="operator:li")["ok"]
    row = wall.records("reset")[0]
    assert (row["socket"], row["cause"], row["actor"], row["source"]) == (
        5,
        "overcurrent",
        "operator:li",
        "remote",
    )
    assert row["time"] == wall.clock and row["uptime_ms"] == wall.uptime_ms
    assert wall.state(5) == "idle" and wall.point.locked_since == [None] * 11 and not wall.records("alarm")
    wall = locked(causes.RELAY_WELDED)
    assert here(wall, id="a", op="reset", socket=5, actor="installer:wang", unix=wall.clock)["ok"]
    alarm = wall.records("alarm")[0]
    assert (alarm["alarm"], alarm["state"], alarm["socket"], alarm["time"]) == (
        "relay_welded",
        "cleared",
        5,
        wall.clock,
    )


def test_a_trip_that_waits_is_journalled_before_the_reset_and_ends_its_session():
    wall = Wall()
    wall.start(5)
    wall.live(3)
    wall.start(4, id="c2")
    wall.protection.lock(4, causes.OVERPOWER)
    wall.protection.restore(3, causes.OVERPOWER)
    assert wall.command(id="a", op="reset", socket=5)["ok"]
    assert [record["kind"] for record in wall.records()[-3:]] == ["command", "trip", "reset"]
    assert wall.state(4) == "armed", "its session ends with the next update"
    assert wall.point.sessions[4].reason == "overpower"
    assert wall.records("trip")[0]["time"] == wall.clock and wall.state(5) == "armed"


def test_new_limits():
    wall = Wall()
    ask = {"op": "limit", "socket": 2}
    assert refused(wall.command(id="a", max_duration_s=5, **ask)) == ("no_session", "socket 2 is idle")
    wall.start(2)
    for n, wrong in enumerate(({}, {"max_duration_s": 0}, {"max_energy_mwh": 0}, {"max_duration_s": None})):
        answer = wall.command(id="b{}".format(n), **ask, **wrong)
        assert refused(answer) == (
            "bad_field",
            "max_duration_s or max_energy_mwh must be given, and be more than 0",
        )
    session = wall.point.sessions[1]
    assert (session.max_duration_ms, session.max_energy_mwh) == (43_200_000, None)
    due = wall.point._checkpoint_ms
    wall.live(2)
    wall.point._dirty = False
    assert wall.command(id="c", max_energy_mwh=1, **ask)["ok"]
    assert (session.max_duration_ms, session.max_energy_mwh) == (43_200_000, 1)
    assert wall.point._checkpoint_ms == due - 60_000 and wall.point._dirty, (
        "no record tells it: a checkpoint does"
    )
    assert wall.command(id="d", max_duration_s=1, **ask)["ok"]
    assert (session.max_duration_ms, session.max_energy_mwh) == (1000, 1)
    assert wall.command(id="e", max_duration_s=43_201, **ask)["ok"] and session.max_duration_ms == 43_200_000
    wall.journal.ready = lambda n: False
    assert wall.command(id="f", max_duration_s=7, **ask)["error"] == "journal"
    assert session.max_duration_ms == 43_200_000


def test_maintenance_and_reboot():
    for op in ("maintenance", "reboot"):
        wall = Wall()
        assert not wall.point.restart_asked
        assert wall.command(id="a", op=op)["ok"] and wall.point.restart_asked
        assert wall.records("command")[-1]["op"] == op
    busy = "socket_busy", "maintenance begins only while no session is open and every relay is"
    wall = Wall()
    wall.protection.word = 1
    assert refused(wall.command(id="a", op="maintenance")) == busy
    wall.protection.word = 0
    wall.start(1)
    assert refused(wall.command(id="b", op="maintenance")) == busy


def test_what_needs_more_of_the_board_than_the_point():
    told = []
    for op, hook, more in (("config", "configure", {"config": {}}), ("identify", "identify", {})):
        wall = Wall()
        assert refused(wall.command(id="a", op=op, **more)) == (
            "unknown_op",
            op + " is not implemented by this firmware",
        )
        told.clear()
        setattr(wall.commands, hook, lambda *order: told.append(order))
        assert wall.command(id="b", op=op, **more) == {"id": "b", "ok": True}
        commands, command, uptime_ms, unix = told[0]
        assert commands is wall.commands and command["op"] == op
        assert (uptime_ms, unix) == (wall.uptime_ms, wall.clock)
    assert rare_commands.obey(wall.commands, {"op": "dance"}, WHOLE, 0, None) == (
        "unknown_op",
        "dance is not implemented by this firmware",
    )


def test_ping():
    wall = Wall()
    wall.point.reading.active, wall.point.reading.unread = causes.INPUTS | causes.OVERPOWER, causes.SMOKE
    pong = wall.command(id="p", op="ping")
    assert pong == {
        "id": "p",
        "ok": True,
        "time": wall.clock,
        "uptime_ms": wall.uptime_ms,
        "inputs": ["emergency_stop", "smoke", "residual_current"],
        "unread": ["smoke"],
    }
