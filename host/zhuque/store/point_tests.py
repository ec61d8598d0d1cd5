"""Tests of points at the wall, as they were said: who, when, each line."""

from __future__ import annotations

import json
from dataclasses import dataclass

from sqlalchemy import func, insert, select
from sqlalchemy.engine import Connection

from zhuque.store.site_schema import point_tests


@dataclass(frozen=True)
class Line:
    """One thing that was tested: `result` is PASS, FAIL or SKIP; `remedy` what to do about a FAIL."""

    name: str
    result: str
    detail: str
    remedy: str = ""


@dataclass(frozen=True)
class PointTest:
    """A whole test; `at` in Unix seconds, `via` mqtt or usb, `mac` that of the board in the inventory at that time."""

    point: str
    at: int
    by: str
    via: str
    mac: str | None
    firmware: str | None
    lines: tuple[Line, ...]

    @property
    def passed(self) -> bool:
        """True when something was tested and nothing failed."""
        return any(line.result == "PASS" for line in self.lines) and not self.failed

    @property
    def failed(self) -> list[Line]:
        """What failed."""
        return [line for line in self.lines if line.result == "FAIL"]


def keep(db: Connection, site: str, test: PointTest) -> None:
    """Put a test on record."""
    lines = json.dumps([[line.name, line.result, line.detail, line.remedy] for line in test.lines])
    values = {**vars(test), "lines": lines, "site": site, "passed": int(test.passed)}
    db.execute(insert(point_tests).values(values))


def newest(db: Connection, site: str) -> dict[str, PointTest]:
    """The last test of each point."""
    c = point_tests.c
    last = select(func.max(c.id)).where(c.site == site).group_by(c.point)
    rows = db.execute(select(point_tests).where(c.id.in_(last)))
    return {
        row.point: PointTest(
            row.point,
            row.at,
            row.by,
            row.via,
            row.mac,
            row.firmware,
            tuple(Line(*line) for line in json.loads(row.lines)),
        )
        for row in rows
    }
