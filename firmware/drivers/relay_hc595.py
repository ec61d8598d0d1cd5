"""Relays on a chain of two 74HC595 shift registers, with a charge pump on their output enable.

Strategy: the whole word is shifted and latched at every tick, so that a bit that noise has flipped lives no longer
than that. Bit i of the word is socket i; the byte that is sent first ends in the far chip, sockets 9 to 16. What falls
out of the far end is the word of the time before: a broken wire between the chips, or a chip that lost its supply,
shows there.

The output enable is pulled off and held on only while the pump pin keeps toggling: `write` toggles it once, so a tick
that stops takes the relays with it. `off` does not toggle: the outputs go by the word, and then by the pump.

SPI mode 0, most significant bit first: the chip shifts on the rising edge (74HC595 data sheets: SRCLK), and its QH' is
sampled on that same edge, before it has changed.
"""


class RelayHC595:
    """`spi` in mode 0; `latch` and `pump` are pins. `readback_ok`: the word sent before came back."""

    def __init__(self, spi, latch, pump, sockets):
        if not 1 <= sockets <= 16:
            raise ValueError("relay.sockets must be 1 to 16, is {}".format(sockets))
        self._spi = spi
        self._latch = latch
        self._pump = pump
        self._mask = (1 << sockets) - 1
        self._out = bytearray(2)
        self._in = bytearray(2)
        self._level = 0
        self._sent = -1  # unknown: the chips keep what they hold when the CPU resets
        self.readback_ok = True

    def write(self, word):
        """Closes the relays of the bits that are set, and opens the others; allocates nothing."""
        self._shift(word)
        self._level ^= 1
        self._pump(self._level)

    def off(self):
        """Opens every relay, and lets the pump run down."""
        self._shift(0)

    def _shift(self, word):
        word &= self._mask
        out = self._out
        out[0] = word >> 8
        out[1] = word & 255
        back = self._in
        self._spi.write_readinto(out, back)
        self._latch(1)
        self._latch(0)
        sent = self._sent
        self.readback_ok = sent < 0 or (back[0] << 8 | back[1]) == sent
        self._sent = word


def from_board(section, machine):
    """The driver on the pins of board.json's `relay`, which opens every relay at once. Raises KeyError, ValueError."""
    bus = section["spi"]
    latch = machine.Pin(section["latch"], machine.Pin.OUT, value=0)
    pump = machine.Pin(section["pump"], machine.Pin.OUT, value=0)
    spi = machine.SPI(
        bus["id"],
        baudrate=bus["baud"],
        polarity=0,
        phase=0,
        sck=machine.Pin(bus["sck"]),
        mosi=machine.Pin(bus["mosi"]),
        miso=machine.Pin(bus["miso"]),
    )
    relays = RelayHC595(spi, latch, pump, section["sockets"])
    relays.off()
    return relays
