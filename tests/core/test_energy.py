"""Energy from a chip's counter: nothing lost, nothing invented; a counter that stands still. Runs on both runtimes."""

from core.energy import FROZEN_COUNTS, Energy


def test_a_counter_that_falls_is_a_reset_and_one_that_wraps_is_energy():
    energy = Energy(1, 36_000, 1)
    assert [energy.take(0, count) for count in (5, 7, 3, 4)] == [0, 20, 0, 10] and energy.resets == 1
    for last, count, mwh in (
        ((1 << 24) - 1, 0, 10),
        ((1 << 24) - 65_535, 65_535, 10 * 131_070),
        ((1 << 24) - 65_536, 0, 0),
        ((1 << 24) - 1, 65_536, 0),
    ):
        energy = Energy(1, 36_000, 1)
        energy.take(0, last)
        assert energy.take(0, count) == mwh and energy.resets == (0 if mwh else 1), (last, count)


def test_a_new_one_owes_nothing_and_a_count_that_stays_is_no_reset():
    energy = Energy(2, 36_000, 1)
    assert list(energy._rest) == energy._unmoved_uws == energy._before_mw == [0, 0]
    assert [energy.take(0, count) for count in (5, 5, 5)] == [0, 0, 0] and energy.resets == 0
    assert energy.take(0, 4) == 0 and energy.resets == 1, "one less is a reset"


def test_the_remainder_is_carried_for_each_socket():
    """A count of 2520 / 2 milliwatt-seconds is 0.35 mWh."""
    energy = Energy(2, 2520, 2)
    assert energy.resets == 0
    assert [energy.take(0, count) for count in (0, 1, 2, 3, 6)] == [0, 0, 0, 1, 1]
    assert [energy.take(1, count) for count in (100, 101, 102, 103)] == [0, 0, 0, 1]
    energy.drop_rest(0)
    assert energy._rest[0] == 0 and energy._rest[1] > 0
    assert [energy.take(0, count) for count in (8, 9)] == [0, 1], "0.1 mWh were forgotten"
    assert [energy.take(1, count) for count in (104, 106)] == [0, 1], "and the other's 0.05 not"


def test_gains_are_in_parts_of_a_million():
    energy = Energy(2, 3600, 1, [1_500_000, 1_000_000])
    assert [energy.take(i, 0) for i in (0, 1)] == [0, 0]
    assert [energy.take(i, 10) for i in (0, 1)] == [15, 10]
    energy.set_gains([1_000_000, 999_999])
    assert [energy.take(i, 1_000_010) for i in (0, 1)] == [1_000_000, 999_999]


def frozen(energy, socket, power_mw, ms):
    """Of a counter that is read at every look: what is said once two turns of no length are over."""
    return any(energy.frozen(socket, power_mw, dt_ms) for dt_ms in (ms, 0, 0))


def standing(mws=1000):
    """A counter that has just been read, and stands still from now on; a count is so many milliwatt-seconds."""
    energy = Energy(2, 2 * mws, 2)
    energy.frozen(0, 100_000, 500)
    energy.frozen(1, 100_000, 500)
    return energy


def test_a_counter_that_stands_still_for_eight_counts():
    assert FROZEN_COUNTS == 8
    for dt_ms, stands in ((80, False), (81, True)):
        assert frozen(standing(), 0, 100_000, dt_ms) is stands, "8 Ws at 100 W"
    assert frozen(Energy(1, 1000, 1), 0, 0, 500) is False
    for dt_ms, stands in ((40, False), (41, True)):
        energy = standing()
        assert not frozen(energy, 0, 100_000, 40)
        assert frozen(energy, 0, 100_000, dt_ms) is stands, "it adds up"
        assert not frozen(energy, 1, 100_000, 80), "of this socket alone"
    energy = standing()
    assert not frozen(energy, 0, -5_000, 10_000) and not frozen(energy, 0, 100_000, 10_000), (
        "none flowed all the while"
    )
    assert not frozen(energy, 0, 100_000, 80) and frozen(energy, 0, 1, 1), "nor was any given back"


def test_a_counter_that_moves_by_many_counts_at_once():
    energy = Energy(1, 1000, 1, step=3)
    frozen(energy, 0, 100_000, 500)
    energy.take(0, 1)
    energy.take(0, 2)
    frozen(energy, 0, 100_000, 500)
    assert not frozen(energy, 0, 100_000, 240) and frozen(energy, 0, 1, 1), "24 Ws at 100 W"


def test_a_counter_that_is_read_seldom_stands_for_two_turns_longer():
    """A turn is two rounds of the meter; what came in the last two is not yet held against it."""
    for ms, stands in ((80, False), (81, True)):
        energy = Energy(2, 1000, 1, round_ms=300)
        energy.take(0, 1)
        energy.take(0, 2)
        energy.frozen(0, 100_000, 500)
        energy.frozen(1, 100_000, 500)
        assert not energy.frozen(0, 100_000, ms) and not energy.frozen(1, 100_000, 80)
        assert not energy.frozen(0, 0, 599 - ms) and not energy.frozen(0, 0, 1), "one turn"
        assert not energy.frozen(0, 0, 599) and energy.frozen(0, 0, 1) is stands, "and another"
        assert not energy.frozen(0, 0, 5000) and not energy.frozen(1, 0, 600) and not energy.frozen(1, 0, 600)


def test_a_counter_that_moved_has_nothing_held_against_it():
    for turns in range(3):
        energy = Energy(1, 1000, 1, round_ms=300)
        energy.take(0, 1)
        energy.frozen(0, 100_000, 500)
        energy.frozen(0, 100_000, 80)
        for _ in range(turns):
            energy.frozen(0, 0, 600)
        energy.take(0, 2)
        energy.frozen(0, 100_000, 500)
        said = [
            energy.frozen(0, power_mw, ms) for power_mw, ms in ((100_000, 80), (0, 520), (0, 600), (0, 600))
        ]
        assert not any(said), turns
        energy.take(0, 3)
        energy.frozen(0, 0, 400)
        said = [
            energy.frozen(0, power_mw, ms) for power_mw, ms in ((0, 1), (100_000, 1), (100_000, 81), (0, 517))
        ]
        assert said + [energy.frozen(0, 0, 599), energy.frozen(0, 0, 1)] == [False] * 5 + [True], (
            "turns begin anew"
        )


def test_turns_begin_at_the_beginning_and_where_the_counter_moved():
    energy = Energy(1, 1000, 1, round_ms=300)
    said = [energy.frozen(0, mw, ms) for mw, ms in ((100_000, 0), (100_000, 599), (0, 1), (0, 599), (0, 1))]
    assert said == [False] * 4 + [True]
    energy = Energy(1, 1000, 1, round_ms=300)
    energy.take(0, 1)
    energy.frozen(0, 0, 400)
    energy.take(0, 2)
    energy.frozen(0, 100_000, 500)
    said = [energy.frozen(0, mw, ms) for mw, ms in ((100_000, 100), (0, 100), (0, 400), (0, 200), (0, 400))]
    assert said == [False] * 4 + [True]


def test_what_flowed_in_one_session_is_not_held_against_the_next():
    energy = Energy(1, 1000, 1, round_ms=300)
    energy.frozen(0, 100_000, 500)
    energy.frozen(0, 100_000, 599)
    energy.drop_rest(0)
    said = [energy.frozen(0, 0, ms) for ms in (500, 600, 600, 600)]
    assert not any(said)


def test_a_load_that_comes_and_goes_hides_nothing():
    energy = Energy(1, 1000, 1, round_ms=300)
    said = 0
    for n in range(200):
        said += energy.frozen(0, 5_000 if n % 3 else 0, 500)
    assert said >= 2


def test_it_is_said_once_and_then_counted_anew():
    energy = standing()
    assert frozen(energy, 0, 100_000, 81)
    assert not frozen(energy, 0, 100_000, 500), "from here"
    assert not frozen(energy, 0, 100_000, 80) and frozen(energy, 0, 1, 1)


def test_a_counter_that_moves_stands_nowhere():
    energy = standing()
    energy.take(0, 7)
    assert not frozen(energy, 0, 100_000, 80)
    energy.take(0, 8)
    assert frozen(energy, 0, 100_000, 5000) is False, "it moved since the last call"
    energy.take(0, 8)
    assert not frozen(energy, 0, 100_000, 80) and frozen(energy, 0, 1, 1)


def test_a_load_that_has_just_come_is_no_frozen_counter():
    energy = Energy(1, 3600, 1)  # 8 counts are 28.8 J
    assert not frozen(energy, 0, 0, 500)
    assert not frozen(energy, 0, 1_000_000, 500), "it may have come a moment ago"
    assert frozen(energy, 0, 1_000_000, 500), "500 J without a count"
    frozen(energy, 0, 1_000_000, 500)
    assert not frozen(energy, 0, 5_000, 500) and not frozen(energy, 0, 1_000_000, 500), (
        "at the lower of the two"
    )
    assert not frozen(energy, 0, 47_600, 500), "28.8 J in all"
    assert frozen(energy, 0, 1, 2)
