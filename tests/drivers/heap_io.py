"""Run on MicroPython by test_on_board_runtime.py: relays on expanders and pins, and inputs, take no heap in the tick.

With the heap locked nothing may be kept; the count of all bytes ever taken shows what a call only borrows. A transfer
that fails raises inside, and an exception borrows: of those only the first is asked.
"""

import micropython

from drivers.i2c_bus import I2cBus
from drivers.inputs import Inputs, Loop, Port
from drivers.relay_gpio import RelayGPIO
from drivers.relay_pcf8574 import RelayPCF8574

GAPS_MS = (0, 10, 20, 67, 68, 600, 7000)


class Wires:
    """A bus with two ports behind every address, which itself takes no heap. `fail`: nobody answers."""

    def __init__(self):
        self.port = bytearray(2)
        self.level = 1
        self.fail = False
        self.error = OSError(19)

    def writeto(self, address, data):
        if self.fail:
            raise self.error
        for i in range(len(data)):
            self.port[i] = data[i]
        return len(data)

    def readfrom_into(self, address, into):
        for i in range(len(into)):
            into[i] = self.port[i]

    def line(self, level=None):
        return self.level


class Pin:
    def __init__(self):
        self.level = 0

    def __call__(self, level=None):
        if level is None:
            return self.level
        self.level = level
        return None


def _borrowed(function, argument):
    """Bytes that a run takes beyond those that are locked away: none are, and none may be borrowed."""
    micropython.heap_lock()
    try:
        function(argument)
    finally:
        micropython.heap_unlock()
    before = micropython.mem_total()
    function(argument)
    return micropython.mem_total() - before


def _writes(relays):
    for i in range(16):
        relays.write(1 << i)
        relays.write(0xFFFF)
        relays.off()


def _polls(inputs):
    for dt_ms in GAPS_MS:
        for _ in range(60):
            inputs.poll(dt_ms)


def _expander(width, chips, enable):
    wires = Wires()
    bus = I2cBus(wires, wires.line, wires.line)
    return RelayPCF8574(bus, [0x24 + i for i in range(chips)], 16, width, True, enable), wires


def test_relays_on_an_expander():
    for width, chips in ((1, 2), (2, 1)):
        for enable in (None, Pin()):
            relays, wires = _expander(width, chips, enable)
            assert _borrowed(_writes, relays) == 0
            assert relays.readback_ok
            wires.level = 0  # stuck: it is clocked at every tick
            assert _borrowed(_writes, relays) == 0
            assert not relays.readback_ok


def test_a_chip_that_does_not_answer_under_the_lock():
    relays, wires = _expander(2, 1, Pin())
    wires.fail = True
    micropython.heap_lock()
    try:
        _writes(relays)
    finally:
        micropython.heap_unlock()
    assert not relays.readback_ok


def test_relays_on_pins():
    relays = RelayGPIO([Pin() for _ in range(16)])
    assert _borrowed(_writes, relays) == 0
    assert relays.readback_ok


def test_inputs():
    wires = Wires()
    port = Port(I2cBus(wires, wires.line, wires.line), 0x22, 2)
    pin = Pin()
    loops = [Loop(2, pin, 0, 1, 40), Loop(4, None, 15, 1, 500), Loop(8, None, 0, 0, 20)]
    inputs = Inputs(loops, port)
    for level in (0, 1):
        pin.level = wires.level = level
        assert _borrowed(_polls, inputs) == 0
    assert inputs.active == 6 and inputs.unread == 0
    wires.fail = True
    micropython.heap_lock()
    try:
        _polls(inputs)
    finally:
        micropython.heap_unlock()
    assert inputs.active == 14
