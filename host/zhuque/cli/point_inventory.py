"""`zhuque point list|show|add|label|replace|retire|rekey`: the inventory of a site."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zhuque.cli.options import (
    NAME,
    json_option,
    json_text,
    need_site,
    our_name,
    print_json,
    print_table,
    site_option,
)
from zhuque.errors import RefusedError
from zhuque.report import figures

if TYPE_CHECKING:
    from zhuque.store.inventory import Point

_COLUMNS = ("point", "label", "board", "MAC", "firmware", "installed", "credential", "trusts")
_TIMES = ("installed_at", "issued_at", "retired_at")


@click.command(name="list")
@site_option
@json_option
def list_(as_json: bool) -> None:
    """Every point of the site and the board that it is.

    \b
    Example:
      zhuque point list --site riverside --json
    """
    from zhuque.site import points

    site = need_site()
    found = points.listed(site)
    if as_json:
        print_json({"site": site.name, **_public(point)} for point in found)
        return
    print_table(
        _COLUMNS,
        [
            [
                point.point,
                point.label or figures.DASH,
                point.board,
                "retired" if point.retired_at else point.mac or figures.DASH,
                point.firmware or figures.DASH,
                figures.local_text(point.installed_at),
                point.fingerprint or figures.DASH,
                point.trusts or figures.DASH,
            ]
            for point in found
        ],
    )


@click.command()
@click.argument("point", type=NAME)
@site_option
@json_option
def show(point: str, as_json: bool) -> None:
    """A point, its places, and everything that was done to it.

    \b
    Example:
      zhuque point show p07 --site riverside
    """
    from zhuque.site import points

    site = need_site()
    found, events = points.shown(site, point)
    places = {place: socket for place, (name, socket) in site.places.items() if name == point}
    history = [
        {"at": figures.utc_iso(event.at), "by": event.by, "what": event.what, "detail": event.detail}
        for event in events
    ]
    if as_json:
        click.echo(json_text({"site": site.name, **_public(found), "places": places, "history": history}))
        return
    for key, value in vars(found).items():
        shown = figures.local_text(value) if key in _TIMES else value
        click.echo(f"{key.replace('_', ' '):13} {figures.DASH if shown is None else shown}")
    click.echo(
        f"{'places':13} {', '.join(f'{place} (socket {n})' for place, n in places.items()) or figures.DASH}\n"
    )
    print_table(
        ("when", "by", "what", "detail"),
        [[figures.local_text(e.at), e.by, e.what, e.detail or figures.DASH] for e in events],
    )


@click.command()
@click.argument("points", nargs=-1, required=True, type=NAME, metavar="POINT...")
@click.option("--board", help="The board that they will be; without it that of site.toml.")
@site_option
def add(points: tuple[str, ...], board: str | None) -> None:
    """Points that have no board yet. Their places go into site.toml.

    \b
    Example:
      zhuque point add p31 p32 --site riverside
    """
    from zhuque.site import points as inventory

    site = need_site()
    new = inventory.add(site, list(points), board or site.board or "zq10", int(time.time()), our_name())
    click.echo(f"new: {', '.join(new) or 'none'}")


@click.command()
@click.argument("point", type=NAME)
@click.argument("text", required=False)
@site_option
def label(point: str, text: str | None) -> None:
    """Say what people call a point, or where it hangs; without TEXT nothing. Its name never changes.

    \b
    Example:
      zhuque point label p07 "north wall, by the lift" --site riverside
    """
    from zhuque.site import points

    points.label(need_site(), point, text, int(time.time()), our_name())
    click.echo(f"{point} is labelled {text!r}" if text else f"{point} has no label")


@click.command()
@click.argument("point", type=NAME)
@site_option
def replace(point: str) -> None:
    """The board is dead or gone: lock it out of the broker at once, and let another one take its place.

    Label, places and the codes on its sockets stay. Then provision the new board under the same name.

    \b
    Example:
      zhuque point replace p07 --site riverside
    """
    from zhuque.site import points

    was = points.replace(need_site(), point, int(time.time()), our_name())
    click.echo(f"{point}: the board {was.mac or 'it had'} is locked out; provision another one as {point}")


@click.command()
@click.argument("point", type=NAME)
@site_option
def retire(point: str) -> None:
    """The point is taken down for good: lock its board out at once. The name is not used again.

    \b
    Example:
      zhuque point retire p07 --site riverside
    """
    from zhuque.site import points

    was = points.retire(need_site(), point, int(time.time()), our_name())
    click.echo(f"{point} is retired; the board {was.mac or 'it had'} is locked out; take it out of [places]")


@click.command()
@click.argument("point", type=NAME)
@click.option(
    "--to",
    "folder",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="A new folder for what the board must get; nobody else can read it.",
)
@site_option
def rekey(point: str, folder: Path) -> None:
    """Issue a new password and the present authorities; what the board has is worth nothing at once.

    The point charges on and keeps its records; it is heard again once the new files are on it.

    \b
    Example:
      zhuque point rekey p07 --to p07-files --site riverside
    """
    from zhuque.site import files, points

    site = need_site()
    if folder.exists() and any(folder.iterdir()):
        raise RefusedError(f"{folder} is not empty: name a new folder")
    files.make_folder(folder)
    made = points.identity(site, point, int(time.time()), our_name())
    for name, content in made.board_files().items():
        files.write(folder / name, content)
    click.echo(
        f"{point}: credential {made.fingerprint} is in {folder}; put it on the board, then remove the folder"
    )


def _public(point: Point) -> dict[str, Any]:
    """A row as other programs see it: times in UTC."""
    return {key: figures.utc_iso(value) if key in _TIMES else value for key, value in vars(point).items()}


COMMANDS = (list_, show, add, label, replace, retire, rekey)
