"""Which processes belong to a folder: for tests that nothing is left behind."""

from __future__ import annotations

import time
from pathlib import Path


def processes_in(folder: Path) -> list[int]:
    """Those whose working directory or arguments are in it."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            text = (entry / "cmdline").read_bytes().decode(errors="replace")
            where = str((entry / "cwd").readlink())
        except OSError:
            continue
        if str(folder) in text or where.startswith(str(folder)):
            found.append(int(entry.name))
    return found


def none_left(folder: Path) -> bool:
    """True once there are none, within ten seconds."""
    until = time.monotonic() + 10
    while time.monotonic() < until:
        if not processes_in(folder):
            return True
        time.sleep(0.05)
    return False
