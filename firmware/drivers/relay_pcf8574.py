"""Relays on PCF8574 or PCF8575 port expanders: 8 or 16 relays a chip, on I2C.

Strategy: the whole word is written at every tick and read back at once. A port bit that is written 1 is pulled up
weakly and reads 1, one that is written 0 is driven and reads 0: what comes back is what the relay driver behind it
sees.

The boot states:
- After power-up every port bit is 1. Relays that close at 0 (`active_low`) are open then; relays that close at 1 would
  close by themselves, so `zhuque board check` asks for an `enable` pin on such a board.
- After a reset of the CPU the chip keeps what it held. Nothing opens the relays before boot.py does, so `off` is the
  first thing sent, three times if need be, after the bus was clocked free. A chip that does not answer then is
  written to at every tick: the relays open as soon as it does, and until it does `readback_ok` is False.

`enable`, where the board has it, is a pin that holds the supply of the coils, with a resistor to off. It is raised
only by a word that was read back, and dropped after `ENABLE_TICKS` words that were not: a dead bus then opens the
relays, too.
"""

from wire.units import const

from . import i2c_bus

ENABLE_TICKS = const(3)
_TRIES = const(3)


class RelayPCF8574:
    """`bus` is an I2cBus, `addresses` the chips in the order of the sockets, `width` the bytes of a chip's port.

    `readback_ok`: every chip held the last word. `enable` is a pin or None.
    """

    def __init__(self, bus, addresses, sockets, width=1, active_low=True, enable=None):
        if not 1 <= sockets <= min(16, 8 * width * len(addresses)):
            raise ValueError("relay.sockets must be 1 to 8 a port, and at most 16, is {}".format(sockets))
        self._bus = bus
        self._addresses = bytes(addresses)
        self._bits = 8 * width
        self._mask = (1 << sockets) - 1
        self._flip = 255 if active_low else 0
        self._out = bytearray(width)
        self._in = bytearray(width)
        self._enable = enable
        self._failures = ENABLE_TICKS
        self.readback_ok = False

    def write(self, word):
        """Closes the relays of the bits that are set, and opens the others; allocates nothing, never raises."""
        self._write_all(word & self._mask)
        if self._enable is not None:
            self._hold(self.readback_ok)

    def off(self):
        """Opens every relay; tries again where it is not read back."""
        if self._enable is not None:
            self._failures = ENABLE_TICKS
            self._enable(0)
        for _ in range(_TRIES):
            self._write_all(0)
            if self.readback_ok:
                return

    # Short functions: one with many variables takes its frame from the heap.

    def _write_all(self, word):
        good = True
        for i in range(len(self._addresses)):
            if not self._write_chip(i, word):
                good = False
        self.readback_ok = good

    def _write_chip(self, i, word):
        """True when the chip holds its part of the word now."""
        self._fill(word >> i * self._bits)
        bus = self._bus
        address = self._addresses[i]
        return bus.write(address, self._out) and bus.read(address, self._in) and self._out == self._in

    def _fill(self, bits):
        for i in range(len(self._out)):
            level = (bits >> 8 * i & 255) ^ self._flip
            self._out[i] = level
            self._in[i] = ~level & 255  # so that an answer that never came is no match

    def _hold(self, good):
        """The coils' supply: on after a word that was read back, off after ENABLE_TICKS that were not."""
        if good:
            self._failures = 0
        elif self._failures < ENABLE_TICKS:
            self._failures += 1
        self._enable(1 if self._failures < ENABLE_TICKS else 0)


def from_board(section, machine):
    """The driver on the bus of board.json's `relay`, which opens every relay at once. Raises KeyError, ValueError.

    A chip that does not answer is no error here: it is tried at every tick, and `readback_ok` says so.
    """
    enable = None
    if "enable" in section:
        enable = machine.Pin(section["enable"], machine.Pin.OUT, value=0)
    relays = RelayPCF8574(
        i2c_bus.from_board(section["i2c"], machine),
        section["addresses"],
        section["sockets"],
        2 if section["chip"] == "pcf8575" else 1,
        section["active_low"],
        enable,
    )
    relays.off()
    return relays
