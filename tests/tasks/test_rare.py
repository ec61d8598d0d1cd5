"""What a command does beside the point: a file that is written, and a fault of our own."""

from __future__ import annotations

import asyncio
import importlib
import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from fakes.tick_bench import TickBench

from core.reading import Reading
from core.supply import UNKNOWN_DC
from tasks import command, configure, maintenance


def change(board: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The op `config` on a point of two channels whose config.json is here."""
    monkeypatch.chdir(tmp_path)
    Path("config.json").write_text("{}")
    commands = SimpleNamespace(journal=lambda *order: None)
    wanted = {"config": {"calibration": {"power": [[1_000_100, 0]]}}}
    return configure.obey(board, commands, wanted, 5, None)


def test_a_file_is_written_only_while_every_relay_is_open_and_its_gap_is_announced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = TickBench()
    point = SimpleNamespace(
        problems=[], is_charging=False, protection=bench.guard, record=lambda *row, **fields: None
    )
    given: dict[str, Any] = {}
    board = SimpleNamespace(
        point=point,
        meter=SimpleNamespace(channels=2, calibrate=given.update),
        energy=SimpleNamespace(set_gains=lambda gains: given.update(gains=gains)),
        protect=bench.task,
    )
    bench.guard.word = 1
    assert change(board, tmp_path, monkeypatch)[0] == "socket_busy"
    bench.guard.word, point.is_charging = 0, True
    assert change(board, tmp_path, monkeypatch)[0] == "socket_busy"
    assert not bench.guard.announced and json.loads(Path("config.json").read_text()) == {}
    point.is_charging = False
    assert "config" in change(board, tmp_path, monkeypatch)
    assert bench.guard.announced, "the tick comes late, and that is no silence of the meter"
    assert json.loads(Path("config.json").read_text())["calibration"]["power"][0] == [1_000_100, 0]
    assert given["gains"] == [1_000_100, 1_000_000] and given["power"] == [(1_000_100, 0), (1_000_000, 0)]


def test_a_command_that_raises_is_an_internal_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = TickBench(0)

    def uptime_ms() -> int:
        raise ValueError("a bug")

    board = SimpleNamespace(point=None, obeyed=None, configure=None, identify=None, protection=bench.guard)
    board.clock = SimpleNamespace(uptime_ms=uptime_ms)
    told: list[BaseException] = []
    monkeypatch.setattr(command, "sys", SimpleNamespace(print_exception=told.append))
    monkeypatch.setattr(command, "forget", lambda names: None)
    command.CommandTask(board, pytest.fail, None)(b'{"id": "a", "op": "ping"}')
    assert [str(error) for error in told] == ["a bug"] and bench.tick() == 0 and bench.guard.fault


def test_a_thermometer_whose_loop_ended_knows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "machine", ModuleType("machine"))
    board = importlib.import_module("main").Board()
    board.reading = Reading(1)

    async def read_once() -> None:
        board.reading.temperature_dc = 250
        raise MemoryError

    board.temperature = SimpleNamespace(read_once=read_once)
    with pytest.raises(MemoryError):
        asyncio.run(board.temperature_loop())
    assert board.reading.temperature_dc == UNKNOWN_DC


def test_the_watchdog_waits_longer_than_maintenance_lasts(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[int] = []

    async def sleep(seconds: int) -> None:
        slept.append(seconds)

    monkeypatch.setattr(maintenance, "asyncio", SimpleNamespace(sleep=sleep))
    point = SimpleNamespace(state="starting", problems=["one"], restart_asked=False)
    asked: list[int] = []
    asyncio.run(maintenance.keep(point, lambda timeout: asked.append(timeout)))
    assert slept == [600] and asked == [660_000], "a transfer may stop whoever feeds it"
    assert point.restart_asked and point.state == "maintenance"
    assert point.problems == ["one", "maintenance: relays stay open for 600 s"]
