"""Progress of several boards on stderr: a bar each on a terminal, a line for each step elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from zhuque.endings import as_ctrl_c
from zhuque.errors import ZhuqueError

if TYPE_CHECKING:
    from zhuque.boards import Board
    from zhuque.device.flasher import Progress


@contextmanager
def bars(names: Sequence[str]) -> Iterator[Callable[[Progress], None]]:
    """Something that takes Progress from any thread, until the end of the `with`."""
    if not sys.stderr.isatty():
        yield _lines()
        return
    from rich.console import Console
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("{task.fields[port]}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}", markup=False),
    )
    with Bars(*columns, console=Console(stderr=True), transient=True) as shown:
        tasks = {name: shown.add_task("", total=1.0, port=name) for name in names}

        def show(progress: Progress) -> None:
            if progress.port not in tasks:
                tasks[progress.port] = shown.add_task("", total=1.0, port=progress.port)
            task = tasks[progress.port]
            shown.update(task, description=progress.step)
            if progress.part is not None:
                shown.update(task, completed=progress.part)
            if progress.step in ("PASS", "FAIL"):
                shown.stop_task(task)

        yield show


def say_compiling(board: Board) -> None:
    """The first board of its kind takes seconds in which nothing else is to be seen."""
    from zhuque.device import cache

    if sys.stdout.isatty() and not cache.has(board.data):
        click.echo("compiling the application once", err=True)


@contextmanager
def stopped() -> Iterator[None]:
    """Says what a Ctrl-C leaves behind, and what ends a command as it does."""
    with as_ctrl_c():
        try:
            yield
        except KeyboardInterrupt:
            raise ZhuqueError(
                "stopped: the boards that were being written are not finished. One that is half written stays in its "
                "loader and neither charges nor answers, until the command is run again: it goes on where it stopped"
            ) from None


def _lines() -> Callable[[Progress], None]:
    said: dict[str, str] = {}

    def show(progress: Progress) -> None:
        if said.get(progress.port) != progress.step and progress.step not in ("PASS", "FAIL"):
            said[progress.port] = progress.step
            click.echo(f"{progress.port}: {progress.step}", err=True)

    return show
