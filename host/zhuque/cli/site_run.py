"""`zhuque site up` and `zhuque site units`: broker and collector, as our children or as systemd's."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import click

from zhuque.cli.options import need_site, our_name, site_option
from zhuque.errors import NotFoundError

if TYPE_CHECKING:
    from zhuque.site.settings import Settings


@click.command()
@site_option
def up() -> None:
    """Run broker and collector of a small site until Ctrl-C, and say how they are.

    \b
    Example:
      zhuque site up --site riverside
    """
    site = need_site()

    from zhuque.site.up import Up

    running = Up(site, _mosquitto(), lambda line: click.echo(line, err=True), our_name())
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: running.stop())
    running.run()


@click.command()
@click.option("--to", type=click.Path(file_okay=False, exists=True, path_type=Path), help="Write them there.")
@site_option
def units(to: Path | None) -> None:
    """Print systemd's units for broker and collector, or write them with --to.

    \b
    Example:
      zhuque site units --site riverside --to /etc/systemd/system
    """
    for name, text in _units(need_site()).items():
        if to is None:
            click.echo(f"### {name}\n{text}")
        else:
            from zhuque.site import files

            files.write(to / name, text, files.PUBLIC)
            click.echo(str(to / name))


def _units(site: Settings) -> dict[str, str]:
    from zhuque.site.units import units as make

    installed = shutil.which("zhuque")
    return make(site, _mosquitto(), [installed] if installed else None)


def _mosquitto() -> Path:
    from zhuque.sim.tools import ToolMissingError, find_mosquitto

    try:
        return find_mosquitto()
    except ToolMissingError as error:
        raise NotFoundError(str(error)) from error
