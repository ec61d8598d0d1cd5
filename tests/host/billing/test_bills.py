"""Costs in both databases: made from the records, kept, and made again to the fen."""

from __future__ import annotations

import random
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from tests.host import wire_samples as wire
from tests.host.billing.test_tariff import GOOD, SHANGHAI, read, unix
from zhuque.billing.tariff import parse
from zhuque.collector.ingest import decode
from zhuque.report.bills import NO_CLOCK, NO_TARIFF, Terms, check, energy_by_half_hour, price_sessions
from zhuque.store.costs import closed_sessions
from zhuque.store.engine import open_reader
from zhuque.store.schema import costs, sessions
from zhuque.store.write import Store

TERMS = Terms("riverside", parse(read(GOOD)), SHANGHAI)
AT = unix("2026-10-05T10:30")
EVENING = unix("2026-10-05T21:00")


def write(where: str, *bodies: dict[str, Any]) -> None:
    store = Store(where)
    try:
        store.write([decode(wire.RECORD, wire.raw(body), False, AT) for body in bodies])
    finally:
        store.close()


def priced(where: str, **how: Any) -> tuple[int, int, dict[str, int]]:
    store = Store(where)
    try:
        outcome = price_sessions(open_reader(where), store.database, how.pop("terms", TERMS), **how)
    finally:
        store.close()
    return outcome.priced, outcome.kept, dict(outcome.left)


def stored(where: str) -> list[dict[str, Any]]:
    with open_reader(where).begin() as db:
        return [dict(row) for row in db.execute(sa.select(costs).order_by(costs.c.session)).mappings()]


def change(where: str, statement: Any) -> None:
    store = Store(where)
    with store.database.begin() as db:
        db.execute(statement)
    store.close()


def day(first: int = 2) -> list[dict[str, Any]]:
    """An hour and a half from 10:30: 100 Wh at peak till 11:00, then 500 and 200 Wh of shoulder."""
    return [
        wire.start(first, time=AT),
        wire.checkpoint(first + 1, first, 100_000, time=AT + 1800),
        wire.checkpoint(first + 3, first, 600_000, time=AT + 3600),
        wire.end(first + 5, first, 800_000, time=AT + 5400, duration_s=5400, peak_mw=188_000),
    ]


def test_a_session_is_priced_by_its_half_hours_once(where: str) -> None:
    write(where, *day())
    assert priced(where) == (1, 0, {})
    (row,) = stored(where)
    # 0.1 kWh at 104.32 and 0.7 at 63.2: 54.672; service 24.
    assert (row["electricity_fen"], row["service_fen"], row["tariff"]) == (55, 24, "2026-10")
    assert row["energy_mwh"] == 800_000
    assert priced(where) == (0, 1, {})
    assert list(check(open_reader(where), TERMS)) == []


def test_the_order_of_arrival_changes_no_cost(where: str) -> None:
    bodies = [*day(), wire.record(8, "trip", socket=3, cause="overcurrent"), *day(9)]
    random.Random(7).shuffle(bodies)
    for body in bodies:
        write(where, body)
    priced(where)
    assert {(row["electricity_fen"], row["service_fen"]) for row in stored(where)} == {(55, 24)}
    assert len(stored(where)) == 2


def test_checkpoints_without_a_clock_are_dated_back(where: str) -> None:
    timeless = [
        {**body, "time": None, "uptime_ms": 1000 * (body["time"] - AT) + 60_000} for body in day()[:3]
    ]
    clock = wire.record(6, "clock", AT + 4000, was=None) | {"uptime_ms": 4_060_000}
    write(where, *timeless, clock, day()[3])
    priced(where)
    assert [(row["electricity_fen"], row["service_fen"]) for row in stored(where)] == [(55, 24)]


def test_without_any_clock_a_session_has_no_price_until_it_has_a_date(where: str) -> None:
    timeless = [{**body, "time": None, "uptime_ms": 1000 * (body["time"] - AT)} for body in day()]
    write(where, *timeless)
    assert priced(where) == (0, 0, {NO_CLOCK: 1})
    write(where, wire.record(9, "clock", AT + 6000, was=None) | {"uptime_ms": 6_000_000})
    assert priced(where) == (1, 0, {})


def test_a_session_of_two_journals_has_all_its_checkpoints(where: str) -> None:
    own = day()
    later = {"epoch": wire.OTHER_EPOCH, "boot": 1}
    write(where, own[0], own[1], {**own[2], **later, "seq": 1}, {**own[3], **later, "seq": 4})
    (found,) = closed_sessions(open_reader(where), "riverside")
    assert energy_by_half_hour(found) == {AT: 100_000, AT + 1800: 500_000, AT + 3600: 200_000}


def test_before_the_first_tariff_and_open_ones(where: str) -> None:
    early = [{**body, "time": body["time"] - 86400 * 30} for body in day()]
    write(where, *early, wire.start(20, time=AT))
    assert priced(where) == (0, 0, {NO_TARIFF: 1})


def test_a_month_is_of_the_sessions_that_ended_in_it(where: str) -> None:
    write(where, *day())
    assert priced(where, since=AT + 5401)[0] == 0
    assert priced(where, until=AT + 5400)[0] == 0
    assert priced(where, since=AT + 5400, until=AT + 5401)[0] == 1


@pytest.mark.parametrize(
    ("tariff", "words"),
    [
        (GOOD.replace("104.32", "100"), "was edited"),
        (GOOD.replace('"2026-10"', '"autumn"'), "another tariff"),
        (GOOD.replace("from = 2026-10-01", "from = 2026-10-06"), NO_TARIFF),
    ],
)
def test_an_edited_tariff_is_found(where: str, tariff: str, words: str) -> None:
    write(where, *day())
    priced(where)
    (difference,) = check(open_reader(where), Terms("riverside", parse(read(tariff)), SHANGHAI))
    assert words in difference.why


def test_a_late_record_that_moves_energy_is_found_and_priced_again(where: str) -> None:
    write(where, *day()[:1], *day()[2:])
    priced(where)
    before = stored(where)
    write(where, day()[1])
    (difference,) = check(open_reader(where), TERMS)
    assert "other half hours" in difference.why
    assert stored(where) == before
    assert priced(where, again=True) == (1, 0, {})
    assert list(check(open_reader(where), TERMS)) == []


def test_a_cost_that_was_changed_is_found(where: str) -> None:
    write(where, *day())
    priced(where)
    change(where, sa.update(costs).values(electricity_fen=54))
    (difference,) = check(open_reader(where), TERMS)
    assert difference.made is not None and difference.made.electricity_fen == 55
    change(where, sa.update(costs).values(electricity_fen=55))
    change(where, sa.update(sessions).values(energy_mwh=900_000))
    (difference,) = check(open_reader(where), TERMS)
    assert "energy" in difference.why


def test_many_sessions_are_priced_as_a_stream(where: str) -> None:
    chance = random.Random(3)
    bodies: list[dict[str, Any]] = []
    energy = 0
    for n in range(1300):
        first, wh = 10 * n + 1, chance.randrange(1, 2_000_000)
        energy += wh
        begin = AT + 60 * n
        bodies += [
            wire.start(first, time=begin),
            wire.checkpoint(first + 1, first, wh // 3, time=begin + 1000),
            wire.end(first + 2, first, wh, time=begin + 4000, duration_s=4000),
        ]
    write(where, *bodies)
    assert priced(where) == (1300, 0, {})
    assert sum(row["energy_mwh"] for row in stored(where)) == energy
    assert list(check(open_reader(where), TERMS)) == []


def test_another_site_is_left_alone(where: str) -> None:
    write(where, *day())
    assert priced(where, terms=Terms("hillside", TERMS.tariffs, ZoneInfo("UTC"))) == (0, 0, {})
