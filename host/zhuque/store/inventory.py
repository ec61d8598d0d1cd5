"""The site's own tables, asked and changed: whose database this is, people, points and what was done to them, tokens.

No rule of the site is here (site/points.py and site/people.py have them). Every function takes an open transaction, so
that a rule and what it decided on are one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any

from sqlalchemy import delete, insert, select, update
from sqlalchemy.engine import Connection

from zhuque.store.site_schema import inventory, inventory_events, people, sites, tokens


@dataclass(frozen=True)
class Point:
    """A row of the inventory; times are Unix seconds. `trusts` are numbers of authorities: "1,2"."""

    point: str
    board: str
    label: str | None = None
    mac: str | None = None
    chip: str | None = None
    firmware: str | None = None
    installed_at: int | None = None
    installed_by: str | None = None
    fingerprint: str | None = None
    trusts: str | None = None
    issued_at: int | None = None
    retired_at: int | None = None


@dataclass(frozen=True)
class Person:
    """An account at the broker."""

    name: str
    role: str
    added_at: int
    added_by: str


@dataclass(frozen=True)
class Event:
    """Something that was done to a point."""

    at: int
    by: str
    what: str
    detail: str | None


_POINT = [inventory.c[field.name] for field in fields(Point)]


def site_ids(db: Connection) -> dict[str, str]:
    """The garages that keep their records here, with the id of each."""
    return {row.site: row.id for row in db.execute(select(sites.c.site, sites.c.id))}


def add_site(db: Connection, site: str, id: str, now: int) -> None:
    """A garage keeps its records here from now on."""
    db.execute(insert(sites).values(site=site, id=id, made_at=now))


def points(db: Connection, site: str) -> list[Point]:
    """All points of a site, by name."""
    rows = db.execute(select(*_POINT).where(inventory.c.site == site).order_by(inventory.c.point))
    return [Point(**row._mapping) for row in rows]


def point(db: Connection, site: str, name: str) -> Point | None:
    """One point."""
    row = db.execute(select(*_POINT).where(inventory.c.site == site, inventory.c.point == name)).first()
    return None if row is None else Point(**row._mapping)


def holder(db: Connection, mac: str) -> tuple[str, str] | None:
    """(site, point) that the board with this MAC is at present."""
    row = db.execute(select(inventory.c.site, inventory.c.point).where(inventory.c.mac == mac)).first()
    return None if row is None else (row.site, row.point)


def add_points(db: Connection, site: str, added: Iterable[Point]) -> None:
    """Points that are not there yet."""
    rows = [{"site": site, **vars(one)} for one in added]
    if rows:
        db.execute(insert(inventory), rows)


def change_point(db: Connection, site: str, name: str, **values: Any) -> None:
    """Set these columns of a point."""
    db.execute(update(inventory).where(inventory.c.site == site, inventory.c.point == name).values(**values))


def note(
    db: Connection, site: str, name: str, at: int, by: str, what: str, detail: str | None = None
) -> None:
    """Put on record what was done to a point."""
    values = {"site": site, "point": name, "at": at, "by": by, "what": what, "detail": detail}
    db.execute(insert(inventory_events).values(values))


def events(db: Connection, site: str, name: str) -> list[Event]:
    """What was done to a point, oldest first."""
    c = inventory_events.c
    query = select(c.at, c.by, c.what, c.detail).where(c.site == site, c.point == name)
    return [Event(*row) for row in db.execute(query.order_by(c.id))]


def last_details(db: Connection, site: str, what: str) -> dict[str, str]:
    """The detail of the newest event of that kind, by point."""
    c = inventory_events.c
    query = select(c.point, c.detail).where(c.site == site, c.what == what).order_by(c.id)
    return {row.point: row.detail for row in db.execute(query)}


def accounts(db: Connection, site: str) -> list[Person]:
    """The people of a site, by name."""
    c = people.c
    query = select(c.name, c.role, c.added_at, c.added_by).where(c.site == site).order_by(c.name)
    return [Person(*row) for row in db.execute(query)]


def add_person(db: Connection, site: str, person: Person) -> None:
    """Somebody who has no account yet."""
    db.execute(insert(people).values(site=site, **vars(person)))


def remove_person(db: Connection, site: str, name: str) -> bool:
    """True where there was one of that name."""
    return db.execute(delete(people).where(people.c.site == site, people.c.name == name)).rowcount > 0


def known_tokens(db: Connection, site: str) -> dict[tuple[str, int], str]:
    """The tokens of a site by (point, socket)."""
    c = tokens.c
    return {(p, s): t for p, s, t in db.execute(select(c.point, c.socket, c.token).where(c.site == site))}


def add_tokens(db: Connection, site: str, added: Sequence[tuple[str, int, str]]) -> None:
    """Tokens of sockets that have none yet, as (point, socket, token)."""
    rows = [{"site": site, "point": p, "socket": s, "token": t} for p, s, t in added]
    if rows:
        db.execute(insert(tokens), rows)
