"""Looks a database over without changing it: is the file sound, do the sessions follow from the records, what is
missing. For `zhuque db check`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from zhuque.store import derive, journals, sessions
from zhuque.store.engine import Database, Transaction, translate


@dataclass
class Report:
    """`problems` are faults of the database, `gaps` is what points have not sent or have lost; a sentence each."""

    records: int = 0
    sessions: int = 0
    problems: list[str] = field(default_factory=list)
    gaps: list[str] = field(default_factory=list)


def check(database: Database) -> Report:
    """The state of a database, in one consistent view. Raises StoreError."""
    report = Report()
    with translate(database.where), database.transaction() as db:
        if db.postgres:
            db.run("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        else:
            report.problems += [text for (text,) in db.rows("PRAGMA integrity_check(20)") if text != "ok"]
        report.records = db.value("SELECT count(*) FROM records")
        report.sessions = db.value("SELECT count(*) FROM sessions")
        _compare_sessions(db, report)
        for journal, present, _ in journals.present(db):
            _look_at(db, journal, present, report)
    return report


def _compare_sessions(db: Transaction, report: Report) -> None:
    columns = ", ".join(derive.COLUMNS)
    seen = differing = 0
    for row in sessions.derived(db):
        seen += 1
        stored = db.run(
            f"SELECT {columns} FROM sessions WHERE site = ? AND point = ? AND session = ?",
            (row["site"], row["point"], row["session"]),
        ).fetchone()
        differing += stored is None or tuple(stored) != tuple(row.values())
    if differing or seen != report.sessions:
        report.problems.append(
            f"{differing} of {seen} sessions differ from their records, {report.sessions} are stored:"
            " run `zhuque session rebuild`"
        )


def _look_at(db: Transaction, journal: journals.Journal, present: bool, report: Report) -> None:
    name = f"{journal[0]}/{journal[1]} journal {journal[2]}{'' if present else ' (an earlier one)'}"
    standing = journals.load(db, journal).standing()
    if standing.missing_to is not None:
        report.gaps.append(
            f"{name}: records {standing.stored + 1} to {standing.missing_to} have not come yet, of {standing.highest}"
        )
    lost = db.rows(
        "SELECT from_seq, to_seq, missing FROM alarms WHERE site = ? AND point = ? AND epoch = ?"
        " AND alarm = 'records_lost' AND state = 'raised' ORDER BY from_seq",
        journal,
    )
    report.gaps += [f"{name}: {missing} records between {a} and {b} are lost" for a, b, missing in lost]
