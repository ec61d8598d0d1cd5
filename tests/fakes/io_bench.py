"""What the tests of relays, inputs and temperature share on both runtimes: chips, wires, pins, a module `machine`."""

import sys

_ROOT = __file__.rsplit("/", 3)[0] if __file__.count("/") > 2 else "."
sys.path.append(_ROOT + "/host/zhuque/sim/board")
from chips.pcf8574 import I2cWires, PCF8574Chip  # noqa: E402
from chips.temperature import DS18B20Chip, NtcDivider  # noqa: E402

sys.path.remove(_ROOT + "/host/zhuque/sim/board")

__all__ = ["DS18B20Chip", "I2cWires", "Level", "Machine", "NtcDivider", "PCF8574Chip", "run"]


class Level:
    """A pin of the ESP32: remembers what was driven, and may be held by something outside."""

    def __init__(self, level=0):
        self.levels = []
        self.mode = None
        self.pull = None
        self.held = None
        self.level = level

    def __call__(self, level=None):
        if level is None:
            return self.level if self.held is None else self.held
        self.level = level
        self.levels.append(level)
        return None


class Machine:
    """The module `machine`: pins by number, and the bus `wires` on whatever pins it is asked for."""

    def __init__(self, wires=None):
        self.pins = {}
        self.wires = wires
        self.buses = []
        self.uv = None

        class Pin:
            IN = 1
            OUT = 3
            OPEN_DRAIN = 7
            PULL_UP = 2

            def __new__(cls, number, mode=None, pull=None, value=None):
                pin = self.pins.get(number)
                if pin is None:
                    pin = self.pins[number] = self._wire(mode)
                if isinstance(pin, Level):
                    pin.mode, pin.pull = mode, pull
                if value is not None:
                    pin(value)
                return pin

        class ADC:
            ATTN_11DB = 3

            def __init__(self, pin, atten=None):
                self.atten = atten
                self.pin = pin

            def read_uv(adc):
                return self.uv()

        self.Pin = Pin
        self.ADC = ADC

    def _wire(self, mode):
        """Of the open-drain pins the first is the clock, the second the data line."""
        if mode != 7 or self.wires is None:
            return Level()
        return self.wires.scl if self.wires.scl not in self.pins.values() else self.wires.sda

    def SoftI2C(self, scl, sda, freq, timeout):
        """A bus; how it was asked for is kept."""
        self.buses.append((freq, timeout))
        return self.wires


def run(coroutine):
    """Runs a coroutine whose sleeps do not wait."""
    try:
        while True:
            coroutine.send(None)
    except StopIteration as stop:
        return stop.value
