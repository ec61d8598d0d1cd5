"""Trips as they happened, on their way to the session loop: one reader, no allocation to put.

The tick puts them, and where a session locks its socket (Protection.lock) the session loop itself: that is safe because
`put` is a straight line, and so is `take` once there is an event. The tick comes only where other code jumps.
A reader that falls a whole ring behind loses the oldest events; the lockouts themselves stand in Protection.latched.
"""

from array import array

from wire.units import const

_KEPT = const(32)
_COUNTER = const(0xFFFFF)


class Trips:
    """`put` from the tick and the session loop, `take` from the session loop."""

    def __init__(self):
        zeros = [0] * _KEPT
        self._socket = array("i", zeros)
        self._bits = array("i", zeros)
        self._ma = array("i", zeros)
        self._mw = array("i", zeros)
        self._mv = array("i", zeros)
        self._put = 0
        self._taken = 0

    def put(self, socket, bits, current_ma, power_mw, voltage_mv):
        """Keep an event; socket -1 is the whole point."""
        at = self._put % _KEPT
        self._socket[at] = socket
        self._bits[at] = bits
        self._ma[at] = current_ma
        self._mw[at] = power_mw
        self._mv[at] = voltage_mv
        self._put = self._put + 1 & _COUNTER

    @property
    def waiting(self):
        """True while there is an event to take."""
        return self._taken != self._put

    def take(self):
        """The next event as (socket, bits, current_ma, power_mw, voltage_mv), or None. Allocates."""
        if self._taken == self._put:
            return None
        # No `if`: a tick that came with it might put the newest event in the place of this one.
        at = self._taken + max(0, (self._put - self._taken & _COUNTER) - _KEPT)
        self._taken = at + 1 & _COUNTER
        at %= _KEPT
        return self._socket[at], self._bits[at], self._ma[at], self._mw[at], self._mv[at]
