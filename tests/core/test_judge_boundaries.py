"""What one socket's readings say: one below, at, one above each limit; to the millisecond. Runs on both runtimes."""

from fakes.bench import RATED_MA, Meter

from core.causes import OVERCURRENT, OVERCURRENT_INSTANT, OVERPOWER, RELAY_WELDED
from core.judge import Judge
from core.limits import Limits
from core.reading import Reading
from core.thermal import THETA_ONE, THETA_TRIP
from core.timer import FOREVER

INSTANT_MA = 3 * RATED_MA
INRUSH_MA = 8 * RATED_MA


class Seat:
    """One judged socket between two that see nothing; theta is held at 0 where the test is not about heat."""

    def __init__(self, meter=Meter, cold=True, stale=False):
        self.reading = Reading(3)
        self.judge = Judge(3, Limits(RATED_MA, 1_000_000, 80_000), meter())
        self.judge.last_ma[1] = 1000  # it flows already: a first reading is no rise from nothing
        self.cold = cold
        for i in range(3):
            self.reading.fast_ok[i] = self.reading.slow_ok[i] = 1
        if not stale:
            for i in range(3):
                self.judge.stale[i] = 0

    def step(self, dt_ms=20, ma=None, closed=1, mw=None, slow_ma=None, ok=1, slow_ok=1):
        """The bits of one tick; what is None stays as it was."""
        r = self.reading
        r.fast_ok[1] = ok
        r.slow_ok[1] = slow_ok
        if ma is not None:
            r.fast_ma[1] = ma
        if slow_ma is not None:
            r.current_ma[1] = slow_ma
        if mw is not None:
            r.power_mw[1] = mw
        bits = self.look(dt_ms, closed)
        if self.cold:
            self.judge.replica.theta[1] = 0
        return bits

    def look(self, dt_ms, closed):
        """The bits for the reading as it is."""
        trips = self.judge.judge(dt_ms, 0b101 | closed << 1, self.reading)
        found = self.judge.found
        assert found[0] == found[2] == 0 and trips is bool(found[1])
        return found[1]

    def steps(self, *steps, **more):
        """The bits after each of so many milliseconds."""
        return [self.step(dt_ms, **more) for dt_ms in steps]

    @property
    def stale(self):
        return bool(self.judge.stale[1])


def slow_meter():
    """A meter that needs longer, and sees less, than the reference's."""
    meter = Meter()
    meter.window_ms, meter.stale_windows, meter.settle_ms = 100, 3, 700
    meter.floor_ma, meter.rms_floor_ma = 150, 40
    return meter


def keen_meter():
    """A meter that sees less current than any limit asks for, and is slower than the slow set's second."""
    meter = Meter()
    meter.window_ms, meter.stale_windows = 500, 3
    meter.floor_ma = meter.rms_floor_ma = 1
    return meter


# overcurrent_instant -------------------------------------------------------------------------------------------------


def test_two_windows_at_three_times_rated():
    for ma, bits in ((INSTANT_MA - 1, 0), (INSTANT_MA, OVERCURRENT_INSTANT), (1 << 29, OVERCURRENT_INSTANT)):
        seat = Seat()
        seat.step(ma=1000)
        assert seat.steps(20, 20, 20, ma=ma) == [0, bits, bits], ma


def test_what_the_chip_has_cut_trips_at_once_whatever_its_current_was():
    for cut, bits in ((0b010, OVERCURRENT_INSTANT), (0b101, 0), (0, 0)):
        for closed in (0, 1):
            for ok in (0, 1):
                seat = Seat()
                seat.reading.cut = cut & 0b010  # of the neighbours, who must see nothing
                assert seat.step(20, ma=0, ok=ok, closed=closed) == bits, (cut, closed, ok)
                seat.reading.cut = cut
                seat.judge.judge(20, 0b101 | closed << 1, seat.reading)
                assert seat.judge.found[1] == bits


def test_a_cut_of_any_socket_is_told():
    for i in range(3):
        seat = Seat()
        seat.reading.cut = 1 << i
        assert seat.judge.judge(20, 0b111, seat.reading) is True
        assert [bool(bits) for bits in seat.judge.found] == [n == i for n in range(3)]


def test_a_current_that_goes_on_for_ever_is_said_every_time():
    seat = Seat()
    seat.step(ma=1000)
    assert seat.steps(*[20] * 300, ma=INSTANT_MA)[1:] == [OVERCURRENT_INSTANT] * 299


def test_the_windows_must_follow_each_other():
    seat = Seat()
    seat.step(ma=1000)
    answers = [
        seat.step(ma=ma) for ma in (INSTANT_MA, 1000, INSTANT_MA, INSTANT_MA - 1, INSTANT_MA, INSTANT_MA)
    ]
    assert answers == [0, 0, 0, 0, 0, OVERCURRENT_INSTANT]


def test_a_window_counts_five_milliseconds_early_at_most():
    for dt_ms, counts in ((14, False), (15, True), (20, True)):
        seat = Seat()
        seat.steps(20, 20, ma=1000)
        assert seat.step(20, INSTANT_MA) == 0
        assert bool(seat.step(dt_ms, INSTANT_MA)) == counts, dt_ms
    seat = Seat()
    seat.steps(20, 20, ma=1000)
    assert seat.steps(20, 8, 6, 1, ma=INSTANT_MA) == [0, 0, 0, OVERCURRENT_INSTANT]
    seat = Seat(slow_meter)
    seat.steps(100, 100, ma=1000)
    assert seat.steps(100, 94, 1, ma=INSTANT_MA) == [0, 0, OVERCURRENT_INSTANT]


def test_a_reading_that_did_not_come_is_no_window():
    seat = Seat()
    seat.step(ma=1000)
    assert seat.step(ma=INSTANT_MA) == 0
    assert seat.step(ma=INSTANT_MA, ok=0) == 0
    assert seat.step(ma=INSTANT_MA) == OVERCURRENT_INSTANT


def test_inrush_from_closing_to_the_millisecond():
    for ma, expect in (
        (INRUSH_MA - 1, [0, 0, 0, OVERCURRENT_INSTANT]),
        (INRUSH_MA, [0, OVERCURRENT_INSTANT, OVERCURRENT_INSTANT, OVERCURRENT_INSTANT]),
    ):
        seat = Seat()
        seat.step(ma=1000)  # it flowed before, so that only the closing gives the time
        seat.judge.closes(1)
        assert seat.steps(20, 179, 20, 20, ma=ma) == expect, ma
    seat = Seat()
    seat.step(ma=1000)
    seat.judge.closes(1)
    assert seat.steps(199, 20, ma=INRUSH_MA - 1) == [0, 0]
    seat = Seat()
    seat.step(ma=1000)
    seat.judge.closes(1)
    assert seat.steps(200, 20, ma=INRUSH_MA - 1) == [0, OVERCURRENT_INSTANT]


def test_a_slow_meter_gives_no_longer_inrush():
    """It speaks in one tick of five, and the time between counts: at 200 ms its first window, at 300 its second."""
    seat = Seat(slow_meter)
    seat.step(ma=1000)
    seat.judge.closes(1)
    steps = [seat.step(20, INRUSH_MA - 1, ok=0 if n % 5 else 1) for n in range(1, 16)]
    assert [20 * n + 20 for n, bits in enumerate(steps) if bits] == [300]


def test_inrush_from_a_rise_from_nothing():
    for before, tolerated in ((0, True), (99, True), (100, False), (101, False)):
        seat = Seat()
        seat.step(ma=before)
        # 101 on the way up is a rise too; from 100 there is none.
        assert (seat.steps(20, 20, ma=INSTANT_MA) == [0, 0]) == tolerated, before
    for to, tolerated in ((99, False), (100, True)):
        seat = Seat()
        seat.step(ma=1000)
        seat.step(ma=0)
        seat.step(ma=to)
        seat.judge.last_ma[1] = 1000  # the second rise is not the one that is looked at
        assert (seat.steps(20, 20, ma=INSTANT_MA) == [0, 0]) == tolerated, to
    seat = Seat()
    seat.step(ma=0)
    assert seat.steps(20, 199, 20, 20, ma=INSTANT_MA) == [0, 0, 0, OVERCURRENT_INSTANT]
    seat = Seat()
    seat.step(ma=0)
    assert seat.steps(20, 200, 20, ma=INSTANT_MA) == [0, 0, OVERCURRENT_INSTANT]


def test_a_closing_forgets_the_windows_before_it():
    seat = Seat()
    seat.step(ma=1000)
    seat.step(ma=INRUSH_MA)
    seat.judge.closes(1)
    assert seat.steps(20, 20, ma=INRUSH_MA) == [0, OVERCURRENT_INSTANT]


# overcurrent ---------------------------------------------------------------------------------------------------------


def theta_after(seat, dt_ms, theta, **more):
    seat.judge.replica.theta[1] = theta
    bits = seat.step(dt_ms, **more)
    return bits, seat.judge.replica.theta[1]


def test_heat_takes_the_larger_current_only_over_a_long_step():
    for dt_ms, ma in ((60, 1000), (61, 9000)):
        seat = Seat(cold=False)
        seat.step(ma=9000)
        _, theta = theta_after(seat, dt_ms, 0, ma=1000)
        seat.judge.replica._rest[0] = seat.judge.replica.theta[0] = 0
        seat.judge.replica.heat(dt_ms, [ma, 0, 0])
        assert abs(theta - seat.judge.replica.theta[0]) <= 1, dt_ms
    seat = Seat(cold=False)
    seat.step(ma=1000)
    assert theta_after(seat, 2001, 0, ma=RATED_MA)[1] == THETA_ONE


def test_what_flowed_before_a_gap_is_forgotten_after_it():
    seat = Seat(cold=False)
    for dt_ms in (61, 61, 20):
        seat.step(dt_ms, ma=9000)
    seat.step(20, ma=0)
    _, theta = theta_after(seat, 60, 0)
    assert theta == 0


def test_over_a_gap_nothing_is_known_of_an_open_socket_with_a_silent_meter():
    for theta in (0, THETA_TRIP):
        seat = Seat(cold=False)
        seat.step(20, ma=9000)
        seat.judge.stale[1] = 1
        assert theta_after(seat, 2001, theta, closed=0, ok=0) == (0, theta)


def test_a_hot_neighbour_trips_nobody_of_whom_nothing_is_known():
    for stale, bits in ((1, 0), (0, OVERCURRENT)):
        seat = Seat(cold=False)
        seat.judge.stale[1] = stale
        seat.judge.replica.theta[0] = seat.judge.replica.theta[1] = THETA_TRIP + 1000
        seat.judge.judge(1, 0b101, seat.reading)
        assert list(seat.judge.found) == [OVERCURRENT, bits, 0]


def test_the_filtered_current_heats_where_it_is_read_and_the_relay_closed():
    for closed, slow_ok, hot in ((1, 1, True), (1, 0, False), (0, 1, False)):
        seat = Seat(cold=False)
        seat.judge.last_ma[1] = 0
        _, theta = theta_after(seat, 2001, 0, ma=0, slow_ma=RATED_MA, closed=closed, slow_ok=slow_ok)
        assert theta == (THETA_ONE if hot else 0)
    seat = Seat(cold=False)
    assert theta_after(seat, 2001, 0, ma=RATED_MA, slow_ma=100)[1] == THETA_ONE


def test_overcurrent_at_its_theta():
    for theta, bits in ((THETA_TRIP - 1, 0), (THETA_TRIP, OVERCURRENT)):
        assert theta_after(Seat(cold=False), 2001, theta, ma=0)[0] == bits
    seat = Seat(cold=False)
    assert theta_after(seat, 20, 1, ma=0)[1] == 0, "the last of it cools too"


def test_an_open_socket_with_a_silent_meter_neither_heats_nor_cools():
    for stale, closed, changes in ((True, 0, False), (True, 1, True), (False, 0, True)):
        seat = Seat(cold=False)
        seat.judge.stale[1] = stale
        _, theta = theta_after(seat, 60, THETA_ONE // 2, ma=4000, closed=closed)
        assert (theta != THETA_ONE // 2) == changes, (stale, closed)


# overpower -----------------------------------------------------------------------------------------------------------


def test_overpower_to_the_milliwatt_and_the_millisecond():
    for mw, bits in ((1_000_000, 0), (1_000_001, OVERPOWER)):
        assert Seat().steps(20, 9999, 1, mw=mw) == [0, 0, bits], mw


def test_a_power_within_stops_the_time_and_one_not_read_does_not():
    seat = Seat()
    assert seat.steps(20, 9999, mw=1_000_001) + seat.steps(20, mw=1_000_000) == [0, 0, 0]
    assert seat.steps(20, 9999, 1, mw=1_000_001) == [0, 0, OVERPOWER]
    seat = Seat()
    assert seat.steps(20, 500, 500, mw=1_000_001, slow_ok=0) == [0, 0, 0]
    assert seat.steps(20, 9000, mw=1_000_001) + seat.steps(999, 1, slow_ok=0) == [0, 0, 0, OVERPOWER]
    seat = Seat()
    seat.step(mw=1_000_001)
    assert seat.steps(9999, 1, mw=0, slow_ok=0) == [0, OVERPOWER], (
        "what it says while it is bad counts for nothing"
    )
    seat = Seat()
    seat.step(mw=1_000_001)
    assert seat.steps(9999, 20, mw=0, slow_ok=0, closed=0) == [0, 0], (
        "through an open relay nothing flows unheard"
    )
    assert seat.steps(20, 9999, mw=1_000_001, closed=0) == [0, 0] and seat.step(1, closed=0) == OVERPOWER


# meter_stale ---------------------------------------------------------------------------------------------------------


def test_silence_to_the_millisecond():
    for meter, ms in ((Meter, 100), (slow_meter, 300), (keen_meter, 1500)):
        seat = Seat(meter)
        seat.step(ma=1000)
        seat.step(ms - 1, ok=0)
        assert not seat.stale
        seat.step(1, ok=0)
        assert list(seat.judge.stale) == [0, 1, 0]
    seat = Seat()
    for _ in range(3):
        seat.step(99, ok=0)
        seat.step(1)
        assert not seat.stale


def test_a_slow_set_that_is_missed_leaves_the_others_as_they_are():
    seat = Seat()
    seat.step(1000, slow_ok=0)
    assert list(seat.judge.stale) == [0, 1, 0]


def test_a_slow_set_not_read_for_a_second():
    seat = Seat()
    for _ in range(2):
        seat.step(999, slow_ok=0)
        assert not seat.stale
        seat.step(20)
    seat.step(999, slow_ok=0)
    seat.step(1, slow_ok=0)
    assert seat.stale


def test_a_slow_set_of_a_slow_meter():
    seat = Seat(keen_meter)
    seat.step(1499, slow_ok=0)
    assert not seat.stale
    seat.step(1, slow_ok=0)
    assert seat.stale


GOOD = [500] * 9 + [499]  # a millisecond less than five seconds


def test_five_good_seconds_to_the_millisecond():
    assert list(Seat(stale=True).judge.stale) == [1, 1, 1]
    seat = Seat(stale=True)
    assert seat.stale
    seat.steps(20, *GOOD)
    assert seat.stale
    seat.step(1)
    assert not seat.stale
    seat.judge.go_stale(1)
    seat.steps(20, *GOOD)
    assert seat.stale, "the second time as the first"
    seat.judge.go_stale(1)
    seat.steps(20, *GOOD)
    assert seat.stale, "what was good before counts for nothing"
    seat.step(1)
    assert not seat.stale


def test_the_five_seconds_begin_anew():
    for bad in ({"slow_ok": 0}, {"ok": 0}):
        seat = Seat(stale=True)
        seat.steps(20, *GOOD)
        seat.step(20, **bad)
        seat.steps(20, *GOOD)
        assert seat.stale, bad
        seat.step(1)
        assert not seat.stale


def test_between_two_readings_of_a_slow_meter_the_five_seconds_go_on():
    for gap_ms, good in ((99, True), (100, False)):
        seat = Seat(slow_meter, stale=True)
        seat.step(20)
        for _ in range(60):
            seat.step(gap_ms, ok=0)
            seat.step(1)
        assert seat.stale != good, gap_ms


def test_no_timer_leaves_a_small_integer():
    seat = Seat()
    for closed in (1, 0):
        for _ in range(3):
            seat.step(FOREVER, ma=3000, mw=2_000_000, slow_ma=3000, closed=closed)
            seat.step(FOREVER, ok=0, slow_ok=0, closed=closed)
    for name in ("_power_ms", "_open_ms", "_weld_ms", "_leak_ms", "_good_ms"):
        assert 0 <= getattr(seat.judge, name)[1] <= FOREVER, name
    for name in ("_silent_ms", "_counted_ms", "_slow_bad_ms"):
        row = getattr(seat.judge, name)
        row[1] = FOREVER - 10
        seat.step(20, ok=0, slow_ok=0)
        assert row[1] == FOREVER, name


def test_a_gap_counts_for_half_a_second_of_valid_readings_at_most():
    for gap_ms, last_ms, stale in (
        (4990, 4499, True),
        (4990, 4500, False),
        (500, 4500, False),
        (499, 4500, True),
    ):
        seat = Seat(stale=True)
        seat.step(20)  # the first of them
        seat.step(gap_ms)
        while last_ms:
            seat.step(min(last_ms, 100))
            last_ms -= min(last_ms, 100)
        assert seat.stale is stale, gap_ms


def test_a_gap_counts_for_two_seconds_of_silence_at_most():
    seat = Seat()
    seat.step(FOREVER, ok=0, slow_ok=0)
    assert (seat.judge._silent_ms[1], seat.judge._slow_bad_ms[1], seat.judge._counted_ms[1]) == (
        2000,
        2000,
        2000,
    )
    seat = Seat()
    seat.step(1999, ok=0, slow_ok=0)
    assert (seat.judge._silent_ms[1], seat.judge._slow_bad_ms[1], seat.judge._counted_ms[1]) == (
        1999,
        1999,
        1999,
    )


# relay_welded --------------------------------------------------------------------------------------------------------


def opened(seat, ma=1000):
    """The relay was closed and carried a current; now it opens."""
    seat.judge.closes(1)
    seat.step(ma=ma, slow_ma=0)
    seat.judge.opens(1)
    return seat


def test_welded_to_the_milliampere_and_the_millisecond():
    for meter, after_ms, limit_ma in ((Meter, 300, 100), (slow_meter, 700, 150), (keen_meter, 300, 100)):
        for ma, bits in ((limit_ma, 0), (limit_ma + 1, RELAY_WELDED)):
            seat = opened(Seat(meter))
            # Not looked at before the relay has been open so long; then 500 ms from the first reading on.
            assert seat.steps(after_ms - 1, 1, 499, 1, 20, ma=ma, closed=0) == [0, 0, 0, bits, bits], ma


def test_a_weld_is_seen_as_soon_by_a_slow_meter():
    """It speaks in one tick of five: its readings are 100 ms apart, and the sixth is 500 ms after the first."""
    seat = opened(Seat(slow_meter))
    seat.steps(*[20] * 35, ma=0, closed=0)
    steps = [seat.step(20, 300, closed=0, ok=0 if n % 5 else 1) for n in range(30)]
    assert [n for n, bits in enumerate(steps) if bits] == [25, 26, 27, 28, 29]
    seat = opened(Seat(slow_meter))
    seat.steps(700, ma=0, closed=0)
    seat.step(20, 300, closed=0)
    assert seat.steps(FOREVER, ok=0, closed=0) == [0], "one reading alone is no weld, however long ago"
    assert seat.step(20, 300, closed=0) == RELAY_WELDED


def test_a_leak_to_the_milliampere_and_the_millisecond():
    for meter, after_ms, limit_ma in ((Meter, 300, 20), (slow_meter, 700, 40), (keen_meter, 300, 20)):
        for ma, bits in ((limit_ma, 0), (limit_ma + 1, RELAY_WELDED)):
            seat = opened(Seat(meter))
            answers = seat.steps(after_ms - 1, 1, 59_999, 1, ma=0, slow_ma=ma, closed=0)
            assert answers == [0, 0, 0, bits], ma


def test_a_current_that_pauses_is_no_weld():
    seat = opened(Seat())
    seat.step(300, ma=0, closed=0)
    for _ in range(3):
        assert seat.steps(20, 499, ma=300, closed=0) + seat.steps(20, ma=100, closed=0) == [0, 0, 0]
    seat = opened(Seat())
    seat.step(300, ma=0, closed=0)
    for _ in range(3):
        assert seat.steps(20, 59_999, ma=0, slow_ma=30, closed=0) == [0, 0]
        assert seat.step(20, slow_ma=20, closed=0) == 0


def test_what_is_not_read_says_nothing_of_a_weld():
    seat = opened(Seat())
    seat.step(300, ma=0, slow_ma=0, closed=0)
    assert seat.steps(20, 600, ma=5000, ok=0, closed=0) == [0, 0]
    assert seat.judge._weld_ms[1] == 0
    assert seat.steps(20, 60_001, ma=0, slow_ma=500, slow_ok=0, closed=0) == [0, 0]
    assert seat.judge._leak_ms[1] == 0


def test_closing_and_opening_begin_the_time_anew():
    seat = Seat()
    assert seat.steps(300, 500, ma=300, closed=0) == [0, RELAY_WELDED]
    seat.judge.closes(1)
    assert (seat.judge._weld_ms[1], seat.judge._leak_ms[1], seat.judge._open_ms[1]) == (0, 0, 0)
    seat.step(ma=300)
    seat.judge.opens(1)
    assert seat.steps(299, ma=300, closed=0) == [0]
    seat.judge.opens(1)
    assert seat.steps(299, 1, 499, 1, ma=300, closed=0) == [0, 0, 0, RELAY_WELDED]
    seat = Seat()
    assert seat.steps(300, 60_000, ma=0, slow_ma=30, closed=0) == [0, RELAY_WELDED]
    seat.judge.closes(1)
    assert seat.judge._leak_ms[1] == 0


def test_seen_open_to_the_millisecond():
    for meter, after_ms in ((Meter, 300), (slow_meter, 700)):
        seat = Seat(meter)
        seat.judge.closes(1)
        seat.judge.opens(1)
        for dt_ms, seen in ((after_ms - 1, False), (1, True)):
            seat.step(dt_ms, ma=0, closed=0)
            assert bool(seat.judge.seen_open(1)) is seen
        seat.step(20, ma=1000, closed=0)
        assert not seat.judge.seen_open(1)
        seat.step(20, ma=0, closed=0)
        assert seat.judge.seen_open(1) and not seat.judge.seen_open(0)
        for again in (seat.judge.closes, seat.judge.opens):
            again(1)
            assert not seat.judge.seen_open(1)
            seat.step(after_ms, closed=0)
            assert seat.judge.seen_open(1)


def test_nothing_is_seen_open_before_a_reading_told_so():
    seat = opened(Seat(slow_meter), ma=0)
    seat.step(699, ma=0, closed=0)
    for _ in range(5):
        seat.step(20, closed=0, ok=0)
        assert not seat.judge.seen_open(1), "open for long enough, and nobody looked"
    seat.step(20, 150, closed=0)
    assert seat.judge.seen_open(1) and list(seat.judge._heard_open) == [0, 1, 0]
    seat.step(20, 151, closed=0)
    assert not seat.judge.seen_open(1)


def test_a_leak_is_not_seen_open():
    for meter, after_ms, limit_ma in ((Meter, 300, 20), (slow_meter, 700, 40)):
        seat = opened(Seat(meter), ma=0)
        for slow_ma, seen in ((limit_ma, True), (limit_ma + 1, False), (limit_ma, True)):
            seat.step(after_ms, ma=0, slow_ma=slow_ma, closed=0)
            assert bool(seat.judge.seen_open(1)) is seen, slow_ma


# The larger of both currents -----------------------------------------------------------------------------------------


def test_the_larger_of_the_fast_and_the_filtered_current_as_last_heard():
    seat = Seat()
    for ma, slow_ma, flow_ma in ((700, 1000, 1000), (1000, 700, 1000), (0, 0, 0)):
        seat.step(ma=ma, slow_ma=slow_ma)
        assert seat.judge.flow_ma(1) == flow_ma and seat.judge.flow_ma(0) == seat.judge.flow_ma(2) == 0
    seat.step(ma=700, slow_ma=1000)
    seat.step(ma=600, slow_ma=5000, slow_ok=0)
    assert seat.judge.flow_ma(1) == 1000, "a bad reading says nothing, and what was heard before holds"
    seat.step(ma=9000, ok=0)
    assert seat.judge.flow_ma(1) == 5000


# Is it still there? --------------------------------------------------------------------------------------------------


def test_a_cause_that_is_present():
    every = OVERCURRENT | OVERCURRENT_INSTANT | RELAY_WELDED | OVERPOWER
    for theta, there in ((THETA_ONE - 1, False), (THETA_ONE, True)):
        seat = Seat(cold=False)
        seat.judge.replica.theta[1] = theta
        for bits in (OVERCURRENT, OVERCURRENT_INSTANT, OVERCURRENT | OVERPOWER):
            assert seat.judge.present(1, bits) is there
        assert seat.judge.present(1, OVERPOWER) is False
        assert seat.judge.present(0, OVERPOWER) is False
    seat = Seat()
    seat.judge.replica.theta[1] = 0
    seat.steps(299, ma=0, slow_ma=0, closed=0)
    assert seat.judge.present(1, RELAY_WELDED) is True, "not known yet"
    seat.step(1, closed=0)
    assert seat.judge.present(1, RELAY_WELDED) is False and seat.judge.present(1, every) is False
    seat.step(20, ma=101, closed=0)
    assert seat.judge.present(1, RELAY_WELDED) is True and seat.judge.present(1, OVERCURRENT) is False
    seat.step(20, ma=0, closed=0)
    assert seat.judge.present(1, RELAY_WELDED) is False
    seat.step(20, slow_ma=21, closed=0)
    assert seat.judge.present(1, RELAY_WELDED) is True
    seat.step(20, slow_ma=0, closed=0)
    seat.judge.go_stale(1)
    assert seat.judge.present(1, RELAY_WELDED) is True, "a silent meter says nothing of it"
