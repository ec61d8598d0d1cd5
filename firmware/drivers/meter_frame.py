"""What the meters on a serial line share: the last bytes that came, where a frame's values go, and exact scaling.

Strategy: a byte stream may begin anywhere, lose bytes and hold a header's value in its data. So a frame is looked for
at every byte: `Window` holds the last `size` bytes and their sum, and a driver asks after each if they are a frame.
Out of step is out of step for one frame at most, and a search costs the same for every byte.

Rules: nothing in `Window`, `Intake` and `fine` allocates or makes a number of 2**30. A value that a frame does not give
is UNKNOWN; it is never 0 and never the last one.
"""

from array import array

from wire.units import const

UNKNOWN = const(-(1 << 29))
SATURATED = const(1 << 29)  # a current over the input's range: above every threshold

# Places in the array that the drivers' `decode` fills.
VOLTAGE_MV = const(0)
CURRENT_MA = const(1)
POWER_MW = const(2)  # signed
COUNT = const(3)  # the energy counter, raw
FREQUENCY_MHZ = const(4)
FAST_MA = const(5)  # the current that protection gets
EXTRA = const(6)  # what one chip alone has
VALUES = const(7)

# What `decode` answers.
GOOD = const(0)
BAD_LENGTH = const(1)
BAD_HEADER = const(2)
BAD_SUM = const(3)
BAD_EMPTY = const(4)  # the frame of a chip that has measured nothing yet
BAD_RANGE = const(5)  # values that the chip cannot measure


def values():
    """An array for `decode`, everything unknown."""
    return array("i", [UNKNOWN] * VALUES)


def forget(values):
    """Everything unknown again."""
    for i in range(VALUES):
        values[i] = UNKNOWN


class Window:
    """The last `size` bytes of a stream and their sum; `lift` puts them in order into `frame`."""

    def __init__(self, size):
        self.size = size
        self.sum = 0
        self.held = 0
        self.frame = bytearray(size)
        self._ring = bytearray(size)
        self._at = 0

    def push(self, byte):
        """Takes a byte; True when as many as a frame has are held."""
        at = self._at
        self.sum += byte - self._ring[at]
        self._ring[at] = byte
        self._at = at + 1 if at + 1 < self.size else 0
        if self.held < self.size:
            self.held += 1
        return self.held == self.size

    def byte(self, i):
        """The i-th byte of those held, from the oldest; only when full."""
        at = self._at + i
        return self._ring[at - self.size if at >= self.size else at]

    def copy(self):
        """The bytes in order, in `frame`."""
        for i in range(self.size):
            self.frame[i] = self.byte(i)

    def lift(self):
        """As `copy`; the window is empty afterwards."""
        self.copy()
        self.clear()

    def clear(self):
        """Nothing held."""
        self.held = self.sum = self._at = 0
        for i in range(self.size):
            self._ring[i] = 0


class Intake:
    """What has come on a UART since the last time, in `bytes`; never waits (the UART's timeout must be 0).

    More than `most` bytes at once have waited through a stall, and their age is not known: they are thrown away.
    """

    def __init__(self, uart, most=64):
        self.bytes = bytearray(most)
        self._any = uart.any  # bound once: binding a method takes heap
        self._readinto = uart.readinto

    def take(self):
        """How many bytes came, or -1 where more came than may be trusted."""
        n = self._any()
        if n > len(self.bytes):
            self.discard()
            return -1
        if not n:
            return 0
        return self._readinto(self.bytes, n) or 0

    def discard(self):
        """Throws away what waits, 1 KiB at most."""
        for _ in range(16):
            if not self._any():
                return
            self._readinto(self.bytes)


def fine_factor(ratio):
    """(high, low, shift) with which `fine` multiplies by `ratio`, 2**-20 <= ratio < 32, as exactly as a float is."""
    if not 1 / 1048576 <= ratio < 32:
        raise ValueError(
            "a count of the meter is worth {} milli-units: shunt or divider is absurd".format(ratio)
        )
    shift = 0
    while ratio < 32:
        ratio *= 2
        shift += 1
    whole = min(int(ratio * 16777216 + 0.5), (1 << 30) - 1)
    return whole >> 12, whole & 4095, shift


def fine(raw, factor):
    """raw x ratio, rounded to the nearest; 0 <= raw < 2**24. wire.units.scale is shorter and exact to 2**-18 only."""
    k = factor[0]
    shift = factor[2]
    value = (raw >> 12) * k + ((raw & 4095) * k >> 12) + ((raw >> 12) * factor[1] >> 12)
    return (value >> shift) + (value >> shift - 1 & 1)
