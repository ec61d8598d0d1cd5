"""A garage of simulated points: speed max against every tick, and that nothing is left of it, whatever happens."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tests.processes import none_left, processes_in
from zhuque import boards
from zhuque.collector.broker import BrokerAddress
from zhuque.sim.broker import Broker
from zhuque.sim.garage import MAX_SPEED, Garage, Plan
from zhuque.sim.point import SimError

START = 1_764_000_000
KINDS = ("session_start", "session_checkpoint", "session_end", "trip", "reset", "alarm")
DURATION_S = 2400
COUNTER_STEP_MWH = 21
CHARGER = {"peak_w": 140.0, "constant_s": 300, "taper_pct_min": 1.6, "tau_min": 27.0, "inrush_a": 9.0}
EVENTS = [
    {"at_s": 90, "do": "plug", "socket": 1, "account": "r-1", "scan_after_s": 11.3, "load": CHARGER},
    {"at_s": 101.7, "do": "plug", "socket": 2, "account": "r-2", "scan_after_s": 7, "load": {"peak_w": 390}},
    {"at_s": 120, "do": "plug", "socket": 9, "account": "r-3", "scan_after_s": 3},
    {"at_s": 333.333, "do": "overload", "socket": 2, "watts": 1900.0, "point": "p01"},
    {"at_s": 500, "do": "unplug", "socket": 2},
    {"at_s": 560, "do": "ask", "socket": 2, "op": "reset", "actor": "operator"},
    {"at_s": 700, "do": "plug", "socket": 2, "account": "r-4", "scan_after_s": 30, "load": {"peak_w": 80}},
    {"at_s": 815.5, "do": "network_down", "for_s": 200},
    {"at_s": 900, "do": "plug", "socket": 3, "account": "r-5", "scan_after_s": 9},
    {"at_s": 1203, "do": "power_cut", "for_s": 40, "point": "p02"},
    {"at_s": 1500, "do": "mains", "volts": 160, "for_s": 20, "point": "p01"},
    {"at_s": 2111.1, "do": "unplug", "socket": 1},
    {"at_s": 2200, "do": "ask", "socket": 9, "op": "stop", "actor": "resident"},
]


class Recorder:
    """Everything that the points of a site journal, in the order of their journals."""

    def __init__(self, address: BrokerAddress) -> None:
        self.records: dict[tuple[str, str, int], dict[str, Any]] = {}
        self.last: dict[str, int] = {}
        self._client = address.client("recorder")
        self._client.on_connect = lambda client, *_: client.subscribe("zq/1/garage/+/+", 1)
        self._client.on_message = self._take
        self._client.connect(address.host, address.port)
        self._client.loop_start()

    def _take(self, client: Any, userdata: Any, message: Any) -> None:
        *_, point, channel = message.topic.split("/")
        content = json.loads(message.payload)
        if channel == "record":
            self.records[point, content["epoch"], content["seq"]] = content

    def stop(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def told(self) -> list[tuple[str, dict[str, Any]]]:
        """(point, record) of the kinds that a bill is made of, without the time since boot and their number."""
        return [
            (point, {key: value for key, value in record.items() if key not in ("seq", "uptime_ms")})
            for (point, _, _), record in sorted(self.records.items())
            if record["kind"] in KINDS
        ]


def play(folder: Path, speed: float | None) -> tuple[dict[str, Any], list[tuple[str, dict[str, Any]]]]:
    """(truth, records) of the scenario at that speed."""
    plan = Plan(
        "garage",
        ("p01", "p02"),
        boards.load("zq10").data,
        speed,
        seed=5,
        duration_s=DURATION_S,
        events=EVENTS,
        start_unix=START,
    )
    with Broker(folder / "broker") as broker:
        address = BrokerAddress(broker.host, broker.port)
        recorder = Recorder(address)
        try:
            with Garage(folder / "points", plan, address, lambda *_: None, lambda *_: None) as garage:
                while not garage.is_over():
                    time.sleep(0.05)
                truth = garage.truth()
        finally:
            recorder.stop()
    return truth, recorder.told()


@pytest.mark.timeout(240)
def test_speed_max_tells_the_same_as_every_tick(tmp_path: Path) -> None:
    results: dict[str, Any] = {}

    def run(name: str, speed: float | None) -> None:
        results[name] = play(tmp_path / name, speed)

    threads = [threading.Thread(target=run, args=args) for args in (("every", MAX_SPEED), ("max", None))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (lived, told), (lived_max, told_max) = results["every"], results["max"]
    assert [s["account"] for s in lived["sessions"]].count("r-1") == 2
    assert len(lived["sessions"]) >= 10
    assert {r["cause"] for _, r in told if r["kind"] == "trip"} == {"overcurrent"}
    assert any(r["kind"] == "session_end" and r["suspended_s"] for _, r in told)
    for (point, one), (_, other) in zip(told, told_max, strict=True):
        if (point, one["boot"]) == ("p02", 2) and "energy_mwh" in one:
            # What the last checkpoint before the power cut knew of the counter: up to one step of it less.
            assert abs(one["energy_mwh"] - other.pop("energy_mwh")) <= COUNTER_STEP_MWH
            one.pop("energy_mwh")
        assert one == other
    for one, other in zip(lived["sessions"], lived_max["sessions"], strict=True):
        assert one["energy_mwh"] == pytest.approx(other["energy_mwh"], abs=0.01)
        assert {**one, "energy_mwh": 0} == {**other, "energy_mwh": 0}
    for one, other in zip(lived["sockets"], lived_max["sockets"], strict=True):
        assert one["energy_mwh"] == pytest.approx(other["energy_mwh"], abs=0.01)


def test_a_point_that_dies_ends_the_garage_with_its_name(tmp_path: Path, broker: Broker) -> None:
    plan = Plan("garage", ("p01", "p02", "p03"), boards.load("zq10").data)
    address = BrokerAddress(broker.host, broker.port)
    up: set[str] = set()
    points = tmp_path / "points"
    with (
        Garage(points, plan, address, lambda point, _: up.add(point), lambda *_: None) as garage,
        pytest.raises(SimError, match="garage/p02"),
    ):
        while len(up) < 3:
            garage.is_over()
            time.sleep(0.05)
        (victim,) = processes_in(points / "p02")
        os.kill(victim, signal.SIGKILL)
        until = time.monotonic() + 20
        while time.monotonic() < until:
            garage.is_over()
            time.sleep(0.05)
    assert not processes_in(points)


def zhuque(folder: Path, *words: str, **environment: str) -> subprocess.Popen[str]:
    """`zhuque sim garage` with its files in the folder."""
    return subprocess.Popen(
        [sys.executable, "-m", "zhuque", "sim", "garage", "--points", "3", *words],
        env={**os.environ, "TMPDIR": str(folder), **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def end_of(process: subprocess.Popen[str], code: int) -> str:
    """What it said, after it ended with that code."""
    said, _ = process.communicate(timeout=30)
    assert process.returncode == code, said
    assert "Traceback" not in said
    return said


def test_a_broker_that_refuses(tmp_path: Path, free_port: int) -> None:
    said = end_of(zhuque(tmp_path, "--broker", f"mqtt://127.0.0.1:{free_port}"), 4)
    assert "does not answer" in said
    assert none_left(tmp_path)


def test_a_port_in_use(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert port in end_of(zhuque(tmp_path, "--port", port), 1)
    assert none_left(tmp_path)


def test_without_micropython(tmp_path: Path) -> None:
    said = end_of(zhuque(tmp_path, ZHUQUE_MICROPYTHON="/nowhere/micropython"), 1)
    assert "ZHUQUE_MICROPYTHON" in said
    assert none_left(tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("option", [("--points", "31"), ("--points", "0"), ("--speed", "0"), ("--site", "Ä")])
def test_what_cannot_be_asked_for(tmp_path: Path, option: tuple[str, str]) -> None:
    end_of(zhuque(tmp_path, *option), 2)


@pytest.mark.parametrize("after_s", [0.6, 0.9, 1.2, 1.6, 2.5, 4.0])
def test_ctrl_c_at_any_moment_leaves_nothing(tmp_path: Path, after_s: float) -> None:
    process = zhuque(tmp_path, "--speed", "max")
    time.sleep(after_s)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    said, _ = process.communicate(timeout=30)
    assert "Traceback" not in said
    assert none_left(tmp_path), processes_in(tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_garage_ends_with_its_time_and_writes_the_truth(tmp_path: Path) -> None:
    scenario = tmp_path / "day.toml"
    scenario.write_text(
        '[[event]]\nat_s = 80\ndo = "plug"\nsocket = 3\naccount = "r-1"\nscan_after_s = 5\npoint = "p02"\n'
    )
    truth = tmp_path / "truth.jsonl"
    words = ("--speed", "max", "--duration", "5m", "--scenario", str(scenario), "--truth", str(truth))
    said = end_of(zhuque(tmp_path, *words, "--seed", "3"), 0)
    assert "p02/3" in said
    assert "seed 3" in said
    rows = [json.loads(line) for line in truth.read_text().splitlines()]
    (session,) = [row for row in rows if row["kind"] == "session"]
    assert (session["point"], session["socket"], session["account"]) == ("p02", 3, "r-1")
    assert len([row for row in rows if row["kind"] == "socket"]) == 30
