"""Who may import whom: main -> tasks -> {core, drivers} -> wire on the board, cli -> ... -> store -> wire on the host.

And who may touch a relay: only the tick writes the word that core/protection returned, and boot.py opens them all.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FIRMWARE = ROOT / "firmware"
HOST = ROOT / "host" / "zhuque"

# What each folder of the board may import besides itself. core and wire know no chip, no network and no clock.
PURE = {"array", "binascii", "collections", "hashlib", "json", "micropython", "struct"}
BOARD_RULES = {
    "wire": {"json", "micropython"},
    "core": {"wire"} | PURE,
    "drivers": {
        "wire",
        "array",
        "asyncio",
        "binascii",
        "errno",
        "io",
        "micropython",
        "os",
        "select",
        "socket",
        "struct",
        "time",
    }
    | {"ssl", "network", "random", "gc", "onewire", "esp32"},
    "tasks": {
        "array",
        "binascii",
        "core",
        "drivers",
        "wire",
        "asyncio",
        "gc",
        "hashlib",
        "json",
        "micropython",
        "os",
        "sys",
        "time",
        "random",
        "select",
    },
}

# What each part of the host may import of zhuque besides itself and what everything may: errors, files, endings.
HOST_RULES = {
    "billing": {"wire"},
    "boards": {"wire"},
    "store": {"lockouts", "wire"},
    "report": {"billing", "store", "wire"},
    "collector": {"store", "wire"},
    "device": {"store", "wire", "boards"},
    "site": {"billing", "store", "wire", "boards"},
    "install": {"lockouts", "device", "site", "store", "wire", "boards", "board_code", "collector"},
    "sim": {"boards", "wire", "store", "report", "collector", "cli"},
    "cli": {
        "billing",
        "calibration",
        "lockouts",
        "store",
        "report",
        "collector",
        "device",
        "site",
        "install",
        "sim",
        "boards",
        "board_code",
        "wire",
    },
}


def imports(path: Path) -> set[str]:
    """The modules that a file imports, absolute names; a relative import reads as "." and its level."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            found.add("." * node.level + (node.module or ""))
    return found


def sources(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*.py") if "__pycache__" not in path.parts)


@pytest.mark.parametrize("path", [p for name in BOARD_RULES for p in sources(FIRMWARE / name)], ids=str)
def test_board_imports_run_one_way(path: Path) -> None:
    layer = path.relative_to(FIRMWARE).parts[0]
    for name in imports(path):
        top = name.split(".")[0]
        assert top in BOARD_RULES[layer] | {layer, ""}, f"{path.name}: {layer} must not import {name}"


@pytest.mark.parametrize("path", sources(FIRMWARE / "wire"), ids=str)
def test_wire_imports_itself_relatively(path: Path) -> None:
    assert not any(name.split(".")[0] == "wire" for name in imports(path)), "the host calls it zhuque.wire"


@pytest.mark.parametrize("path", sources(FIRMWARE), ids=str)
def test_nobody_imports_main(path: Path) -> None:
    assert not {"main", "boot"} & imports(path)


def test_no_driver_is_imported_by_name_but_through_the_board(path: Path = FIRMWARE / "main.py") -> None:
    for source in sources(FIRMWARE):
        named = {name for name in imports(source) if name.startswith(("drivers.relay", "drivers.meter"))}
        assert not named, f"{source}: board.json names the meter and the relays"


def test_only_the_tick_writes_relays() -> None:
    """A call of `.write(...)` or `.off()` on something called relays stands in the tick and in boot.py alone."""
    writers = set()
    for source in sources(FIRMWARE):
        for node in ast.walk(ast.parse(source.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                owner = node.func.value
                named = isinstance(owner, ast.Name | ast.Attribute) and "relays" in ast.unparse(owner)
                if named and source.parent.name != "drivers":
                    writers.add(source.relative_to(FIRMWARE).as_posix())
    assert writers == {"tasks/protect.py"}


def test_only_protection_moves_the_relay_word() -> None:
    """`word` of a Protection is assigned in core/protection.py and nowhere else."""
    for source in sources(FIRMWARE):
        for node in ast.walk(ast.parse(source.read_text())):
            targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
            for target in targets:
                if isinstance(target, ast.Attribute) and target.attr == "word":
                    assert source.name == "protection.py", f"{source} moves the relay word"


@pytest.mark.parametrize("path", [p for name in HOST_RULES for p in sources(HOST / name)], ids=str)
def test_host_imports_run_one_way(path: Path) -> None:
    parts = path.relative_to(HOST).parts
    if parts[:2] == ("sim", "board"):
        return  # runs on MicroPython, beside the firmware
    allowed = HOST_RULES[parts[0]] | {parts[0], "errors", "files", "endings", ""}
    for name in imports(path):
        if name.startswith("zhuque."):
            assert name.split(".")[1] in allowed, f"{path}: {parts[0]} must not import {name}"
        assert not name.startswith("..."), f"{path}: relative imports stay within the folder"


def test_only_board_code_loads_modules_of_the_board() -> None:
    for path in sources(HOST):
        parts = path.relative_to(HOST).parts
        if parts[0] in ("wire", "_firmware", "_boards") or parts[:2] == ("sim", "board"):
            continue
        loaded = {name for name in imports(path) if name.split(".")[0] in ("core", "drivers", "tasks")}
        assert not loaded or path.name == "board_code.py", f"{path} imports {loaded}"
