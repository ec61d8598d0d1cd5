"""`onewire` of an ESP32: a wire that ends at a simulated sensor, or nowhere."""

import micropython
from clock import clock

_chips = {}


class OneWireError(Exception):
    """Nobody is there."""


def wire(number, chip):
    """What hangs on the pin with this number; `chip` as chips.temperature.DS18B20Chip."""
    _chips[number] = chip


class OneWire:
    """The controller."""

    def __init__(self, pin):
        self._chip = _chips.get(pin.id)

    def reset(self, required=False):
        """The presence pulse."""
        present = self._ask("reset", False)
        if required and not present:
            raise OneWireError
        return present

    def writebyte(self, value):
        """A byte to the sensor."""
        self._ask("writebyte", None, value)

    def readbyte(self):
        """A byte from it."""
        return self._ask("readbyte", 0xFF)

    def _ask(self, name, nobody, *arguments):
        if self._chip is None:
            return nobody
        depth = micropython.leave()
        try:
            self._chip.on_time(clock.read() // 1000)
            return getattr(self._chip, name)(*arguments)
        finally:
            micropython.enter(depth)
