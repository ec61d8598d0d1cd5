"""What the sockets' readings say: the causes that concern a single socket. Says what trips, decides nothing.

Rules as in core/protection, which calls this at every tick: no allocation, no integer above 2**30 - 1, few calls. One
costs a board as much as ten sums: so each step is one loop over all sockets, over names that are bound before it, and
what seldom is the case has a function of its own.

A *window* is `window_ms` of the meter after the last one that counted; silence is timed from the last good reading.
"""

from array import array

from wire.units import const

from .causes import OVERCURRENT, OVERCURRENT_INSTANT, OVERPOWER, RELAY_WELDED
from .thermal import STEP_MS, THETA_ONE, THETA_TRIP, UNKNOWN_MA, Replica
from .timer import FOREVER, JITTER_MS, run

INSTANT_WINDOWS = const(2)
INSTANT_TIMES_RATED = const(3)
INRUSH_TIMES_RATED = const(8)
INRUSH_MS = const(200)
INRUSH_FROM_MA = const(100)

OVERPOWER_MS = const(10000)

STALE_CLEAR_MS = const(5000)
SLOW_STALE_MS = const(1000)  # the slow set of a socket comes round several times in this

WELD_AFTER_MS = const(300)
WELD_MA = const(100)
WELD_MS = const(500)
LEAK_MA = const(20)
LEAK_MS = const(60000)

_LONGEST_MS = const(2000)
# No more than an erase takes: what lies in a longer gap was not heard.
_HEARD_MS = const(500)


class Judge:
    """Of every socket of a point. `meter` gives window_ms, stale_windows, settle_ms, floor_ma and rms_floor_ma."""

    def __init__(self, sockets, limits, meter):
        zeros = [0] * sockets
        self._sockets = sockets
        self._all = (1 << sockets) - 1
        self._instant_ma = INSTANT_TIMES_RATED * limits.rated_ma
        self._inrush_ma = INRUSH_TIMES_RATED * limits.rated_ma
        self._power_mw = limits.max_power_mw
        self._window_ms = meter.window_ms
        self._due_ms = meter.window_ms - JITTER_MS
        self._stale_ms = meter.stale_windows * meter.window_ms
        self._slow_stale_ms = max(SLOW_STALE_MS, self._stale_ms)
        self._weld_after_ms = max(WELD_AFTER_MS, meter.settle_ms)
        self._weld_ma = max(WELD_MA, meter.floor_ma)
        self._leak_ma = max(LEAK_MA, meter.rms_floor_ma)
        self.replica = Replica(sockets, limits.rated_ma)
        # Until a meter has been heard for STALE_CLEAR_MS it is stale: that is the zero-current check of the boot too.
        self.stale = bytearray([1] * sockets)
        self.last_ma = array("i", zeros)
        # What flows as far as is known: of an open relay with a silent meter, UNKNOWN_MA.
        self.flowing_ma = array("i", zeros)
        self._before_ma = array("i", zeros)  # the same at the last tick
        self.found = array("i", zeros)  # bits of the causes that trip each socket, of the last tick
        self._any = False  # one of them is set
        # Of the tick that is judged:
        self._dt_ms = 0
        self._closed = 0
        self._slow_ma = array("i", zeros)  # the last filtered current that was good
        self._over = bytearray(sockets)
        self._inrush_ms = array("i", zeros)
        self._power_ms = array("i", zeros)
        self._silent_ms = array("i", zeros)  # since the last good reading
        self._counted_ms = array("i", zeros)  # since the last one that counted as a window
        self._slow_bad_ms = array("i", zeros)
        self._good_ms = array("i", zeros)
        self._open_ms = array("i", zeros)
        self._heard_open = bytearray(sockets)  # a good reading came since it was open for long enough
        self._weld_ms = array("i", zeros)
        self._leak_ms = array("i", zeros)

    def closes(self, i):
        """Socket i's relay is about to close: inrush is tolerated for a while."""
        self._inrush_ms[i] = INRUSH_MS
        self._over[i] = 0
        self._weld_ms[i] = 0
        self._leak_ms[i] = 0
        self._open_anew(i)

    def opens(self, i):
        """Socket i's relay is about to open: from then on a current through it means that it is welded."""
        self.flowing_ma[i] = UNKNOWN_MA if self.stale[i] else self.last_ma[i]
        self._open_anew(i)

    def _open_anew(self, i):
        self._open_ms[i] = 0
        self._heard_open[i] = 0

    def go_stale(self, i):
        """Nothing is known of socket i any more."""
        self.stale[i] = 1
        self._good_ms[i] = 0

    def seen_open(self, i):
        """True once a reading told that socket i's relay, open for long enough, carries nothing."""
        return self._heard_open[i] and not (self._weld_ms[i] or self._leak_ms[i])

    def flow_ma(self, i):
        """The larger of socket i's fast and filtered current, as last heard.

        A chip's fast value may be a mean of |i|, and read a third low on a charger's peaky current.
        """
        return max(self.last_ma[i], self._slow_ma[i])

    def is_silent(self, i):
        """True when socket i's meter has said nothing for two windows: that is silence, not a bad line."""
        return self.stale[i] or self._silent_ms[i] > 2 * self._window_ms

    def present(self, i, bits):
        """True while a cause among `bits` is still there, so that a reset would be met by the same trip."""
        if bits & (OVERCURRENT | OVERCURRENT_INSTANT) and self.replica.theta[i] >= THETA_ONE:
            return True
        if not bits & RELAY_WELDED:
            return False
        unknown = self.stale[i] or self._open_ms[i] < self._weld_after_ms
        return bool(unknown or self._weld_ms[i] or self._leak_ms[i])

    # The tick -------------------------------------------------------------------------------------------------------

    def judge(self, dt_ms, closed, reading):
        """True when any socket trips now: `found` says which, and why. closed: bit i, relay i was closed until now."""
        self._dt_ms = dt_ms
        self._closed = closed
        if self._any or reading.cut:
            self._begin(reading.cut)
        if closed != self._all:
            self._look_at_open(reading)
        if self.replica.heat(dt_ms, self._hear(min(dt_ms, _LONGEST_MS), reading)):
            self._find_hot()
        return self._any

    def _find(self, i, bits):
        self.found[i] |= bits
        self._any = True

    def _begin(self, cut):
        """With what the meter chip itself has cut, and nothing else."""
        self._any = cut > 0
        for i in range(self._sockets):
            self.found[i] = OVERCURRENT_INSTANT if cut >> i & 1 else 0

    def _hear(self, dt_ms, reading):
        """What came of every socket, and what flows by all that is known; returns what heats.

        The fast current: inrush begins with a rise from nothing; two windows above the threshold trip. The slow set
        comes in turn. What heats is what flows; over a gap, the larger of the currents at its two ends.
        """
        before_ma = self.flowing_ma
        flowing_ma = self._before_ma
        self.flowing_ma = flowing_ma
        self._before_ma = before_ma
        fast_ok = reading.fast_ok
        fast_ma = reading.fast_ma
        slow_ok = reading.slow_ok
        current_ma = reading.current_ma
        power_mw = reading.power_mw
        last_ma = self.last_ma
        slow_ma = self._slow_ma
        silent_ms = self._silent_ms
        counted_ms = self._counted_ms
        inrush_ms = self._inrush_ms
        bad_ms = self._slow_bad_ms
        power_ms = self._power_ms
        over = self._over
        stale = self.stale
        due_ms = self._due_ms
        instant_ma = self._instant_ma
        most_mw = self._power_mw
        closed = self._closed
        gap = self._dt_ms > STEP_MS
        for i in range(self._sockets):
            if inrush_ms[i]:
                inrush_ms[i] = max(0, inrush_ms[i] - dt_ms)
            if fast_ok[i]:
                silent_ms[i] = 0
                ma = fast_ma[i]
                if ma >= INRUSH_FROM_MA > last_ma[i]:
                    inrush_ms[i] = INRUSH_MS
                last_ma[i] = ma
                counted = counted_ms[i] + dt_ms
                if counted >= due_ms:  # else still the window that was counted last
                    counted = 0
                    if ma >= instant_ma or over[i]:
                        self._count_window(i, ma)
                counted_ms[i] = counted
            else:
                self._fall_silent(i, dt_ms)
                ma = last_ma[i]
            if slow_ok[i]:
                slow = current_ma[i]
                slow_ma[i] = slow
                bad_ms[i] = 0
            else:
                self._fall_slowly_silent(i, dt_ms)
                slow = slow_ma[i]
            if stale[i]:
                self._judge_stale(i, reading)
            if power_mw[i] > most_mw or power_ms[i]:
                self._judge_power(i, reading)
            if closed >> i & 1:
                if slow > ma:
                    ma = slow
            elif stale[i]:
                ma = UNKNOWN_MA  # what a silent meter said last does not flow
            # Else the fast one alone: the filtered current of an open relay falls slowly.
            flowing_ma[i] = ma
            if gap and (ma == UNKNOWN_MA or ma > before_ma[i]):
                before_ma[i] = ma
        return before_ma if gap else flowing_ma

    def _count_window(self, i, ma):
        if ma < (self._inrush_ma if self._inrush_ms[i] else self._instant_ma):
            self._over[i] = 0
        elif self._over[i] < INSTANT_WINDOWS - 1:
            self._over[i] += 1
        else:
            self._find(i, OVERCURRENT_INSTANT)

    def _fall_silent(self, i, dt_ms):
        """Silence, counted from the last good reading, makes the socket stale."""
        self._counted_ms[i] = min(self._counted_ms[i] + dt_ms, FOREVER)
        self._silent_ms[i] = min(self._silent_ms[i] + dt_ms, FOREVER)
        if self._silent_ms[i] >= self._stale_ms:
            self.stale[i] = 1

    def _fall_slowly_silent(self, i, dt_ms):
        self._slow_bad_ms[i] = min(self._slow_bad_ms[i] + dt_ms, FOREVER)
        if self._slow_bad_ms[i] >= self._slow_stale_ms:
            self.stale[i] = 1

    def _judge_stale(self, i, reading):
        """STALE_CLEAR_MS without silence clear it."""
        # Between two good readings of a slow meter there is silence too: only more of it than a window is bad.
        good = reading.slow_ok[i] and self._silent_ms[i] < self._window_ms
        self._good_ms[i] = run(self._good_ms[i], good, min(self._dt_ms, _HEARD_MS))
        if self._good_ms[i] > STALE_CLEAR_MS:
            self.stale[i] = 0

    def _judge_power(self, i, reading):
        """An invalid reading does not start the timer, and does not stop it while the relay is closed."""
        ok = reading.slow_ok[i]
        if not ok and not self._power_ms[i]:
            return
        above = reading.power_mw[i] > self._power_mw if ok else self._closed >> i & 1
        self._power_ms[i] = run(self._power_ms[i], above, self._dt_ms)
        if self._power_ms[i] > OVERPOWER_MS:
            self._find(i, OVERPOWER)

    def _find_hot(self):
        for i in range(self._sockets):
            if self.replica.theta[i] >= THETA_TRIP and self.flowing_ma[i] != UNKNOWN_MA:
                self._find(i, OVERCURRENT)

    def _look_at_open(self, reading):
        """Current through an open relay: welded, at boot too. The timers go on after the trip: is it still there?"""
        for i in range(self._sockets):
            if self._closed >> i & 1:
                continue
            ms = self._open_ms[i] + self._dt_ms
            self._open_ms[i] = ms if ms < FOREVER else FOREVER
            if ms < self._weld_after_ms:
                continue
            if reading.fast_ok[i]:
                self._heard_open[i] = 1
            if (
                self._weld_ms[i]
                or self._leak_ms[i]
                or reading.fast_ma[i] > self._weld_ma
                or reading.current_ma[i] > self._leak_ma
            ):
                self._judge_open(i, reading)

    def _judge_open(self, i, reading):
        if reading.fast_ok[i]:
            # A slow meter speaks in one tick of many: the time since its last reading passed, too.
            passed_ms = min(self._silent_ms[i] + self._dt_ms, _LONGEST_MS)
            self._weld_ms[i] = run(self._weld_ms[i], reading.fast_ma[i] > self._weld_ma, passed_ms)
        if reading.slow_ok[i]:
            self._leak_ms[i] = run(self._leak_ms[i], reading.current_ma[i] > self._leak_ma, self._dt_ms)
        if self._weld_ms[i] > WELD_MS or self._leak_ms[i] > LEAK_MS:
            self._find(i, RELAY_WELDED)
