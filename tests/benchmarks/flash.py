"""How long a board takes, against the time that its bytes need on the serial line: at most 1.15 of it for the write.

The boards are virtual and take bytes at the pace of the baud rate that esptool set; esptool, the image's size and what
zlib makes of it are real. The line's time is counted at the board: every byte that came, at the rate at which it came.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tests.fakes import esp32_image
from zhuque import boards
from zhuque.device import image, stock
from zhuque.device.flasher import Flasher, Progress, Settings
from zhuque.sim.esp32.board import BoardOptions, VirtualBoard

# As ESP32_GENERIC 1.26.1: 1.67 MB, of which zlib leaves two thirds.
STOCK_SIZE = 1_672_000


class CountedBoard(VirtualBoard):
    """Knows how long its line was busy."""

    line_s = 0.0

    def _pace(self, count: int) -> None:
        self.line_s += count * 10 / (self.port.baud() or 115200)
        super()._pace(count)


def run(quick: bool) -> Iterator[str]:
    """A line for each measurement."""
    made = image.build(
        boards.load("zq10"), stock.read(esp32_image.stock("v1.26.1", size=STOCK_SIZE // (8 if quick else 1)))
    )
    sizes = made.module_sizes()
    yield f"application of zq10: {len(sizes)} modules, {sum(sizes.values()) / 1000:.1f} KB compiled"
    for path, size in sorted(sizes.items(), key=lambda item: -item[1])[:8]:
        yield f"  {path}: {size}"
    for count in (1, 4) if quick else (1, 4, 8):
        yield from _boards(made, count)


def _boards(made: image.Image, count: int) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        running = [
            stack.enter_context(CountedBoard(BoardOptions(flash=Path(folder) / f"{i}", paced=True)))
            for i in range(count)
        ]
        written: dict[str, float] = {}

        def heard(progress: Progress) -> None:
            if progress.step == "starting":
                written[progress.port] = time.monotonic()

        flasher = stack.enter_context(Flasher(made, Settings()))
        flasher.on_progress = heard
        for what in ("blank", "unchanged"):
            for board in running:
                board.line_s = 0.0
            began = time.monotonic()
            results = flasher.flash([board.address for board in running])
            failed = [str(result.error or result.wrong) for result in results if not result.passed]
            rows: list[Any] = [
                (written[b.address] - began, b.line_s) for b in running if b.address in written
            ]
            took, line = max(rows, default=(0.0, 1.0))
            yield (
                f"{count} {what}, the slowest: {took:.1f} s for bytes of {line:.1f} s, {took / line:.2f} of it; "
                f"PASS after {max(result.seconds for result in results):.1f} s"
                + (f"; FAILED: {failed}" if failed else "")
            )
