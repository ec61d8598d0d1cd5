"""How much memory the collector takes while a million records pass through it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.benchmarks.throughput import records
from tests.fakes.blast import blast
from tests.fakes.collecting import rows
from zhuque.sim.broker import Broker


def run(count: int = 1_000_000) -> list[tuple[int, int]]:
    """(records stored, resident KiB) at every tenth of the way."""
    out: list[tuple[int, int]] = []
    with tempfile.TemporaryDirectory() as folder, Broker(Path(folder) / "broker") as broker:
        db = f"{folder}/site.db"
        command = [sys.executable, "-m", "zhuque", "collect", "--db", db, "--broker", broker.url]
        collector = subprocess.Popen(command, stderr=subprocess.PIPE)
        try:
            assert collector.stderr is not None
            collector.stderr.readline()
            stream = records(count)
            for part in range(1, 11):
                blast(broker.host, broker.port, (next(stream) for _ in range(count // 10)))
                while (
                    stored := rows(db, "SELECT coalesce(sum(stored_seq), 0) FROM epochs")[0][0]
                ) < part * count // 10:
                    time.sleep(0.2)
                out.append((int(stored), _resident_kib(collector.pid)))
        finally:
            os.kill(collector.pid, signal.SIGTERM)
            collector.communicate(timeout=30)
    return out


def _resident_kib(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))
