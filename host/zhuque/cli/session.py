"""`zhuque session`: list, show, export, plot, rebuild."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from zhuque.cli.moments import unix, zone_option
from zhuque.cli.options import (
    db_option,
    json_option,
    need_db,
    print_csv,
    print_json,
    print_table,
)
from zhuque.cli.quantities import ENERGY
from zhuque.cli.targets import ANY, Target, TargetType
from zhuque.report import figures
from zhuque.report.sessions import COLUMNS, public
from zhuque.wire.codes import END_REASONS

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine

    from zhuque.store.dossier import Dossier
    from zhuque.store.queries import SessionFilter

F = TypeVar("F", bound=Callable[..., Any])

_TABLE = ("socket", "account", "started", "ended", "charged", "kWh", "peak W", "end reason", "session")
_TABLE_RIGHT = ("charged", "kWh", "peak W")
# Above so many rows a table is drawn in pieces: the width of a column is that of its piece, and memory stays small.
_PIECE = 5000


@click.group(name="session")
def command() -> None:
    """Charging sessions.

    \b
    Example:
      zhuque session list --db site.db --open
    """


def filter_options(function: F) -> F:
    """Which sessions: a target and the filters; `_filter` takes them."""
    for option in (
        click.option("--limit", type=click.IntRange(1), help="Only the newest so many."),
        click.option("--min-energy", type=ENERGY, help="Of at least this energy, such as 0.5kWh."),
        click.option(
            "--open/--closed", "is_open", default=None, help="Only those still open, or only those ended."
        ),
        click.option(
            "--reason", type=click.Choice(END_REASONS), metavar="REASON", help="Ended for this reason."
        ),
        click.option("--until", metavar="TIME", help="Started before then."),
        click.option("--since", metavar="TIME", help="Started then or later; ISO 8601, in the zone."),
        click.option("--account", help="For this account."),
        zone_option,
        click.argument("target", type=TargetType(), required=False),
    ):
        function = option(function)
    return function


@command.command(name="list")
@db_option
@filter_options
@json_option
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
def list_(db: str | None, as_json: bool, as_csv: bool, zone: tzinfo | None, **given: Any) -> None:
    """List the sessions of a site, a point or a socket, or all; oldest first.

    \b
    Example:
      zhuque session list riverside/p01 --db site.db --since 2026-11-01 --until 2026-12-01
    """
    if as_json and as_csv:
        raise click.UsageError("--json or --csv, not both")
    where, wanted = need_db(db), _filter(zone, **given)

    from zhuque.store.engine import open_reader, translate
    from zhuque.store.queries import session_rows

    with translate(where):
        engine = open_reader(where)
        rows = _known(engine, wanted, session_rows(engine, wanted))
        if as_json:
            print_json(map(public, rows))
        elif as_csv:
            print_csv(COLUMNS, map(public, rows))
        else:
            _print(rows, zone)


@command.command(name="show")
@click.argument("session", metavar="SESSION|SITE/POINT/SOCKET")
@db_option
@zone_option
@click.option("--raw", is_flag=True, help="Print the records as they came, instead of in words.")
@json_option
def show(session: str, db: str | None, zone: tzinfo | None, raw: bool, as_json: bool) -> None:
    """Show a session with all that is behind it; of a socket, its newest.

    Every record it is derived from, what happened meanwhile at its socket and point, trips and suspensions, the limits
    that applied, what contradicts, what is missing, and its power over time.

    \b
    Example:
      zhuque session show 9f3ac2d15b7e0c44-371 --db site.db
      zhuque session show riverside/p01/3 --db site.db
    """
    from zhuque.cli.dossier import print_dossier, public_dossier

    found = _dossier(need_db(db), session)
    if as_json:
        print_json([public_dossier(found)])
    else:
        print_dossier(found, zone, raw)


@command.command(name="export")
@db_option
@filter_options
@click.option("--to", "path", metavar="FILE", required=True, help="The file, or - for standard output.")
@click.option(
    "--format", "form", type=click.Choice(["csv", "jsonl", "parquet"]), help="Else by the file's name."
)
@click.option(
    "--since-last",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="STATE",
    help="Only ended sessions that this file has not seen yet; it is kept up to date.",
)
def export(
    db: str | None, path: str, form: str | None, since_last: Path | None, zone: tzinfo | None, **given: Any
) -> None:
    """Write sessions to a file: CSV, JSON lines or Parquet. The file is whole or not there.

    With --since-last a nightly job gets what is new: a session comes once it has ended and everything before it is
    stored, and again, under its id, should a late record change it. The file STATE follows the export; should the
    computer stop between the two, the next export says the same again.

    \b
    Example:
      zhuque session export riverside --db site.db --since 2026-11-01 --until 2026-12-01 --to november.csv
      zhuque session export --db site.db --to night-$(date +%F).jsonl --since-last night.state
    """
    from zhuque.cli.export import export_sessions

    wanted = _filter(zone, **given)
    if since_last and (wanted.limit is not None or wanted.open is not None):
        raise click.UsageError("--since-last gives all that ended: leave out --limit, --open and --closed")
    export_sessions(need_db(db), wanted, path, form, since_last)


@command.command(name="plot")
@click.argument("session", metavar="SESSION|SITE/POINT/SOCKET")
@db_option
@zone_option
@click.option(
    "--to",
    "path",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="A name that ends in .png or .svg.",
)
def plot(session: str, db: str | None, zone: tzinfo | None, path: Path) -> None:
    """Draw a session: its power, its energy, and when it was suspended or tripped.

    \b
    Example:
      zhuque session plot 9f3ac2d15b7e0c44-371 --db site.db --to session.svg
    """
    from zhuque.report.plot import draw

    draw(_dossier(need_db(db), session), path, zone)
    click.echo(f"wrote {path}")


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


def _filter(
    zone: tzinfo | None,
    target: Target | None,
    account: str | None,
    since: str | None,
    until: str | None,
    reason: str | None,
    is_open: bool | None,
    min_energy: int | None,
    limit: int | None,
) -> SessionFilter:
    from zhuque.store.queries import SessionFilter

    return SessionFilter(
        *(target or ANY), account, unix(since, zone), unix(until, zone), reason, is_open, min_energy, limit
    )


def _known(engine: Engine, wanted: SessionFilter, rows: Iterator[Any]) -> Iterator[Any]:
    """The rows; where there are none, NotFoundError should the site, point or account not be known at all."""
    from itertools import chain

    first = next(rows, None)
    if first is None:
        from zhuque.store.names import check_known

        check_known(engine, wanted.site, wanted.point, wanted.account)
        return iter(())
    return chain([first], rows)


def _dossier(where: str, session: str) -> Dossier:
    from zhuque.store import dossier
    from zhuque.store.engine import open_reader, translate

    with translate(where):
        engine = open_reader(where)
        if "/" in session:
            place = TargetType(least=3).convert(session, None, None)
            session = dossier.newest_session(engine, *place)
        return dossier.dossier(engine, session)


def _print(rows: Iterable[Any], zone: tzinfo | None) -> None:
    from itertools import islice

    stream, any_yet = _cells(rows, zone), False
    while cells := list(islice(stream, _PIECE)):
        any_yet = True
        print_table(_TABLE, cells, _TABLE_RIGHT)
    if not any_yet:
        click.echo("no sessions")


def _cells(rows: Iterable[Any], zone: tzinfo | None) -> Iterator[list[str]]:
    for row in rows:
        ended = row["ended_at"] is not None or row["end_reason"] is not None
        yield [
            f"{row['site']}/{row['point']}/{row['socket']}",
            row["account"] or figures.DASH,
            figures.local_text(row["started_at"], zone),
            figures.local_text(row["ended_at"], zone) if ended else "open",
            figures.duration_text(row["duration_s"]),
            figures.kwh_text(row["energy_mwh"]),
            figures.watt_text(row["peak_mw"]),
            row["end_reason"] or figures.DASH,
            row["session"],
        ]
