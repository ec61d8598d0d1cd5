"""The work of `zhuque session export`: from the database to a file, with a progress bar where somebody looks on."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from zhuque.errors import UsageError
from zhuque.files import whole_file
from zhuque.report import export, marks
from zhuque.store.engine import open_reader, translate
from zhuque.store.names import check_known
from zhuque.store.queries import SessionFilter, count_sessions, session_rows
from zhuque.store.since import Since

if TYPE_CHECKING:
    pass

_STDOUT = "-"


def export_sessions(
    where: str, wanted: SessionFilter, path: str, form: str | None, state: Path | None
) -> None:
    """Write the file and, with a `state`, keep what has been seen. Raises ZhuqueError."""
    if path == _STDOUT and (form is None or form == "parquet"):
        raise UsageError("to standard output goes --format csv or --format jsonl")
    write = export.FORMATS[form or export.format_of(Path(path))]
    named = {name: value for name, value in asdict(wanted).items() if value is not None}
    with translate(where):
        engine = open_reader(where)
        check_known(engine, wanted.site, wanted.point, wanted.account)
        since = Since(marks.read(state, named)) if state else None
        counted = _Counted(since.rows(engine, wanted) if since else session_rows(engine, wanted))
        total = None if since or not sys.stderr.isatty() else count_sessions(engine, wanted)
        with _file(path) as file, _progress(counted, total) as rows:
            write(rows, file)
    if state and since:
        marks.write(state, named, since.now)
    if path != _STDOUT:
        click.echo(f"{counted.count} sessions written to {path}", err=True)


class _Counted:
    """Rows, counted on their way."""

    def __init__(self, rows: Iterator[dict[str, Any]]) -> None:
        self.count = 0
        self._rows = rows

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for row in self._rows:
            self.count += 1
            yield row


@contextmanager
def _file(path: str) -> Iterator[BinaryIO]:
    if path == _STDOUT:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    with whole_file(Path(path)) as file:
        yield file


@contextmanager
def _progress(rows: _Counted, total: int | None) -> Iterator[Iterable[dict[str, Any]]]:
    """A bar on a terminal, nothing elsewhere."""
    if not sys.stderr.isatty():
        yield rows
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task("sessions", total=total)

        def watched() -> Iterator[dict[str, Any]]:
            for row in rows:
                if rows.count % 1000 == 0:
                    shown.update(task, completed=rows.count)
                yield row

        yield watched()
