"""The tick and the session loop around it: order, bursts, wraps, exceptions, watchdog, lease, memo, safe mode.

Runs on both runtimes, on the bench of fakes/tick_bench.
"""

import sys

from both import raises
from fakes.bench import RATED_MA, Bench
from fakes.tick_bench import WRAP, Runtime, TickBench, Time, protect, record

from core import causes, trip_memo
from core.protection import FAULT_LEASE, FAULT_LOOP, FAULT_RELAYS, FAULT_SLOW, FAULT_TICK
from tasks import fault

# One tick ------------------------------------------------------------------------------------------------------------


def test_what_a_new_one_is():
    bench = Bench(sockets=4, awake=False)
    protect.time = Time(77)
    task = protect.ProtectTask(bench.protection, bench.reading, "relays", "watchdog", "rtc")
    assert (task.protection, task.reading) == (bench.protection, bench.reading)
    assert (task.relays, task.watchdog, task.rtc) == ("relays", "watchdog", "rtc")
    assert (task.meter, task.inputs, task.contactor, task.error) == (None, None, None, None)
    assert task.meter_wrong == 0
    assert list(task._blind_ms) == [0] * 4 and task._during == protect.QUIET and task.tick_us == 0
    assert (task._memo_of, len(task._memo)) == (-1, trip_memo.size(5))
    assert task._last == 77 and Runtime.kept_for_exceptions == 100
    assert (task._crashes, task._own, task._bad_readbacks, task.safe_mode) == (0, 0, 0, False)


def test_it_reads_judges_writes_and_feeds_in_this_order():
    board = TickBench(0)
    assert board.calls(20) == ["meter", "inputs", "relays", "contactor", "feed"]
    assert board.locked == 1 and Runtime.depth == 0, "with the heap locked, once"
    board.bench.ma[0] = 20_000
    calls = board.calls(20, 20)
    assert (
        calls[5:] == ["meter", "inputs", "relays", "contactor", "memory", "feed"] and board.relays.last == 0
    )
    assert board.memo() == ([causes.OVERCURRENT_INSTANT, 0, 0, 0, 0], 0, 0), (
        "in RTC memory in the tick that trips"
    )


def test_a_step_in_the_register_opens_the_relay_in_the_second_window():
    board = TickBench(0)
    board.bench.ma[0] = 3 * RATED_MA
    assert [board.tick() for _ in range(3)] == [1, 0, 0]


def test_a_burst_of_ticks_is_one():
    board = TickBench(0)
    calls = board.meter.calls
    board.tick(300)
    for _ in range(7):
        board.tick(0)
    board.tick(9)
    assert board.meter.calls == calls + 1
    board.tick(1)
    assert board.meter.calls == calls + 2, "ten milliseconds after the last that counted"
    assert not board.guard.fault


def test_what_a_burst_reads_is_one_window():
    board = TickBench(0)
    board.bench.ma[0] = 3 * RATED_MA
    assert board.tick(400) == 1
    assert [board.tick(1) for _ in range(7)] == [1] * 7
    assert board.tick(20) == 0


def test_the_tick_counter_wraps():
    board = TickBench(0, ms=WRAP - 10_000)
    board.task.take_blind_ms()
    for dt_ms in (20, 67, 600, 2000):
        assert board.tick(dt_ms) == 1
    for _ in range(6):
        board.run(2000)
    assert board.clock.ticks_ms() < 20_000 and board.guard.word == 1 and not board.guard.fault
    assert board.task.take_blind_ms()["quiet"] == 2000


def test_long_gaps_announced_and_not():
    for announced, dt_ms, word in ((False, 2000, 1), (False, 2001, 0), (True, 4400, 1), (True, 5001, 0)):
        board = TickBench(0)
        if announced:
            board.guard.announce_gap()
        board.clock.spend(1000 * dt_ms)
        board.guard._lease_ms = 5500
        board.task.tick(None)
        assert board.relays.last == word, (announced, dt_ms)


def test_theta_is_heated_over_a_gap():
    board = TickBench(0)
    board.bench.ma[0] = 14_000
    board.tick()
    assert board.bench.theta[0] < 20_000
    board.tick(1900)
    assert board.guard.word == 1 and board.bench.theta[0] > 120_000  # (2.8 squared) x 1.9 s / 30 s
    board.bench.ma[0] = 1000
    board.tick(2000)
    assert board.bench.theta[0] > 240_000, "with the larger of the currents before and after"


# Exceptions ----------------------------------------------------------------------------------------------------------


def test_an_exception_anywhere_opens_everything_and_is_counted():
    for name in ("meter", "inputs", "relays", "contactor"):
        for error in (ValueError("a bug"), OSError(5), MemoryError()):
            board = TickBench(0, 2)
            feeds = board.watchdog.calls
            getattr(board, name).error = error
            board.tick()
            assert board.guard.fault == FAULT_TICK and board.guard.word == 0 and board.task.error is error
            assert board.relays.last == 0, name
            assert board.contactor.last == 0, "the contactor too: it may be all that can still open anything"
            assert board.watchdog.calls == feeds, name
            assert board.memo()[1:] == (1, 1), name
            getattr(board, name).error = None
            for i in range(4):
                board.guard.want(i, True)
            board.run(3000)
            assert board.relays.last == 0 and board.contactor.last == 0 and board.watchdog.calls == feeds
            assert board.memo()[1:] == (1, 1), "once"


def test_an_exception_in_every_tick_is_counted_from_the_first():
    board = TickBench()
    memo = board.rtc
    board.task = protect.ProtectTask(board.guard, board.bench.reading, board.relays, board.watchdog, memo, 1)
    board.task.meter = board.meter
    board.meter.error = ValueError("always")
    memo.last = None
    board.run(100)
    assert board.memo()[1:] == (2, 1)


def test_the_pins_open_even_where_nothing_else_can_be_done():
    board = TickBench(0)

    def fails(*event):
        raise MemoryError

    board.guard.trips.put = fails
    board.meter.error = ValueError("a bug")
    feeds = board.watchdog.calls
    raises(MemoryError, board.tick)
    assert board.relays.last == 0 and board.contactor.last == 0 and board.watchdog.calls == feeds
    assert Runtime.depth == 0


def test_a_tick_that_cannot_even_open_goes_on_trying():
    board = TickBench(0)
    board.relays.error = OSError(110)
    board.tick()
    calls = board.relays.calls
    board.run(200)
    assert board.relays.calls == calls + 10 and board.relays.last == 0, "to open, every tick"
    board.relays.error = None
    board.tick()
    assert board.bench.word == 0


def test_an_allocation_in_the_tick_is_a_fault():
    if sys.implementation.name != "micropython":
        return
    board = TickBench(0)
    poll = board.meter.poll

    class Greedy:
        def poll(self, reading):
            poll(reading)
            self.kept = bytearray(64)

    board.task.meter = Greedy()
    assert board.tick() == 0 and board.guard.fault == FAULT_TICK
    assert board.task.error is not None


# Watchdog and lease --------------------------------------------------------------------------------------------------


def test_a_silent_meter_feeds_the_watchdog_too():
    board = TickBench(0)
    board.bench.silent = [True] * 4
    feeds = board.watchdog.calls
    board.run(4000)
    assert board.relays.last == 0 and board.watchdog.calls == feeds + 200
    board.task.meter = None  # not even one that was found
    board.run(200)
    assert board.watchdog.calls == feeds + 210


def test_a_dead_event_loop_opens_and_starves_the_watchdog():
    board = TickBench(0)
    board.tick()
    for _ in range(248):
        assert board.tick(lease=False) == 1
    feeds = board.watchdog.calls
    assert board.tick(lease=False) == 0 and board.guard.fault == FAULT_LEASE
    board.run(8000, lease=False)
    assert board.watchdog.calls == feeds and board.memo()[1:] == (1, 1)


def test_a_dead_event_loop_starves_the_watchdog_with_every_relay_open_too():
    board = TickBench()
    board.run(5000, lease=False)
    feeds = board.watchdog.calls
    board.run(8000, lease=False)
    assert board.watchdog.calls == feeds and not board.guard.fault
    assert board.memo()[1:] == (0, 0), "the watchdog's restart counts itself: nobody meant it"


def test_safe_mode_outlives_every_fault_but_no_dead_event_loop():
    for crashes, safe in ((2, False), (3, True), (127, True)):
        board = TickBench(crashes=crashes)
        assert board.task.safe_mode is safe and board.task.meter_is_safe is (crashes <= 3)
        board.meter.error = ValueError("always")
        feeds = board.watchdog.calls
        board.run(10_000)
        assert board.watchdog.calls == feeds + (500 if safe else 0), crashes
        assert board.relays.last == 0 and board.memo()[1] == min(crashes + 1, 127)
        board.run(5000, lease=False)
        feeds = board.watchdog.calls
        board.run(5000, lease=False)
        assert board.watchdog.calls == feeds


def test_a_file_that_is_written_is_no_silence_of_the_meter():
    for writing in (False, True):
        board = TickBench()
        if writing:
            board.task.going_to_write()
        board.tick(2500)
        assert bool(board.guard.judge.stale[0]) is not writing
        assert board.task.take_blind_ms()["erase" if writing else "quiet"] == 2500


# What the restart that follows is told --------------------------------------------------------------------------------


def test_a_restart_that_was_asked_for_is_no_crash():
    board = TickBench(crashes=1)
    board.guard.restore(2, causes.OVERPOWER)
    board.tick()
    assert board.memo() == ([0, 0, causes.OVERPOWER, 0, 0], 1, 0)
    board.task.going_to_restart()
    assert board.task._memo_of == -1
    board.tick()
    assert board.memo() == ([0, 0, causes.OVERPOWER, 0, 0], 1, 1)
    board.guard.fail()
    board.tick()
    assert board.memo()[1:] == (1, 1), "it restarts anyway"


def test_crashes_are_forgotten():
    board = TickBench(crashes=2)
    board.tick()
    assert board.memo()[1:] == (2, 0)
    board.task.forget_crashes()
    assert board.task._memo_of == -1, "the next tick writes it, whatever it wrote last"
    board.tick()
    assert board.memo()[1:] == (0, 0)


def test_the_memo_is_written_only_when_something_changed():
    board = TickBench(0)
    calls = board.rtc.calls
    board.run(2000)
    assert board.rtc.calls == calls
    board.guard.lock(0, causes.OVERPOWER)
    board.tick()
    assert board.rtc.calls == calls + 1
    assert board.guard.unlock(0, False, board.bench.reading) is None
    board.run(100)
    assert board.rtc.calls == calls + 2 and board.memo()[0] == [0] * 5


# Relays, contactor, inputs -------------------------------------------------------------------------------------------


def test_relays_that_do_not_read_back():
    board = TickBench(0)
    board.relays.readback_ok = False
    for _ in range(5):
        assert board.tick() == 1
    board.relays.readback_ok = True
    board.tick()
    board.relays.readback_ok = False
    assert [board.tick() for _ in range(5)] == [1] * 5 and board.contactor.last == 1, "in a row"
    assert board.tick() == 0 and board.guard.fault == FAULT_RELAYS and board.contactor.last == 0, (
        "in the same tick"
    )
    assert (board.relays.offs, board.contactor.offs) == (1, 1)
    board.tick()
    assert (board.relays.offs, board.contactor.offs) == (2, 2)


def test_a_contactor_that_does_not_read_back():
    board = TickBench(0)
    board.contactor.readback_ok = False
    assert [board.tick() for _ in range(6)] == [1] * 5 + [0] and board.guard.fault == FAULT_RELAYS


def test_a_faulty_point_writes_no_word_but_off():
    """A charge pump behind the relays then runs down: they open though they do not obey the word."""
    board = TickBench(0)
    board.guard.fail()
    for offs in (1, 2, 3):
        assert board.tick() == 0 and board.relays.offs == offs
    board = TickBench(0)
    board.meter.error = ValueError("a bug")
    assert board.tick() == 0 and (board.relays.offs, board.contactor.offs) == (1, 1)


def test_a_meter_that_needs_a_set_up_is_distrusted_in_the_tick_that_finds_it():
    board = TickBench(0, 2)
    board.meter.wrong = board.task.meter_wrong = 0xFFFFFF
    assert board.tick() == 5 and not board.guard.distrusted
    board.meter.wrong = 0
    assert board.tick() == 0 and board.guard.distrusted == 15
    board.guard.trust()
    assert board.tick() == 0 and board.guard.distrusted == 15, "whoever trusts it without a set-up"
    board.task.meter_wrong = 0
    board.guard.trust()
    board.tick()
    assert not board.guard.distrusted


def test_the_contactor_follows():
    board = TickBench(0)
    assert board.contactor.last == 1
    board.bench.welded[1] = 900
    board.run(2000)
    assert (
        board.guard.latched[1] == causes.RELAY_WELDED and board.contactor.last == 0 and board.relays.last == 0
    )
    board.bench.welded[1] = 0
    board.run(2000)
    assert board.guard.unlock(1, True, board.bench.reading) is None
    board.tick()
    assert board.contactor.last == 1
    board.guard.want(0, True)
    board.run(2100)
    assert board.relays.last == 1


def test_a_board_without_contactor_and_inputs():
    board = TickBench(0, contactor=False)
    board.task.inputs = None
    board.run(1000)
    assert board.relays.last == 1 and not board.guard.fault
    board.meter.error = ValueError("a bug")
    assert board.tick() == 0


def test_inputs_not_yet_read_hold_and_are_no_alarm():
    board = TickBench(0)
    board.inputs.unread = causes.SMOKE
    assert board.tick() == 0 and not board.guard.latched[-1]
    board.inputs.unread = 0
    board.guard.want(0, True)
    board.run(2100)
    assert board.relays.last == 1
    board.inputs.active = causes.EMERGENCY_STOP
    assert (
        board.tick() == 0 and board.guard.latched[-1] == causes.EMERGENCY_STOP and board.contactor.last == 0
    )


# What is measured ----------------------------------------------------------------------------------------------------


def test_blind_time_by_what_lay_between():
    board = TickBench()
    board.task.take_blind_ms()
    board.run(100)
    board.task.blame_append()
    board.tick(140)
    board.task.blame_erase()
    board.tick(410)
    board.tick(33)
    board.guard.announce_gap()
    board.tick(25)
    board.tick(1900)
    assert board.task.take_blind_ms() == {"quiet": 33, "append": 140, "erase": 410, "handshake": 1900}
    assert board.task.take_blind_ms() == {"quiet": 0, "append": 0, "erase": 0, "handshake": 0}


def test_a_handshake_that_is_over_before_the_next_tick_is_none_of_a_quiet_time():
    board = TickBench()
    board.run(100)
    board.task.take_blind_ms()
    board.guard.announce_gap()
    board.task.blame_handshake()
    board.guard.end_gap()
    board.tick(210)
    board.tick(22)
    assert board.task.take_blind_ms() == {"quiet": 22, "append": 0, "erase": 0, "handshake": 210}


def test_the_longest_tick_and_three_slow_ones():
    board = TickBench(0)
    board.slow_us = 20_999
    for _ in range(4):
        assert board.tick() == 1 and not board.guard.fault, "20 ms is not above 20 ms"
    board.slow_us = 7
    board.tick()
    assert board.task.take_tick_us() == 20_999 and board.task.take_tick_us() == 0
    board.slow_us = 21_000
    board.tick()
    board.slow_us = 0
    board.run(1000)
    board.slow_us = 21_000
    board.tick()
    board.tick()
    board.slow_us = 0
    assert board.tick() == 0 and board.guard.fault == FAULT_SLOW


def test_a_long_gap_before_a_tick_is_no_slow_tick():
    board = TickBench(0)
    for _ in range(5):
        board.tick(400)
    assert board.task.take_tick_us() == 0 and board.guard.word == 1 and not board.guard.fault


def test_it_starts_with_its_timer():
    class Timer:
        PERIODIC = 1

        def init(self, period, mode, callback):
            self.asked = period, mode, callback

    board = TickBench()
    timer = Timer()
    board.clock.spend(9_000_000)  # building the rest took so long: no gap
    calls = board.rtc.calls
    board.task.run_by(timer)
    assert timer.asked[:2] == (20, 1) and board.rtc.calls == calls + 1, "what crashed before is kept at once"
    board.clock.spend(20_000)
    board.task.take_blind_ms()
    timer.asked[2](timer)
    assert board.task.take_blind_ms()["quiet"] == 20


# The session loop ----------------------------------------------------------------------------------------------------


class Restarted(Exception):
    """The board was told to restart."""


class TimeUp(Exception):
    """The test has seen enough of the loop."""


class Point:
    """As much of a point as the loop looks at."""

    restart_asked = False
    error = None

    def __init__(self, board):
        self.protection = board.guard
        self.alarms = []
        self.updates = 0
        self.checkpoints = 0

    def checkpoint_soon(self):
        self.checkpoints += 1

    def update(self, uptime_ms, unix):
        self.updates += 1
        if self.error:
            raise self.error
        self.protection.renew()

    def alarm(self, alarm, uptime_ms, unix, detail):
        self.alarms.append((alarm, uptime_ms, detail))
        if self.error:
            raise self.error


class Said:
    """A `print` that keeps what is said."""

    def __init__(self, lines=None):
        self.lines = [] if lines is None else lines

    def __call__(self, *words):
        self.lines.append(" ".join(words))


class Loop:
    """Runs the session loop on a TickBench; the ticks go on while it sleeps."""

    def __init__(self, *closed, crashes=0):
        self.board = TickBench(*closed, crashes=crashes)
        self.point = Point(self.board)
        self.ms = 0
        self.until_ms = 0
        self.said = []
        record.asyncio = self
        fault.print = Said(self.said)

    async def sleep_ms(self, ms):
        self.board.run(ms, 20, lease=False)
        self.ms += ms
        if self.ms >= self.until_ms:
            raise TimeUp

    def uptime_ms(self):
        return self.ms

    def unix(self):
        return None

    def _restart(self):
        raise Restarted

    def run(self, seconds):
        """Milliseconds after which it asked for a restart, or None within so many seconds."""
        begin = self.ms
        self.until_ms = begin + 1000 * seconds
        loop = record.record_loop(self.point, self, self.board.task, self._restart)
        try:
            loop.send(None)
        except Restarted:
            return self.ms - begin
        except TimeUp:
            return None


def _quietly(function, *arguments):
    """Tracebacks that are meant do not belong into a test's output."""
    kept = getattr(sys, "print_exception", None)
    told = []
    record.sys = fault.sys = type("Sys", (), {"print_exception": staticmethod(told.append)})
    try:
        return function(*arguments), told
    finally:
        record.sys = fault.sys = sys
        assert kept is getattr(sys, "print_exception", None)


def test_the_session_loop_keeps_relays_closed():
    loop = Loop(0)
    assert loop.run(60) is None and loop.point.updates == 120 and record.PERIOD_MS == 500
    assert loop.board.guard.word == 1 and not loop.board.guard.fault and not loop.point.alarms


def test_a_trip_waits_no_half_second_for_its_record():
    loop = Loop(0)
    loop.run(5)
    seen = []

    def update(uptime_ms, unix):
        seen.append((uptime_ms, loop.point.protection.trips.take() is not None))
        loop.point.protection.renew()
        if uptime_ms == 6000:
            loop.board.bench.ma[0] = 1 << 20  # from the next tick on: two windows, and it is cut

    loop.point.update = update
    loop.run(2)
    assert loop.board.guard.latched[0] and (6100, True) in seen and (6600, False) in seen
    assert [at for at, trip in seen if trip] == [6100]


def test_who_locks_at_every_call_is_called_ten_times_a_second_and_no_more():
    loop = Loop(0)
    loop.run(5)
    calls = []

    def update(uptime_ms, unix):
        calls.append(uptime_ms)
        if len(calls) > 100:
            raise SystemExit  # nobody else came to run
        loop.point.protection.lock(1, 1 << (len(calls) % 2))
        loop.point.protection.renew()

    loop.point.update = update
    assert loop.run(1) is None and calls == list(range(5000, 6000, 100))


def test_what_a_record_took_is_dropped_after_every_call():
    loop = Loop()
    names = ("core.keeping", "core.snapshot", "wire.records")
    seen = []

    def update(uptime_ms, unix):
        seen.append([name in sys.modules for name in names])
        from core import keeping

        keeping.load()
        assert all(name in sys.modules for name in names)
        loop.point.protection.renew()
        if len(seen) == 3:
            raise ValueError("a bug")

    loop.point.update = update
    _quietly(loop.run, 2)
    assert len(seen) >= 4 and not any(any(loaded) for loaded in seen[1:])


def test_a_fault_from_before_the_loop_began_restarts_the_board_too():
    loop = Loop()
    loop.board.guard.fail_now(FAULT_TICK)
    restarted, _ = _quietly(loop.run, 10)
    assert restarted == 1500


def test_a_session_loop_that_raises_restarts_the_board():
    loop = Loop(0)
    loop.run(5)
    loop.point.error = ValueError("a bug")
    restarted, told = _quietly(loop.run, 10)
    assert restarted == 2000
    assert loop.board.relays.last == 0 and loop.board.guard.fault == FAULT_LOOP
    assert loop.point.alarms[0][2] == fault.FAULTS[FAULT_LOOP] and len(loop.point.alarms) == 1
    assert told and "restarting" in loop.said[0] and loop.board.memo()[1:] == (1, 1)


def test_a_fault_of_the_tick_restarts_the_board_after_two_seconds():
    loop = Loop(0)
    loop.board.meter.error = error = ValueError("a bug")
    restarted, told = _quietly(loop.run, 10)
    assert restarted == 2000 and told == [error] and loop.point.updates > 3, "sessions end before it"
    assert [alarm[2] for alarm in loop.point.alarms] == [fault.FAULTS[FAULT_TICK]]
    assert loop.point.checkpoints == 1, "what has not ended by then ends after it"


def test_in_safe_mode_nothing_restarts_the_board():
    for spoil in ("meter", "update"):
        loop = Loop(crashes=3)
        if spoil == "meter":
            loop.board.meter.error = ValueError("always")
        else:
            loop.point.error = ValueError("always")
        feeds = loop.board.watchdog.calls
        restarted, told = _quietly(loop.run, 120)
        assert restarted is None and loop.point.updates >= 239, spoil
        assert loop.board.watchdog.calls == feeds + 120 * 50, "and the watchdog neither"
        assert len(loop.point.alarms) == 1, "said, and not for ever"
        assert len(told) == (1 if spoil == "meter" else 2)
        assert "safe mode" in loop.said[0] and len(loop.said) == 1
        loop.point.restart_asked = True
        assert _quietly(loop.run, 10)[0] == 2000, "but somebody may"
        assert loop.board.memo()[2] == 1


def test_a_restart_that_was_asked_for():
    loop = Loop(0)
    loop.point.restart_asked = True
    assert loop.run(10) == 2000 and loop.board.memo()[1:] == (0, 1)


def test_what_trips_before_a_restart_that_was_asked_for_is_looked_at_within_a_tenth_of_a_second():
    loop = Loop(0)
    loop.point.restart_asked = True
    looked = []
    update = loop.point.update

    def trip_then_update(uptime_ms, unix):
        update(uptime_ms, unix)
        looked.append(uptime_ms)
        if uptime_ms == 1000:
            loop.board.guard.changes += 1

    loop.point.update = trip_then_update
    assert loop.run(10) == 2100, "at the first look after 2 s"
    assert looked == [0, 500, 1000, 1100, 1600, 2100]


def test_the_heap_is_free_again_whatever_the_tick_meets():
    board = TickBench()

    def too_deep():
        raise RuntimeError("maximum recursion depth exceeded")

    board.task.locked_tick = too_deep
    raises(RuntimeError, board.task.tick, None)
    assert Runtime.depth == 0, "or nothing that the rest of the firmware does would find memory"
