"""`zhuque board`: the boards that firmware runs on; list, show, check, traceback. The work is done by zhuque.boards."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click

from zhuque.cli.options import json_option, print_json, print_table
from zhuque.cli.versions import tell_wrong_names

if TYPE_CHECKING:
    from zhuque.boards import Board


@click.group(name="board")
def command() -> None:
    """The boards that firmware runs on: their wiring, their numbers, their checks.

    \b
    Example:
      zhuque board list
      zhuque board show zq10
      zhuque board check
    """


@command.command(name="list")
@json_option
def list_boards(as_json: bool) -> None:
    """The boards there are.

    \b
    Example:
      zhuque board list --json
    """
    from zhuque import boards
    from zhuque.boards.show import summary

    rows = [summary(boards.load(name)) for name in boards.list_boards()]
    if as_json:
        print_json(rows)
        return
    columns = ("board", "sockets", "A", "meter", "relays", "title")
    table = [[str(r["name"]), str(r["sockets"]), _amps(r["rated_ma"]), str(r["meter"])] for r in rows]
    for row, r in zip(table, rows, strict=True):
        row += [str(r["relay"]), str(r["title"])]
    print_table(columns, table, ("sockets", "A"))


@command.command()
@click.argument("board", metavar="NAME|FILE")
@json_option
def show(board: str, as_json: bool) -> None:
    """A board's wiring, and each of its numbers with where it comes from.

    \b
    Example:
      zhuque board show zq10
    """
    from zhuque.boards.show import figures, summary, wires

    found = _load(board)
    about = summary(found)
    if as_json:
        wiring = [{"at": w.at, "goes_to": w.goes_to, "path": w.path} for w in wires(found)]
        numbers = [{"path": n.path, "value": n.value, "origin": n.origin} for n in figures(found)]
        print_json([{**about, "wiring": wiring, "numbers": numbers}])
        return
    click.echo(f"{found.name}: {about['title']}, {about['mcu']}")
    click.echo(f"a relay that is closed when the processor hangs opens within {about['hang_ms']} ms\n")
    print_table(("at", "goes to", "key"), [[w.at, w.goes_to, w.path] for w in wires(found)])
    click.echo()
    print_table(("number", "value", "origin"), [[n.path, n.value, n.origin] for n in figures(found)])


@command.command()
@click.argument("names", metavar="[NAME|FILE]...", nargs=-1)
def check(names: tuple[str, ...]) -> None:
    """Whether boards are what firmware may run on: every key, pin, limit and origin. Without names: all of them.

    \b
    Example:
      zhuque board check
      zhuque board check zq10 my/board.toml
    """
    from zhuque import boards
    from zhuque.errors import NotFoundError

    worst = 0
    for name in names or boards.list_boards():
        try:
            _load(name)
        except boards.BoardError as error:
            worst = max(worst, error.exit_code)
            for problem in error.problems:
                click.echo(f"{name}: {problem}", err=True)
            if not isinstance(error, NotFoundError):
                click.echo(
                    f"{name}: {len(error.problems)} to mend; boards/README.md says what each key means",
                    err=True,
                )
        else:
            click.echo(f"{name}: good")
    if worst:
        raise SystemExit(worst)


@command.command()
@click.argument("board", metavar="NAME|FILE")
@click.argument("file", type=click.File(errors="replace"), default="-")
def traceback(board: str, file: TextIO) -> None:
    """What a board printed, with the true names in its tracebacks: from FILE, or from standard input.

    On a board functions and modules have short names. This version's sources tell the true ones; several where a name
    means something else in each class. Everything else stays as it is.

    \b
    Example:
      zhuque board traceback zq10 console.txt
    """
    from zhuque.device.traceback import explained, versions

    text = file.read()
    click.echo(explained(text, _load(board).data), nl=False)
    tell_wrong_names(versions(text))


def _load(name: str) -> Board:
    """A board by name, or by file where the name is one: it has a slash or ends in .toml."""
    from zhuque import boards

    if "/" in name or name.endswith(".toml"):
        path = Path(name)
        return boards.load_file(path / "board.toml" if path.is_dir() else path)
    return boards.load(name)


def _amps(milliamps: object) -> str:
    from decimal import Decimal

    return f"{Decimal(str(milliamps)) / 1000:f}"
