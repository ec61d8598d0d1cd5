"""Databases for the tests of the host: each in turn on SQLite and on a PostgreSQL of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.fakes.postgres import Postgres, PostgresMissingError
from zhuque.store.engine import open_writer

NewDatabase = Callable[[], str]


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A server for the whole run; a test that stops it starts it again."""
    try:
        server = Postgres()
    except PostgresMissingError as error:
        pytest.skip(str(error))
    try:
        server.start()
        server.template = server.new_database()
        open_writer(server.template).dispose()
        yield server
    finally:
        server.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def new_db(request: pytest.FixtureRequest, tmp_path: Path) -> NewDatabase:
    """Gives the place of another new database at every call: a path, or a URL."""
    if request.param == "postgresql":
        server: Postgres = request.getfixturevalue("postgres")
        return server.new_database
    count = iter(range(1000))
    return lambda: str(tmp_path / f"site-{next(count)}.db")


@pytest.fixture
def where(new_db: NewDatabase) -> str:
    """A new database."""
    return new_db()
