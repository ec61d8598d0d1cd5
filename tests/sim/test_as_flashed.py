"""The firmware small and compiled, as it lies on a board: it does what the sources do, and fits."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fakes import flashed
from tests.sim.lived import Heard
from zhuque import boards
from zhuque.sim.broker import Broker

# Bytes of .mpy that stay loaded (firmware/README.md says of what), and of heap that the firmware holds on a 32-bit
# MicroPython, once it is connected. A change that raises one has to say why it is worth it: what a zq10 without PSRAM
# has left above this its Wi-Fi needs, and a command while it is connected.
RESIDENT = {"zq10": 31_000, "kc868-a8-pzem": 32_200, "devkit-hlw8032": 30_700}
HEAP = {"zq10": 69_000, "kc868-a8-pzem": 67_500, "devkit-hlw8032": 61_700}


@pytest.mark.parametrize("board", boards.list_boards())
def test_what_stays_loaded_is_within_its_budget(
    tmp_path: Path, broker: Broker, monkeypatch: pytest.MonkeyPatch, board: str
) -> None:
    with flashed.running(tmp_path, broker, board, monkeypatch) as lived:
        lived.until("relay", lambda event: event["closed"])
        found = flashed.probed(lived)
    sizes = flashed.sizes(board)
    resident = dict(sizes[name] for name in found["modules"] if name in sizes)
    table = "\n".join(f"{size:6} {name}" for name, size in sorted(resident.items(), key=lambda row: -row[1]))
    assert "main.py" in resident
    left = {"start.py", "assembly.py", "core/recovery.py", "drivers/mqtt_connect.py", "tasks/connect.py"}
    assert left < {name for name, _ in sizes.values()} and not left & set(resident)
    assert sum(resident.values()) <= RESIDENT[board], table
    assert found["heap"] <= HEAP[board], table


@pytest.mark.parametrize("i386", [False, True], ids=["64-bit", "i386"])
def test_it_charges_obeys_and_connects_again(
    tmp_path: Path, broker: Broker, monkeypatch: pytest.MonkeyPatch, i386: bool
) -> None:
    with (
        Heard(broker) as heard,
        flashed.running(tmp_path, broker, "zq10", monkeypatch, i386) as lived,
    ):
        lived.until("relay", lambda event: event["closed"])
        heard.record("session_start", account="r-1")
        assert heard.ask(id="limit-1", op="limit", socket=1, max_duration_s=60)["ok"]
        assert heard.record("session_end")["reason"] == "time_limit"
        lived.order({"do": "network_down", "for_s": 200})
        lived.until("console", lambda event: "next try" in event["line"])
        heard.until("status", lambda status: status["online"])
        assert heard.ask(id="reset-1", op="reset", socket=1)["error"] == "not_locked"
