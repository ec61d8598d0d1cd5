"""The tests of wire and core once more, on the runtime of the board: 64-bit, and 32-bit with its small integers."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.runner import ROOT, environment, files_for_both, run_tests


@pytest.mark.parametrize("file", files_for_both())
def test_on_micropython(mpy: Path, file: str) -> None:
    done = run_tests(mpy, file)
    if done.returncode:
        pytest.fail(f"{file} on {mpy.name}, exit code {done.returncode}:\n{done.stdout}", pytrace=False)


def test_a_failing_file_fails(mpy: Path, tmp_path: Path) -> None:
    """The runner itself: a failure, an empty file and a broken one are each seen, with the reason."""
    cases = {
        "test_fails.py": (
            "def test_a():\n    pass\ndef test_b():\n    assert 1 == 2, 'one is not two'\n",
            "one is not two",
        ),
        "test_empty.py": ("", "0 passed"),
        "test_broken.py": ("import no_such_module\n", "no_such_module"),
    }
    for name, (text, expected) in cases.items():
        (tmp_path / name).write_text(text)
        done = run_tests(mpy, str(tmp_path / name))
        assert done.returncode == 1, done.stdout
        assert expected in done.stdout


_NAMES_OF_A_COMMAND = """
import json, micropython
from wire import commands, topics
def obey(id, name):
    commands.command(json.dumps({"id": id, "op": "stop", "socket": 1, "actor": name}).encode())
    assert topics.is_name(id) and topics.parse("zq/1/{}/p01/command".format(id))
obey("once", "once")
micropython.qstr_info()
obey("abcdefghijklmnopqrstuvwxyz-01234", "ABCDEFGHIJKLMNOPQRSTUVWXYZ:.,;+*")
micropython.qstr_info()
"""


def test_what_is_in_a_command_becomes_no_name(mpy: Path, tmp_path: Path) -> None:
    """MicroPython keeps names for ever, and every character that is taken out of a text is one."""
    (tmp_path / "names.py").write_text(_NAMES_OF_A_COMMAND)
    done = subprocess.run([mpy, tmp_path / "names.py"], env=environment(), capture_output=True, text=True)
    assert not done.returncode, done.stderr
    before, after = re.findall(r"n_qstr=(\d+)", done.stdout)
    assert before == after


_TRIPS_FROM_EVERYWHERE = """
import _thread, micropython, time
from core.trips import Trips
trips = Trips()
serial = ticks = wrong = last = rounds = 0
def put(_=0):
    global serial
    serial += 1
    trips.put(serial, serial, serial, serial, serial)
def tick(_):
    global ticks
    ticks += 1
    put()
def call():
    while True:
        try:
            micropython.schedule(tick, 0)
        except RuntimeError:
            pass
        time.sleep_us(20)
_thread.start_new_thread(call, ())
end = time.ticks_add(time.ticks_ms(), 20000)
while ticks < 5000 and time.ticks_diff(end, time.ticks_ms()) > 0:
    rounds += 1
    is_full = rounds & 1
    for _ in range(32 if is_full else 8):
        put()
    event = trips.take()
    while event:
        wrong += event != (event[0],) * 5 or event[0] <= last or (event[0] > last + 1 and not is_full)
        last = event[0]
        event = trips.take()
print(ticks, wrong)
"""


def test_a_tick_anywhere_garbles_no_trip(mpy: Path, tmp_path: Path) -> None:
    """They are put by the tick and by who locks a socket, and taken with a tick at any time: each once, in order.

    Half the time as many wait as are kept: then, and only then, the next one costs the oldest.
    """
    (tmp_path / "trips.py").write_text(_TRIPS_FROM_EVERYWHERE)
    done = subprocess.run([mpy, tmp_path / "trips.py"], env=environment(), capture_output=True, text=True)
    assert not done.returncode, done.stderr
    ticks, wrong = map(int, done.stdout.split())
    assert ticks > 500 and wrong == 0


def test_what_a_tick_costs_can_be_measured_and_takes_nothing_from_the_heap(mpy: Path) -> None:
    """`make bench` in short: it stops where the firmware and its chips no longer fit each other."""
    command = [mpy, "-X", "heapsize=16M", "tests/benchmarks/board_tick.py", "20"]
    done = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True)
    assert not done.returncode, done.stderr
    assert len(re.findall(r"\b0 bytes taken", done.stdout)) == 3, done.stdout
    assert "collections in 20 ticks: 0" in done.stdout, done.stdout
