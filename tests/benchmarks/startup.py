"""How long commands take that do next to nothing: that is their start-up."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

TURNS = 9


def run(where: str) -> dict[str, float]:
    """Seconds, medians: `--help`, and `status` of a small database."""
    commands = {
        "--help": ["--help"],
        "status": ["status", "--db", where],
        "session list": ["session", "list", "--db", where],
    }
    found: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(TURNS):
        for name, arguments in commands.items():
            began = time.monotonic()
            subprocess.run(
                [sys.executable, "-m", "zhuque", *arguments], check=True, stdout=subprocess.DEVNULL
            )
            found[name].append(time.monotonic() - began)
    return {name: statistics.median(times) for name, times in found.items()}
