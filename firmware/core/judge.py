"""What one socket's readings say: the causes that concern a single socket. Says what trips, decides nothing.

Rules as in core/protection, which calls this at every tick: no allocation, no integer above 2**30 - 1, small functions.
A *window* is `window_ms` of the meter after the last one that counted; silence is timed from the last good reading.
"""

from array import array

from wire.units import const

from .causes import OVERCURRENT, OVERCURRENT_INSTANT, OVERPOWER, RELAY_WELDED
from .thermal import STEP_MS, THETA_ONE, Replica
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


class Judge:
    """Of every socket of a point. `meter` gives window_ms, stale_windows, settle_ms, floor_ma and rms_floor_ma."""

    def __init__(self, sockets, limits, meter):
        zeros = [0] * sockets
        self._instant_ma = INSTANT_TIMES_RATED * limits.rated_ma
        self._inrush_ma = INRUSH_TIMES_RATED * limits.rated_ma
        self._power_mw = limits.max_power_mw
        self._window_ms = meter.window_ms
        self._stale_ms = meter.stale_windows * meter.window_ms
        self._slow_stale_ms = max(SLOW_STALE_MS, self._stale_ms)
        self._weld_after_ms = max(WELD_AFTER_MS, meter.settle_ms)
        self._weld_ma = max(WELD_MA, meter.floor_ma)
        self._leak_ma = max(LEAK_MA, meter.rms_floor_ma)
        self.replica = Replica(sockets, limits.rated_ma)
        # Until a meter has been heard for STALE_CLEAR_MS it is stale: that is the zero-current check of the boot too.
        self.stale = bytearray([1] * sockets)
        self.last_ma = array("i", zeros)
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

    def judge(self, i, dt_ms, closed, reading):
        """The bits of the causes that trip socket i now, 0 for none; closed: its relay was closed until now."""
        ok = reading.fast_ok[i]
        last = self.last_ma[i]
        bits = OVERCURRENT_INSTANT if reading.cut >> i & 1 else 0
        if self._inrush_ms[i]:
            self._inrush_ms[i] = max(0, self._inrush_ms[i] - dt_ms)
        if reading.slow_ok[i]:
            self._slow_ma[i] = reading.current_ma[i]
        if not closed:
            bits |= self._judge_open(i, dt_ms, reading)
        self._judge_freshness(i, dt_ms, ok, reading.slow_ok[i])
        if ok:
            bits |= self._judge_current(i, last, reading)
        bits |= self._judge_heat(i, dt_ms, last, closed, reading)
        if reading.power_mw[i] > self._power_mw or self._power_ms[i]:
            bits |= self._judge_power(i, dt_ms, closed, reading)
        return bits

    def _judge_freshness(self, i, dt_ms, ok, slow_ok):
        """Silence, counted from the last good reading, makes the socket stale; STALE_CLEAR_MS without any clear it."""
        capped_ms = min(dt_ms, _LONGEST_MS)
        self._counted_ms[i] = min(self._counted_ms[i] + capped_ms, FOREVER)
        self._silent_ms[i] = 0 if ok else min(self._silent_ms[i] + capped_ms, FOREVER)
        self._slow_bad_ms[i] = 0 if slow_ok else min(self._slow_bad_ms[i] + capped_ms, FOREVER)
        if self._silent_ms[i] >= self._stale_ms or self._slow_bad_ms[i] >= self._slow_stale_ms:
            self.stale[i] = 1
        if self.stale[i]:
            # Between two good readings of a slow meter there is silence too: only more of it than a window is bad.
            good = slow_ok and self._silent_ms[i] < self._window_ms
            self._good_ms[i] = run(self._good_ms[i], good, dt_ms)
            if self._good_ms[i] > STALE_CLEAR_MS:
                self.stale[i] = 0

    def _judge_current(self, i, last, reading):
        """A new current: inrush begins with a rise from nothing; two windows above the threshold trip."""
        ma = self.last_ma[i] = reading.fast_ma[i]
        if last < INRUSH_FROM_MA <= ma:
            self._inrush_ms[i] = INRUSH_MS
        if self._counted_ms[i] + JITTER_MS < self._window_ms:
            return 0  # still the window that was counted last
        self._counted_ms[i] = 0
        if ma < (self._inrush_ma if self._inrush_ms[i] else self._instant_ma):
            self._over[i] = 0
            return 0
        self._over[i] = min(self._over[i] + 1, INSTANT_WINDOWS)
        return OVERCURRENT_INSTANT if self._over[i] >= INSTANT_WINDOWS else 0

    def _judge_heat(self, i, dt_ms, last, closed, reading):
        if self.stale[i] and not closed:
            return 0  # nothing is known to flow, and nothing to have cooled
        # After an opening the filtered current falls slowly, and nothing flows any more.
        ma = self.flow_ma(i) if closed else self.last_ma[i]
        if dt_ms > STEP_MS:
            ma = max(ma, last)
        if not ma and not self.replica.theta[i]:
            return 0
        return OVERCURRENT if self.replica.heat(i, dt_ms, ma) else 0

    def _judge_power(self, i, dt_ms, closed, reading):
        """An invalid reading does not start the timer, and does not stop it while the relay is closed."""
        ok = reading.slow_ok[i]
        if not ok and not self._power_ms[i]:
            return 0
        above = reading.power_mw[i] > self._power_mw if ok else closed
        self._power_ms[i] = run(self._power_ms[i], above, dt_ms)
        return OVERPOWER if self._power_ms[i] > OVERPOWER_MS else 0

    def _judge_open(self, i, dt_ms, reading):
        """Current through an open relay: welded, at boot too. The timers go on after the trip: is it still there?"""
        self._open_ms[i] = min(self._open_ms[i] + dt_ms, FOREVER)
        if self._open_ms[i] < self._weld_after_ms:
            return 0
        if reading.fast_ok[i]:
            self._heard_open[i] = 1
            # A slow meter speaks in one tick of many: the time since its last reading passed, too.
            passed_ms = self._silent_ms[i] + min(dt_ms, _LONGEST_MS)
            self._weld_ms[i] = run(self._weld_ms[i], reading.fast_ma[i] > self._weld_ma, passed_ms)
        if reading.slow_ok[i]:
            self._leak_ms[i] = run(self._leak_ms[i], reading.current_ma[i] > self._leak_ma, dt_ms)
        return RELAY_WELDED if self._weld_ms[i] > WELD_MS or self._leak_ms[i] > LEAK_MS else 0
