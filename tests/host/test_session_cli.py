"""`zhuque session show`, `export` and `plot`: what settles a dispute, and files that are whole or not there."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import random
import resource
import subprocess
import sys
import tempfile
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest
from click.testing import CliRunner, Result
from sqlalchemy import insert

from tests.host import wire_samples as wire
from zhuque.cli import main
from zhuque.collector.ingest import decode
from zhuque.report.sessions import COLUMNS
from zhuque.store.engine import open_writer
from zhuque.store.schema import sessions
from zhuque.store.write import Store

START = 1763990000
SESSION = f"{wire.EPOCH}-3"


def zhuque(*arguments: str | Path) -> Result:
    environment = {"ZHUQUE_DB": "", "ZHUQUE_ZONE": "Asia/Shanghai"}
    return CliRunner().invoke(main, [str(a) for a in arguments], env=environment)


def bodies() -> list[dict[str, Any]]:
    """A session of 402113 mWh that was suspended once; record 9 is missing, record 12 is somebody else's."""
    own = {"session": SESSION}
    return [
        wire.boot(1, time=START - 100),
        wire.record(2, "config", time=START - 90, digest="ab12", problem=None),
        wire.start(3, time=START, max_duration_s=14400, max_energy_mwh=None),
        wire.checkpoint(4, 3, 90000, time=START + 1800),
        wire.record(5, "trip", time=START + 2000, socket=3, cause="undervoltage", voltage_mv=171200, **own),
        wire.checkpoint(6, 3, 100000, time=START + 2001, cause="undervoltage"),
        wire.checkpoint(7, 3, 100000, time=START + 2100, cause="undervoltage", resumed=1),
        wire.record(8, "clock", time=START + 2300, was=None),
        wire.record(10, "trip", time=START + 2400, socket=4, cause="overcurrent"),
        wire.end(11, 3, 402113, time=START + 10130, started=START),
        wire.start(12, time=START + 20000, socket=4, account=None),
    ]


def telemetry(at: int, power_mw: int) -> Any:
    row = ["charging", 900, power_mw, 0]
    return decode(wire.TELEMETRY, wire.raw(wire.telemetry(sockets=[row, row, row])), False, at)


@pytest.fixture
def db(where: str) -> str:
    store = Store(where)
    store.write([decode(wire.RECORD, wire.raw(body), False, START) for body in bodies()])
    store.write([telemetry(START + at, 180_000 - 10 * at) for at in range(0, 10_000, 500)])
    forged = wire.end(11, 3, 999, time=START + 10130)
    store.write([decode(wire.RECORD, wire.raw(forged), False, START)])
    store.close()
    return where


def test_show_says_all_that_is_behind_a_session(db: str) -> None:
    for name in (SESSION, "riverside/p01/3"):
        text = zhuque("session", "show", name, "--db", db).output
        assert "402.113 Wh by its records" in text
        assert "2025-11-24 21:46:40+0800  trip: undervoltage" in text
        assert "suspended for 0:01:39: undervoltage" in text
        assert "longest charge  4:00:00" in text and "digest ab12" in text
        assert '"energy_mwh":999' in text.partition("Contradictions")[2]
        assert "records 9 to 9" in text
        assert "180.0 |█" in text and "21:13" in text
        assert "overcurrent" not in text  # another socket's


def test_show_as_json_holds_the_records_whole(db: str) -> None:
    (shown,) = json.loads(
        zhuque("session", "show", SESSION, "--db", db, "--json").output, parse_float=Decimal
    )
    mine = [body for body in bodies() if body["seq"] in (3, 4, 5, 6, 7, 8, 11)]
    assert [entry["record"] for entry in shown["records"]] == mine
    assert [entry["own"] for entry in shown["records"]] == [True, True, True, True, True, False, True]
    assert shown["energy_wh"] == Decimal("402.113")
    assert shown["suspensions"] == [
        {"from": "2025-11-24T13:46:41Z", "to": "2025-11-24T13:48:20Z", "cause": "undervoltage"}
    ]
    assert shown["trips"] == [{"at": "2025-11-24T13:46:40Z", "cause": "undervoltage"}]
    assert shown["missing"] == [{"epoch": wire.EPOCH, "from": 9, "to": 9}]
    assert [entry["record"]["kind"] for entry in shown["before"]] == ["boot", "config"]
    assert len(shown["contradictions"]) == 1
    assert shown["power_from"] == "telemetry" and len(shown["power"]) == 20
    raw = zhuque("session", "show", SESSION, "--db", db, "--raw").output
    assert wire.raw(mine[1]).decode().replace(",", ", ").replace(":", ": ") in raw


def test_without_telemetry_the_curve_is_of_the_checkpoints(where: str) -> None:
    store = Store(where)
    store.write([decode(wire.RECORD, wire.raw(body), False, START) for body in bodies()])
    store.close()
    (shown,) = json.loads(zhuque("session", "show", SESSION, "--db", where, "--json").output)
    assert shown["power_from"] == "the mean between checkpoints"
    assert shown["power"][0] == {"at": "2025-11-24T13:13:20Z", "power_w": 180.0}  # 90 Wh in half an hour
    plot = zhuque("session", "show", SESSION, "--db", where).output
    (highest,) = [line for line in plot.splitlines() if line.startswith("     180.0 |")]
    assert "█" * 10 in highest  # the mean holds from checkpoint to checkpoint
    still_open = zhuque("session", "show", "riverside/p01/4", "--db", where)
    assert (still_open.exit_code, "open" in still_open.output) == (0, True)
    assert "there is no telemetry" in still_open.output


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["session", "show", f"{wire.EPOCH}-4"], SESSION),
        (["session", "show", wire.EPOCH[:-1] + "5-3"], SESSION),
        (["session", "show", "nonsense"], "no session nonsense; `zhuque session list`"),
        (["session", "show", "riverside/p02/3"], "nearest points are p01"),
        (["session", "plot", f"{wire.EPOCH}-4", "--to", "x.png"], SESSION),
        (["session", "list", "rivreside"], "the nearest is riverside"),
        (["session", "list", "riverside/p10"], "the nearest is riverside/p01"),
        (["session", "list", "--account", "r-0421"], "the nearest is r-0412"),
        (["session", "export", "rivreside", "--to", "x.csv"], "the nearest is riverside"),
        (["status", "riverside/p10"], "the nearest is riverside/p01"),
    ],
    ids=str,
)
def test_what_is_not_known_is_said_with_what_is_near(db: str, arguments: list[str], says: str) -> None:
    result = zhuque(*arguments, "--db", db)
    assert (result.exit_code, says in result.stderr) == (3, True), result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize("name", ["session.png", "session.svg"])
def test_plot(db: str, tmp_path: Path, name: str) -> None:
    assert zhuque("session", "plot", SESSION, "--db", db, "--to", tmp_path / name).exit_code == 0
    content = (tmp_path / name).read_bytes()
    assert content.startswith(b"\x89PNG" if name.endswith("png") else b"<?xml")
    assert len(content) > 5000
    assert zhuque("session", "plot", SESSION, "--db", db, "--to", tmp_path / "x.gif").exit_code == 2
    assert [path.name for path in tmp_path.iterdir() if not path.name.startswith("site-0.db")] == [name]


# Exports --------------------------------------------------------------------------------------------------------------


def export(db: str, path: str | Path, *options: str | Path) -> Result:
    return zhuque("session", "export", "--db", db, "--to", path, *options)


def test_the_three_formats_say_the_same(db: str, tmp_path: Path) -> None:
    for name in ("a.csv", "a.jsonl", "a.parquet"):
        assert export(db, tmp_path / name).exit_code == 0
    listed = json.loads(zhuque("session", "list", "--db", db, "--json").output, parse_float=Decimal)
    lines = (tmp_path / "a.jsonl").read_text().splitlines()
    assert [json.loads(line, parse_float=Decimal) for line in lines] == listed
    table = list(csv.DictReader(io.StringIO((tmp_path / "a.csv").read_text())))
    assert [{k: str(v) if v is not None else "" for k, v in row.items()} for row in listed] == table
    parquet = pyarrow.parquet.read_table(tmp_path / "a.parquet")
    assert tuple(parquet.column_names) == COLUMNS == tuple(table[0])
    rows = parquet.to_pylist()
    assert [row["energy_wh"] for row in rows] == [Decimal("402.113"), None]
    assert rows[0]["started_at"].isoformat() == "2025-11-24T13:13:20+00:00"
    assert [row["session"] for row in rows] == [row["session"] for row in listed]


def test_filters_and_standard_output(db: str, tmp_path: Path) -> None:
    result = export(db, "-", "--format", "jsonl", "riverside/p01/3")
    assert [json.loads(line)["session"] for line in result.stdout.splitlines()] == [SESSION]
    assert export(db, "-", "--format", "csv", "--min-energy", "1kWh").stdout == ",".join(COLUMNS) + "\n"
    assert export(db, "-").exit_code == 2
    assert export(db, "-", "--format", "parquet").exit_code == 2
    assert export(db, tmp_path / "a.xls").exit_code == 2
    assert export(db, tmp_path / "a.xls", "--format", "csv").exit_code == 0


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def out(tmp_path: Path) -> Path:
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


def many(db: str, count: int) -> None:
    """So many more sessions, whose names cannot be compressed."""
    chance = random.Random(1)
    values = [{"session": f"{chance.getrandbits(64):016x}-1"} for _ in range(count)]
    database = open_writer(db)
    with database.begin() as opened:
        opened.execute(insert(sessions).values(site="riverside", point="p01"), values)
    database.dispose()


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.parquet"])
def test_a_full_disk_leaves_no_half_file(db: str, out: Path, name: str) -> None:
    (out / name).write_text("yesterday's")
    many(db, 5000)
    command = [sys.executable, "-m", "zhuque", "session", "export", "--db", db, "--to", str(out / name)]

    def little_room() -> None:
        resource.setrlimit(
            resource.RLIMIT_FSIZE, (40_000, 40_000)
        )  # enough for what SQLite has beside its file

    done = subprocess.run(command, capture_output=True, text=True, preexec_fn=little_room)
    assert done.returncode == 1, done.stderr
    assert "what was there is unchanged" in done.stderr
    assert "Traceback" not in done.stderr
    assert files(out) == [name]
    assert (out / name).read_text() == "yesterday's"


def test_the_state_stays_when_the_export_fails(db: str, out: Path) -> None:
    state = out / "night.state"
    assert export(db, out / "none" / "a.csv", "--since-last", state).exit_code == 3
    assert files(out) == []


def test_a_read_only_folder() -> None:
    """In a process of its own that gives away the rights of root, should it have them."""
    code = (
        "import os, sys; from pathlib import Path; from zhuque.files import whole_file\n"
        "folder = Path(sys.argv[1])\n"
        "os.getuid() or os.setuid(65534)\n"
        "try:\n  with whole_file(folder / 'a.csv'): pass\n"
        "except Exception as error: print(type(error).__name__, getattr(error, 'exit_code', None), error)"
    )
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o555)
        command = [sys.executable, "-c", code, folder]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert said.startswith("RefusedError 5"), said


def test_a_progress_bar_on_a_terminal(db: str, out: Path) -> None:
    """And nothing of it in the file, nor where there is no terminal."""
    master, slave = pty.openpty()
    command = [sys.executable, "-m", "zhuque", "session", "export", "--db", db, "--to", str(out / "a.csv")]
    done = subprocess.run(command, stderr=slave, stdout=subprocess.PIPE, env={**os.environ, "TERM": "xterm"})
    os.close(slave)
    told = os.read(master, 65536).decode()
    os.close(master)
    assert (done.returncode, done.stdout) == (0, b"")
    assert "sessions" in told and "\x1b" in told
    assert "2 sessions written" in told
    assert "\x1b" not in (out / "a.csv").read_text()


def test_an_export_of_nothing_is_a_file(db: str, out: Path) -> None:
    for name in ("a.csv", "a.jsonl", "a.parquet"):
        assert export(db, out / name, "--reason", "smoke").exit_code == 0
    assert pyarrow.parquet.read_table(out / "a.parquet").num_rows == 0
    assert (out / "a.csv").stat().st_mode & 0o777 == 0o666 & ~_umask()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
