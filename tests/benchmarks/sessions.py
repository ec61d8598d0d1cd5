"""`session list` over millions of sessions, as a process: how long with start-up, and how much memory an export takes.

The sessions are generated with SQL into a database of the present schema: thirty sites of twenty points, three years.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import event, text

from zhuque.store.engine import open_writer

COUNT = 5_000_000
_YEAR_S = 365 * 86400
_FIRST = 1_700_000_000
_SITES, _POINTS, _SOCKETS, _ACCOUNTS = 30, 20, 10, 20_000

FILTERS = {
    "a day of a site": ["site-07", "--since", "2025-03-01", "--until", "2025-03-02"],
    "a month of a point": ["site-07/p03", "--since", "2025-03-01", "--until", "2025-04-01"],
    "an account": ["--account", "r-04242"],
    "an account at a site": ["site-02", "--account", "r-04242"],
    "the open ones": ["--open"],
    "the newest 50": ["--limit", "50"],
    "the newest 50 of a socket": ["site-07/p03/4", "--limit", "50"],
    "the newest 50 of at least 0.8 kWh": ["--min-energy", "0.8kWh", "--limit", "50"],
    "trips of a week": ["--reason", "overcurrent", "--since", "2025-03-01", "--until", "2025-03-08"],
}

_COLUMNS = (
    "site, point, session, socket, account, source, started_at, ended_at, duration_s, suspended_s, energy_mwh,"
    " peak_ma, peak_mw, end_reason, start_epoch, start_boot, start_uptime_ms, start_time, end_epoch, end_seq,"
    " end_boot, end_uptime_ms, end_time, totals_epoch, totals_seq"
)
_INDEXES_SQLITE = "SELECT name, sql FROM sqlite_master WHERE tbl_name = 'sessions' AND name LIKE 'ix_%'"
_INDEXES_POSTGRES = (
    "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'sessions' AND indexname LIKE 'ix_%'"
)


def fill(where: str, count: int) -> None:
    """Makes a database with `count` sessions."""
    database = open_writer(where)
    postgres = database.dialect.name == "postgresql"
    if not postgres:
        event.listen(database, "connect", _be_quick)
        database.dispose()
    with database.begin() as db:
        indexes = db.execute(text(_INDEXES_POSTGRES if postgres else _INDEXES_SQLITE)).all()
        for name, _ in indexes:
            db.exec_driver_sql(f"DROP INDEX {name}")
        number = "printf('%02d', {})" if not postgres else "lpad(({})::text, 2, '0')"
        account = "printf('r-%05d', {})" if not postgres else "'r-' || lpad(({})::text, 5, '0')"
        epoch = (
            "printf('%016x', site * 100 + point)"
            if not postgres
            else ("lpad(to_hex(site * 100 + point), 16, '0')")
        )
        series = (
            f"WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < {count})"
            if not postgres
            else f"WITH n (i) AS (SELECT generate_series(0, {count} - 1)::bigint)"
        )
        # Thirty-one bits of something that looks like chance, of `i` alone.
        mixed = "((i * 1103515245 + 12345) % 2147483648)"
        a_row = (
            f"SELECT i % {_SITES} AS site, i / {_SITES} % {_POINTS} AS point, i, {mixed} AS r,"
            f" {_FIRST} + i * {3 * _YEAR_S} / {count} AS began FROM n"
        )
        still_open = f"(i >= {count} - 200)"
        reason = "CASE WHEN r % 997 = 0 THEN 'overcurrent' WHEN r % 3 = 0 THEN 'unplugged' ELSE 'full' END"
        sql = (
            f"{series}, lived AS ({a_row}), named AS (SELECT *, {epoch} AS epoch FROM lived)"
            f" INSERT INTO sessions ({_COLUMNS}) SELECT 'site-' || {number.format('site')},"
            f" 'p' || {number.format('point')}, epoch || '-' || i, 1 + r / 64 % {_SOCKETS},"
            f" {account.format(f'r / 7 % {_ACCOUNTS}')}, 'remote', began,"
            f" CASE WHEN {still_open} THEN NULL ELSE began + 600 + r % 14000 END, 600 + r % 14000, 0,"
            f" r % 900000, 900, r % 400000, CASE WHEN {still_open} THEN NULL ELSE {reason} END,"
            f" epoch, 1, 1000, began, CASE WHEN {still_open} THEN NULL ELSE epoch END, i, 1, 2000,"
            " CASE WHEN " + still_open + " THEN NULL ELSE began + 600 + r % 14000 END, epoch, i"
            " FROM named ORDER BY site, point, i"
        )
        db.exec_driver_sql(sql.replace("%", "%%") if postgres else sql)
        db.exec_driver_sql("INSERT INTO points (site, point) SELECT DISTINCT site, point FROM sessions")
        for _, sql in indexes:  # sorted at once, which is a great deal quicker than row by row
            db.exec_driver_sql(sql)
        db.exec_driver_sql("ANALYZE sessions")
    database.dispose()


def _be_quick(connection: Any, _: object) -> None:
    for pragma in ("journal_mode=OFF", "synchronous=OFF", "cache_size=-400000"):
        connection.execute("PRAGMA " + pragma)


def timed(where: str, filters: list[str]) -> tuple[float, int]:
    """Seconds of the command, the best of three, and how many lines it printed."""
    command = [sys.executable, "-m", "zhuque", "session", "list", "--db", where, "--json", *filters]
    took, lines = 1e9, 0
    for _ in range(3):
        began = time.monotonic()
        done = subprocess.run(command, check=True, capture_output=True)
        took = min(took, time.monotonic() - began)
        lines = done.stdout.count(b"\n  {")
    return took, lines


def exported(where: str, extra: list[str]) -> tuple[float, int, int]:
    """Seconds, rows and the largest resident memory in KiB of a CSV export."""
    command = [sys.executable, "-m", "zhuque", "session", "list", "--db", where, "--csv", *extra]
    began = time.monotonic()
    rows, peak_kib = -1, 0
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        while piece := process.stdout.read1(1 << 20):  # type: ignore[attr-defined]
            rows += piece.count(b"\n")
            peak_kib = max(peak_kib, _peak_kib(process.pid))
    assert process.returncode == 0
    return time.monotonic() - began, rows, peak_kib


def _peak_kib(pid: int) -> int:
    """The largest resident memory so far, 0 where the process has just ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("VmHWM:")), 0)


def run(where: str, count: int = COUNT) -> Iterator[str]:
    """Fills the database, and says a line for each figure as it is known."""
    began = time.monotonic()
    fill(where, count)
    size = f", {Path(where).stat().st_size >> 20} MiB" if "://" not in where else ""
    yield f"{count} sessions made in {time.monotonic() - began:.0f} s{size}"
    for name, filters in FILTERS.items():
        took, lines = timed(where, filters)
        yield f"  session list, {name}: {took:.2f} s for {lines}"
    few, many = exported(where, ["--limit", "1000"]), exported(where, [])
    yield f"  CSV of {many[1]}: {many[0]:.0f} s, {many[2] >> 10} MiB at most ({few[2] >> 10} MiB for {few[1]})"
