"""`zhuque report`: figures for the office."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zhuque.cli.bill import MONTH
from zhuque.cli.options import db_option, json_option, json_text, need_db, need_site, print_table
from zhuque.errors import UsageError
from zhuque.report import figures

if TYPE_CHECKING:
    from zhuque.report.month import Line, Month

GROUPS = ("account", "point", "socket", "day", "end reason", "tariff")
CSV_COLUMNS = (
    *("month", "group", "key", "sessions", "energy_wh", "duration_s", "electricity_fen", "service_fen"),
    *("total_fen", "not_priced"),
)
_SHOWN = ("sessions", "kWh", "charged", "electricity", "service", "yuan", "not priced")


@click.group(name="report")
def command() -> None:
    """Figures for the office.

    \b
    Example:
      zhuque report month 2026-11 --site riverside --pdf november.pdf
    """


@command.command()
@MONTH
@db_option
@json_option
@click.option("--csv", "csv_file", type=click.Path(dir_okay=False, path_type=Path), help="Write a CSV file.")
@click.option(
    "--pdf", "pdf_file", type=click.Path(dir_okay=False, path_type=Path), help="Write pages to print."
)
@click.option("--anonymous", is_flag=True, help="Leave out the names and flats of accounts.")
@click.option("--title", help="At the head of the pages, in place of the site's name.")
@click.option(
    "--by", type=click.Choice(GROUPS), help="Show this group alone; without it accounts and points."
)
def month(
    month: str,
    db: str | None,
    as_json: bool,
    csv_file: Path | None,
    pdf_file: Path | None,
    anonymous: bool,
    title: str | None,
    by: str | None,
) -> None:
    """The month of a site: energy, sessions, hours and cost, trips, alarms, and how much the points were heard.

    A session belongs to the month, in the site's zone, in which it ended. Money comes from `zhuque bill price`. The
    table and the PDF name the accounts where their names are known; CSV and JSON never do.

    \b
    Example:
      zhuque bill price 2026-11 --site riverside
      zhuque report month 2026-11 --site riverside --csv november.csv --pdf november.pdf
      zhuque report month 2026-11 --site riverside --anonymous --pdf for-the-wall.pdf
    """
    if as_json and by:
        raise UsageError("--json holds every group: leave out --by")
    where, site = need_db(db), need_site()

    import time
    from zoneinfo import ZoneInfo

    from zhuque.report.month import month as read
    from zhuque.store.engine import open_reader, translate

    now = int(time.time())
    with translate(where):
        found = read(open_reader(where), site.name, month, ZoneInfo(site.time_zone), anonymous)
    if csv_file is not None:
        _write_csv(found, csv_file)
    if pdf_file is not None:
        _write_pdf(found, pdf_file, now, title)
    if as_json:
        click.echo(json_text(_public(found, now)))
    else:
        _print(found, (by,) if by else ("account", "point"), now)


def _print(found: Month, groups: tuple[str, ...], now: int) -> None:
    from zhuque.report.month import notes

    for name in groups:
        named = ("name", "flat") if name == "account" and found.people else ()
        rows = [
            [_label(name, key), *(_called(found, key) if named else ()), *_cells(line)]
            for key, line in found.groups()[name].items()
        ]
        print_table(
            (name, *named, *_SHOWN), [*rows, ["all", *("" for _ in named), *_cells(found.total)]], _SHOWN
        )
        click.echo()
    rows = [[point, *figures_of_point] for point, *figures_of_point in _points(found, now)]
    columns = ("point", "heard", "trips", "resets", "alarms", "lost records")
    print_table(columns, rows, columns[1:])
    for note in notes(found):
        click.echo(note)


def _points(found: Month, now: int) -> Iterator[list[str]]:
    events = found.events
    for point in found.points:
        share = found.availability(point, now)
        counts = [
            sum(n for (where, _), n in counter.items() if where == point)
            for counter in (events.trips, events.resets, events.alarms)
        ]
        heard = figures.DASH if share is None else f"{share:.1%}"
        yield [point, heard, *map(str, counts), str(events.lost_records[point])]


def _cells(line: Line) -> list[str]:
    return [
        str(line.sessions),
        figures.kwh_text(line.energy_mwh),
        figures.duration_text(line.duration_s),
        figures.yuan_text(line.electricity_fen),
        figures.yuan_text(line.service_fen),
        figures.yuan_text(line.fen),
        str(line.unpriced),
    ]


def _called(found: Month, account: str) -> list[str]:
    person = found.people.get(account)
    return ["", ""] if person is None else [person.name or "", person.flat or ""]


def _label(group: str, key: Any) -> str:
    return f"{key[0]}/{key[1]}" if group == "socket" else str(key)


def _public_line(line: Line) -> dict[str, Any]:
    return {
        "sessions": line.sessions,
        "energy_wh": figures.milli(line.energy_mwh),
        "duration_s": line.duration_s,
        "electricity_fen": line.electricity_fen,
        "service_fen": line.service_fen,
        "total_fen": line.fen,
        "not_priced": line.unpriced,
    }


def _public(found: Month, now: int) -> dict[str, Any]:
    events = found.events
    return {
        "site": found.site,
        "month": found.name,
        "time_zone": found.zone.key,
        "since": figures.utc_iso(found.since),
        "until": figures.utc_iso(found.until),
        "total": _public_line(found.total),
        **{
            f"by_{name.replace(' ', '_')}": [
                {name.replace(" ", "_"): _label(name, key), **_public_line(line)}
                for key, line in group.items()
            ]
            for name, group in found.groups().items()
        },
        "points": [
            {
                "point": point,
                "heard": found.availability(point, now),
                "trips": {cause: n for (where, cause), n in events.trips.items() if where == point},
                "resets": {cause: n for (where, cause), n in events.resets.items() if where == point},
                "alarms": {alarm: n for (where, alarm), n in events.alarms.items() if where == point},
                "lost_records": events.lost_records[point],
                "stray_wh": figures.milli(events.stray_mwh[point]),
            }
            for point in found.points
        ],
        "open_sessions": events.open_sessions,
        "open_wh": figures.milli(events.open_mwh),
        "undated_sessions": events.undated_sessions,
        "undated_wh": figures.milli(events.undated_mwh),
    }


def _write_csv(found: Month, file: Path) -> None:
    import csv
    import io

    from zhuque.files import whole_file

    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    for name, group in found.groups().items():
        for key, line in group.items():
            writer.writerow((found.name, name, _label(name, key), *_public_line(line).values()))
    writer.writerow((found.name, "all", "all", *_public_line(found.total).values()))
    with whole_file(file) as out:
        out.write(text.getvalue().encode())


def _write_pdf(found: Month, file: Path, now: int, title: str | None) -> None:
    from zhuque.files import whole_file
    from zhuque.report.month_pdf import write_pdf

    with whole_file(file) as out:
        write_pdf(found, out, now, title)
