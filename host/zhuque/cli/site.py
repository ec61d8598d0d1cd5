"""`zhuque site`: a garage's own folder, from its first day on."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from zhuque.cli.options import NAME, json_option, json_text, need_site, our_name, print_json, site_option
from zhuque.cli.site_handover import handover
from zhuque.cli.site_people import people
from zhuque.cli.site_run import units, up
from zhuque.errors import UsageError, ZhuqueError
from zhuque.report import figures

_FOLDER = click.Path(file_okay=False, path_type=Path)
_FILE = click.Path(dir_okay=False, path_type=Path)
_PORT = click.IntRange(1, 65535)


@click.group(name="site")
def command() -> None:
    """A garage: its settings, keys, people and broker, in one folder.

    \b
    Example:
      zhuque site init riverside --name riverside --points 30
      zhuque site check --site riverside
    """


def _wish_options(function: Any) -> Any:
    """What a first garage and a copy are asked alike. What is asked for on a terminal has a `prompt`."""
    for option in (
        click.option(
            "--wifi-password-file",
            type=_FILE,
            help="Its first line is the Wi-Fi's password; else it is asked for.",
        ),
        click.option("--label-host", help="HOST in https://HOST/s/.. of the labels."),
        click.option("--time-host", help="A server of the time (SNTP); without it the broker's host."),
        click.option("--people-port", type=_PORT, default=8884, show_default=True, help="For people."),
        click.option("--broker-port", type=_PORT, default=8883, show_default=True, help="For points."),
        click.option("--broker-host", help="The broker's name or address, as the points reach it."),
        click.option("--wifi", "wifi_ssid", help="The name of the Wi-Fi that the points join."),
        click.option("--time-zone", help="Such as Asia/Shanghai; without it that of this computer."),
        click.option("--name", type=NAME, help="Of the garage; it never changes."),
        click.option(
            "--database", default="site.db", show_default=True, help="A path, or postgresql://HOST/NAME."
        ),
    ):
        function = option(function)
    return function


@command.command()
@click.argument("folder", type=_FOLDER, metavar="DIR")
@_wish_options
@click.option("--board", default="zq10", show_default=True, help="The board that its points are.")
@click.option(
    "--points", type=click.IntRange(1, 999), default=1, show_default=True, help="How many: p01, p02 .."
)
def init(folder: Path, wifi_password_file: Path | None, board: str, points: int, **asked: Any) -> None:
    """Make the folder of a new garage; what is not given is asked for.

    \b
    Example:
      zhuque site init riverside --name riverside --points 30 --wifi garage --broker-host 192.168.1.10
    """
    from zhuque.site import create

    wish = create.Wish(board=board, points=points, **_asked(asked))
    site = create.create(folder, wish, _wifi_password(wifi_password_file), our_name())
    _tell_next(folder, len(site.points))


@command.command()
@click.argument("folder", type=_FOLDER, metavar="DIR")
@_wish_options
@site_option
def copy(folder: Path, wifi_password_file: Path | None, **asked: Any) -> None:
    """Make a second garage after --site: its layout, limits and tariffs, with keys, people and passwords of its own.

    \b
    Example:
      zhuque site copy hillside --site riverside --name hillside --wifi garage2 --broker-host 192.168.2.10
    """
    from zhuque.site import create

    first = need_site()
    asked["time_zone"] = asked["time_zone"] or first.time_zone
    asked["label_host"] = asked["label_host"] or first.label_host
    wish = create.Wish(board=first.board or "zq10", **_asked(asked))
    if wish.name == first.name:
        raise UsageError(f"{wish.name} is the first garage's name: give --name another one")
    site = create.copy(first, folder, wish, _wifi_password(wifi_password_file), our_name())
    _tell_next(folder, len(site.points))


@command.command()
@site_option
@json_option
def show(as_json: bool) -> None:
    """What a garage is: settings, people, points. Never a secret.

    \b
    Example:
      zhuque site show --site riverside
    """
    site = need_site()

    from zhuque.site import authority, people, points

    accounts, inventory = people.names(site), points.listed(site)
    server = authority.server(site)
    shown: dict[str, Any] = {
        "name": site.name,
        "id": site.id,
        "time_zone": site.time_zone,
        "database": site.database,
        "wifi": site.wifi_ssid,
        "broker": f"mqtts://{site.broker_host}:{site.broker_port}",
        "broker_people": site.broker_url,
        "time_host": site.time_host,
        "board": site.board,
        "limits": site.limits,
        "session": site.session,
        "label_host": site.label_host,
        "places": len(site.places),
        "points": len(inventory),
        "points_installed": sum(point.mac is not None for point in inventory),
        "authorities": [authority.number(one) for one in authority.trusted(site)],
        "certificate_until": figures.utc_iso(int(server.not_valid_after_utc.timestamp())),
        "people": {person.name: person.role for person in accounts},
    }
    if as_json:
        click.echo(json_text(shown))
        return
    for key, value in shown.items():
        text = ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, dict) else value
        text = ", ".join(map(str, text)) if isinstance(text, list) else text
        click.echo(f"{key.replace('_', ' '):18} {figures.DASH if text in (None, '') else text}")


@command.command()
@site_option
@json_option
def check(as_json: bool) -> None:
    """Say what is wrong, and what soon will be; fails where something is.

    \b
    Example:
      zhuque site check --site riverside
    """
    site = need_site()

    from zhuque.site.check import check as look

    problems = look(site)
    serious = sum(problem.serious for problem in problems)
    if as_json:
        print_json(vars(problem) for problem in problems)
    else:
        for problem in problems:
            click.echo(f"{'WRONG' if problem.serious else 'note '}  {problem.about}: {problem.text}")
        click.echo(
            f"{site.name}: {serious} wrong, {len(problems) - serious} to know" if problems else "all is well"
        )
    if serious:
        raise SystemExit(1)


@command.command()
@site_option
def apply() -> None:
    """Bring broker, certificate and inventory into line with site.toml, and tell the broker.

    \b
    Example:
      zhuque site apply --site riverside
    """
    from zhuque.site import create

    for line in create.apply(need_site(), our_name()) or ["nothing to change"]:
        click.echo(line)


@command.command()
@site_option
def renew() -> None:
    """A new certificate for the broker, from the same authority; nobody else needs anything.

    \b
    Example:
      zhuque site renew --site riverside
    """
    import time

    from zhuque.site import authority, broker

    site = need_site()
    authority.renew_server(site, time.time())
    told = broker.reload(site)
    until = authority.server(site).not_valid_after_utc
    click.echo(f"valid until {until:%Y-%m-%d}{'; the broker was told' if told else ''}")


@command.command()
@site_option
@click.option("--leave-behind", is_flag=True, help="Even where a point does not trust the next authority.")
def roll(leave_behind: bool) -> None:
    """Let the next certificate authority follow. Points trust it from the day they were provisioned.

    \b
    Example:
      zhuque site roll --site riverside
    """
    import time

    from zhuque.errors import RefusedError
    from zhuque.site import authority, broker, points

    site = need_site()
    number = authority.load(site, authority.NEXT).number
    behind = points.left_behind(site, number)
    if behind and not leave_behind:
        raise RefusedError(
            f"{', '.join(behind)} would be cut off: they do not trust authority {number} yet; provision them again"
            " first, or --leave-behind"
        )
    now = authority.roll(site, time.time())
    told = broker.reload(site)
    click.echo(
        f"authority {now.number} signs, {now.number + 1} waits{'; the broker was told' if told else ''}."
        " People need the new ca.pem before the next roll: `zhuque site people hand-out`; points get it when they are"
        " provisioned"
    )


for _more in (people, units, up, handover):
    command.add_command(_more)


def _asked(given: dict[str, Any]) -> dict[str, Any]:
    """What was not given is asked for on a terminal. Raises UsageError without one."""
    given["time_zone"] = given["time_zone"] or _zone_here()
    questions = {
        "name": ("--name", "Name of the garage (a-z, 0-9, -)"),
        "wifi_ssid": ("--wifi", "Name of the Wi-Fi"),
        "broker_host": ("--broker-host", "Name or address of the broker, as the points reach it"),
    }
    missing = [key for key in questions if not given[key]]
    if missing and not _is_terminal():
        raise UsageError("what is it? Give " + ", ".join(questions[key][0] for key in missing))
    for key in missing:
        given[key] = click.prompt(questions[key][1], err=True)
    return given


def _wifi_password(file: Path | None) -> str:
    if file is not None:
        try:
            return file.read_text().splitlines()[0] if file.stat().st_size else ""
        except (OSError, UnicodeDecodeError) as error:
            raise ZhuqueError(f"{file} cannot be read: {error}") from error
    if not _is_terminal():
        raise UsageError(
            "give --wifi-password-file FILE: there is no terminal to ask for the Wi-Fi's password"
        )
    password: str = click.prompt("Password of the Wi-Fi (not shown)", hide_input=True, default="", err=True)
    return password


def _is_terminal() -> bool:
    return sys.stdin.isatty()


def _zone_here() -> str:
    """This computer's time zone by name; UTC where it has none."""
    try:
        parts = Path("/etc/localtime").resolve().parts
        return "/".join(parts[parts.index("zoneinfo") + 1 :])
    except (OSError, ValueError):
        return "UTC"


def _tell_next(folder: Path, points: int) -> None:
    click.echo(
        f"made {folder} with {points} points; next: `zhuque site people add NAME --role operator --site {folder}`,"
        f" `zhuque site up --site {folder}`; look into {folder}/site.toml"
    )
