"""A garage's folder, and virtual boards to make its points of."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.fakes import esp32_image
from tests.fakes.garage import make_site
from zhuque import boards
from zhuque.device import image, stock
from zhuque.device.image import Image
from zhuque.sim.esp32.board import BoardOptions, VirtualBoard
from zhuque.site.settings import Settings

STOCK = esp32_image.stock("v1.26.1", size=24 * 1024)
NewBoard = Callable[..., VirtualBoard]


@pytest.fixture(scope="session")
def base() -> Image:
    """What every zq10 gets."""
    return image.build(boards.load("zq10"), stock.read(STOCK))


@pytest.fixture
def site(tmp_path: Path) -> Settings:
    """A garage of eight points."""
    return make_site(tmp_path / "riverside", points=8)


@pytest.fixture
def new_board(tmp_path: Path) -> Iterator[NewBoard]:
    """Makes virtual boards, which end with the test."""
    with ExitStack() as stack:
        count = iter(range(100))

        def make(**options: Any) -> VirtualBoard:
            number = next(count)
            mac = bytes([0x24, 0x0A, 0xC4, 0, 1, number])
            made = BoardOptions(flash=tmp_path / f"{number}.flash", mac=mac, **options)
            return stack.enter_context(VirtualBoard(made))

        yield make
