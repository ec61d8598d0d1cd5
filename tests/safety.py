"""What is held to full branch coverage (tests/core/conftest.py) and to mutants (tests/mutation.py), and by which tests.

The tests named here are run under `coverage` as part of the ordinary run; what each of them reached is kept in
build/mutation/reached.json, so that a mutant is shown only to tests that pass its line.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from zlib import crc32

ROOT = Path(__file__).resolve().parent.parent
CORE = ROOT / "firmware" / "core"
MODULES = ("protection", "judge", "supply", "load", "thermal", "session", "limits")
TESTS = (
    "test_protection",
    "test_supply_and_load",
    "test_session",
    "test_boundaries",
    "test_judge_boundaries",
    "test_protection_boundaries",
    "test_session_boundaries",
)
REACHED = ROOT / "build" / "mutation" / "reached.json"


def module_file(module: str) -> Path:
    return CORE / f"{module}.py"


def test_file(test: str) -> Path:
    return ROOT / "tests" / "core" / f"{test}.py"


def fingerprint() -> int:
    """Changes with the modules and with their tests."""
    tests = [test_file(test) for test in TESTS] + [
        ROOT / "tests" / "fakes" / "bench.py",
        ROOT / "tests" / "both.py",
    ]
    total = 0
    for file in sorted([*CORE.glob("*.py"), *tests]):
        total = crc32(file.read_bytes(), crc32(file.name.encode(), total))
    return total


def save(seconds: dict[str, float], lines: dict[str, dict[int, list[str]]]) -> None:
    """Keep how long each test ("file::function") took and which lines of which module it passed."""
    REACHED.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"of": fingerprint(), "seconds": seconds, "lines": lines})
    part = REACHED.with_suffix(".part")
    part.write_text(text)
    part.replace(REACHED)


def load() -> dict[str, Any] | None:
    """What `save` kept, or None when it was of other sources."""
    try:
        kept = json.loads(REACHED.read_text())
    except (OSError, ValueError):
        return None
    return kept if kept["of"] == fingerprint() else None
