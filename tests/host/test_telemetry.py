"""Telemetry is thinned step by step, and what is kept is the last of each step."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fakes.collecting import rows
from tests.host import wire_samples as wire
from zhuque.collector.ingest import decode
from zhuque.store import telemetry
from zhuque.store.items import Telemetry
from zhuque.store.telemetry import DAY_S, HOUR_S, Ages
from zhuque.store.write import Store

NOW = 1764000000 - 1764000000 % DAY_S + 7 * HOUR_S + 123
AGES = Ages(6 * HOUR_S, 2 * DAY_S)


@pytest.fixture
def store(where: str) -> Iterator[Store]:
    opened = Store(where)
    yield opened
    opened.close()


def send(store: Store, times: list[int], point: str = "p01") -> None:
    store.write(
        [
            decode(f"zq/1/riverside/{point}/telemetry", wire.raw(wire.telemetry(uptime_ms=at)), False, at)
            for at in times
        ]
    )


def kept(where: str, point: str = "p01") -> list[int]:
    return [at for (at,) in rows(where, f"SELECT at FROM telemetry WHERE point = '{point}' ORDER BY at")]


def expected(times: list[int], now: int, ages: Ages) -> list[int]:
    """The last of each minute and hour that is wholly older than its age."""

    def last_of_each(step_s: int, age_s: int, left: list[int]) -> list[int]:
        until = (now - age_s) // step_s * step_s
        last = {at // step_s: at for at in sorted(left) if at < until}
        return sorted([*last.values(), *(at for at in left if at >= until)])

    return last_of_each(HOUR_S, ages.hours_s, last_of_each(60, ages.minutes_s, sorted(set(times))))


def test_minutes_then_hours_then_nothing(store: Store, where: str) -> None:
    times = list(range(NOW - 3 * DAY_S, NOW, 25))
    for begin in range(0, len(times), 2000):
        send(store, times[begin : begin + 2000])
    send(store, times[-5:], "p02")
    gone = store.thin_telemetry(NOW, AGES)
    assert kept(where) == expected(times, NOW, AGES)
    assert gone == len(times) - len(kept(where))
    assert kept(where, "p02") == times[-5:]
    assert store.thin_telemetry(NOW, AGES) == 0
    store.thin_telemetry(NOW + DAY_S, Ages(60, 3600, 2 * DAY_S))
    assert kept(where)[0] >= NOW - DAY_S
    assert len(kept(where)) <= 25


def test_records_are_never_thinned(store: Store, where: str) -> None:
    store.write(
        [decode(wire.RECORD, wire.raw(wire.boot(seq)), False, NOW - 900 * DAY_S) for seq in (1, 2, 3)]
    )
    store.thin_telemetry(NOW, Ages(60, 60, 60))
    assert rows(where, "SELECT count(*) FROM records") == [(3,)]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.integers(NOW - 3 * DAY_S, NOW), max_size=60), st.lists(st.integers(0, 2 * DAY_S), max_size=4)
)
def test_it_makes_no_difference_how_often_it_is_done(
    store: Store, where: str, times: list[int], steps: list[int]
) -> None:
    with store.database.begin() as db:
        db.exec_driver_sql("DELETE FROM telemetry")
        db.exec_driver_sql("DELETE FROM thinned")
    send(store, times)
    for now in sorted(NOW + step for step in steps):
        store.thin_telemetry(now, AGES)
    store.thin_telemetry(NOW + 2 * DAY_S, AGES)
    assert kept(where) == expected(times, NOW + 2 * DAY_S, AGES)


def test_the_newest_of_a_second_wins(store: Store, where: str) -> None:
    body = wire.telemetry()
    with store.database.begin() as db:
        telemetry.write(db, [Telemetry("riverside", "p01", {**body, "uptime_ms": n}, NOW) for n in (1, 2)])
    ((text,),) = rows(where, "SELECT body FROM telemetry")
    assert '"uptime_ms":2' in text


def test_a_collector_thins_its_own_sites_alone(store: Store, where: str) -> None:
    send(store, [60_000, 60_010])
    assert sum(store.thinning(NOW, AGES, ("hillside",))) == 0
    assert sum(store.thinning(NOW, AGES, ("riverside", "hillside"))) == 1
    assert kept(where) == [60_010]
