"""For all tests: the programs of the toolchain, a free port, a broker; and which tests share a process."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import safety
from zhuque.sim.broker import Broker
from zhuque.sim.broker import free_port as find_free_port
from zhuque.sim.tools import ToolMissingError, find_micropython

pytest_plugins = ["tests.branches"]
# A shell without job control has what it runs in the background ignore Ctrl-C and Ctrl-\, nohup SIGHUP,
# and so would every program started here.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGQUIT, signal.SIG_DFL)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
# Their tests share nothing that is dear to make, and take long: each may go to another process. Those with boards, too:
# a virtual board's port has a name of its own, a link, and the kernel gives out the device behind it to nobody else
# while any program has one of its ends open.
_APART = (
    "test_on_micropython",
    "test_hostile",
    "test_boards_and_faults",
    "test_garage",
    "test_point",
    *("test_flash", "test_provision", "test_uplink", "test_repl", "test_log_port", "test_esp32_tools"),
)


# What the tests make, and nobody's home.
os.environ["XDG_CACHE_HOME"] = str(safety.ROOT / "build" / "cache")

_AT_THE_CLOCK = ("drivers", "host", "sim", "tasks")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What pytest-xdist keeps together: a file, and all tests whose branches are counted.

    Tests of real programs are held to the wall clock of a machine that may be busy: one of them fails when it fails
    three times, and each time that it did is reported.
    """
    for item in items:
        if item.path.relative_to(safety.ROOT / "tests").parts[0] in _AT_THE_CLOCK:
            item.add_marker(pytest.mark.flaky(reruns=2))
        if safety.is_test(item.path):
            item.add_marker(pytest.mark.xdist_group(safety.GROUP))
        elif item.path.stem not in _APART:
            item.add_marker(pytest.mark.xdist_group(str(item.path.relative_to(safety.ROOT))))


@pytest.fixture(autouse=True)
def own_time_zone() -> Iterator[None]:
    """A command given --site tells times in that site's zone, for the whole process: not for the next test."""
    before = os.environ.get("TZ")
    yield
    if os.environ.get("TZ") != before:
        os.environ.pop("TZ", None)
        if before is not None:
            os.environ["TZ"] = before
        time.tzset()


@pytest.fixture(scope="session")
def micropython() -> Path:
    """MicroPython for Unix, 64-bit. Without it the test fails: `make setup` provides it everywhere."""
    return find_micropython()


@pytest.fixture(scope="session", params=["micropython", "micropython-i386"])
def mpy(request: pytest.FixtureRequest) -> Path:
    """Each MicroPython in turn; the 32-bit one is not to be had on every machine, so its tests may be skipped."""
    if request.param == "micropython":
        return find_micropython()
    try:
        return find_micropython(i386=True)
    except ToolMissingError:
        pytest.skip("no 32-bit MicroPython on this machine")


@pytest.fixture
def free_port() -> int:
    """A TCP port on loopback that nobody listens on."""
    return find_free_port()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    """A mosquitto of the test's own, running."""
    with Broker(tmp_path / "broker") as running:
        yield running
