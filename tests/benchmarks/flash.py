"""How long a board takes, against the time that its bytes need on the serial line: at most 1.15 of it for the write.

The boards are virtual and take bytes at the pace of the baud rate that esptool set; esptool, the image's size and what
zlib makes of it are real. The line's time is counted at the board: every byte that came, at the rate at which it came.

esptool alone, with the same bytes as one file, stands beside it: while it computes, the line is idle. Version 5 makes
a hexadecimal text of every block, twice, and shows it to nobody (`HexFormatter` in its loader.py): 1.6 of its 2.1
seconds, and several times that where other programs want the processor. Side by side on a busy machine the same write
took 1.45 of its bytes' time, and 1.14 without these texts.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tests.fakes import esp32_image
from zhuque import boards
from zhuque.device import image, layout, stock
from zhuque.device.flasher import Flasher, Progress, Settings
from zhuque.sim.esp32.board import BoardOptions, VirtualBoard

# As ESP32_GENERIC 1.26.1: 1.67 MB, of which zlib leaves two thirds.
STOCK_SIZE = 1_672_000


def run(quick: bool) -> Iterator[str]:
    """A line for each measurement."""
    made = image.build(
        boards.load("zq10"), stock.read(esp32_image.stock("v1.26.1", size=STOCK_SIZE // (8 if quick else 1)))
    )
    sizes = made.module_sizes
    yield f"application of zq10: {len(sizes)} modules, {sum(sizes.values()) / 1000:.1f} KB compiled"
    for path, size in sorted(sizes.items(), key=lambda item: -item[1])[:8]:
        yield f"  {path}: {size}"
    yield _alone(made)
    for count in (1, 4) if quick else (1, 4, 8):
        yield from _boards(made, count)


def _alone(made: image.Image) -> str:
    with tempfile.TemporaryDirectory() as folder:
        flash, whole = Path(folder) / "flash", Path(folder) / "whole.bin"
        whole.write_bytes(made.whole())
        with VirtualBoard(BoardOptions(flash=flash, paced=True)) as board:
            began, computed = time.monotonic(), _computed_s()
            write = ("--baud", "921600", "write-flash", hex(layout.BOOTLOADER_AT), str(whole))
            subprocess.run(
                [sys.executable, "-m", "esptool", "--chip", "esp32", "--port", board.address, *write],
                check=True,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            took = time.monotonic() - began
            return "esptool alone, blank: " + _against(took, board.pace.line_s, _computed_s() - computed)


def _computed_s() -> float:
    """Of the processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _against(took: float, line: float, computed: float) -> str:
    return (
        f"{took:.1f} s for bytes of {line:.1f} s, {took / line:.2f} of it; esptool computed {computed:.1f} s"
    )


def _boards(made: image.Image, count: int) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        running = [
            stack.enter_context(VirtualBoard(BoardOptions(flash=Path(folder) / f"{i}", paced=True)))
            for i in range(count)
        ]
        written: dict[str, float] = {}

        def heard(progress: Progress) -> None:
            if progress.step == "starting":
                written[progress.port] = time.monotonic()

        flasher = stack.enter_context(Flasher(made, Settings()))
        flasher.on_progress = heard
        for what in ("blank", "unchanged"):
            before = [board.pace.line_s for board in running]
            began, computed = time.monotonic(), _computed_s()
            results = flasher.flash([board.address for board in running])
            failed = [str(result.error or result.wrong) for result in results if not result.passed]
            rows: list[Any] = [
                (written[b.address] - began, b.pace.line_s - line)
                for b, line in zip(running, before, strict=True)
                if b.address in written
            ]
            took, line = max(rows, default=(0.0, 1.0))
            yield (
                f"{count} {what}, the slowest: {_against(took, line, (_computed_s() - computed) / count)} a board; "
                f"PASS after {max(result.seconds for result in results):.1f} s"
                + (f"; FAILED: {failed}" if failed else "")
            )
