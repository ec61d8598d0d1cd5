"""One set of converted measurements, filled in place by the meter driver at every tick.

Two kinds of value: `fast_ma`, the RMS current of the last window of every socket, is read at every tick and decides
about the relay; the slow set of a socket (filtered current, power, energy counter) and the voltage come in turn.
`fast_ok` is 1 only in the poll in which a new good value came; `slow_ok` and `voltage_ok` stay 1 until a read fails.
"""

from array import array

from .supply import UNKNOWN_DC


class Reading:
    """Preallocated, so that a tick stores into it without touching the heap. Index: socket, from 0."""

    def __init__(self, sockets):
        zeros = [0] * sockets
        self.sockets = sockets
        self.fast_ma = array("i", zeros)
        self.fast_ok = bytearray(sockets)
        self.current_ma = array("i", zeros)
        self.power_mw = array("i", zeros)
        self.count = array("i", zeros)  # the chip's energy counter, raw
        self.slow_ok = bytearray(sockets)
        self.voltage_mv = 0
        self.voltage_ok = 0
        self.cut = 0  # bit per socket: the meter chip itself has just cut it for its current
        self.active = 0  # bits of core/causes that the inputs report now
        self.unread = 0  # of the inputs, those not yet known since the start
        self.temperature_dc = UNKNOWN_DC
        # Counters modulo 2**24: polls, frames asked for in them, frames that did not come or had a bad checksum. Of the
        # meters on one line, one that failed to answer counts in neither until it answers again: the others are judged.
        self.polls = 0
        self.frames = 0
        self.errors = 0
