"""The REPL of a board that runs our firmware, by mpremote as a library: files whole or not at all, code, and faults."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes import esp32_image
from zhuque import boards
from zhuque.device import console, image, stock
from zhuque.device.repl import Repl, ReplError
from zhuque.errors import NoAnswerError, NotFoundError
from zhuque.sim.esp32.board import BoardOptions, VirtualBoard


@pytest.fixture
def board(tmp_path: Path) -> Iterator[VirtualBoard]:
    """A board that was flashed, without a word of esptool."""
    made = image.build(boards.load("zq10"), stock.read(esp32_image.stock("v1.26.1", size=24 * 1024)))
    (tmp_path / "flash").write_bytes((b"\xff" * 0x1000 + made.whole()).ljust(4 << 20, b"\xff"))
    with VirtualBoard(BoardOptions(flash=tmp_path / "flash")) as running:
        yield running


def test_files_and_code_of_a_board_that_runs(board: VirtualBoard) -> None:
    console.listen(board.address)
    parts: list[float] = []
    with Repl(board.address) as repl:
        assert repl.eval("1 + 1") == 2
        assert repl.exec("print('hello')") == "hello\r\n"
        assert {"a/", "boot.py", "main.py", "board.json"} <= set(repl.names())
        assert repl.read("/boot.py") == (Path(image.__file__).parent / "on_board/boot.py").read_bytes()
        data = bytes(range(256)) * 9 + b"'\"\\\r\n\x04\x01"
        repl.write("/config.json", data, parts.append)
        assert repl.read("/config.json") == data
        assert repl.sha256("/config.json") == hashlib.sha256(data).hexdigest()
        assert "config.json.new" not in repl.names() and parts[-1] == 1 and parts == sorted(parts)
        repl.write("/config.json", b"{}")
        assert repl.read("/config.json") == b"{}"
        repl.remove("/config.json")
        for ask in (repl.read, repl.sha256, repl.remove, repl.names):
            with pytest.raises(NotFoundError, match="the board has no /config"):
                ask("/config.json")
        with pytest.raises(ReplError, match="the board says 'ZeroDivisionError: divide by zero'"):
            repl.exec("1 / 0")
        repl.restart()
    hello = console.listen(board.address)
    assert hello.board == "zq10" and hello.state == "misconfigured"


def test_a_transfer_outlasts_the_watchdog_of_the_firmware(board: VirtualBoard) -> None:
    console.listen(board.address)
    with Repl(board.address) as repl:
        time.sleep(11)  # the lease of 5 s, 2 s for a restart in good order, the watchdog's 4 s
        assert repl.eval("'main' in __import__('sys').modules")


def test_a_board_that_does_not_stop_is_said(board: VirtualBoard) -> None:
    console.listen(board.address)
    board.order("deaf")
    with pytest.raises(NoAnswerError, match="the board does not stop for Ctrl-C"), Repl(board.address, 3):
        pass


def test_a_cable_that_is_pulled_before_the_board_stops_is_said(board: VirtualBoard) -> None:
    console.listen(board.address)
    board.order("deaf")
    threading.Timer(1.5, lambda: board.order("unplug")).start()
    with pytest.raises(NoAnswerError, match="the board went away in the middle"), Repl(board.address):
        pass


def test_a_cable_that_is_pulled_is_said(board: VirtualBoard) -> None:
    console.listen(board.address)
    with pytest.raises(NoAnswerError, match="the board went away in the middle"), Repl(board.address) as repl:
        board.order("unplug")
        time.sleep(0.3)
        repl.write("/config.json", b"x" * 5000)


def test_a_port_that_is_in_use_is_said(board: VirtualBoard) -> None:
    console.listen(board.address)
    with (
        Repl(board.address),
        pytest.raises(NoAnswerError, match="is open in another program"),
        Repl(board.address),
    ):
        pass
