"""`zhuque account`: add, list, show, disable, enable, import, export, erase."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zhuque.cli.moments import zone_option
from zhuque.cli.options import db_option, json_option, json_text, need_db, print_json, print_table
from zhuque.report import figures

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine

    from zhuque.store.accounts import Account

_COLUMNS = ("account", "name", "flat", "phone", "cards", "state", "note")


@click.group(name="account")
def command() -> None:
    """Whom sessions are for. An account's id stays in its sessions for ever: let it say nothing of the person.

    \b
    Example:
      zhuque account add r-0412 --name 'Li Wei' --flat 3-201 --db site.db
    """


@command.command(name="add")
@click.argument("account")
@click.option("--name", help="Who it is.")
@click.option("--flat", help="Where they live.")
@click.option("--phone", help="Their number; - asks for it. Only a hash is kept, to find the account by.")
@click.option("--card", "cards", multiple=True, help="The id of a card; may be repeated.")
@click.option("--note", help="Anything else.")
@db_option
def add(account: str, phone: str | None, cards: tuple[str, ...], db: str | None, **told: Any) -> None:
    """Add an account.

    \b
    Example:
      zhuque account add r-0412 --name 'Li Wei' --flat 3-201 --phone - --card 04A1B2C3 --db site.db
    """
    where = need_db(db)

    from zhuque.store import accounts

    person = accounts.Person(account, phone=_phone(phone), cards=cards, **told)
    with _writing(where) as engine, engine.begin() as opened:
        accounts.add(opened, person, int(time.time()))
    click.echo(f"account {account} added")


@command.command(name="list")
@db_option
@click.option("--card", help="Whose card this is.")
@click.option("--phone", help="Whose number this is; - asks for it.")
@json_option
def list_(db: str | None, card: str | None, phone: str | None, as_json: bool) -> None:
    """List the accounts.

    \b
    Example:
      zhuque account list --card 04A1B2C3 --db site.db
    """
    where = need_db(db)

    from zhuque.store import accounts

    with _reading(where) as engine, engine.begin() as opened:
        found = accounts.find(opened, card=card, phone=_phone(phone))
    if as_json:
        print_json(map(_public, found))
    elif found:
        print_table(_COLUMNS, [_cells(one) for one in found])
    else:
        click.echo("no accounts")


@command.command(name="show")
@click.argument("account")
@db_option
@zone_option
@json_option
def show(account: str, db: str | None, zone: tzinfo | None, as_json: bool) -> None:
    """Show an account, and what its sessions come to.

    \b
    Example:
      zhuque account show r-0412 --db site.db
    """
    where = need_db(db)

    from zhuque.store import accounts

    with _reading(where) as engine:
        found = accounts.one(engine, account)
        with engine.begin() as opened:
            charged = accounts.charged(opened, account)
    shown: dict[str, Any] = _public(found) if found else {"account": account}
    shown |= {"sessions": charged.sessions, "energy_wh": figures.milli(charged.energy_mwh)}
    shown["last_session_at"] = figures.utc_iso(charged.last_started_at)
    if as_json:
        click.echo(json_text(shown))
        return
    lines: dict[str, str] = {"account": account}
    if found:
        lines |= dict(zip(_COLUMNS, _cells(found), strict=True))
    if found is None:
        lines["state"] = "not added: only sessions name it"
    lines["sessions"] = f"{charged.sessions}, {figures.kwh_text(charged.energy_mwh)} kWh"
    lines["newest"] = figures.local_text(charged.last_started_at, zone)
    for name, text in lines.items():
        click.echo(f"{name:9} {text}")


@command.command(name="disable")
@click.argument("account")
@db_option
def disable(account: str, db: str | None) -> None:
    """Mark an account as one that may not charge any more. What is charging now goes on.

    \b
    Example:
      zhuque account disable r-0412 --db site.db
    """
    _mark(account, db, int(time.time()))
    click.echo(f"account {account} disabled")


@command.command(name="enable")
@click.argument("account")
@db_option
def enable(account: str, db: str | None) -> None:
    """Take the mark away again.

    \b
    Example:
      zhuque account enable r-0412 --db site.db
    """
    _mark(account, db, None)
    click.echo(f"account {account} enabled")


@command.command(name="import")
@click.argument("path", metavar="FILE", type=click.Path(path_type=Path))
@db_option
def import_(path: Path, db: str | None) -> None:
    """Add and change accounts as a CSV file says: all of them, or none where a line is wrong.

    Columns, with a header: account, name, flat, phone, cards (with blanks between), note; only account must be there.
    An account that exists becomes what its line says. What the file has no column for stays, and so does a number where
    the line has none.

    \b
    Example:
      zhuque account import residents.csv --db site.db
    """
    where = need_db(db)

    from zhuque.report.people import read_people
    from zhuque.store import accounts

    people, told = read_people(path)
    with _writing(where) as engine, engine.begin() as opened:
        new = accounts.put(opened, people, told, int(time.time()))
    click.echo(f"{new} accounts added, {len(people) - new} changed")


@command.command(name="export")
@click.argument("account")
@click.option("--to", "path", required=True, type=click.Path(dir_okay=False, path_type=Path), metavar="FILE")
@db_option
def export(account: str, path: Path, db: str | None) -> None:
    """Write all that is known of a person, and their sessions, as JSON lines: for the person who asks for it.

    \b
    Example:
      zhuque account export r-0412 --to r-0412.jsonl --db site.db
    """
    where = need_db(db)

    from zhuque.files import PRIVATE, whole_file
    from zhuque.report.export import write_json_lines
    from zhuque.store import accounts
    from zhuque.store.queries import SessionFilter, session_rows

    with _reading(where) as engine:
        found = accounts.one(engine, account)
        with whole_file(path, mode=PRIVATE) as file:
            head = _public(found) if found else {"account": account}
            file.write(json_text(head).encode() + b"\n")
            write_json_lines(session_rows(engine, SessionFilter(account=account)), file)
    click.echo(f"wrote {path}")


@command.command(name="erase")
@click.argument("account")
@click.option("--yes", is_flag=True, help="Do not ask.")
@db_option
def erase(account: str, yes: bool, db: str | None) -> None:
    """Forget a person: name, flat, number, cards and note go for ever. The sessions stay, under the account's id.

    Backups and files that were exported before still hold what they held.

    \b
    Example:
      zhuque account erase r-0412 --db site.db
    """
    where = need_db(db)
    if not yes:
        click.confirm(f"Forget who {account} is, for ever?", abort=True, err=True)

    from zhuque.store import accounts

    with _writing(where) as engine:
        with engine.begin() as opened:
            accounts.erase(opened, account, int(time.time()))
        accounts.scrub(engine)
    click.echo(f"the person of account {account} is forgotten; its sessions are kept")


def _mark(account: str, db: str | None, at: int | None) -> None:
    where = need_db(db)

    from zhuque.store import accounts

    with _writing(where) as engine, engine.begin() as opened:
        accounts.set_disabled(opened, account, at)


@contextmanager
def _opened(where: str, opener: str) -> Iterator[Engine]:
    from zhuque.store import engine as engines

    with engines.translate(where):
        engine = getattr(engines, opener)(where)
        try:
            yield engine
        finally:
            engine.dispose()


def _reading(where: str) -> Any:
    return _opened(where, "open_reader")


def _writing(where: str) -> Any:
    return _opened(where, "open_writer")


def _phone(given: str | None) -> str | None:
    """The number; asked for where a process list should not show it."""
    return click.prompt("Telephone number", hide_input=True, err=True) if given == "-" else given


def _public(found: Account) -> dict[str, Any]:
    """The account as other programs see it."""
    return {
        "account": found.account,
        "name": found.name,
        "flat": found.flat,
        "phone_known": found.phone,
        "cards": list(found.cards),
        "note": found.note,
        "added_at": figures.utc_iso(found.added_at),
        "disabled_at": figures.utc_iso(found.disabled_at),
        "erased_at": figures.utc_iso(found.erased_at),
    }


def _cells(found: Account) -> list[str]:
    state = "erased" if found.erased_at else "disabled" if found.disabled_at else "active"
    return [
        found.account,
        found.name or figures.DASH,
        found.flat or figures.DASH,
        "known" if found.phone else figures.DASH,
        " ".join(found.cards) or figures.DASH,
        state,
        found.note or figures.DASH,
    ]
