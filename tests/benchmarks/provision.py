"""Thirty blank boards become points in one run, eight at a time; one is pulled half-way, a second run finishes it.

Every board is a virtual ESP32 and mosquitto has the site's own configuration: at the end all of them must be connected
with the password that they were given, by TLS.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from tests.fakes import esp32_image
from tests.fakes.garage import Mosquitto, Talker, make_site
from zhuque import boards
from zhuque.device import image, layout, stock
from zhuque.install import batch
from zhuque.install.assign import Assigner
from zhuque.install.provision import Provisioner, Wish
from zhuque.sim.esp32.board import BoardOptions, VirtualBoard
from zhuque.site import people
from zhuque.site.login import read
from zhuque.site.settings import Settings

COUNT, JOBS, PULLED = 30, 8, 11


def run(quick: bool) -> Iterator[str]:
    """A line for each step; raises AssertionError where one is not as it must be."""
    count = 8 if quick else COUNT
    base = image.build(boards.load("zq10"), stock.read(esp32_image.stock("v1.26.1", size=24 * 1024)))
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        site = make_site(Path(folder) / "riverside", points=count)
        made = [
            stack.enter_context(
                VirtualBoard(
                    BoardOptions(flash=Path(folder) / f"{i}", mac=bytes([0x24, 0x0A, 0xC4, 0, 2, i]))
                )
            )
            for i in range(count)
        ]
        pulled = made[PULLED % count]
        pulled.order(f"unplug at=40 region={layout.VFS.offset:#x}")
        yield _round(site, base, made, failing=1)
        pulled.order("plug")
        time.sleep(2)
        yield _round(site, base, made, failing=0)
        broker = Mosquitto(site)
        stack.callback(broker.stop)
        broker.start()
        yield _online(site, count)


def _round(site: Settings, base: image.Image, made: list[VirtualBoard], failing: int) -> str:
    began = time.monotonic()
    work = Provisioner(base, Assigner(site, site.points, base, "bench"), Wish())
    outcomes = list(batch.named(work, [board.address for board in made], JOBS))
    failed = [str(outcome.error or outcome.wrong) for outcome in outcomes if not outcome.passed]
    assert len(failed) == failing, failed
    assert len(work.assigner.left()) == failing
    written = sum(bool(outcome.files) for outcome in outcomes if outcome.passed)
    read_back = sum(outcome.files for outcome in outcomes)
    return (
        f"{len(outcomes)} boards, {JOBS} at a time: {written} provisioned, {read_back} files read back, "
        f"{len(outcomes) - written - failing} done before, {failing} pulled, {time.monotonic() - began:.0f} s"
    )


def _online(site: Settings, count: int) -> str:
    """Seconds until every point is there; they had no broker before, and come back at random."""
    began = time.monotonic()
    people.add(site, "li", "viewer", int(time.time()), "bench")
    login = read(site.logins / "li.toml")
    with Talker(site, "li", login.password, people=True, certificate=login.certificate) as talker:
        talker.subscribe("zq/1/+/+/status")
        there: set[str] = set()
        while len(there) < count:
            assert time.monotonic() - began < 200, f"only {len(there)} of {count} are connected"
            time.sleep(0.5)
            there = {topic for topic, raw in list(talker.heard) if b'"online":true' in raw}
    return f"all {count} talk TLS to mosquitto, {time.monotonic() - began:.0f} s after it was started"
