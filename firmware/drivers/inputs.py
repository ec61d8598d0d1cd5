"""Safety inputs: emergency stop, smoke, residual current. Normally closed loops on pins or on a PCF8574/PCF8575.

Strategy: everything that is not a closed loop, seen closed, is active. A cut wire reads `open_level`, which is what the
pull resistor gives; a chip that does not answer counts as all loops open; an input that was not yet read is active, and
its bit is in `unread` too, so that the protection can hold relays open at boot without calling it an alarm.

Debounce counts milliseconds between samples. A gap between ticks counts no more than `SAMPLE_MS`: one sample after an
erase of 400 ms has not been open for 400 ms. Towards active time adds up, and a closed sample takes back only half of
its own: a loop that chatters becomes active. Towards closed every sample must be closed for the whole time.

A port bit of the expander is an input only while 1 was written to it; one that was disturbed to 0 would read as a
closed loop for ever. So ones are written before every reading.
"""

from array import array

from wire.units import const

SAMPLE_MS = const(40)

NAMES = ("emergency_stop", "smoke", "residual_current")


class Port:
    """The inputs of one expander. `width` is 1 for a PCF8574, 2 for a PCF8575."""

    def __init__(self, bus, address, width=1):
        self._bus = bus
        self._address = address
        self._ones = bytes([255] * width)
        self._in = bytearray(width)

    def read(self):
        """The levels, a bit each, or -1 when the chip did not answer."""
        levels = self._in
        if not self._bus.write(self._address, self._ones) or not self._bus.read(self._address, levels):
            return -1
        return levels[0] if len(levels) == 1 else levels[0] | levels[1] << 8


class Loop:
    """One loop: `pin` a machine.Pin, or None with `bit` the expander's. `mask` is the bit of its cause.

    It is open unless its level is seen, and is not `open_level`.
    """

    def __init__(self, mask, pin, bit, open_level, debounce_ms):
        self.mask = mask
        self.pin = pin
        self.bit = bit
        self.open_level = open_level
        self.debounce_ms = debounce_ms


class Inputs:
    """`active`: the bits of the causes that are present. `unread`: of those, the ones not yet known since the start."""

    def __init__(self, loops, port=None):
        self._loops = tuple(loops)
        self._port = port
        self._levels = -1
        self._open_ms = array("i", [0] * len(self._loops))  # 0: not open, else the time open, plus 1
        self._closed_ms = array("i", [0] * len(self._loops))
        self.active = 0
        for loop in self._loops:
            self.active |= loop.mask
        self.unread = self.active

    def poll(self, dt_ms):
        """One sample of every input, dt_ms after the last; returns `active`. Allocates nothing, raises nothing."""
        if dt_ms > SAMPLE_MS:
            dt_ms = SAMPLE_MS
        self._levels = -1 if self._port is None else self._port.read()
        for i in range(len(self._loops)):
            loop = self._loops[i]
            if loop.pin is not None:
                level = loop.pin()
            elif self._levels < 0:
                level = loop.open_level
            else:
                level = self._levels >> loop.bit & 1
            if level == loop.open_level:
                self._see_open(i, dt_ms)
            elif self._open_ms[i] or self._closed_ms[i] <= loop.debounce_ms:
                self._see_closed(i, dt_ms)
        return self.active

    def _see_open(self, i, dt_ms):
        loop = self._loops[i]
        self._closed_ms[i] = 0
        open_ms = self._open_ms[i]
        open_ms = open_ms + dt_ms if open_ms else 1
        if open_ms > loop.debounce_ms:
            open_ms = loop.debounce_ms + 1
            self.active |= loop.mask
            self.unread &= ~loop.mask
        self._open_ms[i] = open_ms

    def _see_closed(self, i, dt_ms):
        loop = self._loops[i]
        if self._open_ms[i]:
            # Not back to 0: the next open sample counts from the first one, until the loop was closed long enough.
            self._open_ms[i] = max(1, self._open_ms[i] - (dt_ms >> 1))
        closed_ms = self._closed_ms[i]
        closed_ms = closed_ms + dt_ms if closed_ms else 1
        if closed_ms > loop.debounce_ms:
            closed_ms = loop.debounce_ms + 1
            self._open_ms[i] = 0
            self.active &= ~loop.mask
            self.unread &= ~loop.mask
        self._closed_ms[i] = closed_ms


def from_board(section, machine, bits):
    """The inputs of board.json's `inputs`; `bits` gives the mask of each name. Raises KeyError, ValueError."""
    loops = []
    for name in NAMES:
        if name in section:
            loops.append(_loop(section[name], machine, bits[name]))
    if "chip" not in section:
        return Inputs(loops)
    from . import i2c_bus

    bus = i2c_bus.from_board(section["i2c"], machine)
    return Inputs(loops, Port(bus, section["address"], 2 if section["chip"] == "pcf8575" else 1))


def _loop(section, machine, mask):
    pin = None
    if "pin" in section:
        pull = machine.Pin.PULL_UP if section.get("pull_up", False) else None
        pin = machine.Pin(section["pin"], machine.Pin.IN, pull)
    return Loop(mask, pin, section.get("bit", 0), section["open_level"], section["debounce_ms"])
