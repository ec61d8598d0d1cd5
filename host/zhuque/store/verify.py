"""Does the database say of a journal what the board says? Record by record, and without changing anything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.engine import Connection

from zhuque.store import journals, merge
from zhuque.store.items import DeadLetter, Record
from zhuque.store.journals import Journal

SAME = "agree"
ONLY_BOARD = "only on the board"
ONLY_DATABASE = "only in the database: the board cannot read it"
NOWHERE = "nowhere: the board cannot read it, and it was never stored"
CONTRADICTION = "contradict"
REFUSED = "break a rule of the wire, and are kept as dead letters"


@dataclass(frozen=True)
class Verdict:
    """What was found of one place; `stored` and `found` are the two records where they contradict."""

    epoch: str
    seq: int
    verdict: str
    stored: str | None = None
    found: str | None = None

    @property
    def agrees(self) -> bool:
        """True where nothing is wrong with the database."""
        return self.verdict in (SAME, ONLY_DATABASE, REFUSED)


def verify_stretch(
    db: Connection, journal: Journal, first: int, last: int, sent: Sequence[Record | DeadLetter]
) -> list[Verdict]:
    """A verdict for each place from first to last; `sent` is what the board has of them."""
    filled = journals.filled(db, journal, lambda seq: seq.between(first, last))
    conflicts = {one.seq: one for one in merge.compare(db, sent).contradictions}
    by_seq = {item.seq: item for item in sent}
    out = []
    for seq in range(first, last + 1):
        if seq in conflicts:
            out.append(Verdict(journal[2], seq, CONTRADICTION, conflicts[seq].stored, conflicts[seq].found))
            continue
        item = by_seq.get(seq)
        if item is None:
            verdict = ONLY_DATABASE if seq in filled else NOWHERE
        elif seq not in filled:
            verdict = ONLY_BOARD
        else:
            verdict = SAME if isinstance(item, Record) else REFUSED
        out.append(Verdict(journal[2], seq, verdict))
    return out
