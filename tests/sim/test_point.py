"""A simulated point with the real firmware: its events, its restarts, and that nothing of it is left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import Empty, Queue
from typing import Any

import pytest

from tests.processes import none_left, processes_in
from zhuque import boards
from zhuque.collector.broker import BrokerAddress
from zhuque.sim.broker import Broker
from zhuque.sim.point import PointSettings, SimError, SimPoint
from zhuque.sim.residents import Residents

Event = dict[str, Any]
MAIN = Path(__file__).resolve().parent / "firmware"
WAIT_S = 60.0


class Watched:
    """A point whose events can be waited for."""

    def __init__(self, folder: Path, broker: Broker | None, **settings: Any) -> None:
        self.events: Queue[Event] = Queue()
        self.residents: Residents | None = None
        if broker is not None:
            address = BrokerAddress(broker.host, broker.port)
            self.residents = Residents(address, "garage", "p01", lambda *_: None).start()
        self.settings = PointSettings(
            board=boards.load("zq10").data,
            broker_host="127.0.0.1",
            broker_port=broker.port if broker else 1,
            **settings,
        )
        self.point = SimPoint(folder / "point", self.settings, self._on_event)

    def _on_event(self, event: Event) -> None:
        self.events.put(event)
        if self.residents is not None:
            self.residents.on_event(event)

    def __enter__(self) -> Watched:
        self.point.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.point.stop()
        if self.residents is not None:
            self.residents.stop()

    def wait(self, kind: str, accept: Callable[[Event], bool] = lambda event: True) -> Event:
        """The next event of that kind; the test fails when it does not come."""
        seen: list[Event] = []
        until = time.monotonic() + WAIT_S
        while time.monotonic() < until:
            self.point.wait(0)
            try:
                event = self.events.get(timeout=0.2)
            except Empty:
                continue
            if event["event"] == kind and accept(event):
                return event
            seen.append(event)
        pytest.fail(f"no {kind} within {WAIT_S:.0f} s, but: {seen[-12:]}", pytrace=False)


def test_an_overload_trips_and_the_truth_knows(tmp_path: Path, broker: Broker) -> None:
    load = {"peak_w": 100.0, "constant_s": 7200, "start_over_peak": 1.0 - 1e-9, "ramp_s": 0.0}
    events = (
        {"at_s": 20, "do": "plug", "socket": 3, "account": "r-1", "scan_after_s": 5, "load": load},
        {"at_s": 1000, "do": "overload", "socket": 3, "watts": 3000.0},
    )
    with Watched(tmp_path, broker, speed=300.0, events=events) as watched:
        on = watched.wait("relay")
        assert (on["socket"], on["closed"]) == (3, True)
        overload = watched.wait("overload")
        off = watched.wait("relay")
        assert not off["closed"]
        assert 13_000 < off["current_ma"] < 15_500
        assert 0 <= off["time"] - overload["time"] <= 10
        watched.point.send({"do": "truth"})
        told = watched.wait("truth")
    (session,) = told["sessions"]
    assert session["account"] == "r-1"
    assert (session["started"], session["ended"]) == (on["time"], off["time"])
    charged_s = overload["time"] - on["time"]
    expected = (100.0 * charged_s + 3100.0 * (off["time"] - overload["time"])) / 3.6
    assert abs(session["energy_mwh"] - expected) < 4000  # times are whole seconds, at 3.1 kW
    assert told["sockets"][2]["energy_mwh"] == session["energy_mwh"]


def test_a_power_cut_opens_the_relay_and_the_board_comes_back(tmp_path: Path, broker: Broker) -> None:
    events = (
        {"at_s": 20, "do": "plug", "socket": 1, "account": "r-1", "scan_after_s": 5},
        {"at_s": 200, "do": "power_cut", "for_s": 30},
    )
    with Watched(tmp_path, broker, speed=100.0, events=events) as watched:
        watched.wait("relay", lambda event: event["closed"])
        cut = watched.wait("power_cut")
        off = watched.wait("relay")
        assert not off["closed"]
        assert off["time"] - cut["time"] <= 1
        boot = watched.wait("boot")
        assert 30 <= boot["time"] - cut["time"] <= 33
        assert boot["cause"] == 1
        watched.wait("console", lambda event: "boot 2" in event["line"])


def test_a_welded_relay_does_not_open(tmp_path: Path, broker: Broker) -> None:
    events = (
        {"at_s": 20, "do": "plug", "socket": 2, "account": "r-1", "scan_after_s": 5},
        {"at_s": 100, "do": "relay_stuck", "socket": 2},
        {"at_s": 120, "do": "ask", "socket": 2, "op": "stop"},
        {"at_s": 180, "do": "truth"},
        {"at_s": 200, "do": "relay_stuck", "socket": 2, "on": False},
    )
    with Watched(tmp_path, broker, speed=100.0, events=events) as watched:
        watched.wait("relay", lambda event: event["closed"])
        told = watched.wait("truth")
        # The contactor before all sockets took the current away; the contact itself stays closed until it comes loose.
        assert 0 <= told["sessions"][0]["ended"] - watched.settings.start_unix - 120 <= 5
        loose = watched.wait("relay_stuck")
        off = watched.wait("relay")
        assert not off["closed"]
        assert off["time"] == loose["time"]


def test_a_firmware_that_hangs_is_restarted(tmp_path: Path) -> None:
    """Two ways to die: a loop that never waits, which only an alarm ends, and a watchdog that nobody feeds."""
    with Watched(tmp_path, None, speed=50.0, firmware=MAIN) as watched:
        assert watched.wait("restart")["after"] == "hang"
        assert watched.wait("boot")["cause"] == 3
        assert watched.wait("reset")["cause"] == "watchdog"
        assert watched.wait("boot")["cause"] == 3
        watched.wait("console", lambda event: event["line"] == "kept memory b'second'")
        assert watched.wait("reset")["cause"] == "software"
        assert watched.wait("boot")["cause"] == 5


def test_orders_that_cannot_be_are_refused(tmp_path: Path, broker: Broker) -> None:
    with Watched(tmp_path, broker) as watched:
        watched.wait("boot")
        for order in (
            {"do": "explode"},
            {"do": "unplug", "socket": 1},
            {"do": "plug", "socket": 99},
            {"do": "plug"},
        ):
            watched.point.send(order)
            watched.wait("refused")
        watched.point.send({"do": "plug", "socket": 1})
        watched.wait("plug")
        watched.point.send({"do": "plug", "socket": 1})
        assert "taken" in watched.wait("refused")["why"]
        watched.point.send({"do": "plug", "socket": 2, "load": {"colour": 1}})
        assert "colour" in watched.wait("refused")["why"]


def test_a_board_that_cannot_run_is_an_error_with_its_last_words(tmp_path: Path) -> None:
    settings = PointSettings(
        board={**boards.load("zq10").data, "meter": {}}, broker_host="127.0.0.1", broker_port=1
    )
    with (
        SimPoint(tmp_path / "point", settings, lambda event: None) as point,
        pytest.raises(SimError, match="driver"),
    ):
        point.wait(WAIT_S)


def test_stop_leaves_nothing(tmp_path: Path, broker: Broker) -> None:
    folder = tmp_path / "point"
    with Watched(tmp_path, broker) as watched:
        watched.wait("boot")
        assert processes_in(folder)
    assert not processes_in(folder)


@pytest.fixture
def simulation(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """`zhuque sim run` with everything of its own, running; its files are in the folder."""
    process = subprocess.Popen(
        [sys.executable, "-m", "zhuque", "sim", "run", "--speed", "20"],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if "connected to" in line:
            break
    else:
        pytest.fail(f"it ended with {process.wait()}")
    yield process
    process.kill()
    process.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_nothing(tmp_path: Path, simulation: subprocess.Popen[str], number: int) -> None:
    assert len(processes_in(tmp_path)) >= 2  # the board and the broker
    os.killpg(simulation.pid, number)  # as a terminal does
    assert simulation.wait(20) == 0
    assert none_left(tmp_path), processes_in(tmp_path)
    assert list(tmp_path.glob("zhuque-sim-*")) == []


def test_a_signal_ends_the_demo_and_leaves_nothing(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-u", "-m", "zhuque.sim.demo"],
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as demo:
        assert demo.stdout is not None
        said = []
        for line in demo.stdout:
            said.append(line)
            if "power on" in line:
                break
        assert len(processes_in(tmp_path)) >= 4, said  # demo, broker, collector, board
        os.killpg(demo.pid, signal.SIGINT)
        rest = demo.stdout.read()
        assert demo.wait(20) == 130, rest
    assert "Traceback" not in rest
    assert none_left(tmp_path), processes_in(tmp_path)


def test_a_board_does_not_outlive_whoever_started_it(tmp_path: Path, broker: Broker) -> None:
    settings = PointSettings(board=boards.load("zq10").data, broker_host=broker.host, broker_port=broker.port)
    script = (
        "import sys, json, time; from pathlib import Path; from zhuque.sim.point import *\n"
        "s = PointSettings(json.loads(sys.argv[2]), '127.0.0.1', int(sys.argv[3]))\n"
        "SimPoint(Path(sys.argv[1]), s, lambda e: print(e['event'], flush=True)).start(); time.sleep(100)"
    )
    folder = tmp_path / "orphan"
    command = [sys.executable, "-c", script, str(folder), json.dumps(settings.board), str(broker.port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline()
        parent.kill()
    assert none_left(folder), processes_in(folder)
