"""What a broker lost is asked for again; what is lost for ever is said, and taken back when it comes all the same."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.collecting import Running, rows, wait_for
from tests.fakes.journal_point import JournalPoint
from tests.host import wire_samples as wire
from zhuque.collector.ingest import decode
from zhuque.sim.broker import Broker
from zhuque.store.items import Lost
from zhuque.store.journals import Standing
from zhuque.store.write import Store

NOW = 1764000100
JOURNAL = ("riverside", "p01", wire.EPOCH)
LOSSES = "SELECT from_seq, to_seq, missing, state FROM alarms WHERE alarm = 'records_lost' ORDER BY from_seq"


@pytest.fixture
def store(where: str) -> Iterator[Store]:
    opened = Store(where)
    yield opened
    opened.close()


def write(store: Store, *bodies: dict[str, Any]) -> None:
    store.write(
        [
            decode(wire.STATUS if "online" in body else wire.RECORD, wire.raw(body), False, NOW)
            for body in bodies
        ]
    )


def lose(store: Store, begin: int) -> None:
    store.write([Lost(*JOURNAL, begin, "they left the journal", NOW)])


def test_a_loss_is_taken_back_record_by_record(store: Store, where: str) -> None:
    write(store, wire.boot(1), wire.boot(5), wire.boot(8))
    lose(store, 7)
    assert store.standing(JOURNAL) == Standing(6, 7, 8)
    assert rows(where, LOSSES) == [(2, 6, 4, "raised")]
    write(store, wire.boot(3))
    write(store, wire.boot(3), wire.boot(8))  # twice is nothing
    assert rows(where, LOSSES) == [(2, 6, 3, "raised")]
    again = Store(where)  # another collector, later
    write(again, wire.boot(2), wire.boot(4))
    assert rows(where, LOSSES) == [(2, 6, 1, "raised")]
    write(again, wire.start(6, socket="x"))  # a bad record fills its place too
    assert rows(where, LOSSES) == [(2, 6, 0, "cleared")]
    again.close()


def test_a_loss_that_is_written_twice_is_one(store: Store, where: str) -> None:
    write(store, wire.boot(1), wire.boot(5))
    lose(store, 5)
    lose(store, 5)
    store._journals.forget()
    lose(store, 5)
    assert rows(where, LOSSES) == [(2, 4, 3, "raised")]
    assert store.stored(JOURNAL) == 5


def test_a_record_lost_first_and_found_later_makes_its_session_whole(store: Store, where: str) -> None:
    write(store, wire.boot(1), wire.end(4, 2, 900))
    lose(store, 4)
    write(store, wire.start(2, time=1763990000), wire.checkpoint(3, 2, 500))
    assert rows(where, LOSSES) == [(2, 3, 0, "cleared")]
    assert rows(where, "SELECT started_at, energy_mwh FROM sessions") == [(1763990000, 900)]


def all_there(db: str, points: list[JournalPoint]) -> bool:
    found = rows(db, "SELECT point, stored_seq FROM epochs ORDER BY point")
    return found == [(p.point, len(p.records)) for p in points]


@pytest.mark.parametrize("persistence", [True, False], ids=["persistent", "forgetful"])
def test_a_killed_broker_loses_nothing(tmp_path: Path, persistence: bool) -> None:
    """Acknowledged by the broker and never stored by anybody: asked for with `resend`; a clock ahead is no obstacle."""
    where = str(tmp_path / "site.db")
    broker = Broker(tmp_path / "broker", configuration="" if persistence else "persistence false\n")
    points = [JournalPoint(broker.host, broker.port, f"p{n:02}") for n in range(1, 5)]
    points[0].ahead_s = 3600
    broker.start()
    Running(broker.url, where).connected().stop()  # the broker keeps its session from now on
    try:
        for point in points:
            point.start().live(250)
        wait_for(lambda: all(point._acked == 250 for point in points))
        broker.kill()  # a thousand records that only the broker's memory held
        broker.start()
        running = Running(broker.url, where, gap_age_s=1.0).connected()
        for point in points:
            point.live(20)
        wait_for(lambda: all_there(where, points), 30)
        running.stop()
    finally:
        for point in points:
            point.stop()
        broker.stop()
    assert rows(where, "SELECT count(*) FROM records") == [(1080,)]
    assert rows(where, LOSSES) == []
    for point in points:
        assert all(b[0] >= a[0] for a, b in zip(point.asked, point.asked[1:], strict=False))
    if not persistence:
        assert all(point.asked for point in points)


def test_what_is_gone_is_said_and_the_rest_fetched(broker: Broker, tmp_path: Path) -> None:
    where = str(tmp_path / "site.db")
    point = JournalPoint(broker.host, broker.port, "p01")
    point.live(30)
    point._acked = 25  # sent while another collector was there
    point.first_seq = 11
    running = Running(broker.url, where, gap_age_s=1.0).connected()
    point.start()
    try:
        wait_for(lambda: all_there(where, [point]), 20)
    finally:
        point.stop()
        running.stop()
    assert rows(where, "SELECT count(*) FROM records") == [(20,)]
    assert rows(where, LOSSES) == [(1, 10, 10, "raised")]
    assert sum("lost" in text for text in running.said) == 1


def test_a_kept_status_before_its_records_is_no_loss(broker: Broker, tmp_path: Path) -> None:
    """The broker gives what it kept before what it queued: a ring that moved on meanwhile has lost nothing."""
    where = str(tmp_path / "site.db")
    Running(broker.url, where).connected().stop()
    point = JournalPoint(broker.host, broker.port, "p01").start()
    point.live(300)
    wait_for(lambda: point._acked == 300)
    point.first_seq = 101
    point.tell()
    running = Running(broker.url, where, gap_age_s=1.0).connected()
    try:
        wait_for(lambda: all_there(where, [point]))
        time.sleep(1.5)
    finally:
        point.stop()
        running.stop()
    assert (point.asked, rows(where, LOSSES)) == ([], [])
