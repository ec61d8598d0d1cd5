"""The site's database, opened only where it is this site's: a garage must not read or change another one's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy.engine import Connection, Engine

from zhuque.errors import RefusedError, UsageError
from zhuque.site import files
from zhuque.site.settings import Settings
from zhuque.store import inventory
from zhuque.store.engine import open_reader, open_writer, translate


@contextmanager
def reading(site: Settings) -> Iterator[Connection]:
    """A transaction that only reads. Raises StoreError, RefusedError where it is not this site's."""
    engine = open_reader(_where(site))
    with _transaction(site, engine) as db:
        yield db


@contextmanager
def changing(site: Settings) -> Iterator[Connection]:
    """A transaction that may change something: all of it holds, or nothing where it raises."""
    engine = open_writer(_where(site))
    with _transaction(site, engine) as db:
        yield db


def found(site: Settings, now: int) -> None:
    """Make the database where there is none, and this garage one of those that it is for. Raises RefusedError."""
    where = _where(site)
    if "://" not in where and not Path(where).exists():
        files.write(Path(where), b"")  # SQLite keeps its mode, for what it writes beside it too
    engine = open_writer(where)
    try:
        with translate(site.database), engine.begin() as db:
            known = inventory.site_ids(db)
            if site.name in known:
                need_own(site, known)
            else:
                inventory.add_site(db, site.name, site.id, now)
    finally:
        engine.dispose()


def need_own(site: Settings, known: dict[str, str]) -> None:
    """Raises RefusedError where the database is not for this garage."""
    if site.name not in known:
        others = ", ".join(sorted(known)) or "no site at all"
        raise RefusedError(
            f"the database {site.database} is not that of {site.name}: it is for {others};"
            " mend `database` in site.toml, or put this site's database back"
        )
    if known[site.name] != site.id:
        raise RefusedError(
            f"the database {site.database} is that of another garage called {site.name} (id {known[site.name]},"
            f" this one is {site.id}): mend `database` or `id` in site.toml"
        )


def _where(site: Settings) -> str:
    if site.database is None:
        raise UsageError(
            f"{site.folder} is a person's folder, without a database: do this where the site's own folder is"
        )
    return site.database


@contextmanager
def _transaction(site: Settings, engine: Engine) -> Iterator[Connection]:
    try:
        with translate(site.database), engine.begin() as db:
            need_own(site, inventory.site_ids(db))
            yield db
    finally:
        engine.dispose()
