"""Progress of several boards on stderr: a bar each on a terminal, a line for each step elsewhere."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

import click

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


_ENDS = (signal.SIGTERM, signal.SIGHUP)


@contextmanager
def stopped() -> Iterator[None]:
    """Says what a Ctrl-C leaves behind; SIGTERM, and a terminal that was closed, are one too.

    So whatever they end is ended in good order: no esptool goes on writing, and no secret stays in a temporary file.
    """
    is_main = threading.current_thread() is threading.main_thread()
    # What is ignored stays so: nohup means it.
    before = {
        number: signal.signal(number, _interrupt)
        for number in _ENDS
        if is_main and signal.getsignal(number) is not signal.SIG_IGN
    }
    try:
        yield
    except KeyboardInterrupt:
        from zhuque.errors import ZhuqueError

        raise ZhuqueError(
            "stopped: the boards that were being written are not finished; run the command again, it goes on where it "
            "stopped"
        ) from None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _interrupt(number: int, frame: FrameType | None) -> None:
    """Once: a terminal that is closed says so twice, and the second one would cut off the cleaning up."""
    for one in _ENDS:
        signal.signal(one, signal.SIG_IGN)
    raise KeyboardInterrupt


def _lines() -> Callable[[Progress], None]:
    said: dict[str, str] = {}

    def show(progress: Progress) -> None:
        if said.get(progress.port) != progress.step and progress.step not in ("PASS", "FAIL"):
            said[progress.port] = progress.step
            click.echo(f"{progress.port}: {progress.step}", err=True)

    return show
