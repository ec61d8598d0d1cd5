"""The firmware as it lies on a board, small and compiled, for a simulated point; and a look at its memory.

Every minute it prints a line `probe: {...}`: `modules` are those that are loaded, `heap` the bytes that the firmware
holds then, on the 32-bit MicroPython with objects of the size that they have on an ESP32.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.sim.lived import Lived
from zhuque import boards
from zhuque.device import application, cache
from zhuque.sim.broker import Broker
from zhuque.sim.tools import find_micropython

_MAIN = """
import gc
import sys

import asyncio
import json

gc.collect()
gc.collect()
held = gc.mem_alloc()


async def probe():
    while True:
        await asyncio.sleep(60)
        gc.collect()
        names = sorted(sys.modules)
        print("probe: " + json.dumps({"heap": gc.mem_alloc() - held, "modules": names}))


asyncio.create_task(probe())
import main

main.main()
"""


def compiled(folder: Path, board: str) -> Path:
    """A folder that a simulated point takes as its firmware: that of `board` as it is flashed, and the probe."""
    for name, data in application.files(cache.compiled(boards.load(board).data)).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    start = folder / "boot.py"
    start.write_text(start.read_text().replace('"/a', f'"{folder}/a'))
    (folder / "main.py").write_text(_MAIN)
    return folder


@contextmanager
def running(
    folder: Path, broker: Broker, board: str, monkeypatch: pytest.MonkeyPatch, i386: bool = True
) -> Iterator[Lived]:
    """A simulated point with the compiled firmware of `board`, on the 32-bit MicroPython or the other one."""
    monkeypatch.setenv("ZHUQUE_MICROPYTHON", str(find_micropython(i386=i386)))
    firmware = compiled(folder / "firmware", board)
    with Lived(folder, broker, board, firmware=firmware) as lived:
        yield lived


def probed(lived: Lived) -> dict[str, Any]:
    """What the next probe says."""
    event = lived.until("console", lambda event: event["line"].startswith("probe: "))
    found: dict[str, Any] = json.loads(event["line"].removeprefix("probe: "))
    return found


def sizes(board: str) -> dict[str, tuple[str, int]]:
    """Of all that lies on such a board, by the module's name there: the source that it is made of, and its bytes."""
    made = cache.compiled(boards.load(board).data)
    return {name.removesuffix(".mpy"): (made.sources[name], len(code)) for name, code in made.modules.items()}
