"""How far each journal is stored, in the database: gaps, losses, and losses that are taken back.

Rules: a `records_lost` alarm says which places of a journal are gone for ever and how many are missing there. A record
that arrives all the same lowers that number; at zero the alarm is cleared. `Standing` is what the collector needs to
ask for the first gap.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from zhuque.store.engine import Transaction
from zhuque.store.items import DeadLetter, Lost, Record, Status
from zhuque.store.progress import Progress

# (site, point, epoch)
Journal = tuple[str, str, str]

_SAVE = (
    "(site, point, epoch) DO UPDATE SET stored_seq = excluded.stored_seq,"
    " first_seq = coalesce(excluded.first_seq, epochs.first_seq),"
    " last_seq = coalesce(excluded.last_seq, epochs.last_seq)"
)
_IS = "site = ? AND point = ? AND epoch = ?"


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

    def load(self, db: Transaction, journal: Journal) -> Known:
        """What is known of a journal, from the database where it is not remembered."""
        known = self._known.get(journal)
        return known if known is not None else load(db, journal)

    def advance(
        self,
        db: Transaction,
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
                known = _without_lost(db, journal, known, lost[journal])
                seen.setdefault(journal, lost[journal].received_at)
            changed[journal] = known
            rows.append((*journal, known.progress.stored, first_seq, last_seq, seen[journal]))
        db.insert("epochs", sorted(rows), _SAVE)
        return changed


def load(db: Transaction, journal: Journal) -> Known:
    """What the database knows of a journal."""
    row = db.run(f"SELECT stored_seq, last_seq FROM epochs WHERE {_IS}", journal).fetchone()
    stored, last_seq = row if row else (0, 0)
    ahead: set[int] = set()
    for table in ("records", "dead_letters"):
        found = db.rows(f"SELECT seq FROM {table} WHERE {_IS} AND seq > ?", (*journal, stored))
        ahead.update(seq for (seq,) in found)
    losses = db.rows(
        "SELECT from_seq, to_seq FROM alarms"
        f" WHERE {_IS} AND from_seq IS NOT NULL AND alarm = 'records_lost' AND state = 'raised' ORDER BY from_seq",
        journal,
    )
    return Known(Progress(stored).add(ahead), last_seq or 0, tuple((a, b) for a, b in losses))


def present(db: Transaction, sites: tuple[str, ...] = ()) -> list[tuple[Journal, bool, int | None]]:
    """Every journal, whether it is its point's present one, and the point's first_seq; of these sites, or all."""
    where = f"WHERE e.site IN ({','.join('?' * len(sites))})" if sites else ""
    rows = db.rows(
        "SELECT e.site, e.point, e.epoch, p.epoch, e.first_seq FROM epochs e"
        f" LEFT JOIN points p ON p.site = e.site AND p.point = e.point {where}"
        " ORDER BY e.site, e.point, e.first_seen_at, e.epoch",
        sites,
    )
    return [((site, point, epoch), epoch == now, first) for site, point, epoch, now, first in rows]


def _with_records(
    db: Transaction, journal: Journal, known: Known, seqs: Iterable[int], received_at: int
) -> Known:
    late = {seq for seq in seqs if seq <= known.progress.stored} if known.losses else set()
    known = replace(known, progress=known.progress.add(seqs))
    left = []
    for first, last in known.losses:
        if any(first <= seq <= last for seq in late) and _take_back(db, journal, first, last, received_at):
            continue
        left.append((first, last))
    return replace(known, losses=tuple(left))


def _take_back(db: Transaction, journal: Journal, first: int, last: int, now: int) -> bool:
    """Counts anew what is missing in a loss; True when nothing is, and its alarm is cleared."""
    held: set[int] = set()
    for table in ("records", "dead_letters"):
        found = db.rows(
            f"SELECT seq FROM {table} WHERE {_IS} AND seq BETWEEN ? AND ?", (*journal, first, last)
        )
        held.update(seq for (seq,) in found)
    missing = last - first + 1 - len(held)
    db.run(
        "UPDATE alarms SET missing = ?, state = ?, cleared_at = ?"
        f" WHERE {_IS} AND from_seq = ? AND alarm = 'records_lost'",
        (missing, "raised" if missing else "cleared", None if missing else now, *journal, first),
    )
    return missing == 0


def _without_lost(db: Transaction, journal: Journal, known: Known, item: Lost) -> Known:
    progress, lost = known.progress.begin_at(item.begin)
    if lost is None:
        return replace(known, progress=progress)
    first, last, count = lost
    site, point, epoch = journal
    detail = f"{count} records between {first} and {last}: {item.why}"
    row = (
        site,
        point,
        epoch,
        None,
        "records_lost",
        "raised",
        None,
        None,
        item.received_at,
        detail,
        first,
        last,
        count,
    )
    db.insert(
        "alarms",
        [row],
        "(site, point, epoch, from_seq) DO UPDATE SET to_seq = excluded.to_seq, missing = excluded.missing,"
        " state = 'raised', cleared_at = NULL, detail = excluded.detail",
    )
    return replace(known, progress=progress, losses=(*known.losses, (first, last)))
