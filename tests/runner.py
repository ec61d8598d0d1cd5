"""Runs files of tests on MicroPython, from pytest: one process a file, so that each begins with a fresh heap."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BOTH = ("wire", "core")  # folders under tests/ whose files run on CPython and on MicroPython


def files_for_both() -> list[str]:
    """The files that run on both runtimes, as paths from the root of the tree."""
    files = [file for folder in BOTH for file in (ROOT / "tests" / folder).glob("test_*.py")]
    return sorted(str(file.relative_to(ROOT)) for file in files)


def environment() -> dict[str, str]:
    """MicroPython's environment: the firmware and the tests on its path, nobody's own modules."""
    paths = [str(ROOT / "firmware"), ".frozen", str(ROOT / "tests")]
    return {**os.environ, "MICROPYPATH": ":".join(paths)}


def run_tests(
    micropython: Path, file: str, heap: str = "16M", firmware: Path = ROOT / "firmware"
) -> subprocess.CompletedProcess[str]:
    """Runs one file; the output holds a line for each test, and the tracebacks."""
    return subprocess.run(
        [micropython, "-X", f"heapsize={heap}", "tests/mpy_main.py", file, str(firmware)],
        cwd=ROOT,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=100,
    )
