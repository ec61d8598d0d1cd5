"""`zhuque point calibrate` as it is typed, against the real firmware on a simulated point; its rarer ways alone."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from zhuque import boards
from zhuque.calibration import CalibrationError
from zhuque.cli import main
from zhuque.cli.point_calibrate import Row, _Run
from zhuque.cli.targets import Target
from zhuque.collector import ask
from zhuque.collector.broker import BrokerAddress
from zhuque.errors import RefusedError, ZhuqueError
from zhuque.sim.broker import Broker
from zhuque.sim.point import PointSettings, SimPoint

EVENTS = (
    {"at_s": 1, "do": "meter_error", "socket": 3, "percent": 4.0},
    {"at_s": 1, "do": "meter_error", "socket": 5, "percent": 15.0},
    {"at_s": 1, "do": "overload", "socket": 3, "watts": 900.0},
    {"at_s": 1, "do": "overload", "socket": 5, "watts": 800.0},
)


class Point:
    """A running point, and the command against it."""

    def __init__(self, broker: Broker, point: SimPoint) -> None:
        self.url = f"mqtt://127.0.0.1:{broker.port}"
        self.address = BrokerAddress("127.0.0.1", broker.port)
        self.point = point

    def calibrate(self, socket: int, watts: float, *options: str) -> Result:
        given = ["--socket", str(socket), "--reference-w", str(watts), "--samples", "5", "--broker", self.url]
        return CliRunner().invoke(main, ["point", "calibrate", "garage/p01", *given, *options])

    def ask(self, **fields: Any) -> dict[str, Any]:
        return ask.command(self.address, "garage", "p01", fields, 20.0)

    def config(self) -> dict[str, Any]:
        value: dict[str, Any] = json.loads((self.point.folder / "config.json").read_text())
        return value


@pytest.fixture
def running(broker: Broker, tmp_path: Path) -> Iterator[Point]:
    settings = PointSettings(
        board=boards.load("zq10").data,
        broker_host="127.0.0.1",
        broker_port=broker.port,
        speed=40.0,
        events=EVENTS,
    )
    with SimPoint(tmp_path / "point", settings, lambda event: None) as point:
        there = Point(broker, point)
        rows = ask.telemetry(there.address, "garage", "p01")
        while next(rows)["sockets"][2][0] != "idle":
            pass
        yield there


def test_a_socket_is_calibrated_and_measured_again(running: Point) -> None:
    assert "calibration" not in running.config()
    done = running.calibrate(3, 900, "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    gain, offset = found["calibration"]["power"]
    assert abs(gain - 1_000_000 / 1.04) < 500 and offset == 0
    assert abs(found["left_ppm"]["power"]) < 2000 and abs(found["left_ppm"]["current"]) < 5000
    for line in ("without a load: 0.0 W", "measuring: 936", "gain 0.961", "verifying: 90", "is calibrated"):
        assert line in done.stderr, done.stderr
    # On the flash, for this socket alone, and nothing else of the file has changed.
    kept = running.config()
    assert kept["calibration"]["power"] == [[1_000_000, 0], [1_000_000, 0], found["calibration"]["power"]]
    assert kept["site"] == "garage" and kept["broker"]["port"] == running.address.port

    refused = running.calibrate(5, 800)
    assert refused.exit_code == 1 and "more than 10 %" in refused.stderr, refused.output
    empty = running.calibrate(4, 900)
    assert empty.exit_code == 1 and "nothing draws on garage/p01/4" in empty.stderr, empty.output
    assert running.config() == kept
    assert running.calibrate(11, 900).exit_code == 3

    # It is in force after a restart, and the point says so; a second calibration starts from the first.
    assert running.ask(op="reboot")["ok"]
    assert next(ask.telemetry(running.address, "garage", "p01"))["uptime_ms"] > 0
    again = running.calibrate(3, 900, "--json")
    assert again.exit_code == 0, again.output
    assert abs(json.loads(again.stdout)["calibration"]["power"][0] - gain) < 500
    assert "measuring: 90" in again.stderr


def test_what_a_point_does_not_take(running: Point) -> None:
    for change, said in (
        ({"wifi": {"ssid": "elsewhere"}}, "only calibration"),
        ({"calibration": {"power": [[1_200_000, 0]]}}, "must be 900000 to 1100000"),
        ({"calibration": {"power": [[1_000_000, 0]] * 11}}, "at most 10"),
        ({"calibration": {"warmth": [[1_000_000, 0]]}}, "is no quantity"),
        ({"calibration": [1]}, "only calibration"),
    ):
        answer = running.ask(op="config", config=change)
        assert answer["error"] == "bad_field" and said in answer["detail"], answer
    good = {"calibration": {"power": [None, [1_001_000, 3]]}}
    assert running.ask(op="start", socket=3)["ok"]
    busy = running.ask(op="config", config=good)
    assert busy["error"] == "socket_busy", "a session is open"
    refused = running.calibrate(5, 800)
    assert refused.exit_code == 5 and "sockets 3 of this point are in use" in refused.stderr
    assert running.calibrate(3, 900).exit_code == 5
    assert "calibration" not in running.config()
    assert running.ask(op="stop", socket=3)["ok"]
    rows = ask.telemetry(running.address, "garage", "p01")
    while any(row[0] in ("armed", "charging") for row in next(rows)["sockets"]):
        pass
    answer = running.ask(op="config", config=good)
    assert answer["ok"] and answer["config"]["calibration"]["power"] == [[1_000_000, 0], [1_001_000, 3]]
    assert running.ask(op="config", config={})["config"] == answer["config"]


# The rarer ways, with what the point says made up

IDLE = Row("idle", 0, 0, 230_000, ())
LOADED = Row("charging", 4000, 920_000, 230_000, ())


class Told:
    """Answers as a point that takes everything; keeps what was asked. `rows` are its telemetry, one list a listener."""

    def __init__(self, *rows: list[Row], refuse: dict[str, str] | None = None) -> None:
        self.asked: list[dict[str, Any]] = []
        self.said: list[str] = []
        self._rows = list(rows)
        self._refuse = refuse or {}
        self._pairs: dict[str, Any] = {}

    def ask(self, fields: dict[str, Any]) -> dict[str, Any]:
        self.asked.append(fields)
        if fields["op"] in self._refuse:
            return {"ok": False, "error": self._refuse[fields["op"]], "detail": "because"}
        self._pairs.update(fields.get("config", {}).get("calibration", {}))
        return {"ok": True, "config": {"calibration": dict(self._pairs)}}

    def listen(self) -> Iterator[Row]:
        return iter(self._rows.pop(0))

    def run(self) -> dict[str, Any]:
        place = Target("garage", "p01", 1)
        return _Run(place, self.ask, self.listen, self.said.append, 900_000, 5).run()

    def ops(self) -> list[str]:
        return [fields["op"] for fields in self.asked]


def test_a_load_that_is_not_steady_changes_nothing_and_leaves_no_session() -> None:
    rows = [LOADED._replace(power_mw=900_000 + 5000 * i) for i in range(8)]
    told = Told([IDLE] * 3, rows)
    with pytest.raises(CalibrationError, match="no steady load"):
        told.run()
    assert told.ops() == ["config", "start", "stop"]


def test_what_does_not_verify_is_put_back() -> None:
    told = Told([IDLE] * 3, [LOADED] * 8, [IDLE], [LOADED._replace(power_mw=950_000)] * 8, [IDLE])
    with pytest.raises(CalibrationError, match="calibrate again"):
        told.run()
    changes = [fields["config"] for fields in told.asked if fields["op"] == "config" and fields["config"]]
    assert len(changes) == 2 and changes[1]["calibration"]["power"] == [[1_000_000, 0]]
    assert told.ops().count("start") == told.ops().count("stop") == 2
    assert told.said[-1] == "what was in force before is in force again"


def _tripped(rows: list[Row]) -> list[Row]:
    return [*rows[:4], IDLE._replace(state="locked")]


@pytest.mark.parametrize(
    ("rows", "refuse", "error", "said"),
    [
        ([[LOADED] * 3], {}, RefusedError, "somebody uses it"),
        ([[IDLE] * 3, _tripped([LOADED] * 8)], {}, CalibrationError, "the socket is locked"),
        ([[IDLE] * 3], {"start": "socket_locked"}, RefusedError, "did not start: socket_locked"),
        ([[IDLE] * 3, [LOADED] * 8, [IDLE] * 9], {"config": "unknown_op"}, ZhuqueError, "too old"),
    ],
    ids=["in use", "tripped", "locked", "old firmware"],
)
def test_what_stops_it(
    rows: list[list[Row]], refuse: dict[str, str], error: type[ZhuqueError], said: str
) -> None:
    with pytest.raises(error, match=said):
        Told(*rows, refuse=refuse).run()


def test_it_explains_itself() -> None:
    run: Callable[..., Result] = CliRunner().invoke
    assert "Example:" in run(main, ["point", "--help"]).output
    assert "1 %" in run(main, ["point", "calibrate", "--help"]).output
    assert run(main, ["point", "calibrate", "p01", "--socket", "1", "--reference-w", "900"]).exit_code == 2
    assert run(main, ["point", "calibrate", "a/b", "--socket", "1", "--reference-w", "39"]).exit_code == 2
