"""What of the firmware stays in a board's memory: a simulated board is started as flashed, charges, and is looked at.

Loaded code takes 1.3 x the size of its .mpy. The heap is that of a 32-bit MicroPython, whose objects are as large as
those of an ESP32; TLS's own buffers are in none of these numbers, for they are ESP-IDF's.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes import flashed
from zhuque import boards
from zhuque.sim.broker import Broker

_LARGEST = 12


def run(quick: bool = False) -> Iterator[str]:
    """Lines for a table; `quick` looks at one board alone, and names its largest modules only."""
    for board in boards.list_boards()[-1:] if quick else boards.list_boards():
        sizes = flashed.sizes(board)
        modules, heap = _look(board)
        resident = sorted((sizes[name], name) for name in modules if name in sizes)[::-1]
        stays = sum(size for size, _ in resident)
        yield (
            f"{board}: {sum(sizes.values())} bytes of .mpy in {len(sizes)} modules on the flash, "
            f"{stays} in {len(resident)} stay loaded; {heap} bytes of heap in use while it charges"
        )
        for size, name in resident[: _LARGEST if quick else None]:
            yield f"  {size:6} {name}"


def _look(board: str) -> tuple[list[str], int]:
    """(the modules that are loaded a minute after the start, bytes of heap that the firmware holds)."""
    with (
        pytest.MonkeyPatch.context() as patch,
        tempfile.TemporaryDirectory() as name,
        Broker(Path(name) / "broker") as broker,
        flashed.running(Path(name), broker, board, patch) as lived,
    ):
        lived.until("relay", lambda event: event["closed"])
        found = flashed.probed(lived)
    return found["modules"], found["heap"]
