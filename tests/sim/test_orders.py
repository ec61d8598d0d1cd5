"""Orders to a point as a whole, on the board: identify and maintenance."""

from __future__ import annotations

from pathlib import Path

from tests.sim.lived import Event, Heard, Lived, spoilt
from zhuque import boards
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
