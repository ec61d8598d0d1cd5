"""The simulated ESP32, on MicroPython: its clock, its flash, its mains. The files board_*.py hold the tests."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from zhuque.sim.point import BOARD_FOLDER

HERE = Path(__file__).resolve().parent


@pytest.mark.parametrize("name", sorted(file.name for file in HERE.glob("board_*.py")))
def test_on_the_simulated_board(micropython: Path, tmp_path: Path, name: str) -> None:
    done = subprocess.run(
        [micropython, HERE / "on_board.py", BOARD_FOLDER, HERE / name, tmp_path],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=100,
    )
    if done.returncode:
        pytest.fail(f"{name}, exit code {done.returncode}:\n{done.stdout}", pytrace=False)
