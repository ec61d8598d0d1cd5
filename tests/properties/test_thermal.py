"""The thermal replica: more current never makes it cooler, and it stays within small integers."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from core.thermal import THETA_ONE, THETA_TRIP, Replica

RATED_MA = 5000
steps = st.lists(
    st.tuples(st.integers(1, 2500), st.integers(0, 1 << 29), st.integers(0, 1 << 29)), min_size=1, max_size=80
)


@settings(max_examples=300, deadline=None)
@given(steps, st.integers(0, THETA_TRIP))
def test_theta_is_monotone_in_current(trace: list[tuple[int, int, int]], begins: int) -> None:
    """Of two traces of which one is nowhere below the other it is nowhere cooler, but for the last bit of theta."""
    cool, warm = Replica(1, RATED_MA), Replica(1, RATED_MA)
    cool.theta[0] = warm.theta[0] = begins
    for dt_ms, one, other in trace:
        cool.heat(dt_ms, [min(one, other)])
        warm.heat(dt_ms, [max(one, other)])
        assert cool.theta[0] <= warm.theta[0] + 1


@settings(max_examples=200, deadline=None)
@given(steps, st.integers(1, THETA_TRIP))
def test_theta_stays_between_nothing_and_the_largest_current(
    trace: list[tuple[int, int, int]], begins: int
) -> None:
    replica = Replica(1, RATED_MA)
    replica.theta[0] = begins
    for dt_ms, ma, _ in trace:
        replica.heat(dt_ms, [ma])
        assert 0 <= replica.theta[0] <= 64 * THETA_ONE < 1 << 30
        assert 0 <= replica._rest[0] < 30000


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 5650), st.integers(1, 60))
def test_what_is_allowed_for_ever_never_trips(ma: int, dt_ms: int) -> None:
    """1.13 times rated, an hour, in steps of any length."""
    replica = Replica(1, RATED_MA)
    for _ in range(min(3_600_000 // dt_ms, 20_000)):
        assert not replica.heat(dt_ms, [ma])


@settings(max_examples=100, deadline=None)
@given(st.integers(12750, 1 << 29), st.integers(1, 60))
def test_what_is_too_much_trips_in_time(ma: int, dt_ms: int) -> None:
    """2.55 times rated and more: within ten seconds from cold."""
    replica = Replica(1, RATED_MA)
    replica.theta[0] = 0
    assert any(replica.heat(dt_ms, [ma]) for _ in range(10_000 // dt_ms))
