"""How far a journal is stored without a gap: pure.

`stored` is the last seq up to which everything is stored or known to be gone for ever; `ahead` holds what is stored
beyond the first gap. A change makes a new object, so that a transaction that fails changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Progress:
    """seq counts from 1; stored is 0 before the first."""

    stored: int = 0
    ahead: frozenset[int] = field(default_factory=frozenset)

    def add(self, seqs: Iterable[int]) -> Progress:
        """With these stored too."""
        ahead = {seq for seq in seqs if seq > self.stored}
        if not ahead:
            return self
        if self.ahead:
            ahead |= self.ahead
        stored = self.stored
        while stored + 1 in ahead:
            stored += 1
            ahead.discard(stored)
        return Progress(stored, frozenset(ahead))

    def begin_at(self, first_seq: int) -> tuple[Progress, tuple[int, int, int] | None]:
        """The journal's oldest record is `first_seq`: what is missing before it is gone for ever.

        Also says what was lost: (from, to, how many), or None.
        """
        last = first_seq - 1
        if last <= self.stored:
            return self, None
        held = sum(1 for seq in self.ahead if seq <= last)
        lost = last - self.stored - held
        moved = Progress(last).add(self.ahead)
        return moved, (self.stored + 1, last, lost) if lost else None
