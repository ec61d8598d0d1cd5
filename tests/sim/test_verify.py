"""`zhuque sim verify`: a good database agrees; one from which a session was deleted, doubled or altered does not."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from zhuque import boards
from zhuque.collector.broker import BrokerAddress
from zhuque.errors import UsageError
from zhuque.sim import truth
from zhuque.sim.broker import Broker
from zhuque.sim.point import PointSettings, SimPoint
from zhuque.sim.residents import Residents
from zhuque.sim.verify import Difference, verify

LOAD = {"peak_w": 150.0, "constant_s": 7200, "inrush_peak_a": 40}
EVENTS: tuple[dict[str, Any], ...] = (
    {"at_s": 20, "do": "plug", "socket": 1, "account": "r-1", "scan_after_s": 5, "load": LOAD},
    {"at_s": 25, "do": "plug", "socket": 2, "account": "r-2", "scan_after_s": 5, "load": LOAD},
    {"at_s": 400, "do": "unplug", "socket": 1},
    {"at_s": 450, "do": "plug", "socket": 1, "account": "r-3", "scan_after_s": 5, "load": LOAD},
    {"at_s": 500, "do": "power_cut", "for_s": 20, "during": "program"},
    {"at_s": 900, "do": "unplug", "socket": 1},
    {"at_s": 960, "do": "overload", "socket": 2, "watts": 3000.0},
    {"at_s": 1040, "do": "end"},
)


class Lived:
    """A point that was run with a collector: `db` and `truth`, as files."""

    def __init__(self, folder: Path) -> None:
        self.db = folder / "site.db"
        self.truth = folder / "truth.jsonl"
        self._over, self._told = threading.Event(), threading.Event()
        self._truth: dict[str, Any] = {}
        with Broker(folder / "broker") as broker:
            collector = self._collect(folder, broker)
            try:
                self._live(folder, broker)
            finally:
                collector.terminate()
                collector.wait()
        truth.write(truth.named(self._truth, "garage", "p01"), self.truth)

    def _collect(self, folder: Path, broker: Broker) -> subprocess.Popen[bytes]:
        log = folder / "collect.log"
        command = [
            sys.executable,
            "-m",
            "zhuque",
            "collect",
            "garage",
            "--db",
            str(self.db),
            "--broker",
            broker.url,
        ]
        with log.open("wb") as file:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file, stderr=file)
        until = time.monotonic() + 20
        while "connected to" not in log.read_text():
            assert time.monotonic() < until and process.poll() is None, log.read_text()
            time.sleep(0.05)
        return process

    def _live(self, folder: Path, broker: Broker) -> None:
        settings = PointSettings(
            board=boards.load("zq10").data,
            broker_host=broker.host,
            broker_port=broker.port,
            speed=100.0,
            start_unix=1795440000,
            events=EVENTS,
        )
        self._residents = Residents(BrokerAddress(broker.host, broker.port), "garage", "p01", lambda *_: None)
        self._residents.start()
        with SimPoint(folder / "point", settings, self._on_event) as point:
            assert self._over.wait(60)
            point.send({"do": "speed", "speed": 5})
            self._wait_for_records(point)
            point.send({"do": "truth"})
            assert self._told.wait(10)
        self._residents.stop()

    def _wait_for_records(self, point: SimPoint) -> None:
        until = time.monotonic() + 30
        while time.monotonic() < until:
            point.wait(0.2)
            rows = self.rows("SELECT ended_at FROM sessions")
            if len(rows) == 3 and all(row[0] is not None for row in rows):
                return
        pytest.fail(f"not all is recorded: {self.rows('SELECT socket, ended_at, end_reason FROM sessions')}")

    def rows(self, sql: str) -> list[Any]:
        with sqlite3.connect(self.db) as db:
            return db.execute(sql).fetchall()

    def _on_event(self, event: dict[str, Any]) -> None:
        self._residents.on_event(event)
        if event["event"] == "end":
            self._over.set()
        elif event["event"] == "truth":
            self._truth = event
            self._told.set()


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Lived:
    return Lived(tmp_path_factory.mktemp("lived"))


@pytest.fixture
def copy(lived: Lived, tmp_path: Path) -> Iterator[Callable[..., tuple[int, str]]]:
    """Runs SQL on a copy of the database, then the command; returns its exit code and what it said."""

    def altered(*statements: str) -> tuple[int, str]:
        db = tmp_path / "site.db"
        with sqlite3.connect(lived.db) as source, sqlite3.connect(db) as target:
            source.backup(target)
            for sql in statements:
                assert target.execute(sql).rowcount == 1, sql
        return _command(db, lived.truth)

    yield altered


def _command(db: Path, told: Path, *options: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "zhuque", "sim", "verify", "--db", str(db), "--truth", str(told), *options],
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stdout + done.stderr


FIRST = "(SELECT session FROM sessions WHERE socket = 1 ORDER BY started_at LIMIT 1)"


def test_a_good_database_agrees(lived: Lived, copy: Callable[..., tuple[int, str]]) -> None:
    code, said = copy()
    assert code == 0, said
    assert "3 sessions lived" in said and "3 recorded" in said and "0 wrong" in said
    kinds = [json.loads(line)["kind"] for line in lived.truth.read_text().splitlines()]
    assert kinds.count("socket") == 10 and kinds.count("session") == 3 and kinds[-1] == "end"
    faults = {row["fault"] for row in truth.read(lived.truth)["faults"]}
    assert faults == {"power_cut", "overload"}


def test_a_deleted_session_is_missing(copy: Callable[..., tuple[int, str]]) -> None:
    code, said = copy(f"DELETE FROM sessions WHERE session = {FIRST}")
    assert code == 1
    assert "missing  garage/p01/1: no record of the session of r-1" in said and "1 wrong" in said


def test_a_doubled_session_is_named(lived: Lived, copy: Callable[..., tuple[int, str]]) -> None:
    columns = [row[1] for row in lived.rows("PRAGMA table_info(sessions)")]
    values = ", ".join("'copy-1'" if name == "session" else name for name in columns)
    code, said = copy(
        f"INSERT INTO sessions ({', '.join(columns)}) SELECT {values} FROM sessions WHERE session = {FIRST}"
    )
    assert code == 1
    assert "doubled  garage/p01/1: session" in said and "is there as" in said and "1 wrong" in said


@pytest.mark.parametrize(
    ("change", "kind", "word"),
    [
        ("energy_mwh = energy_mwh + 1500", "energy", "(+1."),
        ("energy_mwh = energy_mwh - 1500", "energy", "(-1."),
        ("started_at = started_at - 60", "start", "is recorded to start"),
        ("started_at = started_at - 7200", "start", "is recorded to start"),
        ("ended_at = ended_at + 90", "end", "is recorded to end"),
        ("ended_at = NULL, end_reason = NULL", "open", "still open in the records"),
        ("account = 'r-9'", "account", "it was 'r-1' who charged"),
        ("socket = 7", "missing", "no record of the session of r-1"),
    ],
)
def test_an_altered_session_is_named(
    copy: Callable[..., tuple[int, str]], change: str, kind: str, word: str
) -> None:
    code, said = copy(f"UPDATE sessions SET {change} WHERE session = {FIRST}")
    assert code == 1, said
    assert any(line.startswith(f"WRONG      {kind}") and word in line for line in said.splitlines()), said


def test_json_and_bad_input(lived: Lived, tmp_path: Path) -> None:
    code, said = _command(lived.db, lived.truth, "--json")
    assert code == 0 and isinstance(json.loads(said), list)
    cut = tmp_path / "cut.jsonl"
    shutil.copy(lived.truth, cut)
    cut.write_text("\n".join(cut.read_text().splitlines()[:-1]) + "\n")
    code, said = _command(lived.db, cut)
    assert code == 2 and "is not whole" in said
    cut.write_text('{"kind": "socket", "energy_mwh": 1}\nnonsense\n')
    code, said = _command(lived.db, cut)
    assert code == 2 and "cut.jsonl:2: this is not JSON" in said
    assert _command(tmp_path / "none.db", lived.truth)[0] == 3


# By hand ----------------------------------------------------------------------------------------------------------


def _truth(faults: list[dict[str, Any]] | None = None, **changed: Any) -> dict[str, Any]:
    place = {"site": "g", "point": "p01", "socket": 1}
    session = {
        "started": 1000,
        "ended": 4600,
        "energy_mwh": 100_000.0,
        "account": "r-1",
        "ended_by": "unplugged",
    }
    return {
        "sockets": [{**place, "energy_mwh": 100_000.0}],
        "sessions": [{**place, **session, **changed}],
        "faults": [
            {"site": "g", "point": "p01", "socket": None, "detail": None, **fault} for fault in faults or []
        ],
        "time": 9000,
    }


def _row(**changed: Any) -> dict[str, Any]:
    row = {"site": "g", "point": "p01", "socket": 1, "session": "a-1", "account": "r-1", "started_at": 1001}
    return {**row, "ended_at": 4610, "energy_mwh": 100_000, "end_reason": "unplugged", **changed}


def _differences(told: dict[str, Any], *rows: dict[str, Any]) -> list[Difference]:
    return verify(told, rows).differences


CUT = {"fault": "power_cut", "began": 3000, "ended": 3100}
WELDED = {"fault": "relay_stuck", "socket": 1, "began": 3000, "ended": 6000}


@pytest.mark.parametrize(
    ("faults", "changed", "row", "excused"),
    [
        ([CUT], {}, {"energy_mwh": 97_600}, True),  # 60 s of 100 W are 1.7 Wh
        ([CUT], {}, {"energy_mwh": 94_000}, False),
        ([CUT], {}, {"energy_mwh": 102_000}, False),  # a cut invents nothing
        ([{**CUT, "began": 7000, "ended": 7100}], {}, {"energy_mwh": 97_600}, False),
        ([WELDED], {}, {"energy_mwh": 60_000, "ended_at": 4610}, True),
        ([WELDED], {"ended": 6000}, {"ended_at": 3010}, True),
        ([WELDED], {}, {"energy_mwh": 120_000}, False),
        ([{**WELDED, "socket": 2}], {}, {"energy_mwh": 60_000}, False),
        ([{**WELDED, "socket": 2}], {}, {"ended_at": 5510, "end_reason": "relay_welded"}, True),
        ([{**WELDED, "socket": 2}], {}, {"ended_at": 5510}, False),
        (
            [{"fault": "clock_jump", "began": 500, "ended": 500, "detail": 600}],
            {},
            {"started_at": 1400},
            True,
        ),
        (
            [{"fault": "clock_jump", "began": 500, "ended": 500, "detail": 600}],
            {},
            {"started_at": 1800},
            False,
        ),
        ([{"fault": "meter_frozen", "began": 2000, "ended": 2060}], {}, {"energy_mwh": 97_000}, True),
        ([{"fault": "network_down", "began": 2000, "ended": 2060}], {}, {"energy_mwh": 97_000}, False),
        ([{"fault": "power_cut", "began": 4600, "ended": 5600}], {}, {"ended_at": 5800}, True),
        ([], {}, {"ended_at": 5800}, False),
    ],
)
def test_a_fault_excuses_what_it_must_lead_to_and_no_more(
    faults: list[dict[str, Any]], changed: dict[str, Any], row: dict[str, Any], excused: bool
) -> None:
    found = _differences(_truth(faults, **changed), _row(**row))
    assert len(found) == 1, found
    assert (found[0].reason is not None) is excused, found


def test_a_session_that_never_got_current_needs_a_reason() -> None:
    told = _truth()
    extra = _row(session="a-2", started_at=6000, ended_at=6120, energy_mwh=0, end_reason="no_load")
    (found,) = _differences(told, _row(), extra)
    assert found.kind == "extra" and found.reason is None
    dead = _truth([{"fault": "relay_dead", "socket": 1, "began": 5900, "ended": None}])
    (found,) = _differences(dead, _row(), extra)
    assert found.reason is not None and "relay_dead" in found.reason


def test_other_points_of_the_database_are_left_alone() -> None:
    report = verify(_truth(), [_row(), _row(point="p77", session="b-1")])
    assert report.differences == [] and report.recorded == 1


def test_a_truth_is_what_was_written(tmp_path: Path) -> None:
    file = tmp_path / "truth.jsonl"
    told = _truth([CUT])
    truth.write(told, file)
    assert truth.read(file) == told
    file.write_text('{"kind": "session", "socket": 1}\n')
    with pytest.raises(UsageError, match=r"truth.jsonl:1: a session needs started, ended, energy_mwh"):
        truth.read(file)


def test_the_truth_of_a_garage_is_that_of_its_points() -> None:
    one, other = _truth(), _truth([CUT], started=900)
    other["sessions"][0]["point"] = "p02"
    whole = truth.merged([one, other])
    assert [row["point"] for row in whole["sessions"]] == ["p02", "p01"]
    assert len(whole["sockets"]) == 2 and len(whole["faults"]) == 1 and whole["time"] == 9000
