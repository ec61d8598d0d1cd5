"""`zhuque db`: migrate, thin, check."""

from __future__ import annotations

import time

import click

from zhuque.cli.options import age_options, ages, db_option, json_option, need_db, print_json
from zhuque.errors import StoreError


@click.group(name="db")
def command() -> None:
    """The database.

    \b
    Example:
      zhuque db check --db site.db
    """


@command.command(name="migrate")
@db_option
def migrate(db: str | None) -> None:
    """Make a database, or bring an older one to this release. The collector does the same when it starts.

    \b
    Example:
      zhuque db migrate --db postgresql://zhuque@db.example/zhuque
    """
    from zhuque.store.engine import open_writer
    from zhuque.store.schema import REVISION

    open_writer(need_db(db)).dispose()
    click.echo(f"at revision {REVISION}")


@command.command(name="thin")
@db_option
@age_options
def thin(db: str | None, minutes_after: int, hours_after: int, drop_after: int | None) -> None:
    """Thin old telemetry to a row a minute, then a row an hour. Records and sessions are never thinned.

    The collector does it every hour; this is for a database without one, or for other ages.

    \b
    Example:
      zhuque db thin --db site.db --minutes-after 6h --hours-after 7d
    """
    wanted = ages(minutes_after, hours_after, drop_after)
    where = need_db(db)

    from zhuque.store.write import Store

    store = Store(where)
    try:
        gone = store.thin_telemetry(int(time.time()), wanted)
    finally:
        store.close()
    click.echo(f"{gone} rows of telemetry removed")


@command.command(name="check")
@db_option
@json_option
def check(db: str | None, as_json: bool) -> None:
    """Look the database over: the file, whether the sessions follow from the records, and what is missing.

    Changes nothing. Exit code 1 when the database itself is at fault; what points have not sent is only told.

    \b
    Example:
      zhuque db check --db site.db
    """
    from zhuque.store.check import check as look
    from zhuque.store.engine import open_reader, translate

    where = need_db(db)
    database = open_reader(where)
    with translate(where):
        report = look(database)
    database.dispose()
    if as_json:
        print_json([vars(report)])
    else:
        click.echo(f"{report.records} records, {report.sessions} sessions")
        for text in report.gaps:
            click.echo(text)
    if report.problems:
        raise StoreError("; ".join(report.problems))
    if not as_json:
        click.echo("sound" + ("" if report.gaps else ", and nothing is missing"))
