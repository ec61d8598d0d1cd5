"""An I2C bus that a tick may use: bounded in time, never raising, and never believed while a line is stuck.

Strategy: bit-banged (`machine.SoftI2C`), because the ESP32's own controller waits up to 100 ms for each byte when the
bus hangs, which is five ticks. Bit-banging waits for nobody but a clock line that is held, and for that
`_STRETCH_US`.

The price is that a data line stuck at 0 acknowledges everything and answers zeros, and zeros may mean "all is well". So
before and after every transfer both lines must be high; where they are not, the transfer failed and the line is clocked
free: a chip that was cut off in the middle of a byte by a reset of the CPU holds the data line until it has had its
clocks.
"""

from wire.units import const

_STRETCH_US = const(500)  # no chip used here stretches the clock
_FREEING_CLOCKS = const(9)  # eight bits and the acknowledge: the most that a chip can still want


class I2cBus:
    """`i2c` as machine.SoftI2C, `scl` and `sda` its pins. `errors` counts failed transfers, modulo 2**24."""

    def __init__(self, i2c, scl, sda):
        self._writeto = i2c.writeto  # bound once: binding a method takes heap
        self._readfrom_into = i2c.readfrom_into
        self._scl = scl
        self._sda = sda
        self._address = 0
        self._buffer = b""
        self.errors = 0

    def write(self, address, data):
        """True when every byte was acknowledged. Allocates nothing but the OSError of a chip that is not there."""
        self._address = address
        self._buffer = data
        if self._is_free() and self._send() and self._is_free():
            return True
        return self._failed()

    def read(self, address, into):
        """True when `into` was filled; what it holds otherwise is worth nothing."""
        self._address = address
        self._buffer = into
        if self._is_free() and self._fetch() and self._is_free():
            return True
        return self._failed()

    # A function with `try` and more than two variables takes its frame from the heap: hence the two attributes.

    def _send(self):
        try:
            return self._writeto(self._address, self._buffer) == len(self._buffer)
        except OSError:
            return False

    def _fetch(self):
        try:
            self._readfrom_into(self._address, self._buffer)
        except OSError:
            return False
        return True

    def free(self):
        """Clocks a stuck data line free; True when both lines are high afterwards."""
        for _ in range(_FREEING_CLOCKS):
            if self._sda():
                break
            self._scl(0)
            self._scl(1)
        self._sda(0)  # and a stop, so that the chip waits for an address again
        self._sda(1)
        return self._is_free()

    def _is_free(self):
        return self._sda() and self._scl()

    def _failed(self):
        self.errors = (self.errors + 1) & 0xFFFFFF
        if not self._is_free():
            self.free()
        return False


def from_board(section, machine):
    """The bus on the pins of an `i2c` table of board.json, clocked free. Raises KeyError, ValueError."""
    scl = machine.Pin(section["scl"], machine.Pin.OPEN_DRAIN, machine.Pin.PULL_UP, value=1)
    sda = machine.Pin(section["sda"], machine.Pin.OPEN_DRAIN, machine.Pin.PULL_UP, value=1)
    i2c = machine.SoftI2C(scl=scl, sda=sda, freq=section["freq"], timeout=_STRETCH_US)
    bus = I2cBus(i2c, scl, sda)
    bus.free()
    return bus
