"""For the tests of the host: databases, on SQLite and on a PostgreSQL of their own; virtual boards; a site's broker."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.fakes import esp32_image
from tests.fakes.garage import Mosquitto
from tests.fakes.postgres import Postgres, PostgresMissingError
from zhuque import boards
from zhuque.device import image, stock
from zhuque.device.image import Image
from zhuque.sim.broker import free_port
from zhuque.sim.esp32.board import BoardOptions, VirtualBoard
from zhuque.site.settings import Settings
from zhuque.store.engine import open_writer

NewDatabase = Callable[[], str]
NewBoard = Callable[..., VirtualBoard]
Serve = Callable[[str], str]
STOCK = esp32_image.stock("v1.26.1", size=24 * 1024)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A server for the whole run; a test that stops it starts it again."""
    try:
        server = Postgres()
    except PostgresMissingError as error:
        pytest.skip(str(error))
    try:
        server.start()
        server.template = server.new_database()
        open_writer(server.template).dispose()
        yield server
    finally:
        server.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def new_db(request: pytest.FixtureRequest, tmp_path: Path) -> NewDatabase:
    """Gives the place of another new database at every call: a path, or a URL."""
    if request.param == "postgresql":
        server: Postgres = request.getfixturevalue("postgres")
        return server.new_database
    count = iter(range(1000))
    return lambda: str(tmp_path / f"site-{next(count)}.db")


@pytest.fixture
def where(new_db: NewDatabase) -> str:
    """A new database."""
    return new_db()


@pytest.fixture(scope="session")
def zq10() -> Image:
    """What every zq10 gets."""
    return image.build(boards.load("zq10"), stock.read(STOCK))


@pytest.fixture
def new_board(tmp_path: Path) -> Iterator[NewBoard]:
    """Makes virtual boards, which end with the test."""
    with ExitStack() as stack:
        count = iter(range(100))

        def make(**options: Any) -> VirtualBoard:
            number = next(count)
            mac = bytes([0x24, 0x0A, 0xC4, 0, 0, number])
            made = BoardOptions(flash=tmp_path / f"{number}.flash", mac=mac, **options)
            return stack.enter_context(VirtualBoard(made))

        yield make


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """esptool's own server before a port; gives the server's URL."""
    settings = tmp_path / "esptool.cfg"  # its quickest way to a reset needs a device
    settings.write_text(
        "[esptool]\ncustom_reset_sequence = D0|R1|W0.1|D1|R0|W0.05|D0\ncustom_hard_reset_sequence = R1|W0.1|R0\n"
    )
    with ExitStack() as stack:

        def start(port: str) -> str:
            number = free_port()
            server = subprocess.Popen(
                [sys.executable, "-m", "esp_rfc2217_server", "-p", str(number), port],
                env={**os.environ, "ESPTOOL_CFGFILE": str(settings), "PYTHONUNBUFFERED": "1"},
                stdout=subprocess.PIPE,
                text=True,
            )
            stack.enter_context(server)
            stack.callback(server.kill)
            assert server.stdout is not None
            while "Waiting for connection" not in (line := server.stdout.readline()):
                assert line, "the server ended"
            return f"rfc2217://127.0.0.1:{number}"

        yield start


@pytest.fixture
def mosquitto(site: Settings) -> Iterator[Mosquitto]:
    """The site's broker, running."""
    running = Mosquitto(site)
    try:
        yield running.start()
    finally:
        running.stop()
