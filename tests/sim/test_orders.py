"""Orders to a point as a whole, on the board: identify, maintenance and reset."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.fakes.collecting import Running, wait_for
from tests.sim.lived import Event, Heard, Lived, spoilt
from zhuque import boards
from zhuque.cli import main
from zhuque.sim.broker import Broker


def _maintenance(message: Event) -> bool:
    return message.get("state") == "maintenance"


def test_maintenance_opens_everything_waits_and_ends_by_itself(tmp_path: Path, broker: Broker) -> None:
    late: Event = {"at_s": 3000, "do": "plug", "socket": 1, "account": "r-1", "scan_after_s": 5, "load": {}}
    with Heard(broker) as heard, Lived(tmp_path, broker, "zq10", plug=late, speed=200.0) as lived:
        heard.until("status", lambda message: message.get("state") == "ready")
        assert heard.ask(id="m1", op="maintenance", actor="operator:li")["ok"]
        assert lived.until("reset")["cause"] == "software"
        status = heard.until("status", _maintenance)
        assert status["boot"] == 2 and "relays stay open" in status["problems"][0]
        refused = heard.ask(id="s1", op="start", socket=1)
        assert refused["error"] == "not_ready" and "maintenance" in refused["detail"]
        began = next(e["time"] for e in reversed(lived.seen) if e["event"] == "reset")
        begin = len(lived.seen)
        assert lived.until("reset")["cause"] == "software"
        assert "zhuque: ready" not in [event.get("line") for event in lived.seen[begin:]]
        assert 600 <= lived.seen[-1]["time"] - began < 640
        ready = heard.until("status", lambda message: message.get("state") == "ready")
        assert ready["boot"] == 3 and not ready["problems"]
        assert not [event for event in lived.seen if event["event"] == "relay" and event.get("closed")]


def test_identify_says_whether_the_board_has_an_led(tmp_path: Path, broker: Broker) -> None:
    with Heard(broker) as heard, Lived(tmp_path, broker, "zq10") as lived:
        heard.until("status", lambda message: message.get("state") == "ready")
        assert heard.ask(id="i1", op="identify", actor="installer:wang") == {
            "id": "i1",
            "ok": True,
            "led": False,
        }
        assert heard.record("command", op="identify")["actor"] == "installer:wang"
        lived.until("console", lambda event: "identify: this is zq10, installer:wang asks" in event["line"])


_TOLD_LED = """
import machine

class _Told(machine.Pin):
    def value(self, level=None):
        if self.id == 2:
            print("led", level)
        return self(level)

machine.Pin = _Told
"""


def test_identify_blinks_the_led_and_charging_goes_on(tmp_path: Path, broker: Broker) -> None:
    board = {**boards.load("zq10").data, "led": {"pin": 2, "active_low": True}}
    firmware = spoilt(tmp_path / "firmware", _TOLD_LED)
    with Heard(broker) as heard, Lived(tmp_path, broker, board, firmware=firmware) as lived:
        assert lived.until("relay")["closed"]
        assert heard.ask(id="i1", op="identify", actor="installer:wang")["led"]
        seen = lived.after(60)
    assert not [event for event in seen if event["event"] in ("relay", "reset")]
    levels = [event["line"] for event in lived.seen if str(event.get("line")).startswith("led ")]
    assert levels == ["led 0", "led 1"] * 20, "lit at 0, and dark at the end"


# Of the points that `zhuque` commands: theirs is the wall clock, by which a command is over some minutes later.
SPEED = 20.0
PATIENT = ("--timeout", "600")


def zhuque(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments, env={"ZHUQUE_DB": "", "ZHUQUE_BROKER": ""})


def test_what_locked_the_whole_point_is_reset_by_the_broker(tmp_path: Path, broker: Broker) -> None:
    heat: Event = {"at_s": 60, "do": "heat", "celsius": 80, "over_s": 20, "for_s": 60}
    at = ("--broker", broker.url, *PATIENT)
    with Heard(broker) as heard, Lived(tmp_path, broker, "zq10", heat, speed=SPEED) as lived:
        lived.until("heat")
        trip = heard.record("trip", cause="overtemperature")
        assert trip["socket"] is None
        refused = zhuque("socket", "start", "garage/p01/2", *at)
        assert refused.exit_code == 5 and "`zhuque point reset garage/p01`" in refused.stderr
        present = zhuque("point", "reset", "garage/p01", *at)
        assert present.exit_code == 5 and "cause_present (overtemperature)" in present.stderr
        while (result := zhuque("point", "reset", "garage/p01", *at)).exit_code:
            assert "cause_present" in result.stderr
            lived.after(20)
        assert result.stdout == "garage/p01 reset\n"
        record = heard.record("reset")
        assert (record["socket"], record["cause"], record["source"]) == (None, "overtemperature", "remote")


def test_a_locked_point_from_smoke_to_its_reset(tmp_path: Path, broker: Broker) -> None:
    """As an operator lives it: status says what is locked and what resets it, and somebody there does."""
    db, at = str(tmp_path / "site.db"), ("--broker", broker.url, *PATIENT)
    running = Running(broker.url, db).connected()
    try:
        with Heard(broker) as heard, Lived(tmp_path, broker, "zq10", speed=SPEED) as lived:
            assert lived.until("relay")["closed"]
            lived.order({"do": "smoke"})
            heard.record("trip", cause="smoke")

            def locked() -> bool:
                (point,) = json.loads(zhuque("status", "--db", db, "--json").stdout)
                return {row["state"] for row in point["sockets"]} == {"locked"}

            wait_for(locked)
            (point,) = json.loads(zhuque("status", "--db", db, "--json").stdout)
            (lockout,) = point["lockouts"]
            assert (lockout["socket"], lockout["cause"]) == (None, "smoke") and lockout["since"]
            text = zhuque("status", "garage/p01", "--db", db).stdout
            assert text.count("the whole point: smoke since 20") == 10
            assert "then, at the point, `zhuque point reset garage/p01 --port PORT`" in text
            remote = zhuque("point", "reset", "garage/p01", *at)
            assert (
                remote.exit_code == 5 and "type `zhuque point reset garage/p01 --port PORT`" in remote.stderr
            )
            heard.until("status", lambda message: message.get("state") == "locked")
            live = zhuque("status", "--broker", broker.url).stdout
            assert "garage/p01: smoke: the whole point is locked" in live
            socket = zhuque("socket", "reset", "garage/p01/1", *at)
            assert "that socket is not, but the whole point is locked" in socket.stderr
            lived.order({"do": "smoke", "on": False})
            lived.until("smoke", lambda event: not event["on"])
            lived.after(5)
            lived.order({"do": "ask", "op": "reset", "actor": "installer:wang", "at_point": True})
            reply = lived.until("console", lambda event: '"reply"' in event["line"])
            assert '"ok":true' in reply["line"], reply
            record = heard.record("reset")
            assert (record["socket"], record["cause"]) == (None, "smoke")
            assert (record["actor"], record["source"]) == ("installer:wang", "button")
            heard.until("status", lambda message: message.get("state") == "ready")
            assert heard.ask(id="s1", op="start", socket=2)["ok"]
    finally:
        running.stop()


@pytest.mark.parametrize("op", ["reset", "ping"])
def test_a_scenario_asks_the_whole_point(tmp_path: Path, broker: Broker, op: str) -> None:
    with (
        Heard(broker) as heard,
        Lived(tmp_path, broker, "zq10", {"at_s": 30, "do": "ask", "op": op}) as lived,
    ):
        command = heard.until("command", lambda message: message["op"] == op)
        assert "socket" not in command
        reply = heard.until("reply", lambda message: message["id"] == command["id"])
        assert reply["ok"] if op == "ping" else reply["error"] == "not_locked"
        assert "socket" not in lived.until("ask")
