"""`zhuque sim board` as a process: what it refuses, what is its own, how it ends, and what it leaves."""

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

from zhuque.sim.esp32.flash import MIB

BOARD = (sys.executable, "-m", "zhuque", "sim", "board")
WAIT_S = 30
Start = Callable[..., subprocess.Popen[str]]


def settings(folder: Path, **more: Any) -> dict[str, Any]:
    """Temporary files have a folder beside, so that it shows what is left."""
    (folder / "tmp").mkdir(exist_ok=True)
    environment = {**os.environ, "TMPDIR": str(folder / "tmp"), **more.pop("env", {})}
    return {"cwd": folder, "text": True, "stdin": subprocess.DEVNULL, "env": environment, **more}


def refused(folder: Path, *arguments: str, command: tuple[str, ...] = BOARD, **more: Any) -> tuple[int, str]:
    """Exit code and text of a board that does not begin, and leaves all as it was."""
    more = settings(folder, **more)
    before = sorted(folder.rglob("*"))
    done = subprocess.run([*command, *arguments], capture_output=True, timeout=WAIT_S, **more)
    assert "Traceback" not in done.stderr
    assert sorted(folder.rglob("*")) == before
    return done.returncode, done.stderr


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


def test_without_micropython_it_does_not_begin(tmp_path: Path) -> None:
    code, said = refused(tmp_path, env={"ZHUQUE_MICROPYTHON": "/nowhere/micropython"})
    assert code == 1 and "ZHUQUE_MICROPYTHON is /nowhere/micropython" in said


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ("--link nodir/b3", 3, "no folder nodir"),
        ("--flash nodir/b3.flash", 3, "no folder nodir"),
        ("--link taken", 5, "taken is there and is no link"),
        ("--link taken/b3", 3, "no folder taken"),
        ("--flash taken --link b3", 2, "is no flash"),
        ("--flash /dev/null --link b3", 2, "is no flash"),
        ("--board none-such --link b3", 3, "none-such"),
        ("--link b3 --listen 0", 2, "give one of them"),
        ("--link b3 --fault explode", 2, "explode"),
    ],
)
def test_what_does_not_fit_leaves_nothing(tmp_path: Path, arguments: str, code: int, said: str) -> None:
    (tmp_path / "taken").write_text("somebody's")
    found = refused(tmp_path, *arguments.split())
    assert found[0] == code and said in found[1]


def test_a_disk_that_is_full_leaves_no_part_of_a_flash(tmp_path: Path) -> None:
    small = ("sh", "-c", 'ulimit -f 2048; exec "$@"', "sh", *BOARD)  # blocks of 512 bytes
    code, said = refused(tmp_path, "--link", "b3", command=small)
    assert code == 1 and "esp32.flash could not be written" in said


def test_a_flash_is_one_boards_at_a_time(tmp_path: Path, start: Start) -> None:
    first = start("--link", "b1")
    code, said = refused(tmp_path, "--link", "b2")
    assert code == 4 and "esp32.flash is in use" in said and "another --flash" in said
    first.terminate()
    assert first.wait(WAIT_S) == 0
    start("--link", "b2")


def test_a_flash_that_two_boards_begin_to_make_is_one_of_thems(tmp_path: Path) -> None:
    command = [*BOARD, "--size", "16MB"]
    with ExitStack() as stack:
        both = []
        for _ in range(2):
            both.append(
                stack.enter_context(
                    subprocess.Popen(command, stderr=subprocess.DEVNULL, **settings(tmp_path))
                )
            )
            stack.callback(both[-1].kill)
        end = time.monotonic() + WAIT_S
        while sum(one.poll() is None for one in both) > 1:
            assert time.monotonic() < end
            time.sleep(0.05)
        assert [one.poll() for one in both if one.poll() is not None] == [4]
        while not (tmp_path / "esp32.flash").exists():  # the other may still write it, under another name
            assert time.monotonic() < end
            time.sleep(0.05)
        assert (tmp_path / "esp32.flash").stat().st_size == 16 * MIB


def test_a_port_is_one_boards_at_a_time(tmp_path: Path, start: Start) -> None:
    first = start("--link", "b1")
    device = (tmp_path / "b1").readlink()
    code, said = refused(tmp_path, "--link", "b1", "--flash", "other.flash")
    assert code == 4 and "b1 is in use" in said and "another --link" in said
    assert (tmp_path / "b1").readlink() == device
    first.terminate()
    assert first.wait(WAIT_S) == 0
    assert left(tmp_path) == []


def test_what_a_killed_board_left_is_taken_over(tmp_path: Path, start: Start) -> None:
    first = start("--link", "b1")
    first.kill()
    first.wait(WAIT_S)
    assert (tmp_path / "b1").is_symlink()
    second = start("--link", "b1")
    assert (tmp_path / "b1").exists()
    second.terminate()
    assert second.wait(WAIT_S) == 0
    assert not os.path.lexists(tmp_path / "b1")


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
