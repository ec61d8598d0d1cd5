"""Every cause of the protection: what sets it, what does not, what clears it. Runs on both runtimes."""

from math import log

from fakes.bench import RATED_MA, Bench

from core import causes
from core.limits import Limits, intersect
from core.thermal import THETA_ONE, THETA_TRIP, Replica


def test_limits_are_the_lower_of_board_and_site():
    board = Limits(5000, 1_000_000, 40_000)
    assert intersect(board, (None, None, None)) == board
    assert intersect(board, (4000, 2_000_000, None)) == Limits(4000, 1_000_000, 40_000)


# Permission --------------------------------------------------------------------------------------------------------


def test_nothing_closes_before_the_meter_was_heard_for_five_seconds():
    bench = Bench(awake=False)
    bench.protection.want(0, True)
    bench.run(5000)
    assert bench.word == 0 and bench.held(0) == "meter_stale"
    bench.run(40)
    assert bench.word == 0, "what was wanted while it could not be had is forgotten"
    bench.protection.want(0, True)
    assert bench.tick() == 1


def test_nothing_closes_before_the_self_test():
    bench = Bench()
    bench.protection.ready = False
    bench.protection.want(0, True)
    bench.run(2000)
    assert bench.word == 0
    bench.protection.ready = True
    bench.protection.want(0, True)
    assert bench.tick() == 1


def test_losing_the_self_test_opens():
    bench = Bench().close(0)
    bench.protection.ready = False
    assert bench.tick() == 0


def test_closings_are_a_second_apart():
    bench = Bench()
    for i in range(10):
        bench.protection.want(i, True)
    begin = bench.ms
    closed_at = []
    word = 0
    while len(closed_at) < 10:
        now = bench.tick()
        if now != word:
            closed_at.append(bench.ms - begin)
            word = now
    assert all(b - a >= 1000 for a, b in zip(closed_at, closed_at[1:]))
    assert closed_at[-1] <= 9 * 1020 + 20


def test_an_opened_relay_is_not_reclosed_by_itself():
    bench = Bench().close(0)
    bench.silent[0] = True
    bench.run(200)
    assert bench.word == 0
    bench.silent[0] = False
    bench.run(60_000)
    assert bench.word == 0 and bench.held(0) is None
    bench.protection.want(0, True)
    assert bench.tick() == 1


def test_a_wish_that_waits_its_turn_is_forgotten_when_it_may_not_close():
    """A socket that waits for its second and goes stale meanwhile does not close by itself when the meter is back."""
    bench = Bench()
    bench.protection.want(0, True)
    bench.tick()
    bench.protection.want(1, True)
    bench.run(200)
    assert bench.word == 1
    bench.silent[1] = True
    bench.run(200)
    bench.silent[1] = False
    bench.run(20_000)
    assert bench.word == 1 and causes.name(bench.protection.dropped[1]) == "meter_stale"


def test_a_silent_meters_last_current_heats_no_open_socket():
    bench = Bench().close(0)
    bench.ma[0] = 14_000
    bench.run(300)
    bench.silent[0] = True
    bench.run(60_000)
    assert bench.word == 0 and bench.cause(0) is None
    assert bench.protection.load.total_ma == 0


def test_a_welded_relay_is_not_reset_while_the_meter_is_silent():
    bench = Bench(awake=False)
    bench.protection.restore(2, causes.RELAY_WELDED)
    bench.silent[2] = True
    bench.run(10_000)
    assert bench.reset(2, local=True) == "cause_present"
    bench.silent[2] = False
    bench.run(6000)
    assert bench.reset(2, local=True) is None


def test_a_fault_found_outside_the_tick_opens_at_the_next_one():
    bench = Bench().close(0)
    bench.protection.fail()
    assert bench.tick() == 0 and bench.protection.fault
    assert causes.name(bench.protection.trips.take()[1]) == "internal"


def test_want_off_opens_at_the_next_tick():
    bench = Bench().close(3)
    bench.protection.want(3, False)
    assert bench.tick() == 0


# overcurrent_instant -----------------------------------------------------------------------------------------------


def test_instant_trips_at_three_times_rated_in_two_windows():
    for ma, trips in (
        (3 * RATED_MA - 1, False),
        (3 * RATED_MA, True),
        (3 * RATED_MA + 1, True),
        (1 << 29, True),
    ):
        bench = Bench().close(2)
        bench.ma[2] = 1000
        bench.run(1000)
        bench.ma[2] = ma
        opened = bench.until_open(2, 200)
        assert (opened == 40) == trips, (ma, opened)
        assert bench.cause(2) == ("overcurrent_instant" if trips else None)


def test_one_window_above_does_not_trip():
    bench = Bench().close(0)
    bench.ma[0] = 1000
    bench.run(1000)
    for _ in range(20):
        bench.ma[0] = 3 * RATED_MA
        bench.tick()
        bench.ma[0] = 1000
        bench.run(40)
    assert bench.word == 1


def test_ticks_within_one_window_count_once():
    bench = Bench().close(0)
    bench.ma[0] = 1000
    bench.run(1000)
    bench.ma[0] = 3 * RATED_MA
    bench.tick(20)
    bench.tick(12)  # the same window of the chip may have been read again
    assert bench.word == 1
    bench.tick(12)
    assert bench.word == 0


def test_jitter_of_the_timer_does_not_halve_the_rate():
    bench = Bench().close(0)
    bench.ma[0] = 1000
    for n in range(100):
        bench.tick(19 if n % 2 else 21)
    bench.ma[0] = 3 * RATED_MA
    bench.tick(19)
    bench.tick(21)
    bench.tick(19)
    assert bench.word == 0


def test_inrush_is_tolerated_for_200_ms_after_closing():
    bench = Bench()
    bench.ma[0] = 8 * RATED_MA - 1
    bench.protection.want(0, True)
    bench.tick()
    assert bench.word == 1
    bench.run(180)
    assert bench.word == 1
    bench.ma[0] = 1000
    bench.run(5000)
    assert bench.word == 1


def test_a_short_at_closing_trips_in_two_windows():
    bench = Bench()
    bench.ma[0] = 8 * RATED_MA
    bench.protection.want(0, True)
    bench.tick()
    assert bench.until_open(0, 200) == 40
    assert bench.cause(0) == "overcurrent_instant"


def test_inrush_that_lasts_trips():
    bench = Bench()
    bench.ma[0] = 4 * RATED_MA
    bench.protection.want(0, True)
    bench.tick()
    opened = bench.until_open(0, 1000)
    assert opened is not None and 200 <= opened <= 280, opened


def test_a_bike_plugged_into_a_live_socket_gets_the_inrush_time():
    bench = Bench().close(0)
    bench.ma[0] = 15_000
    bench.run(100)  # 15 A for 100 ms
    bench.ma[0] = 900
    bench.run(10_000)
    assert bench.word == 1
    bench.ma[0] = 15_000  # from a running load there is none
    assert bench.until_open(0, 200) == 40


# overcurrent: the thermal replica ----------------------------------------------------------------------------------


def seconds_to_trip(ma, limit_s, theta=0):
    """Seconds until the thermal stage opens, from a given theta; None where it does not."""
    bench = Bench(sockets=1).close(0)
    bench.ma[0] = RATED_MA
    bench.run(300)
    bench.theta[0] = theta
    bench.ma[0] = ma
    opened = bench.until_open(0, limit_s * 1000)
    if opened is not None:
        assert bench.cause(0) == "overcurrent"
    return None if opened is None else opened / 1000


def test_thermal_curve():
    # t = tau ln((i**2 - theta0) / (i**2 - 1.44)), i = I / In, tau = 30 s
    assert seconds_to_trip(int(1.13 * RATED_MA), 600, theta=THETA_ONE) is None
    for times, theta0 in ((1.45, 0.0), (1.45, 1.0), (2.55, 0.0), (1.25, 1.0)):
        expect = 30 * log((times * times - theta0) / (times * times - 1.44))
        t = seconds_to_trip(int(times * RATED_MA), 90, theta=int(theta0 * THETA_ONE))
        assert t is not None and abs(t - expect) < 0.02 * expect + 0.05, (times, t)


def test_theta_outlives_the_session_and_cools_while_off():
    bench = Bench(sockets=1).close(0)
    bench.ma[0] = RATED_MA
    bench.run(90_000)
    hot = bench.theta[0]
    assert 0.93 * THETA_ONE < hot <= THETA_ONE
    bench.protection.want(0, False)
    bench.run(30_000)
    assert abs(bench.theta[0] - hot * 0.3679) < 0.01 * THETA_ONE
    bench.protection.want(0, True)
    bench.run(1000)
    assert bench.theta[0] > 0.3 * THETA_ONE


def test_theta_starts_at_one_after_a_reset():
    bench = Bench(awake=False)
    assert all(theta == THETA_ONE for theta in bench.theta)


def test_theta_is_the_same_in_steps_of_20_and_of_600():
    thetas = []
    for dt_ms in (20, 600):
        bench = Bench(sockets=1).close(0)
        bench.ma[0] = 4000
        bench.run(24_000, dt_ms)
        thetas.append(bench.theta[0])
    assert abs(thetas[0] - thetas[1]) < THETA_ONE // 100, thetas


def test_a_gap_is_heated_with_the_larger_current():
    bench = Bench(sockets=1).close(0)
    bench.ma[0] = 6000
    bench.run(1000)
    before = bench.theta[0]
    bench.ma[0] = 1000
    bench.tick(1500)
    gained = bench.theta[0] - before
    assert gained > (1.44 - 0.06) * 1500 / 30000 * THETA_ONE * 0.9, gained


def test_unseen_for_long_is_heated_all_the_way_and_never_cooled():
    bench = Bench(sockets=1).close(0)
    bench.ma[0] = 5000
    bench.run(200)
    bench.tick(7000)
    assert bench.word == 0
    assert bench.theta[0] >= THETA_ONE - 2
    hot = bench.theta[0]
    bench.run(40)
    bench.tick(7000)
    assert bench.theta[0] >= hot - hot // 500


def test_the_larger_of_the_two_currents_heats():
    """A charger's peaky current reads low in a fast value that is a mean: the slow RMS says what heats the wire."""
    bench = Bench(sockets=1).close(0)
    bench.ma[0] = 4000
    bench.slow_ma[0] = 7500
    opened = bench.until_open(0, 60_000)
    assert opened is not None and bench.cause(0) == "overcurrent"
    bench = Bench(sockets=1)
    bench.slow_ma[0] = 7500  # what the slow value still shows of the past does not heat an open socket
    bench.run(30_000)
    assert bench.theta[0] == 0


# meter_implausible -------------------------------------------------------------------------------------------------


def test_a_distrusted_meter_opens_everything_until_it_is_trusted_again():
    bench = Bench().close(0)
    bench.protection.distrust()
    assert bench.tick() == 0 and bench.held(0) == "meter_implausible"
    bench.protection.want(0, True)
    bench.run(10_000)
    assert bench.word == 0
    bench.protection.trust()
    bench.protection.want(0, True)
    assert bench.tick() == 1


# overpower ---------------------------------------------------------------------------------------------------------


def test_overpower_after_ten_seconds():
    for mw, trips in ((1_000_000, False), (1_000_001, True)):
        bench = Bench().close(1)
        bench.ma[1] = 4400
        bench.mw[1] = mw
        opened = bench.until_open(1, 12_000)
        assert (opened is not None) == trips
        if trips:
            assert 10_000 <= opened <= 10_060 and bench.cause(1) == "overpower"


def test_overpower_starts_anew_after_a_pause_but_not_after_silence():
    bench = Bench().close(1)
    bench.ma[1] = 4400
    bench.mw[1] = 1_100_000
    bench.run(9000)
    bench.mw[1] = 900_000
    bench.run(40)
    bench.mw[1] = 1_100_000
    bench.run(9000)
    assert bench.word == 2
    bench.slow_silent[1] = True
    bench.run(500)
    bench.slow_silent[1] = False
    assert bench.until_open(1, 600) is not None


# meter_stale -------------------------------------------------------------------------------------------------------


def test_five_silent_windows_open_and_five_good_seconds_clear():
    bench = Bench().close(0)
    bench.ma[0] = 2000
    bench.run(500)
    bench.silent[0] = True
    assert bench.until_open(0, 1000) == 100
    assert bench.held(0) == "meter_stale" and bench.cause(0) is None
    bench.silent[0] = False
    bench.run(4980)
    assert bench.held(0) == "meter_stale"
    bench.run(60)
    assert bench.held(0) is None


def test_four_silent_windows_do_nothing():
    bench = Bench().close(0)
    for _ in range(20):
        bench.silent[0] = True
        bench.run(80)
        bench.silent[0] = False
        bench.tick()
    assert bench.word == 1


def test_a_bad_reading_while_clearing_begins_the_five_seconds_anew():
    bench = Bench().close(0)
    bench.silent[0] = True
    bench.run(200)
    bench.silent[0] = False
    bench.run(4000)
    bench.silent[0] = True
    bench.tick()
    bench.silent[0] = False
    bench.run(4800)
    assert bench.held(0) == "meter_stale"
    bench.run(300)
    assert bench.held(0) is None


def test_a_silent_socket_disturbs_no_other():
    bench = Bench().close(0).close(1)
    bench.silent[1] = True
    bench.run(5000)
    assert bench.word == 1


def test_power_that_is_not_read_for_a_second_is_stale_too():
    bench = Bench().close(0)
    bench.slow_silent[0] = True
    opened = bench.until_open(0, 3000)
    assert opened is not None and 980 <= opened <= 1040 and bench.held(0) == "meter_stale"


def test_a_gap_above_two_seconds_opens_unless_announced():
    bench = Bench().close(0)
    bench.tick(2000)
    assert bench.word == 1
    bench.protection.announce_gap()
    bench.tick()
    bench.tick(2500)
    assert bench.word == 1, "the announcement lasts until the stretch comes"
    bench.run(2500)
    bench.tick(2001)
    assert bench.word == 0 and bench.held(0) == "meter_stale"


# relay_welded ------------------------------------------------------------------------------------------------------


def test_welded_above_100_ma_for_half_a_second():
    for ma, trips in ((100, False), (101, True)):
        bench = Bench().close(4)
        bench.ma[4] = 2000
        bench.run(1000)
        bench.welded[4] = ma
        bench.protection.want(4, False)
        bench.tick()
        begin = bench.ms
        while bench.ms - begin < 3000 and not bench.protection.latched[4]:
            bench.tick()
        assert bench.cause(4) == ("relay_welded" if trips else None)
        if trips:
            assert 780 <= bench.ms - begin <= 860, bench.ms - begin


def test_a_leak_above_20_ma_for_a_minute():
    for ma, trips in ((20, False), (21, True)):
        bench = Bench(sockets=1)
        bench.welded[0] = ma
        bench.run(61_000)
        assert bench.cause(0) == ("relay_welded" if trips else None)


def test_welded_at_boot():
    bench = Bench(awake=False)
    bench.welded[7] = 3000
    bench.protection.want(7, True)
    bench.run(6000)
    assert bench.word == 0 and bench.cause(7) == "relay_welded"
    assert bench.reset(7, local=False) == "local_only"
    assert bench.reset(7, local=True) == "cause_present"
    bench.welded[7] = 0
    bench.run(200)
    assert bench.reset(7, local=True) is None


def test_only_the_welded_socket_locks():
    bench = Bench().close(0).close(1)
    bench.welded[1] = 900
    bench.protection.want(1, False)
    bench.run(2000)
    assert bench.word == 1 and bench.cause(0) is None


# internal ----------------------------------------------------------------------------------------------------------


def test_an_expired_lease_opens_everything_for_good():
    bench = Bench().close(0).close(1)
    bench.lease = False
    opened = bench.until_open(0, 6000)
    assert 4960 <= opened <= 5020, opened
    assert bench.word == 0 and bench.protection.fault
    bench.lease = True
    bench.protection.want(0, True)
    bench.run(10_000)
    assert bench.word == 0
    socket, bits, _, _, _ = bench.protection.trips.take()
    assert (socket, causes.name(bits)) == (0, "internal")


def test_three_slow_ticks_in_a_minute_are_a_fault():
    bench = Bench(sockets=1).close(0)
    bench.protection.ran(21)
    bench.run(10_000)
    bench.protection.ran(21)
    bench.run(49_960)
    assert not bench.protection.fault and bench.word == 1
    bench.protection.ran(21)
    assert bench.protection.fault and bench.tick() == 0


def test_slow_ticks_spread_out_are_none():
    bench = Bench(sockets=1).close(0)
    for _ in range(6):
        bench.protection.ran(21)
        bench.protection.ran(20)
        bench.run(30_020)
    assert bench.protection.fault == 0


# Lockouts ----------------------------------------------------------------------------------------------------------


def tripped():
    bench = Bench().close(0)
    bench.ma[0] = 2000
    bench.run(500)
    bench.ma[0] = 20_000
    bench.run(100)
    assert bench.cause(0) == "overcurrent_instant"
    return bench


def test_a_locked_socket_does_not_close_until_reset():
    bench = tripped()
    bench.ma[0] = 100
    bench.protection.want(0, True)
    bench.run(120_000)
    assert bench.word == 0
    assert bench.reset(0, local=False) is None
    assert bench.tick() == 0, "a reset alone closes nothing that was asked for before it"


def test_reset_refused_while_hot_and_when_not_locked():
    bench = tripped()
    bench.theta[0] = THETA_ONE
    assert bench.reset(0, local=False) == "cause_present"
    bench.run(1000)
    assert bench.reset(0, local=False) is None
    assert bench.reset(0, local=False) == "not_locked"


def test_restored_lockouts_hold():
    bench = Bench(awake=False)
    bench.protection.restore(5, causes.OVERCURRENT)
    bench.protection.want(5, True)
    bench.run(10_000)
    assert bench.word == 0 and bench.cause(5) == "overcurrent"


def test_the_event_says_what_was_measured():
    bench = tripped()
    assert bench.protection.trips.take() == (0, causes.OVERCURRENT_INSTANT, 20_000, 0, 230_000)
    assert bench.protection.trips.take() is None


def test_more_events_than_the_ring_holds_lose_the_oldest_only():
    bench = Bench()
    for n in range(40):
        bench.protection.lock(n % 10, causes.OVERPOWER)
    taken = []
    while True:
        event = bench.protection.trips.take()
        if event is None:
            break
        taken.append(event[0])
    assert taken == [n % 10 for n in range(8, 40)]


def test_may_stall():
    bench = Bench()
    assert bench.protection.may_stall()
    bench.protection.want(0, True)
    bench.tick()
    assert not bench.protection.may_stall()
    bench.ma[0] = 6000
    bench.run(1100)
    assert bench.protection.may_stall()
    bench.ma[0] = 6001
    bench.tick()
    assert not bench.protection.may_stall()


def test_theta_never_leaves_small_integers():
    replica = Replica(1, 16_000)
    for ma in (0, 1, 15_999, 47_999, 127_999, 1 << 29):
        for theta in (0, 1, THETA_TRIP, 64 * THETA_ONE):
            replica.theta[0] = theta
            replica.heat(60, [ma])
            assert 0 <= replica.theta[0] <= 64 * THETA_ONE
