"""The only place that decides whether a relay is closed.

Permission is earned anew at every tick: a socket's relay is closed in the word that `step` returns only while it is
wanted, nothing is latched or held against it, its readings are fresh, the session loop's lease runs and the point
passed its self-test. Everything else, an exception included, is open.

Rules of this file: no I/O, no clock (time is the argument `dt_ms`), no allocation in anything that `step` calls, and
no integer above 2**30 - 1 (beyond that MicroPython allocates one). Timers are arrays: 0 is not running, else the
elapsed milliseconds plus 1, so that the first reading above a limit starts a timer and never completes it.

A cause is a bit, by its place in wire.codes.CAUSES; the lowest set bit is the one that is named. A *latched* cause is
a lockout and goes only by `reset`; a *hold* goes by itself. The table, with limits and sources, is in
firmware/README.md and is tested against the tables here.
"""

from array import array

from wire.codes import CAUSES
from wire.units import const

INTERNAL = const(1 << 0)
EMERGENCY_STOP = const(1 << 1)
SMOKE = const(1 << 2)
RESIDUAL_CURRENT = const(1 << 3)
OVERCURRENT_INSTANT = const(1 << 4)
RELAY_WELDED = const(1 << 5)
OVERCURRENT = const(1 << 6)
OVERPOWER = const(1 << 7)
METER_IMPLAUSIBLE = const(1 << 11)
METER_STALE = const(1 << 12)

# Reset only by a person standing at the point.
LOCAL_ONLY = const((1 << 1) | (1 << 2) | (1 << 3) | (1 << 5))

# The tick. A burst of queued ticks after a stall is one tick: those that follow closer than this return at once.
MIN_TICK_MS = const(10)
MAX_GAP_MS = const(2000)
# A window may be counted this much early, so that the jitter of a 20 ms timer does not halve the rate of readings.
_JITTER_MS = const(5)

INSTANT_WINDOWS = const(2)
INSTANT_TIMES_RATED = const(3)
INRUSH_TIMES_RATED = const(8)
INRUSH_MS = const(200)
INRUSH_FROM_MA = const(100)

# Thermal replica: theta' = ((I/In)**2 - theta) / tau, in units of 2**-18, integrated in steps that fit a small
# integer: with I capped at 8 x In, 2**24 x 60 ms stays below 2**30.
THETA_ONE = const(1 << 18)
THETA_TRIP = const(377487)  # 1.44 x 2**18
TAU_MS = const(30000)
STEP_MS = const(60)
_THETA_CAP = const(8 * 2048)

OVERPOWER_MS = const(10000)

STALE_CLEAR_MS = const(5000)
SLOW_STALE_MS = const(1000)  # the slow set of a socket comes round several times in this

WELD_AFTER_MS = const(300)
WELD_MA = const(100)
WELD_MS = const(500)
LEAK_MA = const(20)
LEAK_MS = const(60000)

LEASE_MS = const(5000)
CLOSING_GAP_MS = const(1000)

SLOW_TICK_MS = const(20)
SLOW_TICK_SPAN_MS = const(60000)

_EVENTS = const(32)
_FOREVER = const(1 << 29)  # where a timer that is only compared stops counting


def name(bits):
    """The name of the cause that wins among `bits`, or None for 0."""
    if not bits:
        return None
    i = 0
    while not bits >> i & 1:
        i += 1
    return CAUSES[i]


def bit(cause):
    """The bit of a cause's name."""
    return 1 << CAUSES.index(cause)


class Protection:
    """Judges one point. `meter` gives window_ms, stale_windows, settle_ms, floor_ma and rms_floor_ma."""

    def __init__(self, sockets, limits, meter):
        zeros = [0] * sockets
        self.sockets = sockets
        self.limits = limits
        self._rated_ma = limits.rated_ma
        self._instant_ma = INSTANT_TIMES_RATED * limits.rated_ma
        self._inrush_ma = INRUSH_TIMES_RATED * limits.rated_ma
        self._power_mw = limits.max_power_mw
        self._window_ms = meter.window_ms
        self._stale_ms = meter.stale_windows * meter.window_ms
        self._weld_after_ms = max(WELD_AFTER_MS, meter.settle_ms)
        self._weld_ma = max(WELD_MA, meter.floor_ma)
        self._leak_ma = max(LEAK_MA, meter.rms_floor_ma)

        self.ready = False  # set by the boot sequence once the self-test passed
        self.fault = 0  # 1: an internal fault; only a restart clears it
        self.word = 0  # bit per socket: the relay is closed
        self.wanted = 0
        self.latched = array("i", zeros)
        # Until a meter has been heard for STALE_CLEAR_MS it is stale: that is the zero-current check of the boot too.
        self.held = array("i", [METER_STALE] * sockets)
        self.theta = array("i", [THETA_ONE] * sockets)
        self.open_ms = array("i", zeros)
        # A trip as it happened, taken by the session loop in its own time. One writer, one reader.
        self.event_socket = bytearray(_EVENTS)
        self.event_cause = array("i", [0] * _EVENTS)
        self.event_ma = array("i", [0] * _EVENTS)
        self.event_mw = array("i", [0] * _EVENTS)
        self.event_mv = array("i", [0] * _EVENTS)
        self.changes = 0  # counts every change of `latched`: the tick then refreshes its copy in RTC memory
        self.events_put = 0
        self.events_taken = 0

        self._theta_rest = array("i", zeros)
        self._last_ma = array("i", zeros)
        self._over = bytearray(sockets)
        self._inrush_ms = array("i", zeros)
        self._power_ms = array("i", zeros)
        self._silent_ms = array("i", zeros)  # since the last good reading
        self._counted_ms = array("i", zeros)  # since the last one that counted as a window
        self._slow_bad_ms = array("i", zeros)
        self._good_ms = array("i", zeros)
        self._weld_ms = array("i", zeros)
        self._leak_ms = array("i", zeros)
        self._lease_ms = 0
        self._since_closing_ms = 0
        self._announced = False
        self._slow_ms = _FOREVER  # since the last slow tick
        self._slower_ms = _FOREVER  # since the one before it

    # Inputs from outside the tick -----------------------------------------------------------------------------------

    def want(self, socket, on):
        """Ask for the socket's relay to be closed (earned at the coming ticks) or opened (at the next tick).

        Asking for a locked socket is not remembered: a reset alone must close nothing.
        """
        if on:
            if not self.latched[socket] and not self.fault:
                self.wanted |= 1 << socket
        else:
            self.wanted &= ~(1 << socket)

    def renew(self):
        """The session loop is alive: relays may stay closed for another LEASE_MS."""
        self._lease_ms = LEASE_MS

    def announce_gap(self):
        """The next gap between ticks, of whatever length, is a known blocking stretch and not a fault."""
        self._announced = True

    def distrust(self, distrusted):
        """The meter's own registers are not what was written: its readings count for nothing until they are again."""
        for i in range(self.sockets):
            if distrusted:
                self.held[i] |= METER_IMPLAUSIBLE
            else:
                self.held[i] &= ~METER_IMPLAUSIBLE

    def restore(self, socket, bits):
        """Latch causes known from before a restart."""
        self.latched[socket] |= bits
        self._changed()

    def lock(self, socket, bits):
        """Latch a cause that the session logic found, with an event like that of any trip."""
        self._latch(socket, bits, 0, 0, 0)

    def reset(self, socket, local):
        """Clear the socket's lockouts; returns None, or why not: a name of wire.codes.REPLY_ERRORS."""
        bits = self.latched[socket]
        if not bits:
            return "not_locked"
        if bits & LOCAL_ONLY and not local:
            return "local_only"
        if self._present(socket, bits):
            return "cause_present"
        self.latched[socket] = 0
        self._changed()
        return None

    def fail(self):
        """An internal fault: every relay opens, and only a restart closes one again. Called by the tick too."""
        if not self.fault:
            self.fault = 1
            for i in range(self.sockets):
                if self.word >> i & 1:
                    self._open(i)
                    self._event(i, INTERNAL, self._last_ma[i], 0, 0)
        self.word = 0
        self.wanted = 0

    def ran(self, ms):
        """How long a tick took; three above SLOW_TICK_MS within a minute are an internal fault."""
        if ms > SLOW_TICK_MS:
            if self._slower_ms < SLOW_TICK_SPAN_MS:
                self.fail()
            self._slower_ms = self._slow_ms
            self._slow_ms = 0

    def may_stall(self):
        """True when a blocking stretch (an erase, a handshake) may begin: no closed socket is hot or just closed."""
        if self.word and self._since_closing_ms < CLOSING_GAP_MS:
            return False
        hot = self._rated_ma + self._rated_ma // 5
        for i in range(self.sockets):
            if self.word >> i & 1 and self._last_ma[i] > hot:
                return False
        return True

    # The tick -------------------------------------------------------------------------------------------------------

    def step(self, dt_ms, reading):
        """One decision: the relay word, bit i for socket i. dt_ms is the time since the last step, at least 1."""
        if dt_ms > MAX_GAP_MS and not self._announced:
            self._go_stale()
        self._announced = False
        self._advance(dt_ms)
        for i in range(self.sockets):
            self._judge(i, dt_ms, reading)
        if self.word and self._lease_ms <= 0:
            self.fail()
        else:
            self._apply()
        return self.word

    def _advance(self, dt_ms):
        """Move the point's own timers on."""
        self._lease_ms = max(0, self._lease_ms - dt_ms)
        dt_ms = min(dt_ms, MAX_GAP_MS)
        self._since_closing_ms = min(self._since_closing_ms + dt_ms, _FOREVER)
        self._slow_ms = min(self._slow_ms + dt_ms, _FOREVER)
        self._slower_ms = min(self._slower_ms + dt_ms, _FOREVER)

    def _judge(self, i, dt_ms, reading):
        """Everything that one socket's reading says."""
        ok = reading.fast_ok[i]
        last = self._last_ma[i]
        was_open = not self.word >> i & 1
        ma = reading.fast_ma[i] if ok else last
        self._judge_freshness(i, dt_ms, ok, reading.slow_ok[i])
        if ok:
            if last < INRUSH_FROM_MA <= ma:
                self._inrush_ms[i] = INRUSH_MS
            elif self._inrush_ms[i]:
                self._inrush_ms[i] = max(0, self._inrush_ms[i] - dt_ms)
            self._last_ma[i] = ma
            if self._counted_ms[i] + _JITTER_MS >= self._window_ms:
                self._counted_ms[i] = 0
                self._judge_instant(i, ma, reading)
        if dt_ms > STEP_MS:
            ma = max(ma, last)
        if not was_open and reading.slow_ok[i]:
            # A chip's fast value may be a mean of |i| and read low on a charger's peaky current: heat by the larger.
            ma = max(ma, reading.current_ma[i])
        if ma or self.theta[i]:
            self._heat(i, dt_ms, ma)
            if self.theta[i] >= THETA_TRIP and not self.latched[i] & OVERCURRENT:
                self._trip(i, OVERCURRENT, reading)
        if reading.power_mw[i] > self._power_mw or self._power_ms[i]:
            self._judge_power(i, dt_ms, reading)
        if was_open:
            self._judge_open(i, dt_ms, ok, reading)

    def _judge_freshness(self, i, dt_ms, ok, slow_ok):
        """Silence, counted from the last good reading, makes the socket stale; STALE_CLEAR_MS without any clear it."""
        capped_ms = min(dt_ms, MAX_GAP_MS)
        self._counted_ms[i] = min(self._counted_ms[i] + capped_ms, _FOREVER)
        self._silent_ms[i] = 0 if ok else min(self._silent_ms[i] + capped_ms, _FOREVER)
        self._slow_bad_ms[i] = 0 if slow_ok else min(self._slow_bad_ms[i] + capped_ms, _FOREVER)
        if self._silent_ms[i] >= self._stale_ms or self._slow_bad_ms[i] >= SLOW_STALE_MS:
            self.held[i] |= METER_STALE
        if self.held[i] & METER_STALE:
            # Between two good readings of a slow meter there is silence too: only more of it than a window is bad.
            good = slow_ok and self._silent_ms[i] < self._window_ms
            if self._timer(self._good_ms, i, good, dt_ms) > STALE_CLEAR_MS:
                self.held[i] &= ~METER_STALE

    def _judge_instant(self, i, ma, reading):
        if ma < (self._inrush_ma if self._inrush_ms[i] else self._instant_ma):
            self._over[i] = 0
            return
        if self._over[i] < INSTANT_WINDOWS:
            self._over[i] += 1
        if self._over[i] >= INSTANT_WINDOWS and not self.latched[i] & OVERCURRENT_INSTANT:
            self._trip(i, OVERCURRENT_INSTANT, reading)

    def _heat(self, i, dt_ms, ma):
        """Integrate the thermal replica over dt_ms at a constant current."""
        x = _THETA_CAP if ma >= 8 * self._rated_ma else ma * 2048 // self._rated_ma
        target = x * x >> 4
        theta = self.theta[i]
        rest = self._theta_rest[i]
        if dt_ms > MAX_GAP_MS:
            # Unseen for so long: heated all the way, cooled not at all, and no long loop in the tick.
            theta = max(theta, target)
            dt_ms = 0
        while dt_ms > 0:
            moved = (target - theta) * (dt_ms if dt_ms < STEP_MS else STEP_MS) + rest
            theta += moved // TAU_MS
            rest = moved % TAU_MS
            dt_ms -= STEP_MS
        self.theta[i] = theta
        self._theta_rest[i] = rest

    def _judge_power(self, i, dt_ms, reading):
        """An invalid reading neither starts nor stops the timer: only a valid one below the limit does."""
        if not reading.slow_ok[i] and not self._power_ms[i]:
            return
        above = reading.power_mw[i] > self._power_mw or not reading.slow_ok[i]
        if self._timer(self._power_ms, i, above, dt_ms) > OVERPOWER_MS and not self.latched[i] & OVERPOWER:
            self._trip(i, OVERPOWER, reading)

    def _judge_open(self, i, dt_ms, ok, reading):
        """Current through an open relay: welded, at boot too."""
        self.open_ms[i] = min(self.open_ms[i] + dt_ms, _FOREVER)
        if self.open_ms[i] < self._weld_after_ms:
            return
        if ok:
            self._timer(self._weld_ms, i, reading.fast_ma[i] > self._weld_ma, dt_ms)
        if reading.slow_ok[i]:
            self._timer(self._leak_ms, i, reading.current_ma[i] > self._leak_ma, dt_ms)
        if self.latched[i] & RELAY_WELDED:
            return  # the timers go on all the same: they say whether the cause is still present
        if self._weld_ms[i] > WELD_MS or self._leak_ms[i] > LEAK_MS:
            self._trip(i, RELAY_WELDED, reading)

    def _timer(self, timers, i, above, dt_ms):
        """Run one of the timers; returns its value: elapsed + 1, or 0 when it does not run."""
        value = timers[i]
        if not above:
            value = 0
        elif not value:
            value = 1
        else:
            value = min(value + dt_ms, _FOREVER)
        timers[i] = value
        return value

    def _apply(self):
        """The word: open whatever lost its permission, close at most one socket that earned it."""
        permitted = self.wanted if self.ready and not self.fault else 0
        for i in range(self.sockets):
            mask = 1 << i
            if not permitted & mask or self.latched[i] or self.held[i]:
                if self.word & mask:
                    self._open(i)
            elif not self.word & mask and self._since_closing_ms >= CLOSING_GAP_MS and self._lease_ms > 0:
                self._close(i)

    def _close(self, i):
        self.word |= 1 << i
        self._since_closing_ms = 0
        self._inrush_ms[i] = INRUSH_MS
        self._over[i] = 0
        self._weld_ms[i] = 0
        self._leak_ms[i] = 0

    def _open(self, i):
        """Open, and forget that it was wanted: what closes it again must ask again."""
        self.word &= ~(1 << i)
        self.wanted &= ~(1 << i)
        self.open_ms[i] = 0

    def _go_stale(self):
        for i in range(self.sockets):
            self.held[i] |= METER_STALE
            self._good_ms[i] = 0

    # Trips ----------------------------------------------------------------------------------------------------------

    def _trip(self, i, bits, reading):
        self._latch(i, bits, self._last_ma[i], reading.power_mw[i], reading.voltage_mv)

    def _latch(self, i, bits, ma, mw, mv):
        self.latched[i] |= bits
        self._changed()
        self._open(i)
        self._event(i, bits, ma, mw, mv)

    def _changed(self):
        self.changes = self.changes + 1 & 0xFFFFF

    def _event(self, i, bits, ma, mw, mv):
        """Put an event; when the reader is a whole ring behind, the oldest is overwritten: the latch still stands."""
        at = self.events_put % _EVENTS
        self.event_socket[at] = i
        self.event_cause[at] = bits
        self.event_ma[at] = ma
        self.event_mw[at] = mw
        self.event_mv[at] = mv
        self.events_put = self.events_put + 1 & 0xFFFFF

    def take_event(self):
        """The next trip as (socket, bits, current_ma, power_mw, voltage_mv), or None. Allocates: not for the tick."""
        if self.events_taken == self.events_put:
            return None
        behind = self.events_put - self.events_taken & 0xFFFFF
        if behind > _EVENTS:
            self.events_taken = self.events_put - _EVENTS & 0xFFFFF
        at = self.events_taken % _EVENTS
        self.events_taken = self.events_taken + 1 & 0xFFFFF
        return (
            self.event_socket[at],
            self.event_cause[at],
            self.event_ma[at],
            self.event_mw[at],
            self.event_mv[at],
        )

    def _present(self, i, bits):
        """True while a cause among `bits` is still there, so that a reset would be met by the same trip."""
        if bits & (OVERCURRENT | OVERCURRENT_INSTANT) and self.theta[i] >= THETA_ONE:
            return True
        return bool(bits & RELAY_WELDED) and (self._weld_ms[i] > 0 or self._leak_ms[i] > 0)
