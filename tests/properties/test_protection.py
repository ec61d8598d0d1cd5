"""Whatever happens, in any order: a relay is never closed while anything forbids it.

The rules below are judged by what went in, the readings, inputs and wishes, and by a clock of the test's own; of the
protection's state only the lockouts are looked at.
"""

from __future__ import annotations

from fakes.bench import RATED_MA, Bench
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from core import causes
from core.protection import WHOLE

SOCKETS = 3
sockets = st.integers(0, SOCKETS - 1)
currents = st.sampled_from((0, 15, 60, 90, 500, 4500, 6500, 7500, 13000, 15000, 40000, 1 << 29))


class AnyDay(RuleBasedStateMachine):
    """A point to which anything may happen."""

    @initialize()
    def begin(self) -> None:
        self.bench = Bench(SOCKETS, has_temperature=True)
        self.asked = [False] * SOCKETS
        self.locked = [False] * (SOCKETS + 1)
        self.over_windows = [0] * SOCKETS
        self.silent_ms = [0] * SOCKETS
        self.low_ms = self.high_ms = self.lease_ms = 0
        self.failed = False
        self.last_closing_ms = -(10**9)
        self.before = 0

    def _tick(self, dt_ms: int = 20) -> None:
        bench = self.bench
        bench.tick(dt_ms)
        for i in range(SOCKETS):
            closed_before = self.before >> i & 1
            flows = bench.ma[i] if closed_before else bench.welded[i]
            self.silent_ms[i] = self.silent_ms[i] + dt_ms if bench.silent[i] else 0
            over = closed_before and flows >= 8 * RATED_MA and not bench.silent[i]
            self.over_windows[i] = self.over_windows[i] + 1 if over else 0
        self.low_ms = self.low_ms + dt_ms if bench.mv < 176_000 and not bench.voltage_silent else 0
        self.high_ms = self.high_ms + dt_ms if bench.mv > 264_000 and not bench.voltage_silent else 0
        self.lease_ms = 0 if bench.lease else self.lease_ms + dt_ms
        self._closings()
        self.never_closed_while()
        self.before = bench.word

    def _closings(self) -> None:
        closing = self.bench.word & ~self.before
        if not closing:
            return
        assert closing & (closing - 1) == 0, "two relays closed in one tick"
        assert self.bench.ms - self.last_closing_ms >= 1000, "closings less than a second apart"
        self.last_closing_ms = self.bench.ms

    def never_closed_while(self) -> None:
        """Every rule, after every tick."""
        bench, word = self.bench, self.bench.word
        protection = bench.protection
        if word:
            assert not protection.latched[WHOLE], "a lockout of the whole point"
            assert not self.failed and not protection.fault, "an internal fault"
            assert not bench.active, "an input is active"
            assert not bench.dc >= 700, "70 degrees"
            assert self.low_ms <= 2100 and self.high_ms <= 2100, "the mains are out of bounds"
            assert self.lease_ms < 5000, "the lease ran out"
            assert protection.ready, "the self-test has not passed"
        for i in range(SOCKETS):
            if not word >> i & 1:
                if self.before >> i & 1:
                    self.asked[i] = False  # it opened: whoever wants it closed must ask again
                continue
            assert self.asked[i], "nobody asked since it opened"
            assert not protection.latched[i], "a lockout"
            assert self.silent_ms[i] <= 120, "the meter is silent"
            assert self.over_windows[i] < 2, "8 x rated in two windows"
            assert not protection.distrusted >> i & 1, "the meter is implausible"
        for place in range(SOCKETS + 1):
            bits = protection.latched[place]
            assert bits or not self.locked[place], "a lockout went away by itself"
            self.locked[place] = bool(bits)

    # What may happen ----------------------------------------------------------------------------------------------

    @rule(ticks=st.integers(1, 60))
    def time(self, ticks: int) -> None:
        for _ in range(ticks):
            self._tick()

    @rule(seconds=st.integers(1, 12))
    def long_time(self, seconds: int) -> None:
        for _ in range(seconds * 25):
            self._tick(40)

    @rule(dt_ms=st.sampled_from((11, 19, 21, 67, 600, 1999, 2001, 7000)))
    def odd_tick(self, dt_ms: int) -> None:
        self._tick(dt_ms)
        if dt_ms > 2000:
            assert self.bench.word == 0, "it was closed through a gap that nobody announced"

    @rule(i=sockets, on=st.booleans())
    def want(self, i: int, on: bool) -> None:
        self.bench.protection.want(i, on)
        protection = self.bench.protection
        self.asked[i] = bool(protection.wanted >> i & 1) if on else False
        if not on:
            self._tick()
            assert not self.bench.word >> i & 1

    @rule(i=sockets, ma=currents)
    def flows(self, i: int, ma: int) -> None:
        self.bench.ma[i] = ma
        self.bench.mw[i] = min(ma * 230, 1 << 29)

    @rule(i=sockets, ma=st.sampled_from((0, 0, 15, 30, 150, 5000)))
    def welds(self, i: int, ma: int) -> None:
        self.bench.welded[i] = ma

    @rule(i=sockets, on=st.booleans())
    def silence(self, i: int, on: bool) -> None:
        self.bench.silent[i] = on

    @rule(errors=st.sampled_from((0, 0, 1, 3, 14, 15)))
    def bad_frames(self, errors: int) -> None:
        self.bench.errors = errors

    @rule(bits=st.sampled_from((0, 0, causes.SMOKE, causes.EMERGENCY_STOP, causes.RESIDUAL_CURRENT)))
    def inputs(self, bits: int) -> None:
        self.bench.active = bits

    @rule(mv=st.sampled_from((230_000, 230_000, 170_000, 270_000, 320_000, 380_000)), silent=st.booleans())
    def mains(self, mv: int, silent: bool) -> None:
        self.bench.mv = mv
        self.bench.voltage_silent = silent

    @rule(mv=st.sampled_from((165_000, 275_000)))
    def mains_out_of_bounds(self, mv: int) -> None:
        """Long enough to count: nothing stays closed."""
        self.mains(mv, False)
        for _ in range(120):
            self._tick()
        assert self.bench.word == 0

    @rule(dc=st.sampled_from((250, 250, 620, 699, 700, 900)))
    def heat(self, dc: int) -> None:
        self.bench.dc = dc

    @rule(on=st.booleans())
    def session_loop(self, on: bool) -> None:
        self.bench.lease = on

    @rule(ready=st.sampled_from((True, True, False)))
    def self_test(self, ready: bool) -> None:
        self.bench.protection.ready = ready

    @rule()
    def meter_is_set_up_again(self) -> None:
        self.bench.protection.trust()

    @rule(place=st.integers(-1, SOCKETS - 1), local=st.booleans())
    def reset(self, place: int, local: bool) -> None:
        if self.bench.reset(place, local) is None:
            self.locked[place] = False

    @rule(i=sockets, bits=st.sampled_from((causes.OVERCURRENT, causes.RELAY_WELDED)))
    def lockout_from_before(self, i: int, bits: int) -> None:
        """As recovery latches it, whatever the socket does now."""
        self.bench.protection.restore(i, bits)
        self._tick()

    @rule(i=sockets)
    def all_is_well_again(self, i: int) -> None:
        """Whatever went on is over, somebody resets at the point, and a bike charges."""
        bench = self.bench
        bench.silent, bench.welded = [False] * SOCKETS, [0] * SOCKETS
        bench.ma, bench.mw = [500] * SOCKETS, [115_000] * SOCKETS
        bench.errors, bench.active, bench.mv, bench.dc = 0, 0, 230_000, 250
        bench.voltage_silent, bench.lease = False, True
        bench.protection.ready = True
        for _ in range(1600):
            self._tick(40)
        bench.protection.trust()
        self.reset(WHOLE, True)
        self.reset(i, True)
        self.want(i, True)
        for _ in range(60):
            self._tick()

    @rule(really=st.integers(0, 19))
    def exception(self, really: int) -> None:
        if really == 7:
            self.bench.protection.fail()
            self.failed = True

    @invariant()
    def nobody_asks_by_himself(self) -> None:
        """A wish that was refused or dropped is forgotten, so that a reset closes nothing."""
        if hasattr(self, "bench"):
            for i in range(SOCKETS):
                if self.bench.protection.latched[i]:
                    assert not self.bench.protection.wanted >> i & 1


AnyDay.TestCase.settings = settings(max_examples=120, stateful_step_count=40, deadline=None)
test_any_day = AnyDay.TestCase
