"""Prices sessions by the site's tariffs, and prices them again to prove a bill.

A cost is made once and kept with the tariff that made it. `check` makes every one again from the records and says
where the result is another: a tariff that was edited, a session that later records completed, a row that was changed.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from zoneinfo import ZoneInfo

from sqlalchemy.engine import Engine

from zhuque.billing import tariff as tariffs
from zhuque.billing.cost import cost
from zhuque.billing.halves import halves
from zhuque.billing.tariff import Tariff
from zhuque.store.costs import Closed, StoredCost, closed_sessions, write_costs

NO_CLOCK = "the point had no clock when it began or ended"
NO_TARIFF = "no tariff was in force when it began"
_CHUNK = 500


@dataclass(frozen=True, slots=True)
class Terms:
    """What a site's bills are made by: its tariffs and the zone its hours are told in."""

    site: str
    tariffs: Sequence[Tariff]
    zone: ZoneInfo


@dataclass
class Outcome:
    """`priced` now, `kept` from before; `left` counts what could not be priced, by why."""

    priced: int = 0
    kept: int = 0
    left: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class Difference:
    """A stored cost that does not come out again; `made` is None where there can be none now."""

    stored: StoredCost
    made: StoredCost | None
    why: str


def energy_by_half_hour(session: Closed) -> dict[int, int]:
    """mWh by the Unix time of the UTC half hour; the session's times must be known."""
    assert session.started_at is not None and session.ended_at is not None
    return halves(session.started_at, session.ended_at, session.energy_mwh, session.moments)


def price(session: Closed, terms: Terms, now: int) -> StoredCost | str:
    """What the session costs, or why it cannot be said."""
    if session.started_at is None or session.ended_at is None:
        return NO_CLOCK
    tariff = tariffs.at(terms.tariffs, session.started_at, terms.zone)
    if tariff is None:
        return NO_TARIFF
    energy = energy_by_half_hour(session)
    found = cost(tariff, energy, session.duration_s, session.peak_mw, terms.zone)
    return StoredCost(
        session.site,
        session.point,
        session.session,
        tariff.version,
        tariff.digest,
        session.energy_mwh,
        found.electricity_fen,
        found.service_fen,
        now,
    )


def price_sessions(
    reader: Engine,
    writer: Engine,
    terms: Terms,
    since: int | None = None,
    until: int | None = None,
    session: str | None = None,
    again: bool = False,
) -> Outcome:
    """Price the closed sessions that have no cost yet, or with `again` all of them, durably, some hundred at a time."""
    outcome = Outcome()
    costs = _costs(closed_sessions(reader, terms.site, since, until, session), terms, outcome, again)
    while chunk := list(islice(costs, _CHUNK)):
        with writer.begin() as db:
            write_costs(db, chunk)
        outcome.priced += len(chunk)
    return outcome


def check(
    reader: Engine, terms: Terms, since: int | None = None, until: int | None = None
) -> Iterator[Difference]:
    """Every stored cost that does not come out again, to the fen."""
    for session in closed_sessions(reader, terms.site, since, until):
        stored = session.cost
        if stored is None:
            continue
        made = price(session, terms, stored.priced_at)
        if isinstance(made, str):
            yield Difference(stored, None, made)
        elif made != stored:
            yield Difference(stored, made, _why(stored, made))


def _costs(sessions: Iterator[Closed], terms: Terms, outcome: Outcome, again: bool) -> Iterator[StoredCost]:
    now = int(time.time())
    for session in sessions:
        if session.cost is not None and not again:
            outcome.kept += 1
            continue
        made = price(session, terms, now)
        if isinstance(made, str):
            outcome.left[made] += 1
        else:
            yield made


def _why(stored: StoredCost, made: StoredCost) -> str:
    if stored.tariff != made.tariff:
        return f"another tariff is in force for its start now: {made.tariff} instead of {stored.tariff}"
    if stored.digest != made.digest:
        return (
            f"tariff {stored.tariff} was edited after it was used: give the new prices a version of their own"
        )
    if stored.energy_mwh != made.energy_mwh:
        return "records that came later changed the session's energy"
    if replace(stored, electricity_fen=0, service_fen=0) == replace(made, electricity_fen=0, service_fen=0):
        return "records that came later moved its energy to other half hours, or the stored cost was changed"
    return "the stored cost was changed"
