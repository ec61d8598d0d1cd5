"""Starts a script on MicroPython with the firmware on its path, and reads the JSON lines that it prints."""

from __future__ import annotations

import json
import queue
import subprocess
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.runner import ROOT, environment

HEAP = "1M"


class BoardScript:
    """A running script; `wait(event)` gives the next event of that name, and fails with all that was printed."""

    def __init__(self, micropython: Path, script: str, *arguments: object, heap: str = HEAP) -> None:
        command = [str(micropython), "-X", f"heapsize={heap}", script, *map(str, arguments)]
        self._process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._lines: queue.Queue[str | None] = queue.Queue()
        self.output: list[str] = []
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line.rstrip())
        self._lines.put(None)

    def wait(self, event: str, timeout_s: float = 20) -> list[Any]:
        """The values of the next such event; lines in between are passed over and kept in `output`."""
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                line = self._lines.get(timeout=max(0.01, deadline - time.monotonic()))
            except queue.Empty:
                line = None
            if line is None:
                raise AssertionError(f"no {event!r} came; the board said:\n" + "\n".join(self.output))
            self.output.append(line)
            if line.startswith("["):
                name, *values = json.loads(line)
                if name == event:
                    return values

    def __enter__(self) -> BoardScript:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
