"""A database that goes away, fills up or is locked, and collectors that are killed: nothing lost, nothing doubled."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.collector import Chaos
from tests.fakes.collecting import Running, rows, wait_for
from tests.fakes.journal_point import JournalPoint
from tests.fakes.postgres import Postgres
from zhuque.sim.broker import Broker


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if os.getuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a file system can be mounted by root alone")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


class Site:
    """A broker, a collector and two points that live on and on, until `settle`."""

    def __init__(self, broker: Broker, db: str) -> None:
        self.db = db
        self.running = Running(broker.url, db, gap_age_s=2.0).connected()
        self.points = [JournalPoint(broker.host, broker.port, f"p{n:02}").start() for n in (1, 2)]
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._live)
        self._thread.start()

    def _live(self) -> None:
        while not self._ending.wait(0.02):
            for point in self.points:
                point.live(10)

    def count(self) -> int:
        found: int = rows(self.db, "SELECT count(*) FROM records")[0][0]
        return found

    def goes_on(self) -> None:
        before = self.count()
        wait_for(lambda: self.count() > before, 30)

    def says(self, text: str, times: int) -> None:
        wait_for(lambda: sum(text in said for said in self.running.said) == times, 60)

    def settle(self) -> None:
        self._ending.set()
        self._thread.join()
        try:
            wait_for(
                lambda: (
                    rows(self.db, "SELECT point, stored_seq FROM epochs ORDER BY point")
                    == [(p.point, len(p.records)) for p in self.points]
                ),
                40,
            )
        finally:
            for point in self.points:
                point.stop()
            self.running.stop()
        assert self.count() == sum(len(p.records) for p in self.points)
        assert rows(self.db, "SELECT count(*) FROM dead_letters") == [(0,)]
        assert rows(self.db, "SELECT count(*) FROM alarms") == [(0,)]
        sessions = {r["session"] for p in self.points for r in p.records}
        assert rows(self.db, "SELECT count(*) FROM sessions") == [(len(sessions),)]


def test_a_full_disk_is_waited_for(broker: Broker, small_disk: Path) -> None:
    site = Site(broker, str(small_disk / "site.db"))
    site.says("nothing is lost", 1)
    before = site.count()
    time.sleep(1.0)
    assert site.count() == before
    subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
    site.says("takes records again", 1)
    site.goes_on()
    site.settle()
    assert any("full" in said or "disk" in said for said in site.running.said)


def test_a_disk_that_becomes_read_only_is_waited_for(broker: Broker, small_disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
    db = small_disk / "site.db"
    site = Site(broker, str(db))
    site.goes_on()
    # The collector's open file would keep the disk writable: another limit says the same.
    with site.running.store.database.connect() as connection:
        connection.exec_driver_sql("PRAGMA query_only=ON")
    site.says("readonly", 1)
    site.says("takes records again", 1)  # on a new connection
    site.goes_on()
    site.settle()


@pytest.mark.parametrize("how", ["stopped", "killed"])
def test_postgresql_goes_and_comes_back(broker: Broker, postgres: Postgres, how: str) -> None:
    site = Site(broker, postgres.new_database())
    try:
        site.goes_on()
        (postgres.stop if how == "stopped" else postgres.kill)()
        site.says("nothing is lost", 1)
        time.sleep(1.5)
    finally:
        postgres.start()
    site.says("takes records again", 1)
    site.goes_on()
    site.settle()
    assert sum("nothing is lost" in said for said in site.running.said) == 1


def test_collectors_side_by_side_before_one_postgresql(broker: Broker, postgres: Postgres) -> None:
    """Each with its sites, one of them rebuilding the sessions now and then."""
    db = postgres.new_database()
    sites = ("hillside", "riverside", "lakeside")
    runnings = [Running(broker.url, db, (site,), gap_age_s=2.0).connected() for site in sites]
    points = [
        JournalPoint(broker.host, broker.port, f"p{n:02}", site=site).start()
        for site in sites
        for n in (1, 2)
    ]
    try:
        for _ in range(10):
            for point in points:
                point.live(30)
            time.sleep(0.05)
            runnings[0].store.rebuild_sessions()
        expected: list[tuple[Any, ...]] = sorted((p.site, p.point, len(p.records)) for p in points)
        wait_for(lambda: rows(db, "SELECT site, point, stored_seq FROM epochs ORDER BY 1, 2") == expected, 30)
    finally:
        for point in points:
            point.stop()
        for running in runnings:
            running.stop()
    columns = "SELECT * FROM sessions ORDER BY site, point, session"
    before = rows(db, columns)
    assert len(before) == len({r["session"] for p in points for r in p.records})
    store = Running(broker.url, db, ("nobody",))
    store.store.rebuild_sessions()
    store.stop()
    assert rows(db, columns) == before
    assert not any(text for running in runnings for text in running.said if "nothing is lost" in text)


@pytest.mark.parametrize("seed", [7])
def test_killed_again_and_again(tmp_path: Path, new_db: Any, seed: int) -> None:
    """A dozen kills of the collector and some of the broker, at moments that the seed decides."""
    chaos = Chaos(tmp_path, new_db(), seed, persistence=True)
    with chaos:
        chaos.run(kills=7)
        chaos.settle()
    assert chaos.problems() == []
    assert chaos.survived["collector_kill"] >= 4
    assert chaos.survived["broker_kill"] >= 1
