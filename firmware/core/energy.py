"""Energy from the meter chip's counters, with the remainder carried so that no step truncates.

The chip integrates power itself, so a tick that comes late loses nothing. A counter that falls has been reset by the
chip, unless it was near its end: that is never energy.
"""

from wire.units import MWS_PER_MWH

_COUNTER = 1 << 24
# A counter this near its end, and then this near zero, has wrapped. Ten sockets at 16 A make fewer counts a minute.
_WRAP_MARGIN = 1 << 16


class Energy:
    """Milliwatt-hours per socket out of counters of `num / den` milliwatt-seconds a count."""

    def __init__(self, sockets, num, den):
        self._num = num
        self._unit = den * MWS_PER_MWH
        self._last = [None] * sockets
        self._rest = [0] * sockets
        self.resets = 0  # counters that fell

    def take(self, socket, count):
        """Milliwatt-hours since the last call for this socket; 0 at the first call and after a chip reset."""
        last = self._last[socket]
        self._last[socket] = count
        if last is None:
            return 0
        delta = count - last
        if delta < 0:
            if last > _COUNTER - _WRAP_MARGIN and count < _WRAP_MARGIN:
                delta += _COUNTER
            else:
                self.resets += 1
                return 0
        mwh, self._rest[socket] = divmod(delta * self._num + self._rest[socket], self._unit)
        return mwh

    def drop_rest(self, socket):
        """Forget the fraction of a milliwatt-hour: a new session does not begin with another's."""
        self._rest[socket] = 0
