"""The energy of half hours and what it costs: by hand, and as properties over sessions by chance."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.host.billing.test_tariff import GOOD, SHANGHAI, read, unix
from zhuque.billing.cost import Cost, by_period, cost
from zhuque.billing.halves import halves
from zhuque.billing.tariff import SLOT_S, parse

(TARIFF,) = parse(read(GOOD))
NOON = unix("2026-10-05T12:00")
MOMENTS = st.lists(st.tuples(st.integers(-10_000, 60_000), st.integers(-1000, 3_000_000)), max_size=12)


def test_each_half_hour_gets_what_was_counted_in_it() -> None:
    found = halves(NOON + 600, NOON + 4200, 1000, [(NOON + 1800, 300), (NOON + 3600, 900)])
    assert found == {NOON: 300, NOON + 1800: 600, NOON + 3600: 100}


def test_between_known_moments_energy_is_spread_over_time() -> None:
    assert halves(NOON + 900, NOON + 2700, 1001, []) == {NOON: 500, NOON + 1800: 501}


def test_a_checkpoint_some_seconds_late_does_not_move_the_half_hour() -> None:
    assert halves(NOON, NOON + 3600, 3600, [(NOON + 1810, 1810)]) == {NOON: 1800, NOON + 1800: 1800}


def test_moments_that_contradict_are_left_out() -> None:
    plain = halves(NOON, NOON + 3600, 1000, [])
    for wrong in ((NOON - 1, 10), (NOON, 10), (NOON + 3601, 10), (NOON + 100, 1001), (NOON + 100, -1)):
        assert halves(NOON, NOON + 3600, 1000, [wrong]) == plain
    set_back = [(NOON + 1800, 600), (NOON + 60, 700)]
    assert halves(NOON, NOON + 3600, 1000, set_back) == {NOON: 600, NOON + 1800: 400}


def test_without_any_time_between_start_and_end_nothing_is_lost() -> None:
    assert halves(NOON, NOON - 5000, 777, []) == {NOON: 777}


@given(st.integers(-5000, 50_000), st.integers(0, 3_000_000), MOMENTS)
def test_the_parts_are_the_whole(length_s: int, energy_mwh: int, between: list[tuple[int, int]]) -> None:
    found = halves(NOON, NOON + length_s, energy_mwh, [(NOON + t, mwh) for t, mwh in between])
    assert sum(found.values()) == energy_mwh
    assert all(mwh > 0 and unix_time % SLOT_S == 0 for unix_time, mwh in found.items())


def test_electricity_and_service_by_hand() -> None:
    # 16:30 to 17:30: half an hour at 63.2, half at 104.32; 0.5 kWh each at 180 W: 31.6 + 52.16, service 30.
    at = unix("2026-10-05T16:30")
    energy = {at: 500_000, at + 1800: 500_000}
    assert by_period(TARIFF, energy, SHANGHAI) == {"peak": 500_000, "valley": 0, "shoulder": 500_000}
    assert cost(TARIFF, energy, 3600, 180_000, SHANGHAI) == Cost(84, 30)
    # Above 200 W: 40 fen/kWh and 5 fen an hour, of 90 min.
    assert cost(TARIFF, energy, 5400, 200_001, SHANGHAI) == Cost(84, 48)  # 47.5 rounds up


@pytest.mark.parametrize(("duration_s", "fen"), [(0, 0), (300, 0), (301, 50)])
def test_free_minutes_then_the_minimum(duration_s: int, fen: int) -> None:
    assert cost(TARIFF, {NOON: 1000}, duration_s, 100_000, SHANGHAI).fen == fen


def test_no_energy_costs_nothing() -> None:
    assert cost(TARIFF, {}, 9999, 0, SHANGHAI) == Cost(0, 0)


def test_the_minimum_is_made_up_by_the_service_fee() -> None:
    # 0.2 kWh at 63.2: 12.64 fen of electricity, 6 of service.
    assert cost(TARIFF, {NOON: 200_000}, 3600, 100_000, SHANGHAI) == Cost(13, 37)


def test_the_cap_lowers_the_service_fee_first() -> None:
    # 11 kWh at 63.2: 695.2 fen; service 330: 1025 capped to 1000. 16 kWh: 1011.2 of electricity alone.
    assert cost(TARIFF, {NOON: 11_000_000}, 3600, 100_000, SHANGHAI) == Cost(695, 305)
    assert cost(TARIFF, {NOON: 16_000_000}, 3600, 100_000, SHANGHAI) == Cost(1000, 0)


@given(
    st.dictionaries(
        st.integers(0, 96).map(lambda n: NOON + n * SLOT_S), st.integers(1, 3_000_000), max_size=30
    ),
    st.integers(0, 90_000),
    st.integers(0, 2_000_000),
)
def test_a_cost_is_between_minimum_and_cap(energy: dict[int, int], duration_s: int, peak_mw: int) -> None:
    found = cost(TARIFF, energy, duration_s, peak_mw, SHANGHAI)
    assert found.electricity_fen >= 0 and found.service_fen >= 0
    if energy and duration_s > 300:
        assert 50 <= found.fen <= 1000
        more = {unix_time: mwh * 2 for unix_time, mwh in energy.items()}
        assert cost(TARIFF, more, duration_s, peak_mw, SHANGHAI).fen >= found.fen
    else:
        assert found == Cost(0, 0)
