"""Looks a database over without changing it: is the file sound, do the sessions follow from the records, what is
missing. For `zhuque db check`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlalchemy import bindparam, func, select
from sqlalchemy.engine import Connection, Engine

from zhuque.store import derive, journals, schema, sessions


@dataclass
class Report:
    """`problems` are faults of the database, `gaps` is what points have not sent or have lost; a sentence each."""

    records: int = 0
    sessions: int = 0
    problems: list[str] = field(default_factory=list)
    gaps: list[str] = field(default_factory=list)


_ONE = select(schema.sessions).where(
    *(schema.sessions.c[name] == bindparam(name) for name in derive.COLUMNS[:3])
)


def check(engine: Engine) -> Report:
    """The state of a database, in one consistent view: give what `open_reader` gives. Raises what SQLAlchemy raises."""
    report = Report()
    with engine.begin() as db:
        if db.dialect.name == "sqlite":
            found = db.exec_driver_sql("PRAGMA integrity_check(20)").scalars()
            report.problems += [text for text in found if text != "ok"]
        report.records = db.scalars(select(func.count()).select_from(schema.records)).one()
        report.sessions = db.scalars(select(func.count()).select_from(schema.sessions)).one()
        _compare_sessions(db, report)
        for journal, present, _ in journals.present(db):
            _look_at(db, journal, present, report)
    return report


def _compare_sessions(db: Connection, report: Report) -> None:
    seen = differing = 0
    for row in sessions.derived(db):
        seen += 1
        stored = db.execute(_ONE, {name: row[name] for name in derive.COLUMNS[:3]}).first()
        differing += stored is None or tuple(stored) != tuple(row.values())
    if differing or seen != report.sessions:
        report.problems.append(
            f"{differing} of {seen} sessions differ from their records, {report.sessions} are stored:"
            " run `zhuque session rebuild`"
        )


def _look_at(db: Connection, journal: journals.Journal, present: bool, report: Report) -> None:
    name = f"{journal[0]}/{journal[1]} journal {journal[2]}{'' if present else ' (an earlier one)'}"
    standing = journals.load(db, journal).standing()
    if standing.missing_to is not None:
        report.gaps.append(
            f"{name}: records {standing.stored + 1} to {standing.missing_to} have not come yet, of {standing.highest}"
        )
    report.gaps += [
        f"{name}: {missing} records between {first} and {last} are lost"
        for first, last, missing in journals.losses(db, journal)
    ]
