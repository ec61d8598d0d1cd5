"""`zhuque label sheet`: stickers for the sockets."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from zhuque.cli.options import NAME, need_site, site_option
from zhuque.errors import NotFoundError, UsageError, ZhuqueError

if TYPE_CHECKING:
    from zhuque.report.labels import Label
    from zhuque.site.settings import Settings


@click.group(name="label")
def command() -> None:
    """Labels of sockets.

    \b
    Example:
      zhuque label sheet --site riverside --to labels.pdf
    """


@command.command()
@click.argument("points", nargs=-1, type=NAME, metavar="[POINT]...")
@click.option("--to", "file", required=True, type=click.Path(dir_okay=False, path_type=Path), help="The PDF.")
@click.option(
    "--sheet",
    "kind",
    type=click.Choice(["3x7", "2x7", "2x4", "3x8"]),
    default="3x7",
    show_default=True,
    help="Stickers on an A4 sheet.",
)
@click.option(
    "--skip", type=click.IntRange(0, 99), default=0, help="So many stickers of the first sheet are used."
)
@site_option
def sheet(points: tuple[str, ...], file: Path, kind: str, skip: int) -> None:
    """A PDF with a sticker a socket, of these points or of all: its code, its place, its number.

    A socket's code never changes: print it again whenever a label is lost.

    \b
    Example:
      zhuque label sheet p01 p02 --site riverside --to labels.pdf --sheet 2x7
    """
    site = need_site()
    labels = _labels(site, points)

    from zhuque.report import labels as report

    if skip >= report.SHEETS[kind].stickers:
        raise UsageError(f"--skip {skip}: a sheet of {kind} has {report.SHEETS[kind].stickers} stickers")
    try:
        sheets = report.write(file, labels, report.SHEETS[kind], skip)
    except OSError as error:
        raise ZhuqueError(f"{file} cannot be written: {error.strerror}; name another place") from error
    click.echo(f"{len(labels)} labels on {sheets} sheets in {file}; print at 100 %, not fitted to the page")


def _labels(site: Settings, points: tuple[str, ...]) -> list[Label]:
    """One a socket, in the order of [places]. Raises NotFoundError, UsageError."""
    from zhuque.report.labels import Label, url
    from zhuque.site import points as inventory
    from zhuque.site import tokens

    if site.label_host is None:
        raise UsageError(f"{site.folder}/site.toml has no [labels] host: the codes' addresses begin with it")
    known = {point.point: point for point in inventory.listed(site)}
    for point in points:
        if point not in known:
            raise NotFoundError(
                f"{site.name} has no point {point}: `zhuque point list` tells which there are"
            )
    wanted = {
        where: place
        for place, where in site.places.items()
        if (not points or where[0] in points) and where[0] in known and not known[where[0]].retired_at
    }
    if not wanted:
        raise NotFoundError("no place leads to these points: mend [places] in site.toml")
    found = tokens.of_sockets(site, wanted)
    return [
        Label(
            url(site.label_host, site.name, point, socket, found[point, socket]),
            place,
            point,
            socket,
            known[point].label or site.name,
        )
        for (point, socket), place in wanted.items()
    ]
