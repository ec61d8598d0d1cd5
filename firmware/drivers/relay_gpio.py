"""Relays on pins of the ESP32 itself, one each.

Strategy: every pin is written at every tick and its level read back: a pin that is shorted, or whose output stage died,
shows there.

The boot state: from reset until boot.py a pin is an input. Some are pulled up or down, or put out a clock, while the
chip boots; each relay needs a resistor to its open level, and `zhuque board check` refuses the pins whose level at
reset would close a relay. Here the level is set before the pin becomes an output (`value=` of machine.Pin does that),
so that it never shows the other one.
"""


class RelayGPIO:
    """`pins` in the order of the sockets. `readback_ok`: every pin shows the level that was last written."""

    def __init__(self, pins, active_low=False):
        if not 1 <= len(pins) <= 16:
            raise ValueError("relay.pins must be 1 to 16 pins, are {}".format(len(pins)))
        self._pins = tuple(pins)
        self._flip = -1 if active_low else 0
        self.readback_ok = True

    def write(self, word):
        """Closes the relays of the bits that are set, and opens the others; allocates nothing."""
        word ^= self._flip
        pins = self._pins
        good = True
        for i in range(len(pins)):
            pin = pins[i]
            level = word >> i & 1
            pin(level)
            if pin() != level:
                good = False
        self.readback_ok = good

    def off(self):
        """Opens every relay."""
        self.write(0)


def from_board(section, machine):
    """The driver on the pins of board.json's `relay` or `contactor`, opened at once. Raises KeyError, ValueError."""
    active_low = section["active_low"]
    level = 1 if active_low else 0
    pins = [machine.Pin(number, machine.Pin.OUT, value=level) for number in section["pins"]]
    relays = RelayGPIO(pins, active_low)
    relays.off()
    return relays
