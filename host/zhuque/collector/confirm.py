"""When to tell a point how far its journal is stored: pure, `now` is an argument, monotonic seconds.

A change is told half a second after it came, so that what follows at once goes along, but at most every 10 s a
point. A new connection to the broker tells everything again: a broker that lost its memory has lost ours too.
"""

from __future__ import annotations

Point = tuple[str, str]
Stored = tuple[str, int]

_SETTLE_S = 0.5
_EVERY_S = 10.0


class Confirmations:
    """What was told to each point, and what is to be told."""

    def __init__(self) -> None:
        self._stored: dict[Point, Stored] = {}
        self._told: dict[Point, Stored] = {}
        self._told_at: dict[Point, float] = {}
        self._due_at: dict[Point, float] = {}

    def stored(self, point: Point, stored: Stored, now: float) -> None:
        """The present journal of a point is stored up to (epoch, seq)."""
        self._stored[point] = stored
        if stored[1] and stored != self._told.get(point) and point not in self._due_at:
            self._due_at[point] = max(now + _SETTLE_S, self._told_at.get(point, now - _EVERY_S) + _EVERY_S)

    def connected(self, now: float) -> None:
        """A new connection: everything is to be told again."""
        self._told.clear()
        for point, stored in self._stored.items():
            self.stored(point, stored, now)

    def take(self, now: float) -> list[tuple[Point, Stored]]:
        """What is to be told now."""
        due = [point for point, at in self._due_at.items() if at <= now]
        for point in due:
            del self._due_at[point]
            self._told[point] = self._stored[point]
            self._told_at[point] = now
        return [(point, self._stored[point]) for point in due]

    def wait(self, now: float) -> float:
        """Seconds until something is due, at most 1."""
        return min(1.0, max(0.0, min(self._due_at.values(), default=now + 1.0) - now))
