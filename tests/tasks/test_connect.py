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
    monkeypatch: pytest.MonkeyPatch, tls: bool, left: tuple[int, int] | None, error: Exception | None
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
    wifi = SimpleNamespace(associate=nothing, dns="192.0.2.1")
    mqtt = SimpleNamespace(dial=connect, subscribe_to=lambda topics: None)
    gate = SimpleNamespace(lacks_memory=lambda: lacking.append(True))
    try:
        asyncio.run(
            connecting.connect(
                config, wifi, SimpleNamespace(is_set=True), nothing, nothing, mqtt, (), object(), gate
            )
        )
    except OSError as raised:
        return raised, len(lacking)
    return None, len(lacking)


def test_a_handshake_without_room_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    refused = connecting.MqttError("the broker's certificate is not accepted: no reason is given")
    raised, lacking = _connect(monkeypatch, True, (31_999, 31_000), refused)
    assert lacking == 1 and isinstance(raised, connecting.MqttError)
    assert str(raised) == (
        f"{refused}; outside of the heap TLS takes 32000 bytes, 17000 in one piece: 31999 are left, 31000 in one. "
        "The board restarts when no session is open"
    )


@pytest.mark.parametrize(
    "error", [OSError(12, "ENOMEM"), MemoryError("no room")], ids=["OSError", "MemoryError"]
)
def test_room_in_small_pieces_is_none(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    raised, lacking = _connect(monkeypatch, True, (40_000, 16_999), error)
    assert lacking == 1 and str(raised).startswith(f"{error}; outside of the heap TLS takes 32000 bytes")


@pytest.mark.parametrize(
    ("tls", "left"),
    [(True, (32_000, 17_000)), (True, None), (False, (100, 100))],
    ids=["room", "no ESP32", "no TLS"],
)
def test_what_has_another_reason_keeps_it(
    monkeypatch: pytest.MonkeyPatch, tls: bool, left: tuple[int, int] | None
) -> None:
    gone = OSError(104, "gone")
    assert _connect(monkeypatch, tls, left, gone) == (gone, 0)


def test_a_handshake_that_gives_no_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    """As MicroPython's does where it had no room to check the certificate."""
    made = board_code.load("drivers.mqtt_connect")

    async def no_room(*_: object) -> None:
        raise ValueError("")

    monkeypatch.setattr(made, "_open", no_room)
    monkeypatch.setattr(
        made, "asyncio", SimpleNamespace(wait_for_ms=lambda task, _: task, TimeoutError=TimeoutError)
    )
    login = "p01", "p01", "secret", 60, ("status", b"{}")
    with pytest.raises(OSError, match=r"certificate is not accepted: no reason is given$"):
        asyncio.run(made.connect(login, "127.0.0.1", 1, object(), "host", None, 1000))


def test_a_connection_that_came_about_needs_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _connect(monkeypatch, True, (100, 100), None) == (None, 0)


@pytest.mark.parametrize(
    ("charging", "uptime_ms", "safe_mode", "asked"),
    [
        (False, 10 * MIN, False, True),
        (False, 10 * MIN - 1, False, False),
        (True, 60 * MIN, False, False),
        (False, 60 * MIN, True, False),
    ],
    ids=["idle", "just started", "charging", "safe mode"],
)
def test_a_restart_waits_for_sessions_and_comes_once_in_ten_minutes(
    monkeypatch: pytest.MonkeyPatch, charging: bool, uptime_ms: int, safe_mode: bool, asked: bool
) -> None:
    monkeypatch.setitem(sys.modules, "machine", ModuleType("machine"))
    board = importlib.import_module("main").Board()
    board.point = SimpleNamespace(is_charging=charging, restart_asked=False)
    board.clock = SimpleNamespace(uptime_ms=lambda: uptime_ms)
    board.protect = SimpleNamespace(safe_mode=safe_mode)
    board.lacks_memory()
    assert board.point.restart_asked is asked


def test_what_is_left_outside_of_the_heap(monkeypatch: pytest.MonkeyPatch) -> None:
    memory = connecting.memory
    assert memory.outside() is None, "no ESP32"
    areas = [(7288, 4, 0, 4), (113840, 39084, 22528, 8596)]
    monkeypatch.setattr(memory, "idf_heap_info", lambda kind: areas)
    assert memory.outside() == (39088, 22528)
