"""The month of a site: energy, sessions, hours and cost by account, point and socket, and what went wrong.

A session belongs to the month, in the site's zone, in which it ended: so each is in exactly one, and one that is open
when a month ends is in the next. Every total is counted apart from the rows that it stands under, and the two are held
against each other before anybody sees them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy.engine import Engine

from zhuque.errors import UsageError
from zhuque.report.figures import kwh_text
from zhuque.store.accounts import Called, called
from zhuque.store.costs import Closed, closed_sessions
from zhuque.store.month import HOUR_S, Events, events

_MONTH = re.compile(r"(\d{4})-(0[1-9]|1[0-2])")


@dataclass
class Line:
    """Sums; energy in mWh, time in s, money in fen. `unpriced` sessions have no cost yet."""

    sessions: int = 0
    energy_mwh: int = 0
    duration_s: int = 0
    electricity_fen: int = 0
    service_fen: int = 0
    unpriced: int = 0

    @property
    def fen(self) -> int:
        """What residents pay."""
        return self.electricity_fen + self.service_fen

    def add(self, session: Closed) -> None:
        """Count a session in."""
        self.sessions += 1
        self.energy_mwh += session.energy_mwh
        self.duration_s += session.duration_s
        if session.cost is None:
            self.unpriced += 1
        else:
            self.electricity_fen += session.cost.electricity_fen
            self.service_fen += session.cost.service_fen


@dataclass
class Month:
    """`since` <= end < `until` in Unix seconds; the keys of the groups are what people call them."""

    site: str
    name: str
    zone: ZoneInfo
    since: int
    until: int
    total: Line = field(default_factory=Line)
    accounts: dict[str, Line] = field(default_factory=dict)
    points: dict[str, Line] = field(default_factory=dict)
    sockets: dict[tuple[str, int], Line] = field(default_factory=dict)
    days: dict[int, Line] = field(default_factory=dict)
    reasons: dict[str, Line] = field(default_factory=dict)
    tariffs: dict[str, Line] = field(default_factory=dict)
    events: Events = field(default_factory=Events)
    people: dict[str, Called] = field(default_factory=dict)  # by account, where something is known

    def groups(self) -> dict[str, dict[Any, Line]]:
        """Every way in which the sessions are told apart."""
        return {
            "account": self.accounts,
            "point": self.points,
            "socket": self.sockets,
            "day": self.days,
            "end reason": self.reasons,
            "tariff": self.tariffs,
        }

    def availability(self, point: str, now: int) -> float | None:
        """The share of the month's hours, up to now, in which the point was heard; None before the month."""
        hours = (min(self.until, now) - self.since + HOUR_S - 1) // HOUR_S
        return None if hours <= 0 else min(1.0, self.events.hours_heard[point] / hours)


NO_ACCOUNT = "-"
NOT_PRICED = "not priced"


def span(name: str, zone: ZoneInfo) -> tuple[int, int]:
    """The first second of the month and of the next, in the zone. Raises UsageError."""
    match = _MONTH.fullmatch(name)
    if match is None or int(match[1]) < 2000:
        raise UsageError(f"{name!r} is no month; it looks like 2026-11")
    year, month = int(match[1]), int(match[2])
    after = (year + 1, 1) if month == 12 else (year, month + 1)
    first = datetime(year, month, 1, tzinfo=zone)
    return int(first.timestamp()), int(datetime(*after, 1, tzinfo=zone).timestamp())


def month(reader: Engine, site: str, name: str, zone: ZoneInfo, anonymous: bool = False) -> Month:
    """Read the month, in one pass over its sessions; `anonymous` names nobody. Raises UsageError."""
    since, until = span(name, zone)
    found = Month(site, name, zone, since, until)
    for session in closed_sessions(reader, site, since, until):
        _count(found, session)
    found.events = events(reader, site, since, until)
    if not anonymous:
        found.people = called(reader, found.accounts)
    for point in found.events.points:
        found.points.setdefault(point, Line())
    for group in found.groups().values():
        _prove(found.total, group)
    for group in (found.accounts, found.points, found.days, found.reasons, found.tariffs):
        _sort(group)
    _sort(found.sockets)
    return found


def notes(month: Month) -> list[str]:
    """What a reader of the totals must know, a sentence each."""
    e = month.events
    said = []
    if month.total.unpriced:
        said.append(f"{month.total.unpriced} sessions have no price and are not in the money.")
    if e.open_sessions:
        said.append(
            f"{e.open_sessions} sessions have no end yet ({kwh_text(e.open_mwh)} kWh so far): not in the sums."
        )
    if e.undated_sessions:
        said.append(
            f"{e.undated_sessions} sessions ended nobody knows when, for their point had no clock "
            f"({kwh_text(e.undated_mwh)} kWh): in no month's sums, and without a price."
        )
    if lost := sum(e.lost_records.values()):
        said.append(f"{lost} journal records are lost: what they told is not in the sums.")
    if stray := sum(e.stray_mwh.values()):
        said.append(
            f"{kwh_text(stray)} kWh passed outside any session (a welded relay): nobody is billed for it."
        )
    return said


def _count(found: Month, session: Closed) -> None:
    assert session.ended_at is not None  # the filter asked for it
    day = datetime.fromtimestamp(session.ended_at, found.zone).day
    found.total.add(session)
    found.accounts.setdefault(session.account or NO_ACCOUNT, Line()).add(session)
    found.points.setdefault(session.point, Line()).add(session)
    found.sockets.setdefault((session.point, session.socket or 0), Line()).add(session)
    found.days.setdefault(day, Line()).add(session)
    found.reasons.setdefault(session.end_reason, Line()).add(session)
    found.tariffs.setdefault(session.cost.tariff if session.cost else NOT_PRICED, Line()).add(session)


def _prove(total: Line, group: dict[Any, Line]) -> None:
    summed = Line(
        *(sum(getattr(line, name) for line in group.values()) for name in Line.__dataclass_fields__)
    )
    if summed != total:
        raise AssertionError(f"the rows sum to {summed}, the total is {total}")


def _sort(group: dict[Any, Line]) -> None:
    ordered = sorted(group.items())
    group.clear()
    group.update(ordered)
