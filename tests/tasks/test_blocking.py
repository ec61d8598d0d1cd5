"""What stops the board for longer than a tick: where it stands, and what it waits for (section 5 of the design)."""

from __future__ import annotations

import ast
import importlib
import socket
import sys
from types import ModuleType, SimpleNamespace

import pytest
from fakes.bench import Meter

from core.limits import Limits
from core.protection import Protection
from drivers import datagram
from tests.runner import ROOT

FIRMWARE = ROOT / "firmware"
# Calls that may block, and the only files in which they stand; each of these says how they are kept from it.
BLOCKING = {
    "getaddrinfo": {"drivers/datagram.py"},  # digits alone: nobody is asked
    "socket.socket": {"drivers/datagram.py"},  # set not to block
    "wrap_socket": {"drivers/mqtt_connect.py"},  # behind its gate
    "scan": set(),
    "erase": {"core/frames.py"},
    "clear_block": {"core/journal.py", "core/checkpoints.py"},  # in `prepare` alone
    "prepare": {"core/keeping.py"},
    "do_work": {"core/point.py", "core/recovery.py"},  # there no relay is closed yet
    "time.sleep": {"drivers/meter_setup.py"},  # every relay is open, and the tick goes on
    "time.sleep_ms": set(),
    "time.sleep_us": set(),
}


@pytest.mark.parametrize("name", BLOCKING)
def test_what_blocks_stands_where_it_is_kept_from_it(name: str) -> None:
    found = set()
    for source in FIRMWARE.rglob("*.py"):
        for node in ast.walk(ast.parse(source.read_text())):
            called = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
            if called and f".{ast.unparse(node.func)}".endswith(f".{name}"):
                found.add(source.relative_to(FIRMWARE).as_posix())
    assert found == BLOCKING[name]


def test_a_socket_does_not_block_and_no_name_is_asked_for() -> None:
    sock, address = datagram.open_socket("127.0.0.1", 1883, socket.SOCK_STREAM)
    with sock:
        assert sock.getblocking() is False and address == ("127.0.0.1", 1883)
    with pytest.raises(OSError, match="not a numeric"):
        datagram.open_socket("localhost", 1883, socket.SOCK_STREAM)


def test_a_handshake_begins_when_it_may_and_is_announced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "machine", ModuleType("machine"))
    board = importlib.import_module("main").Board()
    guard = board.protection = Protection(1, Limits(5000, 1_000_000, 5000), Meter())
    blamed: list[bool] = []
    board.protect = SimpleNamespace(blame_handshake=lambda: blamed.append(True))
    guard.word, guard.judge.last_ma[0], guard._since_closing_ms = 1, 6001, 1000
    assert board.may_shake_hands() is False and not guard.announced and not guard.still
    guard.judge.last_ma[0] = 6000
    assert board.may_shake_hands() is True and guard.announced and guard.still and blamed
    assert board.may_shake_hands() is False, "one at a time"
    board.shook_hands()
    assert not guard.announced and not guard.still
