"""The schema and its migrations, and the pure parts beside them."""

from __future__ import annotations

import threading
from decimal import Decimal
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from hypothesis import given
from hypothesis import strategies as st

from zhuque.collector.confirm import Confirmations
from zhuque.report import figures
from zhuque.store import derive, migrate, schema, site_schema
from zhuque.store.engine import open_reader, open_writer
from zhuque.store.progress import Progress


def test_the_migrations_make_the_schema(where: str) -> None:
    database = open_writer(where)
    with database.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), schema.metadata) == []
    database.dispose()
    config = Config()
    config.set_main_option("script_location", str(migrate.SCRIPTS))
    assert ScriptDirectory.from_config(config).get_heads() == [schema.REVISION]
    assert site_schema.inventory.metadata is schema.metadata
    assert tuple(column.name for column in schema.sessions.columns) == derive.COLUMNS


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_two_that_make_the_same_database_at_once(
    tmp_path: Path, kind: str, request: pytest.FixtureRequest
) -> None:
    where = str(tmp_path / "site.db")
    if kind == "postgresql":
        where = request.getfixturevalue("postgres").new_database(empty=True)
    failed: list[Exception] = []

    def make() -> None:
        try:
            open_writer(where).dispose()
        except Exception as error:  # noqa: BLE001 - a thread's failure would not be seen
            failed.append(error)

    threads = [threading.Thread(target=make) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    open_reader(where).dispose()


def test_the_file_is_safe_against_power_cuts(tmp_path: Path) -> None:
    with open_writer(tmp_path / "site.db").begin() as db:
        assert db.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert db.exec_driver_sql("PRAGMA synchronous").scalar() == 2


@given(st.lists(st.sets(st.integers(1, 40), max_size=8), max_size=12), st.integers(0, 40))
def test_progress_is_the_prefix(batches: list[set[int]], first: int) -> None:
    progress = Progress()
    for batch in batches:
        progress = progress.add(batch)
    held = set().union(*batches)
    prefix = next(n for n in range(50) if n + 1 not in held)
    assert (progress.stored, progress.ahead) == (prefix, {seq for seq in held if seq > prefix})
    moved, lost = progress.begin_at(first)
    missing = [seq for seq in range(1, first) if seq not in held]
    assert (lost[2] if lost else 0) == len(missing)
    held |= set(range(1, first))
    assert moved.stored == next(n for n in range(60) if n + 1 not in held)


def test_a_point_is_told_promptly_and_then_every_ten_seconds() -> None:
    told = Confirmations()
    point = ("riverside", "p01")
    told.stored(point, ("e", 0), 100.0)
    assert told.take(200.0) == []
    told.stored(point, ("e", 1), 200.0)
    told.stored(point, ("e", 5), 200.4)
    assert told.take(200.4) == []
    assert told.take(200.5) == [(point, ("e", 5))]
    told.stored(point, ("e", 6), 201.0)
    assert told.take(210.4) == []
    assert told.wait(210.0) == 0.5
    assert told.take(210.5) == [(point, ("e", 6))]
    told.stored(point, ("e", 6), 230.0)
    assert told.take(250.0) == []
    told.connected(260.0)
    assert told.take(260.6) == [(point, ("e", 6))]


@given(st.integers(0, 2**53))
def test_figures_are_exact(value: int) -> None:
    shown = figures.milli(value)
    assert shown is not None
    assert shown * 1000 == value
    assert str(shown) == f"{value // 1000}.{value % 1000:03}"


def test_figures_for_people() -> None:
    assert figures.milli(None) is None
    assert figures.deci(312) == Decimal("31.2")
    assert figures.kwh_text(402113) == "0.402"
    assert figures.watt_text(None) == "-"
    assert figures.duration_text(10123) == "2:48:43"
    assert figures.utc_iso(1764000123) == "2025-11-24T16:02:03Z"
    assert figures.utc_iso(2**53) is None
    assert figures.local_text(2**53) == "-"
