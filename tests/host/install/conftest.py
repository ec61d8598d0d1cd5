"""A garage's folder, to make points of; and points that were made before."""

from __future__ import annotations

import functools
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.garage import make_site
from tests.host.conftest import NewBoard
from zhuque.device.console_link import ConsoleLink
from zhuque.device.image import Image
from zhuque.install.assign import Assigner
from zhuque.install.provision import Provisioner, Wish
from zhuque.sim.esp32.board import BoardOptions, VirtualBoard
from zhuque.site import settings
from zhuque.site.settings import Settings

OldPoint = Callable[..., tuple[Settings, VirtualBoard]]


@pytest.fixture
def site(tmp_path: Path) -> Settings:
    """A garage of eight points."""
    return make_site(tmp_path / "riverside", points=8)


@pytest.fixture(scope="session")
def made_before(tmp_path_factory: pytest.TempPathFactory, zq10: Image) -> Callable[[str], Path]:
    """Makes a garage of a name once, with a board that is its p01; gives where its folder and the flash are."""

    @functools.cache
    def make(name: str) -> Path:
        folder = tmp_path_factory.mktemp(name)
        garage = make_site(folder / name, name, points=8)
        with VirtualBoard(BoardOptions(flash=folder / "0.flash", mac=b"\x24\x0a\xc4\0\0\0")) as board:
            outcome = Provisioner(zq10, Assigner(garage, ["p01"], zq10, "tester"), Wish()).run(board.address)
        assert outcome.passed, outcome.error or outcome.wrong
        return folder

    return make


@pytest.fixture
def old_point(made_before: Callable[[str], Path], tmp_path: Path, new_board: NewBoard) -> OldPoint:
    """Gives a garage of that name and a board that became its p01: a copy, for this test alone.

    It is called before any other board is made: the first one has the MAC address. The broker of such a garage does
    not run: its configuration names the folder that was copied.
    """

    def copy(name: str, **options: Any) -> tuple[Settings, VirtualBoard]:
        shutil.copytree(made_before(name), tmp_path, dirs_exist_ok=True)
        board = new_board(**options)
        with ConsoleLink(board.address) as link:
            link.status()  # it runs
        return settings.load(tmp_path / name), board

    return copy


@pytest.fixture
def done(old_point: OldPoint) -> tuple[Settings, VirtualBoard]:
    """A garage of eight points, and the board that is its p01."""
    return old_point("riverside")
