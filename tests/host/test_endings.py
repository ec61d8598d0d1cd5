"""What ends a command as Ctrl-C does, in a process of its own that cleans up for a second."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from zhuque.endings import as_ctrl_c

Start = Callable[..., subprocess.Popen[str]]
SCRIPT = """
import time
from zhuque.endings import as_ctrl_c
with as_ctrl_c():
    try:
        print("works", flush=True)
        time.sleep(60)
    except KeyboardInterrupt:
        print("cleans up", flush=True)
        time.sleep(1)
        print("done", flush=True)
"""
ENDINGS = [signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT]


@pytest.fixture
def start() -> Iterator[Start]:
    with ExitStack() as stack:

        def begin(ignored: int | None = None) -> subprocess.Popen[str]:
            process = stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-c", SCRIPT],
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                    preexec_fn=None if ignored is None else lambda: signal.signal(ignored, signal.SIG_IGN),
                )
            )
            stack.callback(process.kill)
            assert next_line(process) == "works"
            return process

        yield begin


def next_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


@pytest.mark.parametrize("first", [signal.SIGINT, *ENDINGS], ids=lambda one: one.name)
def test_the_first_ends_it_and_no_other_cuts_its_end_short(start: Start, first: int) -> None:
    process = start()
    process.send_signal(first)
    assert next_line(process) == "cleans up"
    for number in ENDINGS:
        process.send_signal(number)
    assert next_line(process) == "done"
    assert process.wait(10) == 0


def test_a_ctrl_c_may_cut_it_short(start: Start) -> None:
    process = start()
    process.send_signal(signal.SIGHUP)
    assert next_line(process) == "cleans up"
    process.send_signal(signal.SIGINT)
    assert process.wait(10) and next_line(process) == ""


@pytest.mark.parametrize("number", ENDINGS, ids=lambda one: one.name)
def test_what_was_ignored_stays_so(start: Start, number: int) -> None:
    process = start(number)
    process.send_signal(number)
    process.send_signal(signal.SIGINT)
    assert [next_line(process) for _ in range(2)] == ["cleans up", "done"]


def test_afterwards_all_is_as_it_was() -> None:
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, *ENDINGS)]
    with as_ctrl_c():
        assert all(
            signal.getsignal(number) is not before
            for number, before in zip((signal.SIGINT, *ENDINGS), handlers, strict=True)
        )
    assert [signal.getsignal(number) for number in (signal.SIGINT, *ENDINGS)] == handlers


def test_a_thread_changes_nothing() -> None:
    done = []

    def work() -> None:
        with as_ctrl_c():
            done.append(signal.getsignal(signal.SIGTERM) is signal.SIG_DFL)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == [True]
