"""`zhuque site people`: who has an account at the broker, and as what."""

from __future__ import annotations

import time
from pathlib import Path

import click

from zhuque.cli.options import json_option, need_site, our_name, print_json, print_table, site_option
from zhuque.report import figures


@click.group()
def people() -> None:
    """People's accounts at the broker, by role: viewer, operator, installer.

    \b
    Example:
      zhuque site people add li --role operator --site riverside
    """


@people.command()
@click.argument("name")
@click.option("--role", type=click.Choice(["viewer", "operator", "installer"]), required=True)
@site_option
def add(name: str, role: str) -> None:
    """Give somebody an account; the password is in a file that nobody else can read.

    \b
    Example:
      zhuque site people add li --role operator --site riverside
    """
    from zhuque.site import people as accounts

    place = accounts.add(need_site(), name, role, int(time.time()), our_name())
    click.echo(
        f"{name} is {role}; the login is in {place}; `zhuque site people hand-out {name} DIR` takes it along"
    )


@people.command(name="list")
@site_option
@json_option
def list_(as_json: bool) -> None:
    """Who has an account.

    \b
    Example:
      zhuque site people list --site riverside
    """
    from zhuque.site import people as accounts

    rows = accounts.names(need_site())
    if as_json:
        print_json(
            {"name": p.name, "role": p.role, "added_at": figures.utc_iso(p.added_at), "added_by": p.added_by}
            for p in rows
        )
    else:
        table = [[p.name, p.role, figures.local_text(p.added_at), p.added_by] for p in rows]
        print_table(("name", "role", "added", "by"), table)


@people.command()
@click.argument("name")
@site_option
def remove(name: str) -> None:
    """Take somebody's account away, at once.

    \b
    Example:
      zhuque site people remove li --site riverside
    """
    from zhuque.site import people as accounts

    accounts.remove(need_site(), name)
    click.echo(f"{name} has no account any more")


@people.command()
@click.argument("name")
@site_option
def renew(name: str) -> None:
    """Give somebody a new password; the old one is worth nothing at once. `collector` is one of them.

    \b
    Example:
      zhuque site people renew li --site riverside
    """
    from zhuque.site import people as accounts

    click.echo(f"the new login of {name} is in {accounts.renew(need_site(), name)}")


@people.command(name="hand-out")
@click.argument("name")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path), metavar="DIR")
@site_option
def hand_out(name: str, folder: Path) -> None:
    """Make the folder that this person's own computer needs, and take the password off this one.

    There, `zhuque --site` or ZHUQUE_SITE names that folder.

    \b
    Example:
      zhuque site people hand-out li /media/stick/riverside --site riverside
    """
    from zhuque.site import people as accounts

    accounts.hand_out(need_site(), name, folder)
    click.echo(f"{folder} is for {name} alone: carry it over, then remove it here")
