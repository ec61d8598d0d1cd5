"""What the firmware weighs on a board: bytes of .mpy by module, which stay loaded, and the heap that it holds."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fakes import flashed
from zhuque import boards
from zhuque.sim.broker import Broker


def run(quick: bool) -> Iterator[str]:
    """A line a module of the reference board, then a line a board; `quick`: the reference board alone."""
    for board in ["zq10"] if quick else boards.list_boards():
        sizes = flashed.sizes(board)
        found = _probed(board)
        resident = set(found["modules"]) & set(sizes)
        if board == "zq10":
            for name, (source, size) in sorted(sizes.items(), key=lambda row: -row[1][1]):
                yield f"{size:6} {source}{'' if name in resident else ', for a while'}"
        loaded = sum(sizes[name][1] for name in resident)
        yield (
            f"{board}: {sum(size for _, size in sizes.values())} bytes of .mpy, {loaded} stay loaded; "
            f"{found['heap']} bytes of heap on the 32-bit MicroPython, the simulator's buses and sockets among them"
        )


def _probed(board: str) -> dict[str, Any]:
    with (
        tempfile.TemporaryDirectory() as folder,
        pytest.MonkeyPatch.context() as patch,
        Broker(Path(folder) / "broker") as broker,
        flashed.running(Path(folder), broker, board, patch) as lived,
    ):
        lived.until("relay", lambda event: event["closed"])
        return flashed.probed(lived)
