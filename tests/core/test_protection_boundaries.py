"""The decision about a relay at each of its limits: one below, at, one above. Runs on both runtimes."""

from both import raises
from fakes.bench import RATED_MA, Bench, Meter

from core import causes, protection
from core.limits import Limits
from core.protection import WHOLE, Protection
from core.reading import Reading
from core.timer import FOREVER

WIDE = Limits(RATED_MA, 1_000_000, 80_000)


def bare(sockets=3):
    """A protection that hears its meter, and the reading; nothing is wanted yet, and a closing is due at once."""
    guard = Protection(sockets, WIDE, Meter())
    reading = Reading(sockets)
    for i in range(sockets):
        guard.judge.stale[i] = 0
        guard.judge.replica.theta[i] = 0
        reading.fast_ok[i] = reading.slow_ok[i] = 1
        reading.fast_ma[i] = guard.judge.last_ma[i] = 100  # no weld, and what follows is no rise from nothing
        guard.judge._open_ms[i] = 300
    reading.voltage_mv, reading.voltage_ok = 230_000, 1
    guard.supply.held = guard._unread = 0
    guard.ready = True
    return guard, reading


def closed(*sockets):
    """The same with these relays closed for a minute."""
    guard, reading = bare()
    for i in sockets:
        guard._since_closing_ms = 1000
        guard.want(i, True)
        guard.renew()
        guard.step(1, reading)
        assert guard.word >> i & 1
    for i in range(3):
        reading.fast_ma[i] = 1000 if i in sockets else 0
    guard._since_closing_ms = 1000
    guard.step(1, reading)
    return guard, reading


def test_what_a_new_protection_is():
    guard = Protection(3, WIDE, Meter())
    assert (guard.sockets, guard.ready, guard.fault, guard.word, guard.wanted) == (3, False, 0, 0, 0)
    assert (guard.changes, guard.distrusted, guard.limits) == (0, 0, WIDE)
    assert list(guard.latched) == [0] * 4 and list(guard.load.closed_ms) == list(guard.dropped) == [0] * 3
    assert guard.leased and not guard.announced and guard.supply._has_temperature is False
    assert guard._since_closing_ms == 0 and guard._lease_ms == 5000
    assert guard._announced_ms == guard._active == guard._fail_asked == 0
    assert guard.still is guard.noisy is False and guard._fed_ms == 0
    assert guard._frames == guard._errors == guard._span_ms == 0
    assert guard.against(0) == (causes.INPUTS | causes.METER_STALE, 0), "nothing is known yet"
    numbers = (
        protection.FAULT_TICK,
        protection.FAULT_LOOP,
        protection.FAULT_LEASE,
        protection.FAULT_SLOW,
        protection.FAULT_RELAYS,
    )
    assert numbers == (1, 2, 3, 4, 5) and protection.MIN_TICK_MS == 10


def test_the_first_closing_and_the_next_are_a_second_apart():
    guard, reading = bare()
    for i in (1, 2):
        reading.fast_ma[i] = 0
        guard.want(i, True)
    assert [guard.step(dt_ms, reading) for dt_ms in (999, 1, 999, 1)] == [0, 2, 2, 6]
    assert list(guard.load.closed_ms) == [0, 1000, 0]


def test_nothing_closes_on_an_expired_lease():
    guard, reading = bare()
    guard.step(4999, reading)
    assert guard.leased
    guard._go_stale()
    for i in range(3):
        guard.judge.stale[i] = 0
    guard.want(0, True)
    assert guard.step(1, reading) == 0 and not guard.leased and not guard.fault, "it was open before"
    guard.step(20, reading)
    assert guard._lease_ms == 0
    guard._lease_ms = 21
    assert guard.step(20, reading) == 1, "a millisecond is enough"


def test_the_lease_to_the_millisecond():
    guard, reading = closed(0)
    guard.renew()
    assert [guard.step(dt_ms, reading) for dt_ms in (2000, 2000, 999)] == [1, 1, 1] and guard.leased
    assert guard.step(1, reading) == 0 and not guard.leased and guard.fault == protection.FAULT_LEASE
    assert guard.trips.take() == (0, causes.INTERNAL, 1000, 0, 0) and guard.trips.take() is None
    assert guard._lease_ms == 0
    guard.renew()
    assert guard.leased


def test_a_gap_to_the_millisecond():
    for announced, dt_ms, opens in (
        (False, 2000, False),
        (False, 2001, True),
        (True, 2001, False),
        (True, 4999, False),
        (True, 5001, True),
    ):
        guard, reading = closed(0, 2)
        if announced:
            guard.announce_gap()
            assert guard.announced
        guard._lease_ms = 10_000
        assert (guard.step(dt_ms, reading) == 0) == opens, (announced, dt_ms)
        assert list(guard.judge.stale) == [1 if opens else 0] * 3
    guard, reading = closed(0)
    guard.announce_gap()
    guard._lease_ms = 10_000
    assert guard.step(5000, reading) == 1 and not guard.announced, "so long was announced"
    guard.announce_gap()
    for dt_ms in (2000, 999):
        guard.renew()
        guard.step(dt_ms, reading)
    assert guard.announced and guard._announced_ms == 2001
    guard._announced_ms = 1
    assert guard.announced
    guard._announced_ms = 2001
    guard.renew()
    assert guard.step(2001, reading) == 1 and not guard.announced and guard._announced_ms == 0
    guard.renew()
    assert guard.step(2001, reading) == 0
    guard.step(20, reading)
    assert guard._announced_ms == 0


def test_slow_ticks_to_the_millisecond():
    for ms, fault in ((20, 0), (21, protection.FAULT_SLOW)):
        guard, reading = closed(0)
        for _ in range(3):
            guard.ran(ms)
        assert guard.fault == fault
    for between_ms, faulty in ((59_999, True), (60_000, False)):
        guard, reading = closed(0)
        guard.ran(21)
        guard.ran(21)
        for dt_ms in [1000] * 59 + [between_ms - 59_000]:
            guard.renew()
            guard.step(dt_ms, reading)
        guard.ran(21)
        assert bool(guard.fault) == faulty and bool(guard.word) != faulty
        guard.ran(21)
        assert bool(guard.fault) == faulty, "the second of a new pair"
    guard, reading = closed(0)
    guard.ran(21)
    for _ in range(31):
        guard.renew()
        guard.step(1000, reading)
    guard.ran(21)
    for _ in range(31):
        guard.renew()
        guard.step(1000, reading)
    guard.ran(21)
    assert not guard.fault, "the first of the three was more than a minute ago"


def test_a_fault_opens_and_tells_each_relay_once():
    guard, reading = closed(0, 2)
    guard.want(1, True)
    guard.judge._open_ms[2] = 77
    guard.fail_now(protection.FAULT_RELAYS)
    assert guard.judge._open_ms[2] == 0, "from now on a current there means that it is welded"
    assert (guard.word, guard.wanted, guard.fault) == (0, 0, 5)
    assert [guard.trips.take()[:2], guard.trips.take()[:2], guard.trips.take()] == [(0, 1), (2, 1), None]
    guard.word = 1
    guard.fail_now(protection.FAULT_TICK)
    assert guard.word == 0 and guard.fault == 5 and guard.trips.take() is None, (
        "the first is the one that is told"
    )
    guard.want(1, True)
    assert guard.wanted == 0 and guard.step(1000, reading) == 0
    guard, reading = closed(0)
    guard.fail()
    assert guard.word == 1 and not guard.fault and guard.step(20, reading) == 0 and guard.fault == 2
    guard, reading = bare()
    guard.fail()
    assert guard.step(20, reading) == 0 and guard.fault == 2, "with every relay open too"


def test_may_stall_to_the_milliampere_and_the_millisecond():
    guard, _ = closed(1)
    for ma, may in ((6000, True), (6001, False)):
        for heard in (guard.judge.last_ma, guard.judge._slow_ma):
            heard[1] = ma
            guard.judge.last_ma[0] = 30_000  # of an open relay
            assert guard.may_stall() is may, ma
            heard[1] = 0
    for ms, may in ((999, False), (1000, True)):
        guard._since_closing_ms = ms
        assert guard.may_stall() is may
    guard.word = 0
    guard._since_closing_ms = 0
    assert guard.may_stall() is True


def test_settled_to_the_millisecond():
    guard, _ = closed(1)
    for ms, settled in ((999, False), (1000, True)):
        guard.load.closed_ms[1] = guard.load.closed_ms[0] = ms
        assert guard.is_settled(1) is settled and guard.is_settled(0) is False


def test_what_is_held_against_a_socket():
    guard, _ = closed(0)
    assert guard.against(0) == guard.against(1) == (0, 0)
    guard.load.held = True
    assert guard.against(0) == (0, 0) and guard.against(1) == (causes.POINT_OVERLOAD, 0)
    guard.word = 2
    assert guard.against(1) == (0, 0)
    guard.word = 1
    guard.judge.stale[1] = 1
    assert guard.against(1) == (causes.POINT_OVERLOAD | causes.METER_STALE, 0)
    guard.distrust(2)
    assert (
        guard.against(2)[0] == causes.POINT_OVERLOAD | causes.METER_IMPLAUSIBLE and guard.against(0)[0] == 0
    )
    guard.supply.held = causes.UNDERVOLTAGE
    assert guard.against(0)[0] == causes.UNDERVOLTAGE
    guard.latched[0] = causes.OVERPOWER
    guard.latched[WHOLE] = causes.SMOKE
    assert guard.against(0)[1] == causes.OVERPOWER | causes.SMOKE and guard.against(2)[1] == causes.SMOKE
    guard._unread = causes.SMOKE
    assert guard.against(0)[0] == causes.SMOKE | causes.UNDERVOLTAGE


def test_distrust_and_trust():
    guard, _ = bare()
    guard.distrust(1)
    assert guard.distrusted == 2
    guard.distrust(0)
    assert guard.distrusted == 3
    guard.distrust()
    assert guard.distrusted == 7
    guard.trust()
    assert guard.distrusted == 0


def test_one_distrusted_socket_opens_alone():
    guard, reading = closed(0, 1, 2)
    guard.distrust(1)
    assert guard.step(20, reading) == 5
    assert list(guard.dropped) == [0, causes.METER_IMPLAUSIBLE, 0] and guard.wanted == 5


def test_why_a_relay_was_dropped_until_it_is_asked_for_again():
    for spoil, bits in (
        (lambda guard, reading: setattr(guard.supply, "held", causes.OVERVOLTAGE), causes.OVERVOLTAGE),
        (lambda guard, reading: guard.judge.go_stale(0), causes.METER_STALE),
        (lambda guard, reading: guard.restore(0, causes.OVERPOWER), causes.OVERPOWER),
        (lambda guard, reading: guard.restore(WHOLE, causes.SMOKE), causes.SMOKE),
        (lambda guard, reading: setattr(reading, "unread", causes.SMOKE), causes.SMOKE),
        (lambda guard, reading: setattr(guard, "ready", False), 0),
    ):
        guard, reading = closed(0)
        spoil(guard, reading)
        assert guard.step(20, reading) == 0 and guard.wanted == 0
        assert guard.dropped[0] == bits and guard.dropped[1] == 0, bits
        guard.dropped[0] = 1
        guard.want(0, False)
        assert guard.dropped[0] == 1
        guard.want(0, True)
        assert guard.dropped[0] == 0


def test_a_wanted_relay_that_may_not_close_is_forgotten_and_says_why():
    guard, reading = bare()
    guard.judge.go_stale(1)
    guard.want(1, True)
    guard.want(2, True)
    assert guard.step(1000, reading) == 4 and guard.wanted == 4 and guard.dropped[1] == causes.METER_STALE


def test_want_is_for_one_socket():
    guard, _ = bare()
    guard.want(0, True)
    guard.want(2, True)
    assert guard.wanted == 5
    guard.want(0, False)
    guard.want(0, False)
    assert guard.wanted == 4
    for place in (1, WHOLE):
        guard, _ = bare()
        guard.latched[place] = causes.OVERPOWER
        guard.want(1, True)
        assert guard.wanted == 0
    guard, _ = bare()
    guard.fault = 1
    guard.want(1, True)
    assert guard.wanted == 0


def test_what_was_wanted_before_a_fault_does_not_close():
    guard, reading = bare()
    guard.wanted, guard.fault = 1, protection.FAULT_TICK
    assert guard.step(1000, reading) == 0


def test_a_closing_gives_its_inrush_time_and_begins_its_minute():
    guard, reading = closed(0)
    guard.load.closed_ms[0] = 70_000
    guard.judge._open_ms[0] = 77
    guard.want(0, False)
    assert guard.step(20, reading) == 0 and guard.judge._open_ms[0] == 0
    guard._since_closing_ms = 1000
    guard.judge._open_ms[0] = 300
    reading.fast_ma[0] = 100
    guard.want(0, True)
    assert guard.step(20, reading) == 1 and guard.load.closed_ms[0] == 0
    # What flowed before was no rise from nothing: only the closing gives the time.
    reading.fast_ma[0] = 8 * RATED_MA - 1
    assert [guard.step(20, reading) for _ in range(3)] == [1, 1, 1]


def test_changes_counts_every_change_of_a_lockout_and_stays_small():
    guard, reading = bare()
    guard.restore(0, causes.OVERPOWER)
    guard.restore(0, causes.SMOKE)
    assert guard.changes == 2 and guard.latched[0] == causes.OVERPOWER | causes.SMOKE
    guard.lock(1, causes.OVERPOWER)
    assert guard.changes == 3 and guard.trips.take() == (1, causes.OVERPOWER, 0, 0, 0)
    assert guard.unlock(1, False, reading) is None and guard.changes == 4
    assert guard.unlock(1, False, reading) == "not_locked" and guard.changes == 4
    guard.changes = 0xFFFFF
    guard.lock(1, causes.OVERPOWER)
    assert guard.changes == 0


def locked_with_a_tick(place, after):
    """Socket 1 of a point, locked while a tick comes before or after `place`: it trips that socket, and another."""
    guard, reading = closed(0, 1)
    owner = {"opens": guard.judge, "put": guard.trips}.get(place, guard)
    real = getattr(owner, place)

    def ticks():
        reading.fast_ma[0] = reading.fast_ma[1] = 8 * RATED_MA
        guard.step(20, reading)
        guard.step(20, reading)

    def meanwhile(*arguments):
        setattr(owner, place, real)
        if not after:
            ticks()
        real(*arguments)
        if after:
            ticks()

    setattr(owner, place, meanwhile)
    guard.lock(1, causes.METER_STALE)
    return guard


def test_a_tick_in_the_middle_of_a_lock_loses_no_event():
    """Wherever it may come: at the jumps of `lock` and of what that calls."""
    of_the_lock = (1, causes.METER_STALE, 0)
    of_the_tick = [(i, causes.OVERCURRENT_INSTANT, 8 * RATED_MA) for i in (0, 1)]
    for place in ("_changed", "opens", "put"):
        for after in (True, False):
            guard = locked_with_a_tick(place, after)
            events = [guard.trips.take()[:3] for _ in range(3)]
            assert guard.trips.take() is None and events.count(of_the_lock) == 1, (place, after)
            events.remove(of_the_lock)
            assert events == of_the_tick, (place, after)
            assert guard.word == guard.wanted == 0 and guard.changes == 3
            assert guard.latched[1] == causes.METER_STALE | causes.OVERCURRENT_INSTANT


def test_a_lock_opens_its_socket_at_once():
    guard, reading = closed(0, 1)
    guard.lock(1, causes.METER_STALE)
    assert guard.word == 1 and guard.wanted == 1 and guard.step(20, reading) == 1
    guard.judge._open_ms[0] = 77
    guard.lock(WHOLE, causes.SMOKE)
    assert (
        guard.judge._open_ms[0] == 77
        and guard.step(20, reading) == 0
        and guard.latched[WHOLE] == causes.SMOKE
    )


def test_a_latched_cause_is_told_once_and_another_again():
    guard, reading = closed(0)
    guard.judge.replica.theta[0] = 500_000
    reading.power_mw[0] = 7
    guard.step(20, reading)
    assert guard.trips.take() == (0, causes.OVERCURRENT, 1000, 7, 230_000)
    guard.step(20, reading)
    assert guard.trips.take() is None and guard.latched[0] == causes.OVERCURRENT
    reading.fast_ma[0] = 300
    for dt_ms in (300, 500, 20):
        guard.step(dt_ms, reading)
    assert guard.trips.take()[:2] == (0, causes.RELAY_WELDED) and guard.trips.take() is None
    assert guard.latched[0] == causes.OVERCURRENT | causes.RELAY_WELDED


def test_resets():
    guard, reading = bare()
    for i in range(3):
        guard.judge._open_ms[i] = 300
    for bits, local, answer in (
        (causes.EMERGENCY_STOP, False, "local_only"),
        (causes.RELAY_WELDED, False, "local_only"),
        (causes.RELAY_WELDED | causes.OVERPOWER, False, "local_only"),
        (causes.RELAY_WELDED, True, None),
        (causes.OVERPOWER, False, None),
    ):
        guard.latched[1] = bits
        assert guard.unlock(1, local, reading) == answer, bits
        assert guard.latched[1] == (0 if answer is None else bits)


def test_resets_of_the_whole_point():
    for bits, active, dc, answer in (
        (causes.SMOKE, 0, 900, None),
        (causes.SMOKE, causes.SMOKE, 0, "cause_present"),
        (causes.SMOKE, causes.EMERGENCY_STOP, 0, None),
        (causes.OVERTEMPERATURE, 0, 551, "cause_present"),
        (causes.OVERTEMPERATURE, 0, 550, None),
        (causes.OVERTEMPERATURE, 0, -32767, None),
        (causes.OVERTEMPERATURE, 0, -32768, "cause_present"),
        (causes.OVERTEMPERATURE | causes.SMOKE, causes.SMOKE, 0, "cause_present"),
    ):
        guard, reading = bare()
        reading.active, reading.temperature_dc = active, dc
        guard.step(20, reading)
        guard.latched[WHOLE] = bits
        assert guard.unlock(WHOLE, True, reading) == answer, (bits, active, dc)


def test_an_input_that_was_not_read_yet_may_be_active():
    guard, reading = bare()
    guard._unread = causes.INPUTS
    guard.restore(WHOLE, causes.SMOKE)
    assert guard.unlock(WHOLE, True, reading) == "cause_present", "before the first tick nothing is known"
    reading.unread = causes.SMOKE | causes.EMERGENCY_STOP
    guard.step(20, reading)
    assert guard.unlock(WHOLE, True, reading) == "cause_present"
    reading.unread = causes.EMERGENCY_STOP
    guard.step(20, reading)
    assert guard.unlock(WHOLE, True, reading) is None


def test_the_whole_point_latches_each_cause_once():
    guard, reading = closed(0)
    reading.active = causes.SMOKE
    assert guard.step(20, reading) == 0
    reading.active = causes.SMOKE | causes.EMERGENCY_STOP
    guard.step(20, reading)
    guard.step(20, reading)
    guard.supply.hot = True
    guard.step(20, reading)
    told = [guard.trips.take() for _ in range(4)]
    bits = (causes.SMOKE, causes.EMERGENCY_STOP, causes.OVERTEMPERATURE)
    assert told == [(WHOLE, bit, 0, 0, 230_000) for bit in bits] + [None]


def test_the_contactor():
    guard, _ = bare()
    assert guard.contactor is True
    for i in range(3):
        guard.restore(i, causes.OVERPOWER)
        assert guard.contactor is True
        guard.restore(i, causes.RELAY_WELDED)
        assert guard.contactor is False
        guard.latched[i] = 0
        guard.restore(i, 0)
    guard.latched[WHOLE] = causes.SMOKE
    assert guard.contactor is False
    guard.latched[WHOLE] = 0
    guard.ready = False
    assert guard.contactor is False
    guard.ready, guard.fault = True, 1
    assert guard.contactor is False


class Interrupted(Protection):
    """The tick that ends a noisy span comes right after somebody asked whether the last one was noisy."""

    comes = False
    _noisy = False

    @property
    def noisy(self):
        was = self._noisy
        if self.comes:
            self.comes = False
            self._noisy = True
            self.distrust()
        return was

    @noisy.setter
    def noisy(self, noisy):
        self._noisy = noisy


def test_trust_does_not_undo_what_a_tick_distrusts_meanwhile():
    guard = Interrupted(3, WIDE, Meter())
    guard.distrust(1)
    guard.trust()
    assert guard.distrusted == 0
    guard.distrust(1)
    guard.comes = True
    guard.trust()
    assert guard.distrusted == 7
    guard.distrusted = 2
    guard.trust()
    assert guard.distrusted == 2, "while it is noisy nothing changes"


# Frames that were bad ------------------------------------------------------------------------------------------------


def spans(guard, reading, *polls):
    """Polls of (ms, frames, errors)."""
    for dt_ms, frames, errors in polls:
        reading.frames = reading.frames + frames & 0xFFFFFF
        reading.errors = reading.errors + errors & 0xFFFFFF
        guard._judge_point(dt_ms, reading)
    return guard.distrusted


def test_a_tenth_of_the_frames_of_five_seconds():
    for errors, distrusted in ((100, 0), (101, 7)):
        guard, reading = bare()
        assert spans(guard, reading, (2000, 1000, errors), (2000, 0, 0), (999, 0, 0)) == 0
        assert spans(guard, reading, (1, 0, 0)) == distrusted, errors


def test_every_frame_of_a_span_counts():
    for errors, distrusted in ((2, 0), (3, 7)):
        guard, reading = bare()
        assert spans(guard, reading, *[(500, 11, 1)] * 9, (500, 11, errors)) == distrusted, "11 or 12 of 110"


def test_each_span_for_itself():
    guard, reading = bare()
    spans(guard, reading, (2000, 50, 5), (2000, 50, 5), (1000, 0, 0))
    assert (guard._span_ms, guard._frames, guard._errors) == (0, 100, 10)
    assert spans(guard, reading, (2000, 50, 6), (2000, 50, 5), (999, 0, 0)) == 0
    assert spans(guard, reading, (1, 0, 0)) == 7


def test_bad_frames_while_every_socket_is_silent_are_silence():
    for silent_ms, stale, distrusted in ((0, 0, 7), (40, 0, 7), (41, 0, 0), (0, 1, 0)):
        for heard in ([], [0], [2]):
            guard, reading = bare()
            for i in range(3):
                if i not in heard:
                    guard.judge._silent_ms[i], guard.judge.stale[i] = silent_ms, stale
            assert guard._is_heard() is bool(heard or distrusted)
            expect = 7 if heard else distrusted
            assert spans(guard, reading, *[(1000, 15, 15)] * 5) == expect, (silent_ms, stale, heard)


def test_no_trust_before_a_span_was_quiet():
    guard, reading = bare()
    assert not guard.noisy
    spans(guard, reading, *[(1000, 100, 11)] * 5)
    guard.trust()
    assert guard.distrusted == 7 and guard.noisy
    spans(guard, reading, *[(1000, 100, 10)] * 4)
    guard.trust()
    assert guard.distrusted == 7, "it is not over yet"
    spans(guard, reading, (1000, 100, 10))
    assert guard.distrusted == 7 and not guard.noisy
    guard.trust()
    assert guard.distrusted == 0


def test_what_was_noisy_stays_so_until_a_meter_was_heard():
    """A set-up silences it: that is no quiet line."""
    guard, reading = bare()
    spans(guard, reading, *[(1000, 100, 11)] * 5)
    for i in range(3):
        guard.judge.stale[i] = 1
    spans(guard, reading, *[(1000, 100, 0)] * 5)
    assert guard.noisy
    guard.trust()
    assert guard.distrusted == 7
    guard.judge.stale[1] = 0
    spans(guard, reading, *[(1000, 100, 0)] * 5)
    assert not guard.noisy


def test_the_counters_wrap():
    for errors, distrusted in ((10, 0), (11, 7)):
        guard, reading = bare()
        reading.frames = guard._frames = 0xFFFFFF
        reading.errors = guard._errors = 0xFFFFFE
        assert spans(guard, reading, (2000, 100, errors), (2000, 0, 0)) == 0
        assert spans(guard, reading, (1000, 0, 0)) == distrusted
        assert (guard._frames, guard._errors, guard._span_ms) == (99, errors - 2, 0)


def test_a_long_gap_is_no_span_of_its_own():
    guard, reading = bare()
    spans(guard, reading, (7000, 100, 20))
    assert guard._span_ms == 2000


# The sum of the currents ---------------------------------------------------------------------------------------------


def test_what_each_socket_counts_for_in_the_sum():
    guard, reading = closed(0)
    for closed_ms, counts in ((59_998, 2000), (59_999, 1000), (60_000, 1000)):
        guard.load.closed_ms[0] = closed_ms
        guard.step(1, reading)
        assert guard.load.total_ma == counts, closed_ms
    reading.current_ma[0] = 1500
    guard.step(1, reading)
    assert guard.load.total_ma == 1500, "the fast value may read a third low"
    reading.current_ma[0] = 900
    reading.fast_ma[1], reading.current_ma[1] = 50, 800
    guard.step(1, reading)
    assert guard.load.total_ma == 1050, "the filtered current of an open relay falls slowly"
    guard.judge._leak_ms[1] = 0
    guard.restore(1, causes.RELAY_WELDED)
    guard.step(1, reading)
    assert guard.load.total_ma == 3000
    reading.current_ma[1] = 2500
    guard.step(1, reading)
    assert guard.load.total_ma == 3500
    reading.fast_ma[2], reading.current_ma[2] = 50, 800
    guard.step(1, reading)
    assert guard.load.total_ma == 3550, "a weld next to it makes no filtered current flow"
    guard.judge._leak_ms[2] = reading.fast_ma[2] = reading.current_ma[2] = 0
    guard.judge.stale[1] = 1
    guard.step(1, reading)
    assert guard.load.total_ma == 3500, "it may flow still, and nobody can stop it"
    guard.latched[1] = 0
    guard.restore(1, causes.OVERPOWER)
    guard.judge.stale[1] = 1
    guard.step(1, reading)
    assert guard.load.total_ma == 1000, "what an open socket's silent meter said last does not flow"
    guard.load.closed_ms[0] = 59_999
    guard.step(2, reading)
    assert guard.load.closed_ms[0] == 60_001
    guard.step(2, reading)
    assert guard.load.closed_ms[0] == 60_001, "it needs to count no further"


def test_what_has_just_tripped_counts_as_the_open_socket_that_it_is():
    for stale, counts in ((0, 4000 + 3800), (1, 4000)):
        guard, reading = closed(0, 1)
        for i, fast_ma, slow_ma in ((0, 3800, 5100), (1, 4000, 4000)):
            guard.load.closed_ms[i] = 60_000
            reading.fast_ma[i], reading.current_ma[i] = fast_ma, slow_ma
        guard.step(20, reading)
        assert guard.load.total_ma == 9100 and guard.word == 3
        reading.cut = 1
        guard.judge.stale[0] = stale
        assert guard.step(20, reading) == 2 and guard.load.total_ma == counts


def test_the_newest_is_the_one_that_closed_last():
    guard, _ = bare()
    assert guard.load.newest(guard.word) == WHOLE
    guard.word = 6
    assert guard.load.newest(guard.word) == 1, "of two that never closed the first"
    for i in (0, 1, 2):
        guard.load.closes(i)
    assert guard.load.newest(guard.word) == 2
    guard.load.closes(1)
    assert guard.load.newest(guard.word) == 1
    guard.load.closes(0)
    assert guard.load.newest(guard.word) == 1, "the newest of those that are closed"
    guard.word = 7
    assert guard.load.newest(guard.word) == 0


def test_shedding_opens_only_what_is_closed():
    guard, reading = closed(0, 2)
    reading.power_mw[2] = 9
    for i in (WHOLE, 1, 2):
        guard._shed(i, reading)
    assert guard.word == 1 and guard.wanted == 1 and list(guard.dropped) == [0, 0, causes.POINT_OVERLOAD]
    assert guard.trips.take() == (2, causes.POINT_OVERLOAD, 1000, 9, 230_000) and guard.trips.take() is None


def test_an_overload_with_every_relay_open_sheds_nothing():
    guard, reading = bare()
    guard.load = protection.PointLoad(3, 500)
    for dt_ms in (20, 999):
        guard.step(dt_ms, reading)
    assert not guard.load.held
    reading.fast_ma[0] = reading.fast_ma[1] = reading.fast_ma[2] = (
        170  # 510 mA of 500: above, and not far above
    )
    guard = Protection(3, Limits(RATED_MA, 1_000_000, 500), Meter())
    for i in range(3):
        guard.judge.stale[i] = 0
    for dt_ms in (20, 2000, 2000, 1000):
        guard.step(dt_ms, reading)
    assert guard.load.held and [guard.trips.take()[1] for _ in range(3)] == [causes.RELAY_WELDED] * 3
    assert guard.trips.take() is None


def test_a_relay_closes_only_where_it_was_seen_open():
    guard, reading = closed(0)
    guard.want(0, False)
    reading.fast_ma[0] = 101
    guard.step(20, reading)
    guard.want(0, True)
    guard._since_closing_ms = 1000
    assert [guard.step(dt_ms, reading) for dt_ms in (299, 1, 400)] == [0, 0, 0], "it carries a current"
    reading.fast_ma[0] = 100
    assert guard.step(20, reading) == 1
    guard, reading = closed(0)
    guard.want(0, False)
    guard.step(20, reading)
    reading.fast_ma[0] = 0
    guard.want(0, True)
    guard._since_closing_ms = 1000
    assert [guard.step(dt_ms, reading) for dt_ms in (299, 1)] == [0, 1], "300 ms after it opened"


def test_what_is_open_already_is_not_opened_again():
    """The time for which it has been open goes on: else whoever asks again and again would hide a weld."""
    guard, reading = bare()
    guard.ready = False
    for ms in (320, 340, 360):
        guard.want(1, True)
        guard.step(20, reading)
        assert guard.wanted == 0 and guard.judge._open_ms[1] == ms
    guard.lock(1, causes.OVERPOWER)
    assert guard.judge._open_ms[1] == 360


def test_nothing_closes_while_somebody_is_about_to_block():
    guard, reading = closed(0)
    guard.want(1, True)
    guard.still = True
    for _ in range(100):
        guard.renew()
        assert guard.step(100, reading) == 1 and guard.wanted == 3, "it waits"
    assert guard._may_close() is False
    guard.still = False
    guard.announce_gap()
    assert guard.step(20, reading) == 1, "a file is about to be written"
    guard._announced_ms = 20
    assert guard.step(20, reading) == 3


def test_an_announced_gap_that_ends_within_a_tick_is_over():
    guard, reading = closed(0)
    guard._announced_ms = 19
    assert guard.step(20, reading) == 1 and guard._announced_ms == 0, "below 0 nothing would close any more"


def test_what_was_announced_is_over_when_it_is_said():
    guard, reading = closed(0)
    guard.announce_gap()
    guard.end_gap()
    assert not guard.announced and guard._announced_ms == 0
    guard._lease_ms = 10_000
    assert guard.step(2001, reading) == 0, "the next gap is a fault again"


def test_a_weld_that_the_tick_finds_while_others_look_is_not_overlooked():
    guard, _ = bare()
    guard.has_contactor = True
    latched = guard.latched

    class Interrupted:
        """Lockouts among which the tick comes once."""

        def __getitem__(self, i):
            if i == 2 and guard.latched is self:
                guard.latched = latched
                guard.restore(0, causes.RELAY_WELDED)
                assert not guard.contactor
            return latched[i]

    guard.restore(1, causes.SMOKE)
    guard.latched = Interrupted()
    assert guard._see_welded() == 0 and guard.latched is latched, (
        "what the tick found came too late for this look"
    )
    assert guard._see_welded() == 1 and not guard.contactor


def test_with_the_contactors_supply_every_relay_must_be_seen_open_anew():
    for way in ("ready", "smoke", "welded"):
        guard, reading = bare()
        guard.has_contactor = True
        guard.step(20, reading)
        guard.judge._open_ms[0] = 5000
        guard.step(20, reading)
        assert guard.judge._open_ms[0] == 5020, "it is fed, and goes on"
        if way == "ready":
            guard.ready = False
        else:
            guard.restore(
                WHOLE if way == "smoke" else 2, causes.SMOKE if way == "smoke" else causes.RELAY_WELDED
            )
        guard.step(2000, reading)
        assert not guard.contactor and guard._fed_ms == 0
        guard.ready = True
        guard.latched[WHOLE] = guard.latched[2] = 0
        guard._changed()
        guard.want(0, True)
        guard.renew()
        assert guard.contactor
        assert [guard.step(dt_ms, reading) for dt_ms in (2000, 1998, 1)] == [0, 0, 1], way
    guard, reading = bare()
    guard.want(0, True)
    guard._since_closing_ms = 1000
    assert guard.step(1, reading) == 1, "without a contactor its relays are always fed"


def test_a_contactors_time_stays_small_and_its_relays_are_seen_open_after_it_closed():
    guard, reading = bare()
    guard.has_contactor = True
    guard.step(20, reading)
    assert guard._fed_ms == 1
    guard._fed_ms = 1999
    guard.step(20, reading)
    guard.step(20, reading)
    assert guard._fed_ms == 2019, "it needs to count no further"
    guard.ready = False
    guard.step(20, reading)
    guard.ready = True
    guard.step(20, reading)
    guard.want(0, True)
    reading.fast_ok[0] = 0  # nothing was heard of it since
    guard._fed_ms = guard._since_closing_ms = 2000
    assert guard.step(20, reading) == 0
    reading.fast_ok[0] = 1
    assert guard.step(280, reading) == 1


def test_a_charger_that_starts_softly_behind_a_welded_relay_is_found_when_the_contactor_closes():
    """It draws nothing for a second and a half after it is fed: until then its relay looks open."""
    guard, reading = bare()
    guard.has_contactor = True
    guard.want(0, True)
    words = []
    for n in range(150):
        reading.fast_ma[0] = 2000 if n * 20 >= 1500 else 0
        words.append(guard.step(20, reading))
    assert not any(words) and guard.latched[0] == causes.RELAY_WELDED and not guard.contactor


def test_nothing_closes_while_the_point_sheds():
    guard, reading = closed(0)
    guard.load.held = True
    guard.want(1, True)
    assert guard.step(1000, reading) == 1 and guard.wanted == 3, "it waits"
    guard.load.held = False
    assert guard.step(20, reading) == 3


def test_timers_of_the_point_stay_small_and_count_a_gap_for_two_seconds():
    guard, reading = bare()
    guard._since_closing_ms = guard._slow_ms = guard._slower_ms = 0
    guard.advance(7000)
    assert (guard._since_closing_ms, guard._slow_ms, guard._slower_ms) == (2000, 2000, 2000)
    guard._since_closing_ms = guard._slow_ms = guard._slower_ms = FOREVER - 1
    guard.advance(20)
    guard.advance(20)
    assert (guard._since_closing_ms, guard._slow_ms, guard._slower_ms) == (FOREVER + 19,) * 3
    guard._supply_ms = 0
    reading.voltage_ok = 0
    guard.step(FOREVER, reading)
    assert guard.supply._silent_ms == 2000


def test_starts_that_wait_for_their_second_count():
    """Ten commands within a second do not load a point that carries four: each sees those before it."""
    guard, _ = bare()
    guard.load = protection.PointLoad(3, 10_000)
    for i in range(3):
        assert guard.refuses_start() is None
        guard.want(i, True)
    guard.load = protection.PointLoad(3, 6666)
    assert guard.refuses_start() == "point_overload", "3 x 2 A and nothing flows yet: 90 % of 6.6 A"
    guard.load = protection.PointLoad(3, 6668)
    assert guard.refuses_start() is None
    guard.word = 1
    guard.load = protection.PointLoad(3, 4446)
    assert guard.refuses_start() is None, "one of them is closed, and counts with its current"


def test_a_reset_is_refused_while_what_locked_it_is_held():
    for bits in (causes.METER_STALE, causes.METER_IMPLAUSIBLE, causes.OVERVOLTAGE, causes.POINT_OVERLOAD):
        guard, reading = bare()
        guard.lock(1, bits)
        if bits == causes.METER_STALE:
            guard.judge.go_stale(1)
        elif bits == causes.METER_IMPLAUSIBLE:
            guard.distrust(1)
        elif bits == causes.OVERVOLTAGE:
            guard.supply.held = bits
        else:
            guard.load.held = True
        assert guard.unlock(1, True, reading) == "cause_present" and guard.latched[1] == bits
        guard.judge.stale[1] = guard.distrusted = guard.supply.held = 0
        guard.load.held = False
        assert guard.unlock(1, True, reading) is None


def test_a_contactor_that_is_open_for_it_does_not_keep_a_welded_relay_locked():
    guard, reading = bare()
    guard.restore(1, causes.RELAY_WELDED)
    assert guard.against(0) == (0, 0), "without a contactor the others go on"
    guard.has_contactor = True
    assert guard.against(0)[0] == guard.against(1)[0] == causes.RELAY_WELDED
    guard.judge._open_ms[1] = 300
    assert guard.unlock(1, True, reading) is None and guard.against(0) == guard.against(1) == (0, 0)


def test_refuses_start_names_the_cause():
    guard, _ = bare()
    assert guard.refuses_start() is None
    guard.load.held = True
    assert guard.refuses_start() == "point_overload"
    guard.supply.warm = True
    assert guard.refuses_start() == "overtemperature"


def test_an_unknown_cause_has_no_bit():
    assert causes.name(0) is None
    raises(ValueError, causes.bit, "fire")


def test_the_bench_closes_what_it_says():
    assert Bench(sockets=2).close(1).word == 2
