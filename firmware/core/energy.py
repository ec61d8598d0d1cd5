"""Energy from the meter chip's counters, with the remainder carried so that no step truncates.

The chip integrates power itself, so a tick that comes late loses nothing. A counter that falls has been reset by the
chip, unless it was near its end: that is never energy.
"""

from array import array

from wire.units import MWS_PER_MWH, const

_COUNTER = const(1 << 24)
# A counter this near its end, and then this near zero, has wrapped. Ten sockets at 16 A make fewer counts a minute.
_WRAP_MARGIN = const(1 << 16)
_ONE_PPM = const(1_000_000)
FROZEN_COUNTS = const(8)


class Energy:
    """Milliwatt-hours per socket out of counters of `num / den` milliwatt-seconds a count.

    `gains_ppm` corrects each socket's, as its power is corrected (core/calibration). A counter is read once in
    `round_ms` and may then have moved by `step` counts at once.
    """

    def __init__(self, sockets, num, den, gains_ppm=None, step=1, round_ms=0):
        self._num = num
        self.set_gains(gains_ppm or [_ONE_PPM] * sockets)
        self._unit = den * MWS_PER_MWH * _ONE_PPM
        self._last = [None] * sockets
        self._rest = array("q", [0] * sockets)
        # Microwatt-seconds that the power says came since the counter last moved; None: it has just moved. What came in
        # the last two turns may not be in a counter that was read since: it counts when it is older.
        self._unmoved_uws = [0] * sockets
        self._older_uws = [0] * sockets
        self._young_uws = [0] * sockets
        self._turn_ms = [0] * sockets
        self._before_mw = [0] * sockets
        self._frozen_uws = 1000 * FROZEN_COUNTS * step * num // den
        self._longest_turn_ms = 2 * round_ms  # one reading may have gone wrong
        self.resets = 0  # counters that fell

    def set_gains(self, gains_ppm):
        """From now on each socket's energy has this gain."""
        self._gains = array("i", gains_ppm)

    def take(self, socket, count):
        """Milliwatt-hours since the last call for this socket; 0 at the first call and after a chip reset."""
        last = self._last[socket]
        self._last[socket] = count
        if last is None:
            return 0
        delta = count - last
        if delta:
            self._unmoved_uws[socket] = None
        if delta < 0:
            if last > _COUNTER - _WRAP_MARGIN and count < _WRAP_MARGIN:
                delta += _COUNTER
            else:
                self.resets += 1
                return 0
        mwh, self._rest[socket] = divmod(
            delta * self._num * self._gains[socket] + self._rest[socket], self._unit
        )
        return mwh

    def frozen(self, socket, power_mw, dt_ms):
        """After each `take`: True once the chip's own power should have moved its counter FROZEN_COUNTS on.

        `power_mw` is 0 where no load is watched. Of a step counts what flowed all the while, at the lower of the powers
        at its two ends: a load that has just come is no counter that stands still.
        """
        flowed_mw = min(power_mw, self._before_mw[socket])
        self._before_mw[socket] = power_mw
        if self._unmoved_uws[socket] is None:  # it moved since the last call
            self._unmoved_uws[socket] = self._older_uws[socket] = self._young_uws[socket] = 0
            self._turn_ms[socket] = 0
            return False
        self._young_uws[socket] += max(0, flowed_mw) * dt_ms
        self._turn_ms[socket] += dt_ms
        if self._turn_ms[socket] >= self._longest_turn_ms:
            self._turn_ms[socket] = 0
            self._unmoved_uws[socket] += self._older_uws[socket]
            self._older_uws[socket] = self._young_uws[socket]
            self._young_uws[socket] = 0
        if self._unmoved_uws[socket] <= self._frozen_uws:
            return False
        self._unmoved_uws[socket] = None  # said once; what follows is counted anew
        return True

    def drop_rest(self, socket):
        """Forget the fraction of a milliwatt-hour, and what flowed: a new session does not begin with another's."""
        self._rest[socket] = 0
        self._unmoved_uws[socket] = None
