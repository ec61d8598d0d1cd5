"""What the start makes of what it finds: lockouts in RTC memory, crashes that nobody meant, a site's limits."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.sim.lived import PLUG, Heard, Lived, spoilt
from zhuque.sim.broker import Broker

_TRIP_IN_RTC = """
import machine
from core import causes, trip_memo
if machine.reset_cause() == machine.PWRON_RESET:
    memo = bytearray(trip_memo.size(11))
    trip_memo.pack_into(memo, [0, causes.OVERPOWER] + [0] * 9, 0, 1)
    machine.RTC().memory(memo)
"""

_LOST_JOURNAL = """
from core import recovery
def recover(*args):
    raise ValueError("a bug")
recovery.recover = recover
"""

_NO_MEMORY_FOR_CERTIFICATES = """
import files
from drivers import tls
_read = files.read
def read(board):
    _read(board)
    board.config["broker.tls"] = True
def context(folder=""):
    raise OSError(12, "no memory")
files.read, tls.context = read, context
"""

_PANIC = """
import asyncio, machine
from tasks import record
_record_loop = record.record_loop
async def record_loop(point, clock, protect, restart):
    if protect.safe_mode:
        await _record_loop(point, clock, protect, restart)
    await asyncio.sleep(5)
    machine.reset()
record.record_loop = record_loop
"""

_RESETS = """
import machine
from core.point import Point
_update = Point.update
def update(self, uptime_ms, unix):
    after_ms = {}
    if self.boot <= len(after_ms) and uptime_ms > after_ms[self.boot - 1]:
        machine.reset()
    _update(self, uptime_ms, unix)
Point.update = update
"""
_WELDED_THEN_THREE_PANICS = _RESETS.format((100_000, 0, 0))
_TWO_CRASHES_AND_TWO_LATER = _RESETS.format((20_000, 20_000, 615_000, 20_000))

_BROKEN_METER_AFTER_THREE_PANICS = (
    _PANIC
    + """
from drivers.meter_hlw8032 import HLW8032
def poll(self, reading):
    raise ValueError("a bug in the driver")
if machine.reset_cause() != machine.PWRON_RESET:
    HLW8032.poll = poll
"""
)

_METER_THAT_HANGS_THE_BOARD = """
import machine
from drivers.meter_hlw8032 import HLW8032
def configure(self):
    machine.reset()
HLW8032.configure = configure
"""

_SET_UPS_ARE_TOLD = """
from drivers.meter_bl0910 import BL0910
_configure = BL0910.configure
def configure(self):
    print("set up")
    _configure(self)
BL0910.configure = configure
"""

_NO_METER = """
from clock import clock
from drivers.meter_bl0910 import BL0910
_configure = BL0910.configure
def configure(self):
    if clock.now_us < 30000000:
        raise OSError("no answer")
    _configure(self)
BL0910.configure = configure
"""

_LIMITS = """
import json
with open("config.json") as file:
    _config = json.load(file)
_config["limits"] = {}
with open("config.json", "w") as file:
    json.dump(_config, file)
"""


def test_a_trip_that_only_rtc_memory_knows_locks_and_is_journalled(tmp_path: Path, broker: Broker) -> None:
    firmware = spoilt(tmp_path / "firmware", _TRIP_IN_RTC)
    with Heard(broker) as heard, Lived(tmp_path, broker, "zq10", firmware=firmware):
        assert heard.record("trip", socket=2)["cause"] == "overpower"
        assert heard.ask(id="a", op="start", socket=2)["error"] == "socket_locked"


def test_what_cannot_be_recovered_closes_nothing(tmp_path: Path, broker: Broker) -> None:
    firmware = spoilt(tmp_path / "firmware", _LOST_JOURNAL)
    with (
        Heard(broker) as heard,
        Lived(tmp_path, broker, "zq10", firmware=firmware, tracebacks=True) as lived,
    ):
        status = heard.until("status", lambda message: bool(message.get("problems")))
        assert "what was locked is not known" in status["problems"][0]
        answer = heard.ask(id="a", op="start", socket=1)
        assert answer["error"] == "not_ready" and "recovery failed" in answer["detail"]
        lived.until("time", lambda event: event["time"] > 0)
        assert not [event for event in lived.after(60) if event["event"] == "relay"]


def test_without_certificates_a_board_protects_all_the_same(tmp_path: Path, broker: Broker) -> None:
    firmware = spoilt(tmp_path / "firmware", _NO_MEMORY_FOR_CERTIFICATES)
    with Lived(tmp_path, broker, "zq10", firmware=firmware) as lived:
        lived.until("console", lambda event: "the certificates cannot be read" in event["line"])
        lived.until("console", lambda event: event["line"] == "zhuque: ready")
        lived.until("console", lambda event: "has no certificates: provision it again" in event["line"])
        assert not [event for event in lived.seen if event["event"] == "reset"]


def test_a_restart_that_nobody_meant_is_a_crash(tmp_path: Path, broker: Broker) -> None:
    """A panic below the firmware: no fault was seen, and nobody asked for it."""
    firmware = spoilt(tmp_path / "firmware", _PANIC)
    with Heard(broker) as heard, Lived(tmp_path, broker, "zq10", firmware=firmware) as lived:
        for _ in range(3):
            lived.until("reset")
        status = heard.until("status", lambda message: message.get("state") == "safe_mode")
        assert "crashed 3 times" in status["problems"][0]


def test_safe_mode_sees_a_welded_relay(tmp_path: Path, broker: Broker) -> None:
    """Nothing closes there; but what is closed by itself is locked and told."""
    firmware = spoilt(tmp_path / "firmware", _WELDED_THEN_THREE_PANICS)
    weld = {"at_s": 60, "do": "relay_stuck", "socket": 1}
    with Heard(broker) as heard, Lived(tmp_path, broker, "devkit-hlw8032", weld, firmware=firmware) as lived:
        for _ in range(3):
            lived.until("reset")
        status = heard.until("status", lambda message: message.get("state") == "safe_mode")
        assert "crashed 3 times" in status["problems"][0]
        assert heard.record("trip", socket=1)["cause"] == "relay_welded"
        assert heard.record("alarm", socket=1)["alarm"] == "relay_welded"
        assert heard.ask(id="a", op="start", socket=1)["detail"].startswith("it crashed 3 times")


def test_in_safe_mode_a_session_waits_and_locks_nothing(tmp_path: Path, broker: Broker) -> None:
    """The meter is heard and nothing is held against the socket: it must not try, and wear itself out."""
    firmware = spoilt(tmp_path / "firmware", _WELDED_THEN_THREE_PANICS)
    with (
        Heard(broker) as heard,
        Lived(tmp_path, broker, "devkit-hlw8032", firmware=firmware, speed=300.0) as lived,
    ):
        for _ in range(3):
            lived.until("reset")
        end = heard.record("session_end", socket=1)
        assert end["reason"] == "internal" and end["suspended_s"] >= 900
        assert heard.until("telemetry")["sockets"][0][0] == "unavailable", "and not locked"
        assert not [message for _, message in heard.messages if message.get("resumed")]


def test_safe_mode_outlives_a_meter_driver_that_fails(tmp_path: Path, broker: Broker) -> None:
    firmware = spoilt(tmp_path / "firmware", _BROKEN_METER_AFTER_THREE_PANICS)
    with (
        Heard(broker) as heard,
        Lived(tmp_path, broker, "devkit-hlw8032", firmware=firmware, tracebacks=True, speed=200.0) as lived,
    ):
        lived.until("console", lambda event: "crashed 3 times" in event["line"])
        lived.until("console", lambda event: "a bug in the driver" in event["line"])
        assert not [event for event in lived.after(300) if event["event"] == "reset"]
        assert heard.ask(id="a", op="start", socket=1)["detail"].startswith("it crashed 3 times")


def test_safe_mode_leaves_a_meter_alone_that_hangs_the_board(tmp_path: Path, broker: Broker) -> None:
    """Below Python nothing can be caught: three crashes, one more for the look at welds, and then peace."""
    firmware = spoilt(tmp_path / "firmware", _METER_THAT_HANGS_THE_BOARD)
    with Heard(broker) as heard, Lived(tmp_path, broker, "devkit-hlw8032", firmware=firmware) as lived:
        for _ in range(4):
            lived.until("reset")
        status = heard.until("status", lambda message: message.get("state") == "safe_mode")
        assert "crashed 4 times" in status["problems"][0]
        assert not [event for event in lived.after(120) if event["event"] == "reset"]


def test_ten_good_minutes_forget_the_crashes_before_them(tmp_path: Path, broker: Broker) -> None:
    firmware = spoilt(tmp_path / "firmware", _TWO_CRASHES_AND_TWO_LATER)
    with Lived(tmp_path, broker, "zq10", firmware=firmware, speed=200.0) as lived:
        for _ in range(4):
            lived.until("reset")
        lived.until("console", lambda event: event["line"] == "zhuque: ready")
        assert not [event for event in lived.seen if "crashed" in str(event.get("line"))]


def test_a_meter_that_is_not_believed_is_set_up_before_it_is_again(tmp_path: Path, broker: Broker) -> None:
    """A counter that stands still: its registers are read back, and written anew, while every relay is open."""
    firmware = spoilt(tmp_path / "firmware", _SET_UPS_ARE_TOLD)
    frozen = {"at_s": 120, "for_s": 40, "do": "meter_frozen", "what": "counter"}
    with Lived(tmp_path, broker, "zq10", frozen, firmware=firmware) as lived:
        lived.until("console", lambda event: event["line"] == "set up")
        assert lived.until("relay")["closed"]
        assert not lived.until("relay")["closed"]
        lived.until("console", lambda event: event["line"] == "set up")
        assert lived.until("relay")["closed"], "the session goes on by itself"


def test_before_its_self_test_a_point_gives_its_sockets_no_supply(tmp_path: Path, broker: Broker) -> None:
    """The contactor before all sockets stays open while the meter does not answer."""
    firmware = spoilt(tmp_path / "firmware", _NO_METER)
    with Heard(broker) as heard, Lived(tmp_path, broker, "zq10", firmware=firmware) as lived:
        status = heard.until("status", lambda message: message.get("state") == "meter_fault")
        assert "no answer" in status["problems"][0]
        lived.until("contactor", lambda event: bool(event["closed"]))
        lines = [event["line"] for event in lived.seen if event["event"] == "console"]
        assert "zhuque: ready" in lines


def test_behind_a_contactor_that_is_open_for_a_welded_relay_nothing_starts(
    tmp_path: Path, broker: Broker
) -> None:
    weld = {"at_s": 60, "do": "relay_stuck", "socket": 1}
    with Heard(broker) as heard, Lived(tmp_path, broker, "zq10", weld) as lived:
        lived.until("relay_stuck")
        heard.ask(id="a", op="stop", socket=1)
        assert heard.record("trip", socket=1)["cause"] == "relay_welded"
        answer = heard.ask(id="b", op="start", socket=2)
        assert (answer["error"], answer["detail"]) == ("not_ready", "relay_welded")


@pytest.mark.parametrize(
    ("limits", "watts"),
    [
        ('{"rated_ma": 16000, "max_power_mw": 4000000}', 1700.0),
        ('{"rated_ma": 1000}', 500.0),
        ('{"max_power_mw": 300000}', 400.0),
    ],
    ids=["raised: in vain", "current lowered", "power lowered"],
)
def test_a_site_lowers_a_limit_and_raises_none(
    tmp_path: Path, broker: Broker, limits: str, watts: float
) -> None:
    firmware = spoilt(tmp_path / "firmware", _LIMITS.replace("{}", limits))
    plug = {**PLUG, "load": {**PLUG["load"], "peak_w": watts}}
    with Heard(broker) as heard, Lived(tmp_path, broker, "zq10", plug=plug, firmware=firmware):
        assert heard.record("trip", socket=1)["cause"] in ("overcurrent_instant", "overcurrent", "overpower")
