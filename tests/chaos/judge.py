"""What must be true after a day of faults: a database held against the loads and against the flash of every point.

Sessions are judged by `zhuque sim verify`. Records are judged against the journals themselves, read from the points'
flash with the firmware's own code: each is stored once and as it was written, none is missing, none is invented.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.fakes.collecting import rows
from zhuque import board_code
from zhuque.errors import ZhuqueError
from zhuque.sim import verify
from zhuque.sim.truth import Row
from zhuque.store.engine import open_reader
from zhuque.store.queries import SessionFilter, session_rows

_BLOCK = 4096


@dataclass(frozen=True)
class Journal:
    """What a point's flash holds."""

    epoch: str
    last_seq: int
    records: tuple[dict[str, Any], ...]


class _Store:
    """A copy of a journal partition, to be read."""

    block_size = _BLOCK

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.blocks = len(data) // _BLOCK

    def read(self, block: int, offset: int, buf: Any) -> None:
        """Fills `buf`."""
        at = block * _BLOCK + offset
        buf[:] = self._data[at : at + len(buf)]


def read_journal(flash: Path) -> Journal:
    """Every record on a copy of a point's flash, without the fields that are null."""
    journal = board_code.load("core.journal").Journal(_Store(flash.read_bytes()), lambda: "0" * 16)
    journal.recover()
    records = [journal.read(seq) for seq in range(journal.first_seq, journal.last_seq + 1)]
    return Journal(journal.epoch, journal.last_seq, tuple(_without_nulls(record) for record in records))


def _without_nulls(record: dict[str, Any] | None) -> dict[str, Any]:
    return {key: value for key, value in (record or {}).items() if value is not None}


def behind(db: str, journals: dict[str, Journal]) -> str:
    """The points of which records are missing yet, in words; empty when there are none."""
    try:
        known = rows(db, "SELECT point, epoch, stored_seq FROM epochs")
    except ZhuqueError as error:
        return str(error)
    found = {(point, epoch): seq for point, epoch, seq in known}
    late = [
        f"{name} {found.get((name, journal.epoch), 0)} of {journal.last_seq}"
        for name, journal in journals.items()
        if found.get((name, journal.epoch), 0) != journal.last_seq
    ]
    return ", ".join(late)


def problems(db: str, truth: Row, journals: dict[str, Journal]) -> tuple[verify.Report, list[str]]:
    """(the sessions' report, everything that is wrong in words): nothing."""
    report = verify.verify(truth, list(session_rows(open_reader(db), SessionFilter())))
    out = [str(difference) for difference in report.wrong]
    if truth.get("faults_lost"):
        out.append(f"{truth['faults_lost']} faults are not in the truth")
    for name, journal in journals.items():
        out += _records(db, name, journal)
    for table in ("alarms WHERE alarm = 'records_lost' AND state = 'raised'", "dead_letters"):
        if count := rows(db, f"SELECT count(*) FROM {table}")[0][0]:
            out.append(f"{count} {table}")
    return report, out + _rebuilt(db)


def _records(db: str, name: str, journal: Journal) -> list[str]:
    """Of one point: what is stored and what is on its flash are the same."""
    query = f"SELECT raw FROM records WHERE point = '{name}' ORDER BY seq"
    stored = [_without_nulls(json.loads(raw)) for (raw,) in rows(db, query)]
    if len(journal.records) != journal.last_seq or not all(journal.records):
        return [f"{name}: its journal holds {len(journal.records)} readable records of {journal.last_seq}"]
    if stored == list(journal.records):
        return []
    both = zip(stored, journal.records, strict=False)
    first = next((n for n, (one, other) in enumerate(both) if one != other), -1)
    return [
        f"{name}: {len(stored)} records stored, {len(journal.records)} on its flash; the first that differs "
        f"is the {first + 1}th: {stored[first]} stored, {journal.records[first]} on flash"
    ]


def _rebuilt(db: str) -> list[str]:
    """The operator's own commands find nothing: a check, and sessions made anew are the same."""
    query = "SELECT * FROM sessions ORDER BY site, point, session"
    before = rows(db, query)
    out = []
    for words in (("db", "check"), ("session", "rebuild")):
        done = subprocess.run(
            [sys.executable, "-m", "zhuque", *words, "--db", db], capture_output=True, text=True
        )
        if done.returncode:
            out.append(f"zhuque {' '.join(words)}: exit code {done.returncode}: {done.stdout}{done.stderr}")
    if rows(db, query) != before:
        out.append("zhuque session rebuild gives other sessions")
    return out
