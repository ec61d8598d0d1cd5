"""The firmware as it lies on a board, made small and compiled, in a folder that a simulated point runs; and a look at it.

Some time after the start the firmware prints a line `probe: {...}`: `modules` are those that are loaded, by what they
are called on the board, `heap` the bytes that the firmware holds then, on the 32-bit MicroPython what an ESP32 would hold.
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
from zhuque.device import application
from zhuque.sim.broker import Broker
from zhuque.sim.tools import find_micropython

_MAIN = """
import gc
import sys

sys.path.insert(0, {path!r})
import asyncio
import json

gc.collect()
gc.collect()
before = set(sys.modules)
held = gc.mem_alloc()


async def probe():
    while True:
        await asyncio.sleep({after_s})
        gc.collect()
        names = sorted(set(sys.modules) - before)
        print("probe: " + json.dumps({{"heap": gc.mem_alloc() - held, "modules": names}}))


asyncio.create_task(probe())
import main

main.main()
"""


def compiled(folder: Path, board: str, after_s: int) -> Path:
    """A folder that a simulated point takes as its firmware: that of `board`, with a probe every `after_s` seconds."""
    data = boards.load(board).data
    for name, code in application.compiled(data).items():
        path = folder / "a" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(code)
    insert = f"import sys\nsys.path.insert(0, {str(folder / 'a')!r})\nimport boot\nsys.path.pop(0)\n"
    (folder / "boot.py").write_text(insert)
    (folder / "main.py").write_text(_MAIN.format(path=str(folder / "a"), after_s=after_s))
    return folder


@contextmanager
def running(
    folder: Path, broker: Broker, board: str, monkeypatch: pytest.MonkeyPatch, i386: bool = True
) -> Iterator[Lived]:
    """A simulated point with the compiled firmware of `board`, on the 32-bit MicroPython or the other one."""
    monkeypatch.setenv("ZHUQUE_MICROPYTHON", str(find_micropython(i386=i386)))
    firmware = compiled(folder / "firmware", board, 60)
    with Lived(folder, broker, board, firmware=firmware) as lived:
        yield lived


def probed(lived: Lived) -> dict[str, Any]:
    """What the next probe says."""
    event = lived.until("console", lambda event: event["line"].startswith("probe: "))
    found: dict[str, Any] = json.loads(event["line"].removeprefix("probe: "))
    return found
