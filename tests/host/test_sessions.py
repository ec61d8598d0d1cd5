"""Sessions are the same whatever the order in which the records arrive, how often, and in what batches."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from tests.host import wire_samples as wire
from zhuque.collector.ingest import decode
from zhuque.store import derive
from zhuque.store.items import Item, Lost, Record
from zhuque.store.journals import Standing
from zhuque.store.schema import alarms, dead_letters, epochs, points, records, sessions
from zhuque.store.write import Store

NOW = 1764000100


@pytest.fixture
def store(where: str) -> Iterator[Store]:
    opened = Store(where)
    yield opened
    opened.close()


def item(body: dict[str, Any], topic: str = wire.RECORD) -> Item:
    return decode(topic, wire.raw(body), False, NOW)


def write(store: Store, *bodies: dict[str, Any]) -> None:
    store.write([item(body, wire.STATUS if "online" in body else wire.RECORD) for body in bodies])


def rows(store: Store, table: sa.Table) -> list[dict[str, Any]]:
    with store.database.begin() as db:
        return [dict(row) for row in db.execute(sa.select(table)).mappings()]


def session(store: Store) -> dict[str, Any]:
    (row,) = rows(store, sessions)
    return row


def derived(bodies: list[dict[str, Any]]) -> dict[str, Any]:
    row = derive.empty("riverside", "p01", f"{wire.EPOCH}-2")
    for body in bodies:
        found = item(body)
        assert isinstance(found, Record)
        derive.merge(row, found)
    derive.date(row, lambda epoch, boot: (50_000, 1764000050))
    return row


def test_permutations_give_identical_rows() -> None:
    later = {"epoch": wire.OTHER_EPOCH, "boot": 1}
    bodies = [
        wire.start(2, time=None),
        wire.checkpoint(3, 2, 1000),
        wire.checkpoint(9, 2, 2000),
        wire.checkpoint(1, 2, 3000, **later),
        wire.end(12, 2, 2500, started=1763990000),
        wire.end(4, 2, 9999, reason="power_loss", **later),
    ]
    results = [derived(list(order)) for order in itertools.permutations(bodies)]
    assert all(result == results[0] for result in results)
    assert (results[0]["energy_mwh"], results[0]["end_reason"]) == (2500, "full")
    assert results[0]["started_at"] == 1764000002
    without_end = [derived(list(order)) for order in itertools.permutations(bodies[:4])]
    assert all(result == without_end[0] for result in without_end)
    assert (without_end[0]["energy_mwh"], without_end[0]["ended_at"]) == (3000, None)


def test_a_record_twice_changes_nothing() -> None:
    bodies = [wire.start(2), wire.checkpoint(3, 2, 1000), wire.end(4, 2, 1500)]
    assert derived(bodies + bodies) == derived(bodies)


def test_the_database_says_the_same_in_any_order_and_batches(new_db: Callable[[], str]) -> None:
    bodies = [
        wire.boot(1, time=None),
        wire.start(2, time=None),
        wire.record(3, "clock", time=1764000003, was=None),
        wire.checkpoint(4, 2, 700),
        wire.end(5, 2, 900),
        wire.start(6, socket=4),
        wire.checkpoint(7, 6, 100, socket=4),
        wire.record(8, "clock", time=1764009999, was=1764000008),
    ]
    shuffle = random.Random(2)
    seen = []
    for _ in range(12):
        store = Store(new_db())
        order = bodies + shuffle.sample(bodies, 3)
        shuffle.shuffle(order)
        while order:
            size = shuffle.randint(1, 4)
            write(store, *order[:size])
            order = order[size:]
        seen.append(sorted(rows(store, sessions), key=lambda row: row["session"]))
        assert store.stored(("riverside", "p01", wire.EPOCH)) == 8
        assert len(rows(store, records)) == 8
        before = seen[-1]
        assert store.rebuild_sessions() == 2
        assert sorted(rows(store, sessions), key=lambda row: row["session"]) == before
        store.close()
    assert all(rows == seen[0] for rows in seen)
    assert [row["started_at"] for row in seen[0]] == [1764000002, 1764000000]
    assert [row["ended_at"] for row in seen[0]] == [1764000000, None]
    assert [row["energy_mwh"] for row in seen[0]] == [900, 100]


def test_without_a_clock_a_time_stays_unknown(store: Store) -> None:
    write(store, wire.start(2, time=None), wire.end(3, 2, 5, time=None))
    assert (session(store)["started_at"], session(store)["ended_at"]) == (None, None)
    write(store, wire.record(1, "clock", time=1764000001, boot=18))
    assert session(store)["started_at"] is None  # another boot
    write(store, wire.record(4, "clock", time=1764000004))
    assert (session(store)["started_at"], session(store)["ended_at"]) == (1764000002, 1764000003)


def test_a_session_that_outlives_its_journal(store: Store) -> None:
    write(store, wire.start(371))
    write(store, {**wire.end(2, 371, 42), "epoch": wire.OTHER_EPOCH, "time": 1764005000})
    assert (session(store)["energy_mwh"], session(store)["ended_at"]) == (42, 1764005000)


def test_a_contradiction_is_kept_beside(store: Store) -> None:
    write(store, wire.start(1), wire.end(2, 1, 900))
    write(store, wire.end(2, 1, 100), wire.boot(3))
    write(store, wire.end(2, 1, 100))
    assert session(store)["energy_mwh"] == 900
    (letter,) = rows(store, dead_letters)
    assert (letter["reason"], letter["seq"]) == ("contradiction", 2)
    assert b'"energy_mwh":100' in letter["payload"]
    assert store.stored(("riverside", "p01", wire.EPOCH)) == 3


def test_a_null_and_an_absent_key_are_the_same_record(store: Store) -> None:
    body = wire.start(1, max_duration_s=None)
    write(store, body)
    del body["max_duration_s"]
    write(store, body)
    assert rows(store, dead_letters) == []


def test_a_gap_holds_the_confirmation_back(store: Store) -> None:
    journal = ("riverside", "p01", wire.EPOCH)
    write(store, wire.boot(1), wire.boot(2), wire.boot(4))
    assert store.stored(journal) == 2
    write(store, wire.boot(3))
    assert store.stored(journal) == 4


def test_a_bad_record_fills_its_place(store: Store) -> None:
    write(store, wire.boot(1), wire.start(2, socket="x"), wire.boot(3))
    assert store.stored(("riverside", "p01", wire.EPOCH)) == 3
    assert len(rows(store, records)) == 2


def test_what_is_gone_for_ever_is_skipped_and_told(store: Store) -> None:
    journal = ("riverside", "p01", wire.EPOCH)
    write(store, wire.boot(1), wire.boot(5), wire.boot(8))
    write(store, wire.status(first_seq=7, last_seq=8))
    assert store.standing(journal) == Standing(1, 4, 8)  # it may still be on its way
    store.write([Lost("riverside", "p01", wire.EPOCH, 7, "they left the journal", NOW)])
    assert store.stored(journal) == 6
    (alarm,) = rows(store, alarms)
    assert (alarm["alarm"], alarm["from_seq"], alarm["to_seq"]) == ("records_lost", 2, 6)
    assert alarm["detail"].startswith("4 records")
    write(store, wire.status(first_seq=7, last_seq=8), wire.boot(7))
    assert len(rows(store, alarms)) == 1
    assert store.stored(journal) == 8
    (epoch,) = rows(store, epochs)
    assert (epoch["stored_seq"], epoch["first_seq"], epoch["last_seq"]) == (8, 7, 8)


def test_progress_is_found_again(store: Store, where: str) -> None:
    write(store, wire.boot(1), wire.boot(3), wire.boot(4), wire.start(5, socket="x"))
    again = Store(where)
    write(again, wire.boot(2))
    assert again.stored(("riverside", "p01", wire.EPOCH)) == 5
    again.close()


def test_an_alarm_of_a_board_is_listed_once(store: Store) -> None:
    body = wire.record(1, "alarm", alarm="relay_welded", state="raised", socket=3, detail=None)
    write(store, body)
    write(store, body)
    (alarm,) = rows(store, alarms)
    assert (alarm["alarm"], alarm["state"], alarm["socket"], alarm["seq"]) == ("relay_welded", "raised", 3, 1)


def test_energy_outside_a_session_makes_no_session(store: Store) -> None:
    write(store, wire.checkpoint(1, 9, 77, session=None))
    assert rows(store, sessions) == []
    assert len(rows(store, records)) == 1


def test_what_the_database_refuses_does_not_hold_up_the_rest(store: Store) -> None:
    poison = item(wire.boot(2))
    assert isinstance(poison, Record)
    poison.boot = 1 << 70  # more than a column holds; the checks of ingest do not let it come this far
    store.write([item(wire.boot(1)), poison, item(wire.boot(3))])
    assert store.stored(("riverside", "p01", wire.EPOCH)) == 3
    (letter,) = rows(store, dead_letters)
    assert (letter["reason"], letter["seq"]) == ("unstorable", 2)


def test_a_kept_status_does_not_set_the_last_sign_of_life_back(store: Store) -> None:
    write(store, wire.boot(1))
    old = wire.raw(wire.status(time=NOW - 5000, state="starting"))
    store.write([decode(wire.STATUS, old, True, NOW + 50)])
    (point,) = rows(store, points)
    assert (point["seen_at"], point["status_at"], point["online"]) == (NOW, NOW + 50, True)
    store.write([decode(wire.STATUS, wire.raw({"online": False}), False, NOW + 60)])
    (point,) = rows(store, points)
    assert (point["seen_at"], point["online"]) == (NOW, False)
    assert '"starting"' in point["status"]
