"""When to ask a point for records that are missing, and when to give them up: pure, `now` is monotonic seconds.

A gap is asked for once it is `age_s` old, at most 200 records a request, in order, one request outstanding a point,
spread by chance, and again with backoff. Age does not count while we are away from the broker or behind with storing:
the missing record may be among what waits, and a status that the broker kept is read before the records it queued. But
who is always behind would never ask: after ten such ages in a row it counts all the same, and an answer too many is
only a duplicate.

Given up as lost is what the point says is gone (`first_seq` of its status or of its answer), what belongs to a journal
that it no longer has, and what it did not send although it said yes three times: rotten on its flash. A record that
comes all the same takes its loss back (store/journals.py).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from zhuque.store.journals import Journal, Standing

Point = tuple[str, str]

MAX_RESEND = 200
_PACE_S = 1.0  # between an answer and the next request to the same point
_SPREAD_S = 0.1  # between two requests to any points
_ANSWER_S = 30.0
_BACKOFF_MAX_S = 3600.0
_TRIES = 3
_PATIENCE = 10  # ages that being behind puts off at most


@dataclass(frozen=True, slots=True)
class Ask:
    """A `resend` command to send."""

    journal: Journal
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Loss:
    """What is missing before `begin` is gone; `why` says so to a person."""

    journal: Journal
    begin: int
    why: str


@dataclass(slots=True)
class _Gap:
    stored: int
    end: int
    highest: int
    since: float
    due: float
    failures: int = 0
    empty: int = 0  # how often the point said yes and the records did not come
    asked_to: int = 0
    lost: bool = False


@dataclass(slots=True)
class _Told:
    epoch: str | None = None
    first_seq: int = 0
    online: bool = False


class Gaps:
    """The gaps of the journals that we collect. `chance` gives numbers from 0 to 1."""

    def __init__(self, age_s: float, chance: Callable[[], float]) -> None:
        self._age_s = age_s
        self._chance = chance
        self._gaps: dict[Journal, _Gap] = {}
        self._told: dict[Point, _Told] = {}
        self._asked: dict[Point, tuple[str, Journal, float]] = {}
        self._quiet_since: float | None = None
        self._behind_since = self._behind_at = float("-inf")
        self._next_ask = 0.0

    def hold(self, now: float) -> None:
        """Connected just now, or nothing can be stored: ages begin anew."""
        self._quiet_since = now

    def behind(self, now: float) -> None:
        """More waits than a batch holds: ages begin anew, but not for ever."""
        if now > self._behind_at + self._age_s:
            self._behind_since = now
        self._behind_at = now
        if now <= self._behind_since + _PATIENCE * self._age_s:
            self._quiet_since = now

    def disconnected(self) -> None:
        """Nothing can be asked, and no answer will come."""
        self._quiet_since = None
        self._asked.clear()

    def told(self, point: Point, epoch: str | None, first_seq: int | None, online: bool) -> None:
        """What the point's status says; its last will says only that it is offline."""
        told = self._told.setdefault(point, _Told())
        told.online = online
        if epoch is not None:
            if told.epoch != epoch:
                told.first_seq = 0
            told.epoch = epoch
            told.first_seq = max(told.first_seq, first_seq or 0)

    def is_present(self, journal: Journal) -> bool:
        """False for a journal that the point no longer has."""
        told = self._told.get((journal[0], journal[1]))
        return told is None or told.epoch in (None, journal[2])

    def standing(self, journal: Journal, standing: Standing, now: float) -> None:
        """Where a journal stands after a batch."""
        if standing.missing_to is None:
            self._gaps.pop(journal, None)
            return
        gap = self._gaps.get(journal)
        if gap is None or gap.stored != standing.stored:
            continues = gap is not None and gap.asked_to > gap.stored
            wait_s = _PACE_S if continues and gap and standing.stored >= gap.asked_to else self._age_s
            due = now + wait_s * (1 + 0.25 * self._chance())
            # What goes on where an answer ended need not grow old again.
            since = now - self._age_s if wait_s == _PACE_S else now
            self._gaps[journal] = _Gap(standing.stored, standing.missing_to, standing.highest, since, due)
            return
        gap.end, gap.highest = standing.missing_to, standing.highest

    def reply(
        self, point: Point, id: object, ok: bool, error: object, first_seq: object, now: float
    ) -> str | None:
        """An answer to a command; one that is not ours is nothing. Returns a sentence where a person should know."""
        asked = self._asked.get(point)
        if asked is None or asked[0] != id:
            return None
        del self._asked[point]
        gap = self._gaps.get(asked[1])
        if gap is None:
            return None
        if ok:
            gap.empty += 1
            self._put_off(gap, now)
            return None
        if error != "gone":
            gap.failures += 1
            self._put_off(gap, now)
            return f"does not send records again: {error}" if gap.failures == 1 else None
        gap.empty += 1
        self._put_off(gap, now)
        told = self._told.setdefault(point, _Told())
        if type(first_seq) is int and told.epoch == asked[1][2]:
            told.first_seq = max(told.first_seq, first_seq)
        if told.first_seq > gap.stored + 1:
            gap.due = now  # that is known to be lost
        return None

    def asked(self, ask: Ask, id: str, now: float) -> None:
        """The request is on its way under this id."""
        gap = self._gaps[ask.journal]
        gap.asked_to = ask.last
        gap.due = now + _ANSWER_S
        self._asked[ask.journal[0], ask.journal[1]] = (id, ask.journal, now + _ANSWER_S)
        self._next_ask = now + _SPREAD_S

    def take(self, now: float) -> list[Ask | Loss]:
        """What is due now: losses, and at most one request."""
        if self._quiet_since is None or now < self._quiet_since + self._age_s:
            return []
        self._drop_unanswered(now)
        out: list[Ask | Loss] = []
        for journal, gap in self._gaps.items():
            if gap.due > now or gap.lost or now < gap.since + self._age_s:
                continue
            point = (journal[0], journal[1])
            told = self._told.get(point)
            if told is None or not told.online or told.epoch is None:
                continue
            if loss := _loss(journal, gap, told):
                gap.lost = True
                out.append(loss)
            elif point not in self._asked and now >= self._next_ask:
                out.append(Ask(journal, gap.stored + 1, min(gap.end, gap.stored + MAX_RESEND)))
                break
        return out

    def wait(self) -> float:
        """Seconds after which `take` should be asked again."""
        return _SPREAD_S if self._gaps else 1.0

    def _drop_unanswered(self, now: float) -> None:
        for point, (_, journal, until) in list(self._asked.items()):
            if until <= now:
                del self._asked[point]
                if gap := self._gaps.get(journal):
                    gap.failures += 1
                    self._put_off(gap, now)

    def _put_off(self, gap: _Gap, now: float) -> None:
        wait_s = min(_BACKOFF_MAX_S, self._age_s * 2.0 ** min(gap.failures + gap.empty - 1, 10))
        gap.due = now + max(_PACE_S, wait_s) * (0.75 + 0.5 * self._chance())


def _loss(journal: Journal, gap: _Gap, told: _Told) -> Loss | None:
    if told.epoch != journal[2]:
        return Loss(journal, gap.highest + 1, "the point has begun a new journal")
    if told.first_seq > gap.stored + 1:
        return Loss(
            journal, min(told.first_seq, gap.highest + 1), "they left the journal before they were stored"
        )
    if gap.empty >= _TRIES:
        last = min(gap.end, gap.stored + MAX_RESEND)
        return Loss(journal, last + 1, "the point could not read them any more")
    return None
