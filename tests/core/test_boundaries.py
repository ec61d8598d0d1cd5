"""Supply, load, thermal replica and limits at each of their limits: one below, at, one above. Runs on both runtimes.

A timer counts from the first reading that is above: `LIMIT_MS - 1` after it nothing happens, at `LIMIT_MS` it does.
"""

from fakes.bench import RATED_MA

from core.causes import METER_STALE, OVERTEMPERATURE, OVERVOLTAGE, UNDERVOLTAGE
from core.limits import Limits, intersect
from core.load import PointLoad
from core.supply import UNKNOWN_DC, Supply
from core.thermal import THETA_ONE, THETA_TRIP, UNKNOWN_MA, Replica
from core.timer import FOREVER, run


class Mains:
    """As much of a reading as the supply looks at."""

    def __init__(self, mv=230_000, ok=1, dc=250):
        self.voltage_mv = mv
        self.voltage_ok = ok
        self.temperature_dc = dc


SILENT = Mains(ok=0)


def heard(has_temperature=False, **more):
    """A supply that has been heard since the start."""
    supply = Supply(has_temperature, **more)
    supply.held = 0
    return supply


def test_a_timer_begins_with_the_first_reading_above():
    assert FOREVER == 1 << 29, "two of them are no small integer any more"
    assert run(0, False, 20) == run(5, False, 20) == 0
    assert run(0, True, 20) == run(0, True, 5000) == 1
    assert run(1, True, 20) == 21
    assert run(FOREVER, True, 20) == run(1, True, FOREVER) == run(FOREVER - 20, True, 21) == FOREVER
    assert run(FOREVER - 20, True, 19) == FOREVER - 1


# The voltage ---------------------------------------------------------------------------------------------------------


def held(supply, mv, *steps):
    """What is held after each of so many milliseconds at a voltage."""
    return [supply.judge(dt_ms, Mains(mv)) for dt_ms in steps]


def test_each_voltage_stage_to_the_millisecond():
    for mv, ms, bit in (
        (175_999, 2000, UNDERVOLTAGE),
        (0, 2000, UNDERVOLTAGE),
        (264_001, 2000, OVERVOLTAGE),
        (300_000, 2000, OVERVOLTAGE),
        (300_001, 200, OVERVOLTAGE),
        (350_000, 200, OVERVOLTAGE),
    ):
        assert held(heard(), mv, 20, ms - 1, 1) == [0, 0, bit], mv
        supply = heard()
        assert held(supply, mv, 20, ms - 1) == [0, 0]
        assert held(supply, 230_000, 20) + held(supply, mv, 20, ms - 1, 1) == [0, 0, 0, bit], mv


def test_within_the_voltages_nothing_is_held_for_ever():
    for mv in (176_000, 187_000, 253_000, 264_000):
        assert held(heard(), mv, 20, 2000, 60_000, FOREVER) == [0, 0, 0, 0], mv


def test_two_windows_of_a_broken_neutral():
    """The second is a window after the first, 5 ms early at most: until then a meter may show the same value again."""
    for window_ms in (20, 60):
        supply = heard(window_ms=window_ms)
        assert held(supply, 350_001, 1, window_ms - 6, 1) == [0, 0, OVERVOLTAGE], window_ms
        assert held(heard(window_ms=window_ms), 350_000, 1, window_ms, 1) == [0, 0, 0]
        supply = heard(window_ms=window_ms)
        for mv in (350_001, 350_000, 350_001, 350_000):
            assert held(supply, mv, window_ms - 6) == [0]
    assert held(heard(), 400_000, 1, 14, 1) == [0, 0, OVERVOLTAGE], "20 ms where nothing else is said"


def test_a_good_minute_to_the_millisecond():
    for bad, bit in ((150_000, UNDERVOLTAGE), (280_000, OVERVOLTAGE)):
        for good in (187_000, 230_000, 253_000):
            supply = heard()
            held(supply, bad, 20, 2000)
            assert held(supply, good, 20, 59_999, 1) == [bit, bit, 0], good
            assert held(supply, bad, 20, 1999, 1) == [0, 0, bit], "and it sets again like the first time"
        for almost in (186_999, 253_001):
            supply = heard()
            held(supply, bad, 20, 2000)
            assert held(supply, almost, 20, FOREVER, 20) == [bit, bit, bit], almost


def test_at_its_limit_a_voltage_that_was_bad_is_good_again():
    for bad, limit in ((150_000, 176_000), (280_000, 264_000)):
        supply = heard()
        assert (
            held(supply, bad, 20, 1999) + held(supply, limit, 20) + held(supply, bad, 20, 1999) == [0] * 5
        ), bad


def test_a_minute_begins_anew_after_a_bad_voltage_and_after_silence():
    for between in (Mains(186_999), SILENT):
        supply = heard()
        held(supply, 150_000, 20, 2000)
        held(supply, 230_000, 20, 59_999)
        supply.judge(20, between)
        assert held(supply, 230_000, 20, 59_999, 1) == [UNDERVOLTAGE, UNDERVOLTAGE, 0]


def test_both_are_held_and_both_cleared():
    supply = heard()
    held(supply, 100_000, 20, 2000)
    assert held(supply, 400_000, 20, 20) == [UNDERVOLTAGE, UNDERVOLTAGE | OVERVOLTAGE]
    assert held(supply, 230_000, 20, 60_000)[1] == 0


def test_a_voltage_not_read_for_a_second():
    supply = heard()
    assert [supply.judge(dt_ms, SILENT) for dt_ms in (999, 1)] == [0, METER_STALE]
    assert held(supply, 230_000, 20, 4999, 1) == [METER_STALE, METER_STALE, 0]
    assert [supply.judge(dt_ms, SILENT) for dt_ms in (999, 1)] == [0, METER_STALE], "from the start again"
    assert supply.judge(FOREVER, SILENT) == METER_STALE and supply._silent_ms == FOREVER
    assert held(supply, 230_000, 20, 4999, 1) == [METER_STALE, METER_STALE, 0], "the second time as the first"


def test_the_five_seconds_of_a_voltage_begin_anew():
    supply = heard()
    supply.judge(1000, SILENT)
    held(supply, 230_000, 20, 4999)
    supply.judge(20, SILENT)
    assert held(supply, 230_000, 20, 4999, 1) == [METER_STALE, METER_STALE, 0]


def test_nothing_is_known_from_the_start():
    assert held(Supply(False), 230_000, 20, 4999, 1) == [METER_STALE, METER_STALE, 0]
    for has_temperature, bit in ((False, 0), (True, OVERTEMPERATURE)):
        supply = Supply(has_temperature)
        assert supply.held == METER_STALE | bit
        assert supply.judge(20, Mains(ok=0, dc=UNKNOWN_DC)) == METER_STALE | bit
        assert supply.judge(20, Mains(dc=UNKNOWN_DC)) == METER_STALE | bit
        assert held(supply, 230_000, 4999, 1) == [METER_STALE, 0], (
            "the thermometer at once, the voltage after 5 s"
        )


def test_silence_neither_starts_nor_stops_the_timers_of_the_voltage():
    supply = heard()
    held(supply, 150_000, 20, 1500)
    assert [supply.judge(20, SILENT) for _ in range(5)] == [0] * 5
    assert held(supply, 150_000, 499, 1) == [0, UNDERVOLTAGE]


# The temperature -----------------------------------------------------------------------------------------------------


def test_temperature_stages():
    supply = heard(True)
    for dc, hot, warm in (
        (-400, False, False),
        (599, False, False),
        (600, False, True),
        (699, False, True),
        (700, True, True),
        (699, True, True),
        (599, True, False),
        (551, True, False),
        (550, False, False),
        (551, False, False),
        (701, True, True),
        (549, False, False),
    ):
        assert supply.judge(20, Mains(dc=dc)) == 0 and (supply.hot, supply.warm) == (hot, warm), dc


def test_an_unknown_temperature_for_half_a_minute():
    supply = heard(True)
    unknown = Mains(dc=UNKNOWN_DC)
    for _ in range(2):
        assert [supply.judge(dt_ms, unknown) for dt_ms in (29_999, 1)] == [0, OVERTEMPERATURE]
        assert not supply.hot and not supply.warm
        assert supply.judge(20, Mains(dc=UNKNOWN_DC + 1)) == 0
    supply.judge(20, Mains(dc=700))
    supply.judge(20, unknown)
    assert supply.hot and supply.warm, "what is not known cools nothing"
    supply.judge(FOREVER, unknown)
    assert supply.judge(FOREVER, unknown) == OVERTEMPERATURE and supply._temperature_ms == FOREVER


def test_without_a_sensor_the_temperature_is_not_looked_at():
    supply = heard()
    assert supply.judge(20, Mains(dc=900)) == supply.judge(FOREVER, Mains(dc=UNKNOWN_DC)) == 0
    assert supply.hot is False and supply.warm is False


# The sum of the currents ---------------------------------------------------------------------------------------------


def judged(load, ma, *steps):
    """What is to be shed after each of so many milliseconds at a current."""
    answers = []
    for dt_ms in steps:
        load.take(dt_ms, 0, 0, [ma])
        answers.append(load.judge(dt_ms))
    return answers


def test_what_a_socket_counts_for():
    load = PointLoad(1, 20_000)
    assert load.total_ma == 0
    for ma, young, counts in (
        (0, False, 0),
        (1, False, 1),
        (-1, False, 0),
        (1999, False, 1999),
        (0, True, 2000),
        (1999, True, 2000),
        (2000, True, 2000),
        (2001, True, 2001),
        (1 << 29, False, 1 << 24),
    ):
        for closed, welded in ((1, 0), (0, 1), (1, 1)) if young else ((0, 0),):
            load.take(20, closed, welded, [ma])
            assert load.judge(20) == 0 and load.total_ma == counts, ma
    load = PointLoad(4, 20_000)
    load.take(1, 0, 0, [1 << 29, 300, 1 << 24, (1 << 24) - 1])
    assert load.total_ma == 1 << 24
    load.take(1, 0, 0, [0, 0, 0, 0])
    assert load.total_ma == 0


def test_shedding_to_the_milliampere_and_the_millisecond():
    for ma, expect in (
        (20_000, [0, 0, 0, 0, 0]),
        (20_001, [0, 0, 0, 0, 1]),
        (24_000, [0, 0, 0, 0, 1]),
        (24_001, [0, 0, 2, 0, 0]),
    ):
        load = PointLoad(1, 20_000)
        assert judged(load, ma, 20, 999, 1, 3999, 1) == expect, ma
        assert load.held == any(expect)


def test_a_percentage_is_rounded_down():
    for ma, above in ((1198, 1), (1199, 2)):
        assert judged(PointLoad(1, 999), ma, 20, 5000) == [0, above]
    assert judged(PointLoad(1, 999), 999, 20, 5000) == [0, 0]


def test_every_shedding_waits_its_whole_time():
    load = PointLoad(1, 20_000)
    assert judged(load, 20_001, 20, 5000, 20, 4999, 1) == [0, 1, 0, 0, 1]
    assert judged(load, 24_001, 20, 999, 1, 20, 999, 1) == [0, 0, 2, 0, 0, 2]
    assert judged(load, 20_001, 20, 4999, 1) == [0, 0, 1]
    assert judged(load, 20_000, 20) + judged(load, 20_001, 4999, 4999) == [0, 0, 0]


def test_it_is_held_until_a_minute_below_eighty_percent():
    for ma, clears in ((0, True), (15_999, True), (16_000, False)):
        load = PointLoad(1, 20_000)
        assert not load.held
        for over in (20_001, 24_001):
            judged(load, over, 20, 5000)
            judged(load, ma, 20, 59_999)
            assert load.held
            judged(load, ma, 1)
            assert load.held != clears, ma


def test_the_minute_begins_anew():
    load = PointLoad(1, 20_000)
    judged(load, 20_001, 20, 5000)
    judged(load, 0, 20, 59_999)
    judged(load, 16_000, 20)
    judged(load, 0, 20, 59_999)
    assert load.held


def test_room_beside_those_that_wait_to_close():
    for ma, waiting, room in (
        (0, 0, True),
        (17_999, 0, True),
        (18_000, 0, False),
        (13_999, 2, True),
        (14_000, 2, False),
        (0, 8, True),
        (0, 9, False),
    ):
        load = PointLoad(1, 20_000)
        judged(load, ma, 20)
        assert load.room_beside(waiting) == room, (ma, waiting)
    load.held = True
    judged(load, 0, 20)
    assert load.room_beside(0) is False


# The thermal replica -------------------------------------------------------------------------------------------------


def heated(theta, *steps, rated_ma=RATED_MA):
    """Theta after steps of (ms, mA)."""
    replica = Replica(1, rated_ma)
    replica.theta[0] = theta
    for dt_ms, ma in steps:
        replica.heat(dt_ms, [ma])
    return replica.theta[0]


def test_it_begins_at_one():
    replica = Replica(3, RATED_MA)
    assert list(replica.theta) == [1 << 18] * 3 and list(replica._rest) == [0] * 3


def test_one_step_and_its_remainder():
    assert heated(0, (60, RATED_MA)) == 524  # 2**18 x 60 / 30000 = 524.288
    assert heated(0, (60, 8 * RATED_MA)) == 33554  # 2**24 x 60 / 30000 = 33554.432
    # 0.288 is carried: 524.288 + (262144 - 524) x 0.002 = 1047.528, and 1.528 + ... on from there
    assert heated(0, (60, RATED_MA), (60, RATED_MA)) == 1047
    assert heated(0, (60, RATED_MA), (60, RATED_MA), (60, RATED_MA)) == 1569
    assert heated(THETA_ONE, (60, 0)) == 261619  # rounded down, never up: 261619.712
    assert heated(0, (1, RATED_MA)) == 8 and heated(0, *[(1, RATED_MA)] * 60) == 523


def test_a_long_step_is_cut_into_short_ones():
    for dt_ms in (61, 120, 121, 2000):
        steps = [(60, 9000)] * (dt_ms // 60) + ([(dt_ms % 60, 9000)] if dt_ms % 60 else [])
        assert heated(1000, (dt_ms, 9000)) == heated(1000, *steps), dt_ms


def test_above_two_seconds_it_heats_all_the_way_and_does_not_cool():
    assert heated(0, (2000, RATED_MA)) < THETA_ONE // 10
    assert heated(0, (2001, RATED_MA)) == THETA_ONE
    assert heated(THETA_ONE, (2001, RATED_MA)) == THETA_ONE
    assert heated(THETA_ONE + 1, (2001, RATED_MA)) == THETA_ONE + 1
    assert heated(THETA_ONE, (2001, 0)) == THETA_ONE


def test_current_in_parts_of_the_rated():
    for ma, theta in (
        (0, 0),
        (5000, 1 << 18),
        (7500, 9 << 16),  # 1.5 squared
        (39_999, 16383 * 16383 >> 4),
        (40_000, 1 << 24),  # 8 squared is the most
        (40_001, 1 << 24),
        (44_000, 1 << 24),
        (1 << 29, 1 << 24),
    ):
        assert heated(0, (2001, ma)) == theta, ma


def test_theta_trips_at_its_limit():
    for theta, trips in ((THETA_TRIP - 1, False), (THETA_TRIP, True), (THETA_TRIP + 1, True)):
        replica = Replica(2, RATED_MA)
        replica.theta[0], replica.theta[1] = 0, theta
        for dt_ms, ma in ((2001, 0), (0, 0), (0, 1 << 29)):
            assert replica.heat(dt_ms, [0, ma]) is trips and replica.heat(dt_ms, [ma, UNKNOWN_MA]) is (
                ma > 0 and dt_ms > 0
            )
    assert THETA_TRIP == int(1.44 * (1 << 18)) + 0 == 377_487


# Limits --------------------------------------------------------------------------------------------------------------


def test_a_limit_by_its_name_and_place():
    limits = Limits(1, 2, 3)
    assert (limits.rated_ma, limits.max_power_mw, limits.point_current_ma) == (1, 2, 3)
    board = Limits(5000, 1_000_000, 40_000)
    for n in range(3):
        for change, expect in ((-1, -1), (0, 0), (1, 0)):
            site = [None, None, None]
            site[n] = board[n] + change
            wanted = list(board)
            wanted[n] += expect
            assert intersect(board, site) == Limits(*wanted)
    assert intersect(board, (0, 0, 0)) == Limits(0, 0, 0)
