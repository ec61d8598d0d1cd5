"""What becomes of a connection for which there is no memory: it is said, and a restart gives it back."""

from __future__ import annotations

import asyncio
import importlib
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from zhuque import board_code

connecting = board_code.load("tasks.connect")
MIN = 60_000


def _connect(
    monkeypatch: pytest.MonkeyPatch, tls: bool, left: int | None, error: OSError | None
) -> tuple[Any, int]:
    """(what it raised or None, how often memory was said to lack)."""
    lacking: list[bool] = []

    async def connect(*_: object) -> None:
        if error:
            raise error

    async def nothing() -> None:
        pass

    monkeypatch.setattr(connecting.memory, "outside", lambda: left)
    config = {
        "broker.tls": tls,
        "broker.host": "192.0.2.2",
        "broker.port": 8883,
        "site": "garage",
        "point": "p01",
    }
    wifi = SimpleNamespace(connect=nothing, dns="192.0.2.1")
    mqtt, gate = SimpleNamespace(connect=connect), SimpleNamespace(lacks_memory=lambda: lacking.append(True))
    try:
        asyncio.run(
            connecting.connect(
                config, wifi, SimpleNamespace(is_set=True), nothing, nothing, mqtt, object(), gate
            )
        )
    except OSError as raised:
        return raised, len(lacking)
    return None, len(lacking)


def test_a_handshake_without_room_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    refused = connecting.MqttError("the broker's certificate is not accepted: no reason is given")
    raised, lacking = _connect(monkeypatch, True, 31_999, refused)
    assert lacking == 1 and isinstance(raised, connecting.MqttError)
    assert str(raised) == (
        f"{refused}; TLS takes 32000 bytes outside of the heap, 31999 are left: the board restarts when no "
        "session is open"
    )


@pytest.mark.parametrize(
    ("tls", "left"), [(True, 32_000), (True, None), (False, 100)], ids=["room", "no ESP32", "no TLS"]
)
def test_what_has_another_reason_keeps_it(
    monkeypatch: pytest.MonkeyPatch, tls: bool, left: int | None
) -> None:
    gone = OSError(104, "gone")
    assert _connect(monkeypatch, tls, left, gone) == (gone, 0)


def test_a_connection_that_came_about_needs_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _connect(monkeypatch, True, 100, None) == (None, 0)


@pytest.mark.parametrize(
    ("charging", "uptime_ms", "asked"),
    [(False, 10 * MIN, True), (False, 10 * MIN - 1, False), (True, 60 * MIN, False)],
    ids=["idle", "just started", "charging"],
)
def test_a_restart_waits_for_sessions_and_comes_once_in_ten_minutes(
    monkeypatch: pytest.MonkeyPatch, charging: bool, uptime_ms: int, asked: bool
) -> None:
    monkeypatch.setitem(sys.modules, "machine", ModuleType("machine"))
    board = importlib.import_module("main").Board()
    board.point = SimpleNamespace(is_charging=charging, restart_asked=False)
    board.clock = SimpleNamespace(uptime_ms=lambda: uptime_ms)
    board.lacks_memory()
    assert board.point.restart_asked is asked


def test_what_is_left_outside_of_the_heap(monkeypatch: pytest.MonkeyPatch) -> None:
    memory = connecting.memory
    assert memory.outside() is None, "no ESP32"
    areas = [(7288, 4, 0, 4), (113840, 39084, 22528, 8596)]
    monkeypatch.setattr(memory, "idf_heap_info", lambda kind: areas)
    assert memory.outside() == 39088
