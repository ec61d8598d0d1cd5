"""What is held to full branch coverage (tests/branches.py) and to mutants (tests/mutation.py), and by which tests.

The tests named here are run under `coverage` as part of the ordinary run; what each of them reached is kept in
build/mutation/reached.json, so that a mutant is shown only to tests that pass its line.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from zlib import crc32

ROOT = Path(__file__).resolve().parent.parent
FIRMWARE = ROOT / "firmware"
# No mutant of these goes unnoticed or unexplained: `make test` draws its sample from them.
SAMPLED = (
    "core/protection",
    "core/judge",
    "core/supply",
    "core/load",
    "core/thermal",
    "core/session",
    "core/limits",
)
# Every branch of these is taken.
COVERED = (*SAMPLED, "core/timer", "core/trips", "core/trip_memo", "tasks/protect", "tasks/record")
# What the tick runs of these, tests/core/test_no_allocation.py runs line by line with the heap locked.
IN_THE_TICK = tuple(name for name in COVERED if name not in ("core/session", "core/limits", "tasks/record"))
# What it does not run of them.
NOT_IN_THE_TICK = {
    "core/protection": "against refuses_start is_settled may_stall want renew announce_gap end_gap trust restore lock"
    " unlock _whole_present fail",
    "core/judge": "present",
    "core/load": "room_beside",
    "core/trips": "take waiting",
    "core/trip_memo": "size unpack",
    "tasks/protect": "run_by going_to_restart going_to_write forget_crashes blame_append blame_erase blame_handshake"
    " take_blind_ms take_tick_us",
}
# Of these, too, mutants are made.
MODULES = (
    *COVERED,
    *(
        "core/energy",
        "core/point",
        "core/recovery",
        "core/snapshot",
        "core/keeping",
        "core/obeyed",
        "core/commands",
        "core/rare_commands",
    ),
)
TESTS = (
    "test_protection",
    "test_supply_and_load",
    "test_session",
    "test_boundaries",
    "test_judge_boundaries",
    "test_protection_boundaries",
    "test_session_boundaries",
    "test_tick",
    "test_no_allocation",
    "test_point",
    "test_point_branches",
    "test_point_boundaries",
    "test_recovery",
    "test_energy",
    "test_commands",
)
# Where tests run in several processes, one of them runs all of these.
GROUP = "safety"
REACHED = ROOT / "build" / "mutation" / "reached.json"


def module_file(module: str) -> Path:
    return FIRMWARE / f"{module}.py"


def import_name(module: str) -> str:
    return module.replace("/", ".")


def is_test(path: Path) -> bool:
    return path.stem in TESTS and path.parent.name == "core"


def test_file(test: str) -> Path:
    return ROOT / "tests" / "core" / f"{test}.py"


def fingerprint() -> int:
    """Changes with the modules and with their tests."""
    fakes = [ROOT / "tests" / "fakes" / f"{name}.py" for name in ("bench", "wall", "flash")]
    files = [test_file(test) for test in TESTS] + fakes + [ROOT / "tests" / "both.py"]
    for folder in ("core", "tasks", "wire"):
        files.extend((FIRMWARE / folder).glob("*.py"))
    total = 0
    for file in sorted(files):
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
