"""How far each journal is stored, in the database: gaps, losses, and losses that are taken back.

Rules: a `records_lost` alarm says which places of a journal are gone for ever and how many are missing there. A record
that arrives all the same lowers that number; at zero the alarm is cleared. `Standing` is what the collector needs to
ask for the first gap.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from sqlalchemy import Column, ColumnElement, Table, and_, case, func, null, select, update
from sqlalchemy.engine import Connection

from zhuque.store.bulk import Insert
from zhuque.store.items import DeadLetter, Lost, Record, Status
from zhuque.store.progress import Progress
from zhuque.store.schema import alarms, dead_letters, epochs, points, records

# (site, point, epoch)
Journal = tuple[str, str, str]

_SAVE = Insert(
    epochs,
    update=lambda excluded: {
        # Never less: somebody else may have filled the journal from a file meanwhile (`zhuque log import`).
        "stored_seq": case(
            (epochs.c.stored_seq > excluded.stored_seq, epochs.c.stored_seq), else_=excluded.stored_seq
        ),
        "first_seq": func.coalesce(excluded.first_seq, epochs.c.first_seq),
        "last_seq": func.coalesce(excluded.last_seq, epochs.c.last_seq),
    },
)
_LOSS = ("from_seq", "to_seq", "missing")
_SAVE_LOSS = Insert(
    alarms,
    ("site", "point", "epoch", "alarm", "state", "noticed_at", "detail", *_LOSS),
    keys=("site", "point", "epoch", "from_seq"),
    update=lambda excluded: {
        **{name: excluded[name] for name in ("to_seq", "missing", "state", "detail")},
        "cleared_at": null(),
    },
)


@dataclass(frozen=True, slots=True)
class Standing:
    """All up to `stored` is stored; `missing_to` ends the gap after it, None without one; `highest` is known of."""

    stored: int = 0
    missing_to: int | None = None
    highest: int = 0


@dataclass(frozen=True, slots=True)
class Known:
    """What is remembered of a journal between batches; `last_seq` as its status says, `losses` still raised."""

    progress: Progress
    last_seq: int = 0
    losses: tuple[tuple[int, int], ...] = ()

    def standing(self) -> Standing:
        """The first gap."""
        progress = self.progress
        highest = max(progress.ahead, default=progress.stored)
        highest = max(highest, self.last_seq)
        if highest <= progress.stored:
            return Standing(progress.stored, None, highest)
        return Standing(progress.stored, min(progress.ahead, default=highest + 1) - 1, highest)


class Journals:
    """The journals of one collector: remembered, and changed only when the transaction is through."""

    def __init__(self) -> None:
        self._known: dict[Journal, Known] = {}

    def forget(self) -> None:
        """The database may hold more than we know: whether the last transaction came through is not certain."""
        self._known.clear()

    def keep(self, changed: dict[Journal, Known]) -> None:
        """The transaction that `advance` was part of is through."""
        self._known.update(changed)

    def standing(self, journal: Journal) -> Standing:
        """Where a journal stands; known after a batch that touched it."""
        known = self._known.get(journal)
        return known.standing() if known else Standing()

    def load(self, db: Connection, journal: Journal) -> Known:
        """What is known of a journal, from the database where it is not remembered."""
        known = self._known.get(journal)
        return known if known is not None else load(db, journal)

    def advance(
        self,
        db: Connection,
        places: Iterable[Record | DeadLetter],
        statuses: list[Status],
        losses: list[Lost],
    ) -> dict[Journal, Known]:
        """How far each journal of the batch is stored now; losses last, for they are judged by what is missing."""
        seqs: dict[Journal, list[int]] = {}
        seen: dict[Journal, int] = {}
        for place in places:
            if place.epoch is not None and place.seq is not None and place.site and place.point:
                journal = (place.site, place.point, place.epoch)
                seqs.setdefault(journal, []).append(place.seq)
                seen[journal] = place.received_at
        told: dict[Journal, Status] = {}
        for status in statuses:
            if status.body.get("epoch") is not None:
                told[status.site, status.point, status.body["epoch"]] = status
        lost = {(item.site, item.point, item.epoch): item for item in losses}
        changed: dict[Journal, Known] = {}
        rows = []
        for journal in {**dict.fromkeys(seqs), **dict.fromkeys(told), **dict.fromkeys(lost)}:
            known = self.load(db, journal)
            known = _with_records(db, journal, known, seqs.get(journal, ()), seen.get(journal, 0))
            first_seq = last_seq = None
            if journal in told:
                body = told[journal].body
                first_seq, last_seq = body.get("first_seq"), body.get("last_seq")
                seen[journal] = told[journal].received_at
                known = replace(known, last_seq=known.last_seq if last_seq is None else last_seq)
            if journal in lost:
                known = replace(load(db, journal), last_seq=known.last_seq)  # it may be there by another way
                known = _with_records(db, journal, known, seqs.get(journal, ()), seen.get(journal, 0))
                known = _without_lost(db, journal, known, lost[journal])
                seen.setdefault(journal, lost[journal].received_at)
            changed[journal] = known
            rows.append((*journal, known.progress.stored, first_seq, last_seq, seen[journal]))
        _SAVE.run(db, sorted(rows, key=lambda row: row[:3]))
        return changed


def load(db: Connection, journal: Journal) -> Known:
    """What the database knows of a journal."""
    row = db.execute(select(epochs.c.stored_seq, epochs.c.last_seq).where(_is(epochs, journal))).first()
    stored, last_seq = row if row else (0, 0)
    ahead = filled(db, journal, lambda seq: seq > stored)
    lost = tuple((first, last) for first, last, _ in losses(db, journal))
    return Known(Progress(stored).add(ahead), last_seq or 0, lost)


def losses(db: Connection, journal: Journal) -> list[tuple[int, int, int]]:
    """(from, to, how many) of each loss of a journal that is still raised."""
    query = select(*(alarms.c[name] for name in _LOSS)).where(
        _is(alarms, journal),
        alarms.c.from_seq.is_not(None),
        alarms.c.alarm == "records_lost",
        alarms.c.state == "raised",
    )
    return [(first, last, n) for first, last, n in db.execute(query.order_by(alarms.c.from_seq))]


def present(db: Connection, sites: tuple[str, ...] = ()) -> list[tuple[Journal, bool, int | None]]:
    """Every journal, whether it is its point's present one, and the point's first_seq; of these sites, or all."""
    c = epochs.c
    own = and_(points.c.site == c.site, points.c.point == c.point)
    query = select(c.site, c.point, c.epoch, points.c.epoch, c.first_seq).select_from(
        epochs.outerjoin(points, own)
    )
    if sites:
        query = query.where(c.site.in_(sites))
    rows = db.execute(query.order_by(c.site, c.point, c.first_seen_at, c.epoch))
    return [((site, point, epoch), epoch == now, first) for site, point, epoch, now, first in rows]


def _is(table: Table, journal: Journal) -> ColumnElement[bool]:
    site, point, epoch = journal
    return and_(table.c.site == site, table.c.point == point, table.c.epoch == epoch)


def filled(db: Connection, journal: Journal, which: Callable[[Column[int]], ColumnElement[bool]]) -> set[int]:
    """The places of a journal that are filled, of those that `which` takes."""
    out: set[int] = set()
    for table in (records, dead_letters):
        seq = table.c.seq
        out.update(db.scalars(select(seq).where(_is(table, journal), which(seq))))
    return out


def absent(db: Connection, journal: Journal, first: int, last: int) -> list[tuple[int, int]]:
    """The ranges of a journal, of those from `first` to `last`, that are not filled."""
    out, begin = [], first
    for seq in [*sorted(filled(db, journal, lambda seq: seq.between(first, last))), last + 1]:
        if seq > begin:
            out.append((begin, seq - 1))
        begin = seq + 1
    return out


def _with_records(
    db: Connection, journal: Journal, known: Known, seqs: Iterable[int], received_at: int
) -> Known:
    late = {seq for seq in seqs if seq <= known.progress.stored} if known.losses else set()
    known = replace(known, progress=known.progress.add(seqs))
    left = []
    for first, last in known.losses:
        if any(first <= seq <= last for seq in late) and _take_back(db, journal, first, last, received_at):
            continue
        left.append((first, last))
    return replace(known, losses=tuple(left))


def _take_back(db: Connection, journal: Journal, first: int, last: int, now: int) -> bool:
    """Counts anew what is missing in a loss; True when nothing is, and its alarm is cleared."""
    missing = last - first + 1 - len(filled(db, journal, lambda seq: seq.between(first, last)))
    loss = (_is(alarms, journal), alarms.c.from_seq == first, alarms.c.alarm == "records_lost")
    state, cleared_at = ("raised", None) if missing else ("cleared", now)
    db.execute(update(alarms).where(*loss).values(missing=missing, state=state, cleared_at=cleared_at))
    return missing == 0


def _without_lost(db: Connection, journal: Journal, known: Known, item: Lost) -> Known:
    progress, lost = known.progress.begin_at(item.begin)
    if lost is None:
        return replace(known, progress=progress)
    first, last, count = lost
    detail = f"{count} records between {first} and {last}: {item.why}"
    row = (*journal, "records_lost", "raised", item.received_at, detail, first, last, count)
    _SAVE_LOSS.run(db, [row])
    return replace(known, progress=progress, losses=(*known.losses, (first, last)))
