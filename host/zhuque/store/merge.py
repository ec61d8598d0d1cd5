"""Records that came by another way than the collector's, put beside those that are stored: from a board, from a file.

Rules: what is there stays as it is. What is missing is added. What contradicts is kept beside as a dead letter, by the
same code that stores what a collector receives.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy.engine import Connection

from zhuque.errors import StoreBusyError
from zhuque.store.engine import translate
from zhuque.store.items import DeadLetter, Record
from zhuque.store.records import agree, raw_of
from zhuque.store.write import Store

_PATIENCE_S = 30.0
_RETRY_S = 0.3


@dataclass(frozen=True)
class Contradiction:
    """Two records of one place: what is stored, and what was found elsewhere."""

    epoch: str
    seq: int
    stored: str
    found: str


@dataclass
class Merged:
    """What became of records: `added` and `same` are numbers of them, `refused` those that break a rule of the wire."""

    added: int = 0
    same: int = 0
    refused: int = 0
    contradictions: list[Contradiction] = field(default_factory=list)


def compare(db: Connection, items: Sequence[Record | DeadLetter]) -> Merged:
    """What would become of them; changes nothing."""
    out = Merged()
    new = [item for item in items if isinstance(item, Record)]
    held = raw_of(db, new) if new else {}
    for item in new:
        raw = held.get((item.site, item.point, item.epoch, item.seq))
        if raw is None:
            out.added += 1
        elif agree(raw, item):
            out.same += 1
        else:
            out.contradictions.append(Contradiction(item.epoch, item.seq, raw, item.raw))
    out.refused = len(items) - len(new)
    return out


def merge(store: Store, items: Sequence[Record | DeadLetter], into: Merged) -> None:
    """Store them, and add to `into` what became of them. Raises StoreError when the database stays busy for long."""
    until = time.monotonic() + _PATIENCE_S
    while True:
        try:
            with translate(store.where), store.database.begin() as db:
                found = compare(db, items)
            store.write(items)
            break
        except StoreBusyError:  # a collector or a rebuild has it
            if time.monotonic() > until:
                raise
            time.sleep(_RETRY_S)
    into.added += found.added
    into.same += found.same
    into.refused += found.refused
    into.contradictions += found.contradictions
