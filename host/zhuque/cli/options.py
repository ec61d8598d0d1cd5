"""Options that several commands share, as decorators, and the forms in which a list is printed."""

from __future__ import annotations

import inspect
import json
import os
import sys
import time
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import click

from zhuque.errors import UsageError
from zhuque.wire.topics import is_name

if TYPE_CHECKING:
    from zhuque.collector.broker import BrokerAddress
    from zhuque.site.login import Login
    from zhuque.site.settings import Settings
    from zhuque.store.telemetry import Ages

# Generic for the type checker, and nowhere at run time before.
if TYPE_CHECKING:
    ParamType = click.ParamType[Any]
else:
    ParamType = click.ParamType

F = TypeVar("F", bound=Callable[..., Any])


class Name(ParamType):
    """The name of a site or point."""

    name = "name"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The name as it is."""
        if not is_name(value):
            self.fail(f"{value!r} is no name: 1 to 32 of a-z, 0-9 and '-'", param, ctx)
        return value


class Age(ParamType):
    """A number of s, min, h or d; gives seconds."""

    name = "age"
    _units: ClassVar[dict[str, int]] = {"s": 1, "min": 60, "h": 3600, "d": 86400}

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Seconds."""
        if isinstance(value, int):
            return value
        number = value.rstrip("abcdefghijklmnopqrstuvwxyz")
        unit = self._units.get(value[len(number) :])
        if unit is None or not number.isdecimal() or not 1 <= int(number) <= 1_000_000:
            self.fail(f"{value!r} is no age; it looks like 6h or 7d", param, ctx)
        return int(number) * unit


NAME = Name()
AGE = Age()


_SITE, _LOGIN = "zhuque.site", "zhuque.login"


def site_option(command: F) -> F:
    """--site, also from ZHUQUE_SITE: the folder that the other options' defaults come from; once a command."""
    there = {option.name for option in getattr(command, "__click_params__", [])}
    if "site" in there or "site" in inspect.signature(command).parameters:
        return command
    return click.option(
        "--site",
        metavar="DIR",
        type=click.Path(file_okay=False, path_type=Path),
        envvar="ZHUQUE_SITE",
        is_eager=True,
        expose_value=False,
        callback=_enter_site,
        help="The folder of the site: its database, broker, login and time zone are the defaults; also ZHUQUE_SITE.",
    )(command)


def _enter_site(ctx: click.Context, param: click.Parameter, folder: Path | None) -> None:
    if folder is None:
        return
    from zhuque.site.settings import load

    ctx.meta[_SITE] = site = load(folder)
    os.environ["TZ"] = site.time_zone  # times are the garage's, wherever the operator sits
    time.tzset()


def the_site() -> Settings | None:
    """The site of --site, None where it was not given."""
    site: Settings | None = click.get_current_context().meta.get(_SITE)
    return site


def need_site() -> Settings:
    """The site of --site. Raises UsageError where it was not given."""
    site = the_site()
    if site is None:
        raise UsageError("which site? Give --site DIR or set ZHUQUE_SITE")
    return site


def _of_site(name: str) -> Callable[[], Any]:
    """A default that is this setting of the site."""

    def default() -> Any:
        site = the_site()
        return None if site is None else getattr(site, name)

    return default


def db_option(command: F) -> F:
    """--db, also from ZHUQUE_DB or the site; and --site."""
    option = click.option(
        "--db",
        metavar="PATH|URL",
        envvar="ZHUQUE_DB",
        default=_of_site("database"),
        help="The database; also ZHUQUE_DB.",
    )
    return option(site_option(command))


def age_options(command: F) -> F:
    """How old telemetry becomes before it is thinned: --minutes-after, --hours-after, --drop-after."""
    for option in (
        click.option("--drop-after", type=AGE, help="Remove telemetry older than this; without it never."),
        click.option(
            "--hours-after",
            type=AGE,
            default="7d",
            show_default=True,
            help="Then keep a row of telemetry an hour.",
        ),
        click.option(
            "--minutes-after", type=AGE, default="6h", show_default=True, help="Then keep a row a minute."
        ),
    ):
        command = option(command)
    return command


def ages(minutes_after: int, hours_after: int, drop_after: int | None) -> Ages:
    """The ages as the store takes them. Raises UsageError where a later step comes before an earlier one."""
    from zhuque.store.telemetry import Ages

    if not 60 <= minutes_after <= hours_after or (drop_after is not None and drop_after < hours_after):
        raise UsageError(
            "--minutes-after (at least 1min), --hours-after, --drop-after must grow in this order"
        )
    return Ages(minutes_after, hours_after, drop_after)


def broker_options(command: F) -> F:
    """--broker, --insecure, --ca and --login, whose defaults are the site's; and --site."""
    option = click.option(
        "--login",
        type=click.Path(dir_okay=False, path_type=Path),
        envvar="ZHUQUE_LOGIN",
        expose_value=False,
        callback=lambda ctx, param, value: ctx.meta.update({_LOGIN: value}),
        help="A file with our user and password, mode 0600; also ZHUQUE_LOGIN.",
    )
    return plain_broker_options(site_option(option(command)), _of_site)


def plain_broker_options(
    command: F, default: Callable[[str], Callable[[], Any] | None] = lambda name: None
) -> F:
    """--broker, --insecure and --ca, without a site; `default` gives what makes a default."""
    for option in (
        click.option(
            "--ca",
            type=click.Path(dir_okay=False, path_type=Path),
            envvar="ZHUQUE_CA",
            default=default("ca"),
            help="The authority that signed the broker's certificate; also ZHUQUE_CA.",
        ),
        click.option("--insecure", is_flag=True, help="Allow plain MQTT over a network."),
        click.option(
            "--broker",
            metavar="URL",
            envvar="ZHUQUE_BROKER",
            default=default("broker_url"),
            help="mqtt(s)://HOST:PORT; also ZHUQUE_BROKER.",
        ),
    ):
        command = option(command)
    return command


def firmware_option(command: F) -> F:
    """--firmware."""
    return click.option(
        "--firmware",
        metavar="HASH|VERSION|FILE",
        help="The MicroPython image; without it the newest that was added.",
    )(command)


def baud_option(command: F) -> F:
    """--baud."""
    return click.option(
        "--baud",
        type=click.IntRange(9600, 2_000_000),
        default=921600,
        show_default=True,
        help="Where to begin; slower if need be.",
    )(command)


def json_option(command: F) -> F:
    """--json."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(command)


def need_db(db: str | None) -> str:
    """The database's place. Raises UsageError where none was given."""
    if not db:
        raise UsageError("which database? Give --db PATH or set ZHUQUE_DB")
    return db


def need_broker(broker: str | None, insecure: bool, ca: Path | None) -> BrokerAddress:
    """The broker's address, with our login. Raises UsageError where none was given or it is wrong, RefusedError."""
    from dataclasses import replace

    from zhuque.collector.broker import parse

    if not broker:
        raise UsageError("which broker? Give --broker mqtt://HOST:PORT or set ZHUQUE_BROKER")
    address = parse(broker, insecure, ca)
    if insecure and not address.tls:
        click.echo(
            f"zhuque: plain MQTT to {address}: whoever is on that network can read and command", err=True
        )
    login = our_login(broker)
    if login is None:
        return address
    return replace(address, user=login.user, password=login.password, certificate=login.certificate)


def our_login(broker: str | None) -> Login | None:
    """Who we are at this broker: by --login, or at the site's own broker by its folder and ZHUQUE_USER."""
    place: Path | None = click.get_current_context().meta.get(_LOGIN)
    site = the_site()
    if place is None and (site is None or broker != site.broker_url):
        return None

    from zhuque.site import login

    if place is not None:
        return login.read(place)
    assert site is not None
    return login.choose(site, os.environ.get("ZHUQUE_USER") or None)


def our_actor(broker: str | None) -> str:
    """Who asks, as a command tells it: the account at the broker, or without one the login name on this computer."""
    from zhuque.wire.messages import MAX_ACTOR

    login = our_login(broker)
    name = login.actor if login else "operator:" + our_name()
    return name.encode(errors="replace")[:MAX_ACTOR].decode(errors="ignore")


def our_name() -> str:
    """The login name on this computer."""
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


def json_text(value: Any) -> str:
    """JSON in which a Decimal is a number with the digits it has: nothing passes through a float."""
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k)}: {json_text(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(json_text, value)) + "]"
    # What cannot be printed is escaped: it came over the wire, and may be meant for a terminal.
    return json.dumps(value, ensure_ascii=isinstance(value, str) and not value.isprintable())


def print_json(rows: Iterable[dict[str, Any]]) -> None:
    """A JSON array with an object a line, written as it comes."""
    separator = "["
    for row in rows:
        click.echo(separator + "\n  " + json_text(row), nl=False)
        separator = ","
    click.echo("[]" if separator == "[" else "\n]")


def print_csv(columns: Sequence[str], rows: Iterable[dict[str, Any]]) -> None:
    """CSV with a header; null is empty."""
    import csv

    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([row[column] for column in columns] for row in rows)


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[str] = ()) -> None:
    """A table for people: drawn on a terminal, plain columns elsewhere; `right` are aligned right."""
    if sys.stdout.isatty():
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, header_style="bold", pad_edge=False)
        for column in columns:
            table.add_column(column, justify="right" if column in right else "left", no_wrap=True)
        for row in rows:
            table.add_row(*(Text(printable(cell)) for cell in row))
        Console().print(table)
        return
    cells = [list(columns), *([printable(cell) for cell in row] for row in rows)]
    widths = [max(_wide(row[i]) for row in cells) for i in range(len(columns))]
    for row in cells:
        parts = (
            " " * (width - _wide(cell)) + cell if column in right else cell + " " * (width - _wide(cell))
            for cell, width, column in zip(row, widths, columns, strict=True)
        )
        click.echo("  ".join(parts).rstrip())


def _wide(text: str) -> int:
    """How many columns it takes: a Chinese character takes two."""
    return sum(
        2 if unicodedata.east_asian_width(c) in "WF" else 0 if unicodedata.combining(c) else 1 for c in text
    )


def printable(text: str) -> str:
    """What came over the wire may hold control characters; a terminal must not see them."""
    return "".join(c if c.isprintable() else "?" for c in text)
