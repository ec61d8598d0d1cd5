"""`zhuque sim board` as a process: how it ends, and what it leaves."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

BOARD = (sys.executable, "-m", "zhuque", "sim", "board")
WAIT_S = 30
Start = Callable[..., subprocess.Popen[str]]


def settings(folder: Path, **more: Any) -> dict[str, Any]:
    """Temporary files have a folder beside, so that it shows what is left."""
    (folder / "tmp").mkdir(exist_ok=True)
    environment = {**os.environ, "TMPDIR": str(folder / "tmp"), **more.pop("env", {})}
    return {"cwd": folder, "text": True, "stdin": subprocess.DEVNULL, "env": environment, **more}


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts boards, each with its port; they end with the test."""
    with ExitStack() as stack:

        def begin(*arguments: str, **more: Any) -> subprocess.Popen[str]:
            process = subprocess.Popen(
                [*BOARD, *arguments], stdout=subprocess.PIPE, **settings(tmp_path, **more)
            )
            stack.enter_context(process)
            stack.callback(process.kill)
            assert process.stdout is not None
            assert any(line.startswith("port ") for line in iter(process.stdout.readline, ""))
            return process

        yield begin


def left(folder: Path) -> list[str]:
    """What a board left, but for its flash."""
    names = [str(path.relative_to(folder)) for path in folder.rglob("*")]
    return sorted(name for name in names if name not in ("tmp", "esp32.flash"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
def test_every_way_to_end_it_leaves_its_flash_alone(tmp_path: Path, start: Start, number: int) -> None:
    process = start("--link", "b1")
    process.send_signal(number)
    time.sleep(0.005)
    process.send_signal(signal.SIGHUP)  # the kernel says it, and the shell to its jobs
    assert process.wait(WAIT_S) in (0, -signal.SIGHUP)  # the latter once all is done
    assert left(tmp_path) == []


def test_a_terminal_that_is_closed_ends_it(tmp_path: Path) -> None:
    ours, theirs = os.openpty()
    terminal = dict.fromkeys(("stdin", "stdout", "stderr"), theirs)
    more = settings(tmp_path, **terminal)
    with subprocess.Popen(
        [*BOARD, "--link", "b1"],
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(theirs, termios.TIOCSCTTY, 0),
        **more,
    ) as process:
        os.close(theirs)
        heard = b""
        while b"port b1" not in heard:
            heard += os.read(ours, 4096)
        os.close(ours)
        process.wait(WAIT_S)
    assert left(tmp_path) == []


def test_under_nohup_it_outlives_its_terminal(start: Start) -> None:
    process = start(preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    process.send_signal(signal.SIGHUP)
    time.sleep(0.5)
    assert process.poll() is None
