"""Points proven over MQTT: the real firmware on simulated points, well and with what an installer meets."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from zhuque import boards
from zhuque.collector import ask
from zhuque.collector.broker import BrokerAddress
from zhuque.install.wall_test import Reference, WallTest
from zhuque.sim.broker import Broker
from zhuque.sim.point import PointSettings, SimPoint
from zhuque.store.point_tests import Line

BOARD: Any = boards.load("zq10").data


class Wall:
    """A point at a plain broker."""

    def __init__(self, address: BrokerAddress) -> None:
        self._address = address

    def status(self) -> dict[str, Any] | None:
        (view,) = ask.kept_status(self._address, "garage", "p01")
        return view.status if view.online else None

    def ask(self, op: str, **fields: Any) -> dict[str, Any]:
        return ask.command(self._address, "garage", "p01", {"op": op, **fields}, 20.0)

    def telemetry(self) -> Iterator[dict[str, Any]]:
        return ask.telemetry(self._address, "garage", "p01")


@contextmanager
def proven(
    broker: Broker,
    folder: Path,
    events: tuple[dict[str, Any], ...] = (),
    reference: Reference | None = None,
    busy: tuple[int, ...] = (),
) -> Iterator[dict[str, Line]]:
    """The lines by name; the wall is twenty times as fast as a real one."""
    address = BrokerAddress("127.0.0.1", broker.port)
    settings = PointSettings(
        board=BOARD, broker_host="127.0.0.1", broker_port=broker.port, speed=20.0, events=events
    )
    with SimPoint(folder, settings, lambda event: None):
        rows = ask.telemetry(address, "garage", "p01")
        while next(rows)["sockets"][8][0] != "idle":
            pass
        for n in busy:
            assert Wall(address).ask("start", socket=n)["ok"]
        lines = list(WallTest(Wall(address), "garage/p01", BOARD, 40_000, reference).run())
    assert len({line.name for line in lines}) == len(lines)
    yield {line.name: line for line in lines}


# Their limits are of a real board at its own speed: a simulated one in a hurry has others.
NOT_HERE = ("clock", "blind time")


def failed(lines: dict[str, Line]) -> set[str]:
    return {name for name, line in lines.items() if line.result == "FAIL" and name not in NOT_HERE}


def test_a_point_that_is_well(broker: Broker, tmp_path: Path) -> None:
    events = ({"at_s": 1, "do": "overload", "socket": 3, "watts": 900.0},)
    with proven(broker, tmp_path, events, Reference(3, 900.0)) as lines:
        assert not failed(lines), lines
        names = {"online", "state", "Wi-Fi", "clock", "emergency_stop", "smoke", "residual_current"}
        names |= {"temperature", "voltage", "meter at zero", "blind time", "reference on 3"}
        assert set(lines) == names | {f"relay {n}" for n in range(1, 11)}
        assert lines["Wi-Fi"].detail == "-58 dBm" and "0 W of 900.0 W" in lines["reference on 3"].detail


def test_what_an_installer_finds(broker: Broker, tmp_path: Path) -> None:
    """A meter with another shunt, a session of somebody, a known load in the wrong socket; the others are well."""
    events = (
        {"at_s": 1, "do": "meter_error", "socket": 3, "percent": 5.0},
        {"at_s": 1, "do": "overload", "socket": 3, "watts": 900.0},
        {"at_s": 1, "do": "overload", "socket": 5, "watts": 100.0},
    )
    with proven(broker, tmp_path, events, Reference(3, 900.0), busy=(5,)) as lines:
        assert failed(lines) == {"reference on 3", "relay 5"}, lines
        assert "+5.0%" in lines["reference on 3"].detail
        assert "point calibrate garage/p01 --socket 3" in lines["reference on 3"].remedy
        assert "somebody charges" in lines["relay 5"].detail


def test_an_input_that_is_open(broker: Broker, tmp_path: Path) -> None:
    address = BrokerAddress("127.0.0.1", broker.port)
    events = ({"at_s": 30, "do": "smoke"},)
    settings = PointSettings(
        board=BOARD, broker_host="127.0.0.1", broker_port=broker.port, speed=20.0, events=events
    )
    with SimPoint(tmp_path, settings, lambda event: None):
        wall = Wall(address)
        rows = ask.telemetry(address, "garage", "p01")
        while next(rows)["sockets"][0][0] != "locked":
            pass
        lines = {line.name: line for line in WallTest(wall, "garage/p01", BOARD, 40_000).run()}
    assert lines["smoke"].result == "FAIL" and "reset the detector" in lines["smoke"].remedy
    assert lines["emergency_stop"].result == "PASS"
    assert all(lines[f"relay {n}"].result == "FAIL" for n in range(1, 11))
    assert "socket_locked" in lines["relay 1"].detail
    assert "at the point, `zhuque point reset garage/p01 --port PORT`" in lines["relay 1"].remedy


class Said:
    """A point that says what a test wants it to say."""

    def __init__(self, **more: Any) -> None:
        self.states = dict.fromkeys(range(1, 3), "idle")
        self.stuck = more.pop("stuck", ())
        self.dead = more.pop("dead", ())
        self.row = [0, 0]
        self.said: dict[str, Any] = {
            "voltage_mv": 230_000,
            "temperature_dc": 250,
            "blind": {"quiet": 22},
            **more,
        }
        self.pong: dict[str, Any] = {"time": int(time.time()), "inputs": [], "unread": []}

    def status(self) -> dict[str, Any] | None:
        return {"state": "ready", "board": "zq10", "firmware": "0.1.0", "rssi_dbm": self.said.get("rssi_dbm")}

    def ask(self, op: str, **fields: Any) -> dict[str, Any]:
        if op == "start":
            self.states[fields["socket"]] = "locked" if fields["socket"] in self.dead else "armed"
        if op == "stop":
            self.states[fields["socket"]] = "idle"
        return {"ok": True, **(self.pong if op == "ping" else {})}

    def telemetry(self) -> Iterator[dict[str, Any]]:
        while True:
            rows = [
                [state, *((400, 90_000) if n in self.stuck and state == "idle" else self.row), 0]
                for n, state in self.states.items()
            ]
            yield {**self.said, "sockets": rows}


def lines_of(point: Said, **more: Any) -> dict[str, Line]:
    return {line.name: line for line in WallTest(point, "riverside/p01", BOARD, 40_000, **more).run()}


@pytest.mark.parametrize(
    ("said", "name", "detail", "remedy"),
    [
        ({"rssi_dbm": -86}, "Wi-Fi", "-86 dBm", "access point"),
        ({"temperature_dc": None}, "temperature", "says nothing", "wires"),
        ({"temperature_dc": 612}, "temperature", "61.2 °C", "heats"),
        ({"voltage_mv": None}, "voltage", "gives none", "meter fed"),
        ({"voltage_mv": 140_000}, "voltage", "140.0 V", "another meter"),
        ({"blind": {"quiet": 22, "erase": 900}}, "blind time", "erase 900 ms", "flash"),
        ({"stuck": (2,)}, "meter at zero", "2: 400 mA, 90.0 W", "welded"),
        ({"stuck": (2,)}, "relay 2", "did not open", "cut the breaker"),
        ({"dead": (1,)}, "relay 1", "did not close: the socket is locked", "zhuque log"),
    ],
)
def test_each_failure_says_what_to_do(said: dict[str, Any], name: str, detail: str, remedy: str) -> None:
    lines = lines_of(Said(**said))
    assert lines[name].result == "FAIL" and detail in lines[name].detail and remedy in lines[name].remedy
    assert lines["state"].result == "PASS"


def test_the_clock() -> None:
    point = Said()
    for told, detail in ((None, "does not know the time"), (int(time.time()) + 95, "+9")):
        point.pong["time"] = told
        assert lines_of(point)["clock"].result == "FAIL" and detail in lines_of(point)["clock"].detail


def test_a_load_that_is_not_there_or_another_one() -> None:
    point = Said()
    nothing = lines_of(point, reference=Reference(2, 1000.0))["reference on 2"]
    assert nothing.result == "FAIL" and "nothing draws" in nothing.detail
    point.row = [0, 700_000]
    other = lines_of(point, reference=Reference(2, 1000.0))["reference on 2"]
    assert other.result == "FAIL" and "-30.0%" in other.detail and "wrong shunt" in other.remedy
