"""All that is known of one session: its row, every record behind it, what happened meanwhile, and its telemetry.

For the person who says it was never that much: what was derived stands beside what it was derived from, what
contradicts a record beside the record, and what is missing is said.
"""

from __future__ import annotations

import difflib
import json
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.engine import Connection, Engine, Row

from zhuque.errors import NotFoundError
from zhuque.store import derive, journals
from zhuque.store.schema import accounts, clocks, dead_letters, epochs, points, records, sessions, telemetry

# What concerns the whole point, and what a socket's only where it is this one or none.
_OF_THE_POINT = ("boot", "clock", "config")
_OF_THE_SOCKET = ("trip", "reset", "alarm", "command")
_NEAREST = 3
_COMPARED = 2000


@dataclass(frozen=True)
class Entry:
    """A record: `at` is its time, dated back where the board had none; `own` when it names the session itself."""

    epoch: str
    seq: int
    at: int | None
    kind: str
    own: bool
    body: dict[str, Any]


@dataclass(frozen=True)
class Sample:
    """What telemetry said of the socket; `at` is when the collector heard it."""

    at: int
    state: str
    current_ma: int | None
    power_mw: int | None
    energy_mwh: int | None


@dataclass
class Dossier:
    """`before` are the last boot and config before the start; `contradictions` the raw texts kept beside a record."""

    session: dict[str, Any]
    account_name: str | None = None
    before: list[Entry] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    contradictions: list[tuple[str, int, str]] = field(default_factory=list)
    missing: list[tuple[str, int, int]] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)


def dossier(engine: Engine, session: str) -> Dossier:
    """Everything about a session, in one view of the database. Raises NotFoundError with the nearest names."""
    with engine.begin() as db:
        found = Dossier(_row(db, session))
        row = found.session
        if row["account"] is not None:
            found.account_name = db.scalar(
                select(accounts.c.name).where(accounts.c.account == row["account"])
            )
        for epoch, first, last in _spans(db, row):
            found.entries += _entries(db, row, epoch, first, last)
            found.contradictions += _contradictions(db, row, epoch, first, last)
            found.missing += _missing(db, row, epoch, first, last)
        found.before = _before(db, row)
        found.samples = _samples(db, row)
    return found


# Finding ------------------------------------------------------------------------------------------------------------


def _row(db: Connection, session: str) -> dict[str, Any]:
    """A session's id begins with its journal's, which knows the point: no database has to look through all sessions."""
    c = sessions.c
    owners = select(epochs.c.site, epochs.c.point).where(epochs.c.epoch == session[:16])
    for site, point in db.execute(owners).all():
        query = select(sessions).where(c.site == site, c.point == point, c.session == session)
        if found := db.execute(query).first():
            return dict(zip(derive.COLUMNS, found, strict=True))
    if found := db.execute(select(sessions).where(c.session == session)).first():
        return dict(zip(derive.COLUMNS, found, strict=True))
    nearest = _nearest(db, session)
    hint = f"; the nearest are {', '.join(nearest)}" if nearest else ""
    raise NotFoundError(f"no session {session}{hint}; `zhuque session list` shows them with their ids")


def _nearest(db: Connection, session: str) -> list[str]:
    names = db.scalars(select(epochs.c.epoch).distinct()).all()
    alike = difflib.get_close_matches(session[:16], names, n=2, cutoff=0.6)
    c = sessions.c
    found: list[str] = []
    for site, point in db.execute(
        select(epochs.c.site, epochs.c.point).where(epochs.c.epoch.in_(alike)).distinct()
    ).all():
        query = select(c.session).where(c.site == site, c.point == point).order_by(c.started_at.desc())
        found += db.scalars(query.limit(_COMPARED)).all()
    return difflib.get_close_matches(session, found, n=_NEAREST, cutoff=0.6)


def _spans(db: Connection, row: dict[str, Any]) -> list[tuple[str, int, int]]:
    """The stretches of journals, (epoch, first, last), in which the session lived; an open one lasts till now."""
    own, begin = row["session"][:16], int(row["session"][17:])
    last = row["end_epoch"] or row["totals_epoch"] or own
    until = row["end_seq"] if row["end_epoch"] else _highest(db, row, last)
    if last == own:
        return [(own, begin, max(begin, until))]
    return [(own, begin, _highest(db, row, own)), (last, 1, until)]


def _highest(db: Connection, row: dict[str, Any], epoch: str) -> int:
    return journals.load(db, (row["site"], row["point"], epoch)).standing().highest


# Reading ------------------------------------------------------------------------------------------------------------


def _here(table: Any, row: dict[str, Any], epoch: str) -> ColumnElement[bool]:
    return and_(table.c.site == row["site"], table.c.point == row["point"], table.c.epoch == epoch)


def _entries(db: Connection, row: dict[str, Any], epoch: str, first: int, last: int) -> list[Entry]:
    c = records.c
    concerns = or_(
        c.session == row["session"],
        c.kind.in_(_OF_THE_POINT),
        and_(c.kind.in_(_OF_THE_SOCKET), or_(c.socket == row["socket"], c.socket.is_(None))),
    )
    query = select(records).where(_here(records, row, epoch), c.seq.between(first, last), concerns)
    return [_entry(db, row, found) for found in db.execute(query.order_by(c.seq)).all()]


def _before(db: Connection, row: dict[str, Any]) -> list[Entry]:
    own, begin = row["session"][:16], int(row["session"][17:])
    c, out = records.c, []
    for kind in ("boot", "config"):
        query = select(records).where(_here(records, row, own), c.seq < begin, c.kind == kind)
        found = db.execute(query.order_by(c.seq.desc()).limit(1)).first()
        out += [_entry(db, row, found)] if found else []
    return out


def _entry(db: Connection, row: dict[str, Any], found: Row[Any]) -> Entry:
    at = found.time
    if at is None and found.uptime_ms is not None:
        c = clocks.c
        query = select(c.uptime_ms, c.time).where(_here(clocks, row, found.epoch), c.boot == found.boot)
        clock = db.execute(query).first()
        at = None if clock is None else derive.back_dated(found.uptime_ms, (clock[0], clock[1]))
    own = found.session == row["session"]
    return Entry(found.epoch, found.seq, at, found.kind, own, json.loads(found.raw))


def _contradictions(
    db: Connection, row: dict[str, Any], epoch: str, first: int, last: int
) -> list[tuple[str, int, str]]:
    c = dead_letters.c
    query = select(c.seq, c.payload).where(
        _here(dead_letters, row, epoch), c.seq.between(first, last), c.reason == "contradiction"
    )
    mine = records.c
    names = select(mine.seq).where(_here(records, row, epoch), mine.session == row["session"])
    rows = db.execute(query.where(c.seq.in_(names)).order_by(c.seq, c.id))
    return [(epoch, seq, bytes(payload).decode(errors="replace")) for seq, payload in rows]


def _missing(
    db: Connection, row: dict[str, Any], epoch: str, first: int, last: int
) -> list[tuple[str, int, int]]:
    return [
        (epoch, begin, end)
        for begin, end in journals.absent(db, (row["site"], row["point"], epoch), first, last)
    ]


def _samples(db: Connection, row: dict[str, Any]) -> list[Sample]:
    started, ended, socket = row["started_at"], row["ended_at"], row["socket"]
    if started is None or socket is None or (ended is None and row["end_reason"] is not None):
        return []
    c = telemetry.c
    query = select(c.at, c.body).where(c.site == row["site"], c.point == row["point"], c.at >= started)
    if ended is not None:
        query = query.where(c.at <= ended)
    out = []
    for at, body in db.execute(query.order_by(c.at)):
        sockets = json.loads(body).get("sockets", [])
        if len(sockets) >= socket:
            out.append(Sample(at, *sockets[socket - 1][:4]))
    return out


def newest_session(engine: Engine, site: str, point: str, socket: int) -> str:
    """The id of the session that a socket began last. Raises NotFoundError."""
    c = sessions.c
    query = select(c.session).where(c.site == site, c.point == point, c.socket == socket)
    newest = query.order_by(c.started_at.desc().nulls_last(), c.session.desc()).limit(1)
    with engine.begin() as db:
        found = db.scalar(newest)
        known = db.execute(select(points.c.point).where(points.c.site == site)).scalars().all()
    if found is None:
        nearest = difflib.get_close_matches(point, known, n=_NEAREST)
        hint = "" if point in known or not nearest else f"; the nearest points are {', '.join(nearest)}"
        raise NotFoundError(f"no session of {site}/{point}/{socket} is known{hint}")
    return str(found)
