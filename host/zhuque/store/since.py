"""What a job that exports every night has not had yet: the sessions that ended or changed since it last looked.

Strategy: a journal is filled without gaps from its beginning, and what is there never changes. So all that a job has
seen of it is a number, up to which it was filled, and the places below that were lost at the time (`Seen`). What was
filled since names the sessions to give: those of its records, and those that a `clock` record dates.

Rules: a session comes once its end is in the gapless part of its journal; it comes again, under the same id, if a
record that was thought lost changes it, or a clock dates it, later. The clocks of collectors and boards play no part.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from sqlalchemy import and_, or_, select
from sqlalchemy.engine import Connection, Engine

from zhuque.store import journals
from zhuque.store.derive import SESSION_KINDS
from zhuque.store.journals import Journal
from zhuque.store.queries import SHOWN, SessionFilter, conditions
from zhuque.store.schema import epochs, records, sessions

Range = tuple[int, int]
_PAGE = 500  # below what a statement of SQLite takes in parameters


@dataclass(frozen=True)
class Seen:
    """All of a journal up to `filled`, but what was `lost` then."""

    filled: int = 0
    lost: tuple[Range, ...] = ()

    def unseen(self, filled: int) -> list[Range]:
        """Where there may be records that were not seen, in a journal that is filled this far now."""
        new = [(self.filled + 1, filled)] if filled > self.filled else []
        return [*self.lost, *new]


@dataclass
class Since:
    """One look: `rows` gives what was not `seen` before, and then `now` is what has been seen."""

    seen: dict[Journal, Seen]
    now: dict[Journal, Seen] = field(default_factory=dict)

    def rows(self, engine: Engine, wanted: SessionFilter) -> Iterator[dict[str, Any]]:
        """Ended sessions, a point after the other, in the order of their starts; in one view of the database."""
        with engine.begin() as db:
            self.now = {**self.seen, **_seen_now(db, wanted, self.seen)}
            for (site, point), of_point in groupby(sorted(self.now), key=lambda journal: journal[:2]):
                changed: set[str] = set()
                for journal in of_point:
                    unseen = self.seen.get(journal, Seen()).unseen(self.now[journal].filled)
                    for first, last in unseen:
                        changed.update(_changed(db, journal, first, last))
                yield from self._ended(db, site, point, sorted(changed), wanted)

    def _ended(
        self, db: Connection, site: str, point: str, changed: list[str], wanted: SessionFilter
    ) -> list[dict[str, Any]]:
        c, out = sessions.c, []
        columns = (*(c[name] for name in SHOWN), c.end_epoch, c.end_seq)
        for begin in range(0, len(changed), _PAGE):
            query = select(*columns).where(
                and_(c.site == site, c.point == point, c.session.in_(changed[begin : begin + _PAGE])),
                *conditions(wanted),
            )
            for *row, end_epoch, end_seq in db.execute(query):
                end = self.now.get((site, point, end_epoch))
                if end is not None and end_seq <= end.filled:
                    out.append(dict(zip(SHOWN, row, strict=True)))
        return sorted(out, key=lambda row: (row["started_at"] or 0, row["session"]))


def _seen_now(db: Connection, wanted: SessionFilter, before: dict[Journal, Seen]) -> dict[Journal, Seen]:
    """How far each journal is filled now, by name; never less than it was, should the database be an older one."""
    c = epochs.c
    query = select(c.site, c.point, c.epoch, c.stored_seq).order_by(c.site, c.point, c.epoch)
    for column, value in ((c.site, wanted.site), (c.point, wanted.point)):
        query = query if value is None else query.where(column == value)
    out = {}
    for *name, filled in db.execute(query).all():
        journal: Journal = tuple(name)
        if filled < before.get(journal, Seen()).filled:
            out[journal] = before[journal]
            continue
        lost = [
            gap
            for first, last, _ in journals.losses(db, journal)
            for gap in journals.absent(db, journal, first, last)
        ]
        out[journal] = Seen(filled, tuple(lost))
    return out


def _changed(db: Connection, journal: Journal, first: int, last: int) -> Iterator[str]:
    """The sessions that the records from `first` to `last` say something of."""
    c, s = records.c, sessions.c
    here = and_(
        c.site == journal[0], c.point == journal[1], c.epoch == journal[2], c.seq.between(first, last)
    )
    named = select(c.session).where(here, c.session.is_not(None), c.kind.in_(SESSION_KINDS)).distinct()
    yield from db.scalars(named)
    for boot in db.scalars(select(c.boot).where(here, c.kind == "clock").distinct()).all():
        undated = [
            and_(s[f"{end}_boot"] == boot, s[f"{end}_epoch"] == journal[2], s[f"{end}_time"].is_(None))
            for end in ("start", "end")
        ]
        query = select(s.session).where(s.site == journal[0], s.point == journal[1], or_(*undated))
        yield from db.scalars(query)
