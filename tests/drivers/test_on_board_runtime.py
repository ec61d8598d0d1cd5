"""The driver tests once more on both MicroPythons, and those that only they can run: the tick takes no heap."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.runner import run_tests

FILES = (
    "test_bl0910.py",
    "test_bl0910_uart.py",
    "test_meter_care.py",
    "test_hc595.py",
    "heap_drivers.py",
    "test_bl0942.py",
    "test_hlw8032.py",
    "test_pzem004t.py",
    "heap_meters.py",
    "test_relay_pcf8574.py",
    "test_relay_gpio.py",
    "test_inputs.py",
    "test_temperature.py",
    "heap_io.py",
)


@pytest.mark.parametrize("file", FILES)
def test_on_micropython(mpy: Path, file: str) -> None:
    done = run_tests(mpy, f"tests/drivers/{file}")
    if done.returncode:
        pytest.fail(f"{file} on {mpy.name}, exit code {done.returncode}:\n{done.stdout}", pytrace=False)
