"""Causes that concern the whole point: voltage, temperature, inputs, the sum of the currents. Runs on both runtimes."""

from fakes.bench import Bench

from core.limits import Limits
from core.protection import WHOLE
from core.supply import UNKNOWN_DC

# Voltage -------------------------------------------------------------------------------------------------------------


def opened_by(mv, limit_ms):
    """Milliseconds until a voltage opens the relay, None where it does not."""
    bench = Bench(sockets=2).close(0)
    bench.mv = mv
    return bench.until_open(0, limit_ms), bench.held(0)


def test_voltage_limits():
    for mv, limit_ms, expect, cause in (
        (176_000, 5000, None, None),
        (175_999, 5000, 2020, "undervoltage"),
        (0, 5000, 2020, "undervoltage"),
        (264_000, 5000, None, None),
        (264_001, 5000, 2020, "overvoltage"),
        (300_000, 1900, None, None),
        (300_001, 1000, 220, "overvoltage"),
        (350_000, 150, None, None),
        (350_001, 1000, 40, "overvoltage"),
    ):
        assert opened_by(mv, limit_ms) == (expect, cause), mv


def test_a_dip_and_a_spike_do_nothing():
    bench = Bench(sockets=1).close(0)
    for mv, ms in ((100_000, 1980), (290_000, 1980), (340_000, 180), (390_000, 20)):
        bench.mv = mv
        bench.run(ms)
        bench.mv = 230_000
        bench.run(100)
    assert bench.word == 1


def test_good_voltage_for_a_minute_clears():
    for mv, clears in ((186_999, False), (187_000, True), (253_000, True), (253_001, False)):
        bench = Bench(sockets=1).close(0)
        bench.mv = 150_000
        bench.run(2100)
        assert bench.word == 0 and bench.held(0) == "undervoltage"
        bench.mv = mv
        bench.run(59_900)
        assert bench.held(0) == "undervoltage"
        bench.run(200)
        assert bench.held(0) == (None if clears else "undervoltage"), mv


def test_a_voltage_that_is_not_read_is_a_silent_meter():
    bench = Bench(sockets=1).close(0)
    bench.voltage_silent = True
    assert bench.until_open(0, 2000) == 1000 and bench.held(0) == "meter_stale"
    bench.voltage_silent = False
    bench.run(5000)
    assert bench.held(0) == "meter_stale"
    bench.tick()
    assert bench.held(0) is None


# Temperature ---------------------------------------------------------------------------------------------------------


def test_seventy_degrees_open_everything_until_cool_and_reset():
    for dc, trips in ((699, False), (700, True)):
        bench = Bench(has_temperature=True).close(0)
        bench.dc = dc
        bench.run(100)
        assert (bench.word == 0) == trips
    assert bench.cause(5) == "overtemperature"
    for dc, answer in (
        (600, "cause_present"),
        (551, "cause_present"),
        (UNKNOWN_DC, "cause_present"),
        (550, None),
    ):
        bench.dc = dc
        bench.tick()
        assert bench.reset(WHOLE) == answer, dc


def test_sixty_degrees_refuse_new_starts_only():
    for dc, refused in ((599, None), (600, "overtemperature")):
        bench = Bench(has_temperature=True).close(0)
        bench.dc = dc
        bench.run(1000)
        assert bench.protection.refuses_start() == refused and bench.word == 1


def test_an_unknown_temperature_opens_after_half_a_minute_where_there_is_a_sensor():
    bench = Bench(has_temperature=True).close(0)
    bench.dc = UNKNOWN_DC
    opened = bench.until_open(0, 60_000)
    assert opened == 30_000 and bench.held(0) == "overtemperature" and bench.cause(0) is None
    bench.dc = 300
    bench.tick()
    assert bench.held(0) is None
    bench = Bench(has_temperature=False).close(0)
    bench.dc = UNKNOWN_DC
    bench.run(60_000)
    assert bench.word == 1


# Inputs --------------------------------------------------------------------------------------------------------------


def test_an_active_input_opens_everything_at_once_and_locks():
    for bit, cause in ((1 << 1, "emergency_stop"), (1 << 2, "smoke"), (1 << 3, "residual_current")):
        bench = Bench().close(0).close(1)
        bench.active = bit
        assert bench.tick() == 0
        assert bench.cause(0) == bench.cause(9) == cause
        assert bench.protection.trips.take()[:2] == (-1, bit)
        bench.protection.want(0, True)
        bench.run(2000)
        assert bench.word == 0
        assert bench.reset(WHOLE, local=False) == "local_only"
        assert bench.reset(WHOLE, local=True) == "cause_present"
        bench.active = 0
        bench.tick()
        assert bench.reset(WHOLE, local=True) is None
        assert not bench.protection.contactor or bench.cause(0) is None


def test_an_input_that_was_not_read_yet_opens_and_locks_nothing():
    bench = Bench().close(0)
    bench.reading.unread = 1 << 2
    assert bench.tick() == 0 and bench.cause(0) is None
    bench.protection.want(0, True)
    bench.run(2000)
    assert bench.word == 0
    bench.reading.unread = 0
    bench.protection.want(0, True)
    assert bench.tick() == 1


def test_the_first_in_precedence_is_named():
    bench = Bench()
    bench.active = 1 << 2 | 1 << 3
    bench.tick()
    assert bench.cause(0) == "smoke"
    bench.active = 1 << 1
    bench.tick()
    assert bench.cause(0) == "emergency_stop"


def test_the_contactor_opens_for_a_welded_relay_and_for_the_whole_point():
    bench = Bench()
    assert bench.protection.contactor
    bench.welded[4] = 3000
    bench.run(1000)
    assert bench.cause(4) == "relay_welded" and not bench.protection.contactor
    bench = Bench()
    bench.active = 1 << 2
    bench.tick()
    assert not bench.protection.contactor


def test_behind_an_open_contactor_no_relay_closes_and_no_other_socket_locks():
    bench = Bench(sockets=3)
    bench.protection.has_contactor = True
    bench.run(1000)  # it has been closed for long enough
    bench.close(0).close(1)
    bench.welded[2] = 3000
    bench.run(1000)
    assert bench.cause(2) == "relay_welded" and bench.word == 0
    assert bench.cause(0) is None and bench.held(0) == "relay_welded"
    bench.protection.want(0, True)
    bench.run(2000)
    assert bench.word == 0
    bench.welded[2] = 0
    bench.run(1000)
    assert bench.reset(2, local=True) is None and bench.held(0) is None
    bench.protection.want(0, True)
    bench.run(1980)
    assert bench.word == 0, "what was seen while nothing was fed shows nothing"
    bench.run(60)
    assert bench.word == 1


def test_a_second_weld_that_the_open_contactor_hid_is_found_before_anything_closes():
    bench = Bench(sockets=3)
    bench.protection.has_contactor = True
    bench.run(1000)  # it has been closed for long enough
    bench.close(0)
    bench.welded[2] = 3000
    bench.run(1000)
    bench.welded[2] = 0  # nothing flows any more
    bench.run(1000)
    assert bench.reset(2, local=True) is None
    bench.protection.want(0, True)
    bench.protection.want(1, True)
    bench.run(1500)
    bench.welded[1] = bench.welded[2] = 3000  # both chargers start softly
    bench.run(2000)
    assert bench.word == 0 and bench.cause(1) == bench.cause(2) == "relay_welded"


def test_without_a_contactor_a_welded_relay_holds_nobody_else():
    bench = Bench(sockets=2).close(0)
    bench.welded[1] = 3000
    bench.run(1000)
    assert bench.cause(1) == "relay_welded" and bench.word == 1 and bench.held(0) is None


# The sum of the currents ---------------------------------------------------------------------------------------------


def loaded(ma, limit_ma=20_000):
    """Ten closed sockets past their first minute, each with so much."""
    bench = Bench(limits=Limits(5000, 1_000_000, limit_ma))
    for i in range(10):
        bench.protection.want(i, True)
        bench.tick()
        bench.run(1040)
        # Each counts 2 A at first: let it become old before the next, so that nothing is shed on the way.
        bench.protection.load.closed_ms[i] = 60_000
    bench.ma = [ma] * 10
    assert bench.word == 1023
    return bench


def test_at_the_limit_nothing_is_shed():
    bench = loaded(2000)
    bench.run(20_000)
    assert bench.word == 1023 and bench.protection.refuses_start() == "point_overload"


def test_above_the_limit_the_newest_goes_after_five_seconds():
    bench = loaded(2001)
    assert bench.until_open(9, 10_000) == 5020
    assert bench.word == 511
    assert bench.protection.trips.take() == (9, 1 << 13, 2001, 0, 230_000)
    bench.run(20_000)
    assert bench.word == 511, "one was enough"
    assert bench.protection.latched[9] == 0, "shedding is no lockout"


def test_a_moment_at_the_limit_begins_the_time_anew():
    for above_ma, ms in ((2001, 4900), (2401, 900)):
        bench = loaded(above_ma)
        bench.run(ms)
        bench.ma = [2000] * 10
        bench.tick()
        bench.ma = [above_ma] * 10
        bench.run(ms)
        assert bench.word == 1023, above_ma


def test_as_many_go_as_it_takes():
    bench = loaded(2300)
    bench.run(16_000)
    assert bench.word == 255


def test_far_above_all_go_after_a_second():
    bench = loaded(2401)
    assert bench.until_open(0, 3000) == 1020 and bench.word == 0


def test_it_clears_after_a_minute_below_eighty_percent():
    bench = loaded(2401)
    bench.run(1100)
    bench.ma = [0] * 10
    bench.protection.want(0, True)
    bench.run(59_000)
    assert bench.word == 0 and bench.held(0) == "point_overload"
    bench.run(2000)
    assert bench.word == 1 and bench.held(1) is None


def test_new_starts_are_refused_from_ninety_percent():
    for ma, refused in ((1799, None), (1800, "point_overload")):
        bench = loaded(ma)
        bench.run(100)
        assert bench.protection.refuses_start() == refused


def test_a_young_socket_counts_two_amperes_and_a_welded_one_always():
    bench = Bench(sockets=3, limits=Limits(5000, 1_000_000, 80_000))
    bench.close(0)
    assert bench.protection.load.total_ma == 2000
    bench.ma[0] = 2500
    bench.tick()
    assert bench.protection.load.total_ma == 2500
    bench.ma[0] = 500
    bench.run(60_000)
    assert bench.protection.load.total_ma == 500
    bench.welded[2] = 300
    bench.run(2000)
    assert bench.cause(2) == "relay_welded" and bench.protection.load.total_ma == 2500


# The meter as a whole ------------------------------------------------------------------------------------------------


def test_more_than_a_tenth_of_bad_frames_is_implausible():
    for errors, distrusted in ((1, False), (2, True), (15, True)):
        bench = Bench(sockets=2).close(0)
        bench.errors = errors
        bench.run(10_100)
        assert (bench.held(0) == "meter_implausible") == distrusted, errors


def test_frames_that_do_not_come_at_all_are_silence():
    bench = Bench(sockets=2).close(0)
    bench.errors = 15
    bench.silent = [True, True]
    bench.run(20_000)
    assert bench.protection.distrusted == 0 and bench.held(1) == "meter_stale" and bench.word == 0
    bench.errors = 0
    bench.silent = [False, False]
    bench.run(20_000)
    assert bench.protection.distrusted == 0 and bench.held(1) is None


def test_a_socket_that_is_silent_takes_the_rule_from_nobody():
    bench = Bench(sockets=2).close(0)
    bench.silent[1] = True
    bench.errors = 1
    bench.run(20_000)
    assert bench.word == 1 and bench.protection.distrusted == 0
    bench.errors = 2
    bench.run(10_100)
    assert bench.held(0) == "meter_implausible" and bench.word == 0


def test_what_is_distrusted_for_its_noise_is_not_trusted_before_a_quiet_span():
    bench = Bench(sockets=2).close(0)
    bench.errors = 2
    bench.run(10_100)
    bench.protection.trust()
    assert bench.protection.distrusted == 3, "its registers are right, and its line is as noisy as before"
    bench.errors = 1
    bench.run(5000)
    assert bench.protection.distrusted == 3, "nothing is trusted by itself"
    bench.protection.trust()
    assert bench.protection.distrusted == 0


def test_one_bad_frame_in_three_where_a_poll_is_one_frame():
    """As on a serial line: each frame that is bad is all that its poll asked for."""
    bench = Bench(sockets=1).close(0)
    reading = bench.reading
    for n in range(800):
        bench.silent[0] = n % 3 == 0
        reading.frames -= 14  # the bench adds fifteen
        bench.errors = 1 if bench.silent[0] else 0
        bench.tick()
    assert bench.held(0) == "meter_implausible" and bench.word == 0
