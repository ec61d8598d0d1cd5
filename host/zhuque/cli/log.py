"""`zhuque log`: pull, import, verify. The journal of a board itself, beside what the database has of it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from zhuque.cli.options import (
    broker_options,
    db_option,
    json_option,
    json_text,
    need_broker,
    need_db,
    our_actor,
    print_json,
    print_table,
    printable,
)
from zhuque.cli.targets import Target, TargetType
from zhuque.cli.versions import tell_other
from zhuque.errors import RefusedError, ZhuqueError

if TYPE_CHECKING:
    from zhuque.collector.journal_file import Part
    from zhuque.collector.pull import Source
    from zhuque.store.merge import Merged
    from zhuque.store.write import Store

F = TypeVar("F", bound=Callable[..., Any])

_VERIFIED = ("records", "board and database")
_BATCH = 500


@click.group(name="log")
def command() -> None:
    """The journals of the charge points: read from the board itself, carried in files, compared with the database.

    \b
    Example:
      zhuque log pull riverside/p01 --db site.db --broker mqtt://127.0.0.1:1883
    """


def _board_options(function: F) -> F:
    """The point, the broker or the USB port, and how long the board may be silent."""
    for option in (
        json_option,
        click.option(
            "--timeout",
            "timeout_s",
            type=click.FloatRange(1, 600),
            default=15.0,
            show_default=True,
            help="Seconds that the board may be silent.",
        ),
        click.option("--port", help="The USB port that the board is at, instead of a broker."),
        broker_options,
        db_option,
        click.argument("point", type=TargetType(least=2, most=2)),
    ):
        function = option(function)
    return function


@command.command(name="pull")
@_board_options
@click.option(
    "--to",
    "path",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write the records to this file, and nothing to a database.",
)
@click.option("--all", "everything", is_flag=True, help="Also what the database has already, to compare it.")
def pull(
    point: Target, db: str | None, path: Path | None, everything: bool, as_json: bool, **line: Any
) -> None:
    """Read a board's journal from the board: what the database lacks or, with --all or --to, all of it.

    With --port it is read at the board's USB port, also where there never was a network; its sessions go on.

    What is there stays as it is, what was missing is added, what contradicts is shown and kept beside. A pull that was
    cut off goes on where it was, when it is repeated: the database, or FILE.part, knows how far it came.

    \b
    Example:
      zhuque log pull riverside/p01 --db site.db --broker mqtt://127.0.0.1:1883
      zhuque log pull riverside/p01 --to p01.jsonl --broker mqtt://127.0.0.1:1883
      zhuque log pull riverside/p01 --to p01.jsonl --port /dev/ttyUSB0
    """
    if path is not None:
        _pull_to_file(point, path, as_json, line)
    else:
        _pull_to_database(point, need_db(db), everything, as_json, line)


@command.command(name="import")
@click.argument("path", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path))
@db_option
@click.option("--new-site", is_flag=True, help="Take it although the database has never heard of its site.")
@json_option
def import_(path: Path, db: str | None, new_site: bool, as_json: bool) -> None:
    """Merge a file of `zhuque log pull --to` into the database: twice is as good as once.

    \b
    Example:
      zhuque log import p01.jsonl --db site.db
    """
    where = need_db(db)

    from itertools import islice

    from zhuque.collector import journal_file
    from zhuque.store.merge import Merged, merge

    found = journal_file.parts(path)
    with _store(where) as store:
        _check_owner(store, path, found, new_site)
        merged, stream = Merged(), journal_file.items(path)
        while batch := list(islice(stream, _BATCH)):
            merge(store, batch, merged)
        for part in found:
            last = part.first_seq - 1 if part.last_seq is None else part.last_seq
            _note_lost(store, (part.site, part.point, part.epoch), last, part.pulled_at)
    for part in found:
        if part.last_seq is None:
            click.echo(
                f"{path} ends before the journal of {part.site}/{part.point} does: that pull was cut off",
                err=True,
            )
    _say(merged, [f"{part.site}/{part.point}" for part in found], as_json)


@command.command(name="verify")
@_board_options
@click.option(
    "--each", is_flag=True, help="A line for every record, instead of one for records of the same verdict."
)
def verify(point: Target, db: str | None, each: bool, as_json: bool, **line: Any) -> None:
    """Compare the board's journal with the database, record by record. Changes nothing; exit code 1 where they differ.

    \b
    Example:
      zhuque log verify riverside/p01 --db site.db --broker mqtt://127.0.0.1:1883
    """
    where = need_db(db)

    from zhuque.store.engine import open_reader, translate
    from zhuque.store.verify import Verdict, verify_stretch

    with translate(where), _source(point, line) as source:
        engine = open_reader(where)
        verdicts: list[Verdict] = []
        extent = source.extent
        for first, last in _watched(source, [(extent.first_seq, extent.last_seq)]):
            with engine.begin() as opened:
                found = source.read(first, last)
                verdicts += verify_stretch(opened, extent.journal, first, last, found)
    if as_json:
        print_json(vars(verdict) for verdict in verdicts)
    else:
        _print_verdicts(verdicts, each)
    wrong = sum(not verdict.agrees for verdict in verdicts)
    if wrong:
        raise ZhuqueError(
            f"{wrong} of {len(verdicts)} records differ or are missing: `zhuque log pull {point}` adds what is missing"
        )


# Pulling --------------------------------------------------------------------------------------------------------------


def _pull_to_file(point: Target, path: Path, as_json: bool, line: dict[str, Any]) -> None:
    import time

    from zhuque.collector.journal_file import Writer

    with _source(point, line) as source:
        extent = source.extent
        writer, count = Writer(path, extent, int(time.time())), 0
        begun = writer.next_seq
        try:
            for first, last in _watched(source, [(begun, extent.last_seq)]):
                found = source.read(first, last)
                writer.write(found, last)
                count += len(found)
            writer.finish()
        finally:
            writer.close()
    absent = extent.last_seq - begun + 1 - count
    if as_json:
        click.echo(
            json_text(
                {"records": count, "unreadable": absent, "first_seq": begun, "last_seq": extent.last_seq}
            )
        )
        return
    gone = f"; {absent} are there that the board cannot read" if absent else ""
    click.echo(
        f"{count} records, {begun} to {extent.last_seq} of journal {extent.epoch}, written to {path}{gone}"
    )


def _pull_to_database(
    point: Target, where: str, everything: bool, as_json: bool, line: dict[str, Any]
) -> None:
    import time

    from zhuque.store import journals
    from zhuque.store.merge import Merged, merge

    merged = Merged()
    with _store(where) as store, _source(point, line) as source:
        extent = source.extent
        ranges = [(extent.first_seq, extent.last_seq)]
        if not everything:
            with store.database.begin() as opened:
                ranges = journals.absent(opened, extent.journal, *ranges[0])
        try:
            for first, last in _watched(source, ranges):
                merge(store, source.read(first, last), merged)
        except ZhuqueError:
            _say(merged, [source.name], as_json)
            raise
        _note_lost(store, extent.journal, extent.last_seq, int(time.time()))
    _say(merged, [source.name], as_json)


def _note_lost(store: Store, journal: tuple[str, str, str], last: int, now: int) -> None:
    """What is missing up to `last` the board does not have: lost, until it comes all the same."""
    from zhuque.store import journals
    from zhuque.store.items import Lost

    with store.database.begin() as opened:
        absent = journals.absent(opened, journal, 1, last)
    for _, end in absent:
        store.write([Lost(*journal, end + 1, "the board does not have them any more", now)])


def _check_owner(store: Store, path: Path, found: list[Part], new_site: bool) -> None:
    """Raises RefusedError for a journal of another point, or of a site that is not this database's."""
    known = {journal[2]: journal[:2] for journal, *_ in store.standings()}
    sites = {site for site, _ in known.values()}
    for part in found:
        name = f"{part.site}/{part.point}"
        if sites and part.site not in sites and not new_site:
            raise RefusedError(
                f"{path} is of {name}, and this database holds {', '.join(sorted(sites))}: nothing was imported;"
                " give --new-site if it belongs here"
            )
        owner = known.get(part.epoch, (part.site, part.point))
        if owner != (part.site, part.point):
            raise RefusedError(
                f"{path} says that journal {part.epoch} is {name}'s, the database has it as {'/'.join(owner)}'s:"
                " nothing was imported; find out which is right"
            )


# Lines, files, words --------------------------------------------------------------------------------------------------


@contextmanager
def _source(point: Target, line: dict[str, Any]) -> Iterator[Any]:
    """The line to a board: its USB port where that is named, else MQTT."""
    if line["port"]:
        from zhuque.collector.pull_console import ConsoleSource
        from zhuque.device.console_link import ConsoleLink

        with ConsoleLink(line["port"], line["timeout_s"]) as link:
            here = ConsoleSource(link, str(point.site), str(point.point), our_actor(None))
            tell_other(str(point), link.firmware)
            yield here
        return
    from zhuque.collector.pull import MqttSource

    address = need_broker(line["broker"], line["insecure"], line["ca"])
    actor = our_actor(line["broker"])
    with MqttSource(address, str(point.site), str(point.point), actor, line["timeout_s"]) as source:
        yield source


@contextmanager
def _store(where: str) -> Iterator[Store]:
    from zhuque.store.engine import translate
    from zhuque.store.write import Store

    store = Store(where)
    try:
        with translate(where):
            yield store
    finally:
        store.close()


def _watched(source: Source, ranges: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """The stretches to read, with a progress bar on a terminal."""
    from zhuque.collector.pull import stretches

    todo = list(stretches(ranges, source.most))
    if not sys.stderr.isatty():
        yield from todo
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task("records", total=sum(last - first + 1 for first, last in todo))
        for first, last in todo:
            yield first, last
            shown.advance(task, last - first + 1)


def _say(merged: Merged, names: list[str], as_json: bool) -> None:
    if as_json:
        told = {"points": names, "added": merged.added, "same": merged.same, "refused": merged.refused}
        click.echo(json_text({**told, "contradictions": [vars(one) for one in merged.contradictions]}))
        return
    refused = f", {merged.refused} break a rule and are kept as dead letters" if merged.refused else ""
    click.echo(
        f"{', '.join(names)}: {merged.added} records added, {merged.same} were there,"
        f" {len(merged.contradictions)} contradict{refused}"
    )
    for one in merged.contradictions:
        click.echo(
            f"record {one.seq} of journal {one.epoch} contradicts what is stored; kept beside:", err=True
        )
        click.echo(f"  stored  {printable(one.stored)}\n  found   {printable(one.found)}", err=True)


def _print_verdicts(verdicts: list[Any], each: bool) -> None:
    from itertools import groupby

    rows = []
    for _, group in groupby(verdicts, key=lambda one: one.seq if each or one.stored else one.verdict):
        run = list(group)
        name = str(run[0].seq) if len(run) == 1 else f"{run[0].seq} to {run[-1].seq}"
        rows.append([name, run[0].verdict])
    if not rows:
        click.echo("the board has no records")
        return
    print_table(_VERIFIED, rows)
    for one in verdicts:
        if one.stored:
            click.echo(
                f"\nrecord {one.seq}\n  database  {printable(one.stored)}\n  board     {printable(one.found)}"
            )
