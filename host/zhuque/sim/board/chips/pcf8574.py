"""A PCF8574 or PCF8575 at its pins, and the two wires of the I2C bus it hangs on.

Written from NXP's and TI's data sheets: every port bit is quasi-bidirectional, 1 after power-up; a bit that is 1 is a
weak pull-up and reads what is outside, a bit that is 0 is driven and reads 0. A chip knows nothing of the CPU's
resets. A write of more bytes than the port is wide goes round; the last one stands.

The wires: `I2cWires` stands for machine.SoftI2C with its two pins. A data line that is held low acknowledges
everything and answers zeros, as it does to a bit-banging controller.
"""

_ENODEV = 19
_ETIMEDOUT = 116


class PCF8574Chip:
    """`width` 1 or 2 bytes. `on_change(port)` hears of every change of what was written.

    `held_low` is what pulls bits to 0 from outside. Faults: `silent` (does not answer), `corrupt_next(n)`.
    """

    def __init__(self, width=1, on_change=None):
        self._width = width
        self._on_change = on_change
        self._corrupt = 0
        self.held_low = 0
        self.silent = False
        self.port = (1 << 8 * width) - 1

    def power_on(self):
        """As after a power cut."""
        self._set((1 << 8 * self._width) - 1)

    def write(self, data):
        """Bytes that follow the address."""
        port = self.port
        for i in range(len(data)):
            shift = 8 * (i % self._width)
            port = port & ~(255 << shift) | data[i] << shift
        self._set(port)

    def read(self, into):
        """Fills the bytes that are asked for."""
        levels = self.port & ~self.held_low
        if self._corrupt:
            self._corrupt -= 1
            levels ^= 4
        for i in range(len(into)):
            into[i] = levels >> 8 * (i % self._width) & 255

    def corrupt_next(self, n):
        """The next n answers have a bit wrong."""
        self._corrupt = n

    def _set(self, port):
        if port != self.port:
            self.port = port
            if self._on_change is not None:
                self._on_change(port)


class I2cWires:
    """The bus: `chips` by address. `stuck_clocks`: so many clocks until a chip lets go of the data line; -1: never.

    `clock_held`: somebody holds the clock line low. `transfers` counts what was tried.
    """

    def __init__(self, chips):
        self.chips = chips
        self.stuck_clocks = 0
        self.clock_held = False
        self.transfers = 0

    def writeto(self, address, data):
        """The number of acknowledged bytes, as machine.SoftI2C gives it. Raises OSError."""
        chip = self._addressed(address)
        if chip is None:
            return len(data)
        chip.write(data)
        return len(data)

    def readfrom_into(self, address, into):
        """Fills `into`. Raises OSError."""
        chip = self._addressed(address)
        if chip is None:
            for i in range(len(into)):
                into[i] = 0
        else:
            chip.read(into)

    def scl(self, level=None):
        """The clock pin: read, or driven."""
        if level is None:
            return 0 if self.clock_held else 1
        if level and self.stuck_clocks > 0:
            self.stuck_clocks -= 1
        return None

    def sda(self, level=None):
        """The data pin: read, or driven."""
        if level is None:
            return 0 if self.stuck_clocks else 1
        return None

    def _addressed(self, address):
        """The chip, or None while a stuck data line answers in its place."""
        self.transfers += 1
        if self.clock_held:
            raise OSError(_ETIMEDOUT)
        if self.stuck_clocks:
            return None
        chip = self.chips.get(address)
        if chip is None or chip.silent:
            raise OSError(_ENODEV)
        return chip
