"""`zhuque db` and `zhuque session rebuild`; a database of the first release is brought to this one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.fakes.collecting import rows
from tests.host import wire_samples as wire
from zhuque.cli import main
from zhuque.collector.ingest import decode
from zhuque.store import engine, migrate
from zhuque.store.items import Lost
from zhuque.store.schema import REVISION
from zhuque.store.write import Store

NOW = 1764000100


def zhuque(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(a) for a in arguments], env={"ZHUQUE_DB": ""})


def fill(where: str) -> Store:
    store = Store(where)
    bodies = [wire.boot(1), wire.start(2, time=None), wire.checkpoint(3, 2, 700), wire.end(4, 2, 900)]
    bodies += [wire.record(5, "clock", time=1764000003, was=None), wire.start(6, socket=4), wire.boot(9)]
    store.write([decode(wire.RECORD, wire.raw(body), False, NOW) for body in bodies])
    return store


def old_database(where: str) -> None:
    """As the first release left it, with a minute of telemetry and a loss."""
    database = engine.connect(where, writing=True)
    migrate.upgrade(database, "0001")
    with database.begin() as db:
        db.exec_driver_sql(
            "INSERT INTO telemetry (site, point, minute, body) VALUES ('riverside', 'p01', 29400000, '{}')"
        )
        db.exec_driver_sql(
            "INSERT INTO alarms (site, point, epoch, alarm, state, noticed_at, from_seq, to_seq)"
            " VALUES ('riverside', 'p01', '9f3ac2d15b7e0c44', 'records_lost', 'raised', 1, 3, 5)"
        )
    database.dispose()


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_an_older_database_is_migrated(tmp_path: Path, kind: str, request: pytest.FixtureRequest) -> None:
    where = str(tmp_path / "site.db")
    if kind == "postgresql":
        where = request.getfixturevalue("postgres").new_database(empty=True)
    old_database(where)
    assert "zhuque db migrate" in zhuque("status", "--db", where).stderr
    assert zhuque("db", "migrate", "--db", where).output == f"at revision {REVISION}\n"
    assert rows(where, "SELECT at FROM telemetry") == [(29400000 * 60 + 59,)]
    assert rows(where, "SELECT missing FROM alarms") == [(3,)]
    assert zhuque("db", "migrate", "--db", where).exit_code == 0


def test_check_says_what_is_missing(where: str) -> None:
    fill(where).close()
    result = zhuque("db", "check", "--db", where)
    assert result.exit_code == 0, result.output
    assert "7 records, 2 sessions" in result.output
    assert "records 7 to 8 have not come yet, of 9" in result.output
    store = Store(where)
    store.write([Lost("riverside", "p01", wire.EPOCH, 9, "gone", NOW)])
    store.close()
    (report,) = json.loads(zhuque("db", "check", "--db", where, "--json").output)
    assert report["problems"] == []
    assert ["2 records between 7 and 8 are lost" in text for text in report["gaps"]] == [True]


def test_check_finds_sessions_that_do_not_follow_and_rebuild_mends_them(where: str) -> None:
    store = fill(where)
    before = rows(where, "SELECT * FROM sessions ORDER BY session")
    assert zhuque("session", "rebuild", "--db", where).output == "2 sessions derived from their records\n"
    assert rows(where, "SELECT * FROM sessions ORDER BY session") == before
    with store.database.begin() as db:
        db.exec_driver_sql("UPDATE sessions SET energy_mwh = 1 WHERE end_reason IS NOT NULL")
        db.exec_driver_sql(
            "INSERT INTO sessions (site, point, session) VALUES ('riverside', 'p01', 'invented')"
        )
    store.close()
    result = zhuque("db", "check", "--db", where)
    assert (result.exit_code, "1 of 2 sessions differ" in result.stderr) == (1, True)
    assert "session rebuild" in result.stderr
    zhuque("session", "rebuild", "--db", where)
    assert rows(where, "SELECT * FROM sessions ORDER BY session") == before
    assert zhuque("db", "check", "--db", where).exit_code == 0


def test_thin(where: str) -> None:
    store = fill(where)
    store.write(
        [decode(wire.TELEMETRY, wire.raw(wire.telemetry()), False, 60_000 + at) for at in range(0, 60, 10)]
    )
    store.close()
    assert zhuque("db", "thin", "--db", where).output == "5 rows of telemetry removed\n"
    result = zhuque("db", "thin", "--db", where, "--minutes-after", "2d", "--hours-after", "1d")
    assert (result.exit_code, "must grow" in result.stderr) == (2, True)
    assert zhuque("db", "thin", "--db", where, "--minutes-after", "soon").exit_code == 2


@pytest.mark.parametrize(
    "path", [["db"], ["db", "migrate"], ["db", "thin"], ["db", "check"], ["session", "rebuild"]]
)
def test_help_has_an_example(path: list[str]) -> None:
    result = zhuque(*path, "--help")
    assert (result.exit_code, "Example:" in result.output) == (0, True)


@pytest.mark.parametrize(
    ("url", "code", "says"),
    [
        ("postgresql://zhuque:secret-word@127.0.0.1:1/zhuque", 1, "refused"),
        ("mysql://127.0.0.1/zhuque", 2, "postgresql://"),
    ],
)
def test_a_database_that_cannot_be_reached(url: str, code: int, says: str) -> None:
    result = zhuque("status", "--db", url)
    assert (result.exit_code, says in result.stderr) == (code, True)
    assert "secret-word" not in result.stderr
