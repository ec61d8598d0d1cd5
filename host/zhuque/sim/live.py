"""The live view: points and sockets as they are, and the last events in plain words, while a simulation runs.

On a terminal rich draws it anew four times a second; without one every event is a line and nothing is drawn. `take` and
`print` may come from any thread.
"""

from __future__ import annotations

import contextlib
import sys
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from zhuque.sim.events import Event

if TYPE_CHECKING:
    from rich.console import RenderableType

_LINES = 14
_PER_SECOND = 4


class View(Protocol):
    """Where a run shows itself."""

    def take(self, point: str, event: Event) -> None:
        """An event of a board."""

    def power(self, point: str, milliwatts: Sequence[int | None], states: Sequence[str]) -> None:
        """What a point's telemetry says of its sockets."""

    def print(self, line: str) -> None:
        """A line for people."""


class Lines:
    """Without a terminal."""

    def take(self, point: str, event: Event) -> None:
        """The narrator's lines say it."""

    def power(self, point: str, milliwatts: Sequence[int | None], states: Sequence[str]) -> None:
        """Nothing is drawn."""

    def print(self, line: str) -> None:
        """One line on standard output."""
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


class Cells:
    """What is known of every socket, and the last lines: drawn by rich whenever it asks."""

    def __init__(self, points: Sequence[str], sockets: int) -> None:
        self._lock = threading.Lock()
        self._sockets = sockets
        self._bikes: dict[str, set[int]] = {point: set() for point in points}
        self._on: dict[str, set[int]] = {point: set() for point in points}
        self._watts: dict[str, list[int]] = {point: [0] * sockets for point in points}
        self._states: dict[str, list[str]] = {point: [""] * sockets for point in points}
        self._marks: dict[str, str] = dict.fromkeys(points, "")
        self._times: dict[str, int] = dict.fromkeys(points, 0)
        self._lines: deque[str] = deque(maxlen=_LINES)

    def take(self, point: str, event: Event) -> None:
        """An event of a board."""
        kind, socket = event["event"], event.get("socket", 0)
        with self._lock:
            self._times[point] = event["time"]
            if kind == "plug":
                self._bikes[point].add(socket)
            elif kind == "unplug":
                self._bikes[point].discard(socket)
            elif kind == "relay":
                (self._on[point].add if event["closed"] else self._on[point].discard)(socket)
            marks = {"network_down": "offline", "network_up": "", "power_cut": "dark", "boot": ""}
            self._marks[point] = marks.get(kind, self._marks[point])

    def power(self, point: str, milliwatts: Sequence[int | None], states: Sequence[str]) -> None:
        """What a point's telemetry says of its sockets."""
        with self._lock:
            self._watts[point] = [(mw or 0) // 1000 for mw in milliwatts]
            self._states[point] = list(states)

    def print(self, line: str) -> None:
        """One more line; the oldest goes."""
        with self._lock:
            self._lines.append(line)

    def __rich__(self) -> RenderableType:
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        with self._lock:
            table = Table(box=None, pad_edge=False, title=self._title(), title_justify="left")
            table.add_column("point", style="bold", no_wrap=True)
            for socket in range(1, self._sockets + 1):
                table.add_column(str(socket), justify="right", min_width=5, no_wrap=True)
            table.add_column("W", justify="right", style="bold", no_wrap=True)
            table.add_column("", style="bold red", no_wrap=True)
            for point in self._watts:
                cells = [Text(*self._cell(point, socket)) for socket in range(1, self._sockets + 1)]
                table.add_row(point, *cells, str(sum(self._watts[point])), self._marks[point])
            lines = Text("\n".join(self._lines), no_wrap=True, overflow="ellipsis")
        return Group(
            table, Text("· free   bike: waits for a scan   watts: charging   LOCK: tripped", "dim"), lines
        )

    def _title(self) -> str:
        times = [unix for unix in self._times.values() if unix]
        return datetime.fromtimestamp(min(times)).strftime("%Y-%m-%d %H:%M:%S") if times else "starting"

    def _cell(self, point: str, socket: int) -> tuple[str, str]:
        if self._states[point][socket - 1] == "locked":
            return "LOCK", "bold white on red"
        if self._states[point][socket - 1] == "suspended":
            return "wait", "yellow"
        if socket in self._on[point]:
            watts = self._watts[point][socket - 1]
            return str(watts), "bold green" if watts >= 30 else "green"
        return ("bike", "cyan") if socket in self._bikes[point] else ("·", "dim")


@contextlib.contextmanager
def screen(points: Sequence[str], sockets: int, live: bool = True) -> Iterator[View]:
    """The view of a run: drawn where standard output is a terminal and `live` is wanted, lines elsewhere."""
    if not live or not sys.stdout.isatty():
        yield Lines()
        return
    from rich.live import Live

    cells = Cells(points, sockets)
    with Live(cells, refresh_per_second=_PER_SECOND, redirect_stdout=False, redirect_stderr=False):
        yield cells
