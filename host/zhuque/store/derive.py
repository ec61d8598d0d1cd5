"""Sessions from records: pure, and the same whatever the order in which the records arrive.

`merge(row, record)` folds one record into a session's row. It is commutative and idempotent because every column has
one record that decides it: the session_start what it was started with; the first session_end how it ended and its
totals; while there is no end, the newest checkpoint the totals. Newest and first are by place in the journal, and a
journal begun anew (another epoch than the session's own) comes after the session's own.

`date` then sets `started_at` and `ended_at`: the record's own time or, where the board had none, dated back from the
first `clock` record of the same boot.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from zhuque.store.items import Record

Row = dict[str, Any]
# (uptime_ms, time) of the first `clock` record of (epoch, boot), None where there is none yet.
Clock = Callable[[str, int], "tuple[int, int] | None"]

SESSION_KINDS = ("session_start", "session_checkpoint", "session_end")
COLUMNS = (
    "site",
    "point",
    "session",
    "socket",
    "account",
    "source",
    "started_at",
    "ended_at",
    "duration_s",
    "suspended_s",
    "energy_mwh",
    "peak_ma",
    "peak_mw",
    "end_reason",
    "max_duration_s",
    "max_energy_mwh",
    "start_epoch",
    "start_boot",
    "start_uptime_ms",
    "start_time",
    "end_epoch",
    "end_seq",
    "end_boot",
    "end_uptime_ms",
    "end_time",
    "end_started",
    "totals_epoch",
    "totals_seq",
)
_TOTALS = ("duration_s", "suspended_s", "energy_mwh", "peak_ma", "peak_mw")


def empty(site: str, point: str, session: str) -> Row:
    """The row of a session of which nothing is known yet."""
    row: Row = dict.fromkeys(COLUMNS)
    row["site"], row["point"], row["session"] = site, point, session
    return row


def merge(row: Row, record: Record) -> None:
    """Fold a record of SESSION_KINDS that names this session into its row."""
    row["socket"] = record.socket
    if record.kind == "session_start":
        _merge_start(row, record)
    elif record.kind == "session_end":
        _merge_end(row, record)
    elif row["end_epoch"] is None and _place(row, record) > _place_of(row, "totals"):
        _take_totals(row, record)


def date(row: Row, clock: Clock) -> None:
    """Set `started_at` and `ended_at` from the record's own time or from the boot's clock record."""
    started = _dated(row, "start", clock)
    row["started_at"] = row["end_started"] if started is None else started
    row["ended_at"] = _dated(row, "end", clock)


def back_dated(uptime_ms: int, clock: tuple[int, int]) -> int:
    """Unix seconds at `uptime_ms` of a boot whose clock record says (uptime_ms, time); rounded down."""
    return clock[1] + (uptime_ms - clock[0]) // 1000


def _merge_start(row: Row, record: Record) -> None:
    body = record.body
    row["account"], row["source"] = body.get("account"), body.get("source")
    row["max_duration_s"], row["max_energy_mwh"] = body.get("max_duration_s"), body.get("max_energy_mwh")
    row["start_epoch"], row["start_boot"] = record.epoch, record.boot
    row["start_uptime_ms"], row["start_time"] = record.uptime_ms, record.time


def _merge_end(row: Row, record: Record) -> None:
    if row["end_epoch"] is not None and _place_of(row, "end") <= _place(row, record):
        return  # a board that lost power right after it ended a session may end it again
    body = record.body
    row["end_reason"], row["end_started"] = body.get("reason"), body.get("started")
    row["end_epoch"], row["end_seq"], row["end_boot"] = record.epoch, record.seq, record.boot
    row["end_uptime_ms"], row["end_time"] = record.uptime_ms, record.time
    if row["start_epoch"] is None:
        row["account"], row["source"] = body.get("account"), body.get("source")
    _take_totals(row, record)


def _take_totals(row: Row, record: Record) -> None:
    for name in _TOTALS:
        row[name] = record.body.get(name)
    row["totals_epoch"], row["totals_seq"] = record.epoch, record.seq


def _place(row: Row, record: Record) -> tuple[bool, str, int]:
    own: str = row["session"][:16]
    return record.epoch != own, record.epoch, record.seq


def _place_of(row: Row, of: str) -> tuple[bool, str, int]:
    epoch = row[of + "_epoch"]
    if epoch is None:
        return False, "", -1
    return epoch != row["session"][:16], epoch, row[of + "_seq"]


def _dated(row: Row, of: str, clock: Clock) -> int | None:
    time: int | None = row[of + "_time"]
    epoch, boot, uptime_ms = row[of + "_epoch"], row[of + "_boot"], row[of + "_uptime_ms"]
    if time is not None or epoch is None or boot is None or uptime_ms is None:
        return time
    anchor = clock(epoch, boot)
    return None if anchor is None else back_dated(uptime_ms, anchor)
