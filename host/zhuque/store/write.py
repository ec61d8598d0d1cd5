"""Writes a batch in one transaction: records, what is derived from them, and how far each journal is stored.

Rules: what `write` returned from is durable. Everything here may be repeated: a record that is stored already is
nothing, one that contradicts what is stored is kept beside it as a dead letter and never overwrites. What is known of
the journals is kept in memory and changes only when the transaction is through.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from zhuque.store import journals, points, telemetry
from zhuque.store import records as record_rows
from zhuque.store import sessions as session_rows
from zhuque.store.engine import is_refused_value, open_writer, translate
from zhuque.store.items import DeadLetter, Item, Lost, Record, Refused, Status, Telemetry
from zhuque.store.journals import Journal, Known, Standing


class Store:
    """The database of one collector. `where` is a path or a URL. Raises StoreError."""

    def __init__(self, where: str | Path) -> None:
        self.where = where
        self.database = open_writer(where)
        self._journals = journals.Journals()

    def close(self) -> None:
        """Let go of the database."""
        self.database.dispose()

    def write(self, items: Sequence[Item]) -> None:
        """Store a batch durably. Raises StoreBusyError when nothing was stored and it may be tried again.

        An item that the database refuses becomes a dead letter, and the others are stored.
        """
        with translate(self.where):
            try:
                self._write(items)
            except Exception as error:
                self._journals.forget()  # it may have come through all the same
                if not is_refused_value(error):
                    raise
                if len(items) > 1:
                    for item in items:
                        self.write([item])
                else:
                    self._write([record_rows.unstorable(items[0], error)])

    def stored(self, journal: Journal) -> int:
        """The last seq up to which a journal is stored, 0 for none; known after a batch that touched it."""
        return self._journals.standing(journal).stored

    def standing(self, journal: Journal) -> Standing:
        """Where a journal stands, with its first gap; known after a batch that touched it."""
        return self._journals.standing(journal)

    def standings(self, sites: tuple[str, ...] = ()) -> list[tuple[Journal, bool, int | None, Standing]]:
        """Each journal of these sites (none: of all), whether it is its point's present one, its first_seq as told,
        and where it stands."""
        with translate(self.where), self.database.begin() as db:
            found = journals.present(db, sites)
            known = {journal: self._journals.load(db, journal) for journal, _, _ in found}
        self._journals.keep(known)
        return [(journal, now, first, known[journal].standing()) for journal, now, first in found]

    def rebuild_sessions(self) -> int:
        """Derive every session anew from the records, in one transaction; returns how many there are."""
        with translate(self.where), self.database.begin() as db:
            return session_rows.rebuild(db)

    def thin_telemetry(self, now: int, ages: telemetry.Ages) -> int:
        """Thin the telemetry of all sites to what `ages` says; returns how many rows went."""
        return sum(self.thinning(now, ages))

    def thinning(self, now: int, ages: telemetry.Ages, sites: tuple[str, ...] = ()) -> Iterator[int]:
        """The same in short steps, for these sites (none: for all); gives how many rows went in each."""
        with translate(self.where):
            yield from telemetry.thin(self.database, now, ages, sites)

    def _write(self, items: Sequence[Item]) -> None:
        kinds: dict[type, list[Item]] = {}
        for item in items:
            kinds.setdefault(type(item), []).append(item)
        new: list[Record] = kinds.get(Record, [])  # type: ignore[assignment]
        letters: list[DeadLetter] = list(kinds.get(DeadLetter, []))  # type: ignore[arg-type]
        statuses: list[Status] = kinds.get(Status, [])  # type: ignore[assignment]
        changed: dict[Journal, Known]
        with self.database.begin() as db:
            sound, contradictions = record_rows.insert_records(db, new)
            letters += contradictions
            record_rows.insert_letters(db, letters)
            session_rows.write_clocks(db, [r for r in sound if r.kind == "clock"])
            session_rows.write_sessions(db, sound)
            record_rows.insert_alarms(db, sound)
            points.write_statuses(db, statuses)
            points.write_refused(db, kinds.get(Refused, []))  # type: ignore[arg-type]
            points.write_telemetry(db, kinds.get(Telemetry, []))  # type: ignore[arg-type]
            telemetry.write(db, kinds.get(Telemetry, []))  # type: ignore[arg-type]
            points.write_seen(db, new)
            losses: list[Lost] = kinds.get(Lost, [])  # type: ignore[assignment]
            changed = self._journals.advance(db, [*new, *letters], statuses, losses)
        self._journals.keep(changed)
