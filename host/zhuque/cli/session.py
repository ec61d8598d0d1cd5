"""`zhuque session`: list, rebuild."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import click

from zhuque.cli.options import (
    MOMENT,
    NAME,
    db_option,
    json_option,
    need_db,
    print_csv,
    print_json,
    print_table,
)
from zhuque.report import figures
from zhuque.wire.codes import END_REASONS

COLUMNS = (
    "site",
    "point",
    "socket",
    "session",
    "account",
    "source",
    "started_at",
    "ended_at",
    "duration_s",
    "suspended_s",
    "energy_wh",
    "peak_w",
    "end_reason",
)
_TABLE = ("socket", "account", "started", "ended", "charged", "kWh", "peak W", "end reason", "session")
_TABLE_RIGHT = ("charged", "kWh", "peak W")


@click.group(name="session")
def command() -> None:
    """Charging sessions.

    \b
    Example:
      zhuque session list --db site.db --open
    """


@command.command(name="list")
@db_option
@click.option("--site", type=NAME, help="Of this site.")
@click.option("--point", type=NAME, help="Of this point.")
@click.option("--socket", type=click.IntRange(1, 255), help="Of this socket.")
@click.option("--account", help="For this account.")
@click.option("--since", type=MOMENT, help="Started then or later; ISO 8601, local.")
@click.option("--until", type=MOMENT, help="Started before then.")
@click.option("--reason", type=click.Choice(END_REASONS), metavar="REASON", help="Ended for this reason.")
@click.option("--open/--closed", "is_open", default=None, help="Only those still open, or only those ended.")
@click.option("--limit", type=click.IntRange(1), help="Only the newest so many.")
@json_option
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
def list_(db: str | None, as_json: bool, as_csv: bool, is_open: bool | None, **wanted: Any) -> None:
    """List sessions, oldest first.

    \b
    Example:
      zhuque session list --db site.db --site riverside --since 2026-11-01 --until 2026-12-01 --csv
    """
    if as_json and as_csv:
        raise click.UsageError("--json or --csv, not both")
    where = need_db(db)

    from zhuque.store.engine import open_reader, translate
    from zhuque.store.queries import SessionFilter, session_rows

    with translate(where):
        rows = session_rows(open_reader(where), SessionFilter(open=is_open, **wanted))
        if as_json:
            print_json(map(_public, rows))
        elif as_csv:
            print_csv(COLUMNS, map(_public, rows))
        else:
            _print(rows)


@command.command(name="rebuild")
@db_option
def rebuild(db: str | None) -> None:
    """Derive every session anew from the records, in one transaction; the result is what it was.

    A collector may go on meanwhile: it waits until this is done.

    \b
    Example:
      zhuque session rebuild --db site.db
    """
    where = need_db(db)

    from zhuque.store.write import Store

    store = Store(where)
    try:
        count = store.rebuild_sessions()
    finally:
        store.close()
    click.echo(f"{count} sessions derived from their records")


def _public(row: Any) -> dict[str, Any]:
    """The row as other programs see it."""
    public = {name: row.get(name) for name in COLUMNS}
    public["started_at"] = figures.utc_iso(row["started_at"])
    public["ended_at"] = figures.utc_iso(row["ended_at"])
    public["energy_wh"] = figures.milli(row["energy_mwh"])
    public["peak_w"] = figures.milli(row["peak_mw"])
    return public


def _print(rows: Iterable[Any]) -> None:
    cells = list(_cells(rows))
    if not cells:
        click.echo("no sessions")
        return
    print_table(_TABLE, cells, _TABLE_RIGHT)


def _cells(rows: Iterable[Any]) -> Iterator[list[str]]:
    for row in rows:
        ended = row["ended_at"] is not None or row["end_reason"] is not None
        yield [
            f"{row['site']}/{row['point']}/{row['socket']}",
            row["account"] or figures.DASH,
            figures.local_text(row["started_at"]),
            figures.local_text(row["ended_at"]) if ended else "open",
            figures.duration_text(row["duration_s"]),
            figures.kwh_text(row["energy_mwh"]),
            figures.watt_text(row["peak_mw"]),
            row["end_reason"] or figures.DASH,
            row["session"],
        ]
