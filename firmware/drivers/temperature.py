"""The temperature inside the box, of a DS18B20 or an NTC (files of their own): `temperature_dc`, 0.1 degree Celsius.

Strategy: a task of asyncio, in steps that keep the processor for less than a millisecond each; the conversion's 0.8 s
are slept. The tick only looks at `temperature_dc`.

Rules: a value that may be wrong is None, never the last one and never a guess. A single failed reading is forgiven, the
third in a row is not. None too is what no sensor in a box shows: below -40, above 125 degrees.
"""

import asyncio

from wire.units import const

FAILURES = const(3)
LOWEST_DC = const(-400)
HIGHEST_DC = const(1250)


class Temperature:
    """Runs a sensor. `reads` counts good values, modulo 2**24: it stands still when the task or the sensor is dead."""

    def __init__(self, sensor):
        self._sensor = sensor
        self._failures = 0
        self.temperature_dc = None
        self.reads = 0

    async def read_once(self):
        """One reading; `temperature_dc` is what is known afterwards."""
        try:
            value_dc = await self._sensor.read(self.temperature_dc)
        except Exception:  # noqa: BLE001 - whatever a bus or an ADC raises: there is no value
            value_dc = None
        if value_dc is not None and LOWEST_DC <= value_dc <= HIGHEST_DC:
            self.temperature_dc = value_dc
            self._failures = 0
            self.reads = (self.reads + 1) & 0xFFFFFF
            return
        self._failures = min(self._failures + 1, FAILURES)
        if self._failures >= FAILURES:
            self.temperature_dc = None


def from_board(section, machine):
    """The sensor of board.json's `temperature`, to be run as a task. Raises KeyError, ValueError."""
    if section["driver"] == "ds18b20":
        from .ds18b20 import from_board as build
    elif section["driver"] == "ntc":
        from .ntc import from_board as build
    else:
        raise ValueError("temperature.driver must be ds18b20 or ntc, is {}".format(section["driver"]))
    return Temperature(build(section, machine, _sleep_ms))


async def _sleep_ms(ms):
    await asyncio.sleep_ms(ms)
