"""`zhuque site handover`: the sheet that an installer leaves behind."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from zhuque.cli.options import json_option, json_text, need_site, our_name, site_option
from zhuque.report import figures

if TYPE_CHECKING:
    from zhuque.report.handover_pdf import Handover
    from zhuque.site.settings import Settings


@click.command()
@click.option("--to", "file", type=click.Path(dir_okay=False, path_type=Path), help="The PDF.")
@site_option
@json_option
def handover(file: Path | None, as_json: bool) -> None:
    """The sheet of the whole site as a PDF: points, boards, firmware, tests, limits, ends of certificates.

    A point whose board has not passed `zhuque point test` is marked, and named.

    \b
    Example:
      zhuque site handover --to handover.pdf --site riverside
    """
    from zhuque.errors import UsageError
    from zhuque.files import whole_file
    from zhuque.report.handover_pdf import write_pdf

    if file is None and not as_json:
        raise UsageError("where to? Give --to FILE, or --json")
    made = _handover(need_site())
    if file is not None:
        with whole_file(file) as out:
            write_pdf(made, out)
    if as_json:
        click.echo(json_text(_row(made)))
    elif made.unproven:
        click.echo(
            f"{file}: {', '.join(made.unproven)} NOT PROVEN: `zhuque point test` each, then print it again"
        )
    else:
        click.echo(f"{file}: all {len(made.points)} points are proven")


def _handover(site: Settings) -> Handover:
    from zhuque.report.handover_pdf import Handover
    from zhuque.site import points, tests

    there = [point for point in points.listed(site) if point.retired_at is None]
    now = int(time.time())
    return Handover(site.name, now, our_name(), there, tests.newest(site), site.places, list(_facts(site)))


def _facts(site: Settings) -> Iterator[tuple[str, str]]:
    from zhuque.site import authority

    limits = ", ".join(f"{key} {value}" for key, value in site.limits.items())
    yield "limits", limits or "those of the boards"
    yield "broker", f"{site.broker_host} port {site.broker_port}"
    yield "Wi-Fi", site.wifi_ssid or figures.DASH
    server = authority.server(site).not_valid_after_utc
    yield "the broker's certificate ends", f"{server:%Y-%m-%d}; `zhuque site up` or `site apply` renews it"
    for one in authority.trusted(site):
        yield f"authority {authority.number(one)} ends", f"{one.not_valid_after_utc:%Y-%m-%d}"


def _row(made: Handover) -> dict[str, object]:
    from zhuque.cli.point_test import row
    from zhuque.report.handover_pdf import is_proven

    return {
        "site": made.site,
        "at": figures.utc_iso(made.at),
        "by": made.by,
        "facts": dict(made.facts),
        "unproven": made.unproven,
        "points": [
            {
                "point": point.point,
                "label": point.label,
                "board": point.board,
                "mac": point.mac,
                "proven": is_proven(point, made.tests.get(point.point)),
                "test": row(made.site, made.tests[point.point]) if point.point in made.tests else None,
            }
            for point in made.points
        ],
    }
