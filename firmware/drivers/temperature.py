"""The temperature inside the box: a DS18B20 on 1-Wire, or an NTC on the ADC. `temperature_dc`, 0.1 degree Celsius.

Strategy: a task of asyncio, in steps that keep the processor for less than a millisecond each; the conversion's 0.8 s
are slept. The tick only looks at `temperature_dc`.

Rules: a value that may be wrong is None, never the last one and never a guess. A single failed reading is forgiven, the
third in a row is not. None too are: what no sensor in a box shows (below -40, above 125 degrees), a bad checksum, the
85.0 degrees a DS18B20 shows when it was reset instead of converting, and an NTC that is cut or shorted.
"""

import asyncio
from array import array

from wire.units import const

PERIOD_MS = const(2000)
CONVERSION_MS = const(800)  # 750 at most for 12 bits (DS18B20 data sheet)
FAILURES = const(3)
LOWEST_DC = const(-400)
HIGHEST_DC = const(1250)

_SKIP_ROM = const(0xCC)
_CONVERT = const(0x44)
_READ = const(0xBE)
_POWER_ON_DC = const(850)
_NEAR_DC = const(100)

_SAMPLES = const(8)
STEP_DC = const(50)  # of an NTC's table, which begins at LOWEST_DC


class Temperature:
    """Runs a sensor. `reads` counts good values, modulo 2**24: it stands still when the task or the sensor is dead."""

    def __init__(self, sensor):
        self._sensor = sensor
        self._failures = 0
        self.temperature_dc = None
        self.reads = 0

    async def run(self):
        """Reads for ever."""
        while True:
            await self.read_once()
            await _sleep_ms(PERIOD_MS)

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


class DS18B20:
    """The only sensor on its wire, with reset() -> present, writebyte(value), readbyte(), as onewire.OneWire."""

    def __init__(self, wire, sleep_ms):
        self._wire = wire
        self._sleep_ms = sleep_ms
        self._scratchpad = bytearray(9)

    async def read(self, last_dc):
        """Tenths of a degree, or None. `last_dc` is the value before: 85.0 is believed only near it."""
        if not await self._command(_CONVERT):
            return None
        await self._sleep_ms(CONVERSION_MS)
        if not await self._command(_READ):
            return None
        pad = self._scratchpad
        for i in range(len(pad)):
            pad[i] = self._wire.readbyte()
            await self._sleep_ms(0)
        # All zeros, a wire that is shorted, have a good checksum; five bits of the configuration never are 0.
        if crc8(pad) or pad[4] & 0x9F != 0x1F:
            return None
        raw = pad[0] | pad[1] << 8
        if raw & 0x8000:
            raw -= 0x10000
        value_dc = (raw * 10 + 8) >> 4
        if value_dc == _POWER_ON_DC and (last_dc is None or abs(last_dc - value_dc) > _NEAR_DC):
            return None
        return value_dc

    async def _command(self, code):
        if not self._wire.reset():
            return False
        await self._sleep_ms(0)
        self._wire.writebyte(_SKIP_ROM)
        await self._sleep_ms(0)
        self._wire.writebyte(code)
        return True


class NTC:
    """An NTC to ground under a resistor to `supply_mv`. `adc` offers read_uv().

    `table_ohm` is the resistance every 5 degrees from -40 on. It is turned into the voltages of this divider once, in
    integers, and a reading is interpolated between two of them.
    """

    def __init__(self, adc, section, sleep_ms):
        self._adc = adc
        self._sleep_ms = sleep_ms
        supply_mv, series_ohm = section["supply_mv"], section["series_ohm"]
        # In tenths of a millivolt, which the flat ends of the curve need.
        self._table = array("i", [_divided(10 * supply_mv, ohm, series_ohm) for ohm in section["table_ohm"]])
        self._open = 10 * section["open_mv"]
        self._short = 10 * section["short_mv"]

    async def read(self, last_dc):
        """Tenths of a degree, or None where the wire is cut or shorted."""
        total = 0
        for _ in range(_SAMPLES):
            total += self._adc.read_uv() // 100
            await self._sleep_ms(0)
        return self.convert(total // _SAMPLES)

    def convert(self, tenth_mv):
        """The temperature at this voltage, in tenths of a millivolt; beyond the table its ends."""
        if not self._short < tenth_mv < self._open:
            return None
        table = self._table
        if tenth_mv >= table[0]:
            return LOWEST_DC
        for i in range(1, len(table)):
            if tenth_mv >= table[i]:
                span = table[i - 1] - table[i]
                return LOWEST_DC + STEP_DC * i - STEP_DC * (tenth_mv - table[i]) // span
        return LOWEST_DC + STEP_DC * (len(table) - 1)


def _divided(supply, ohm, series_ohm):
    # Halved until the product is a small integer: the ratio stays.
    while ohm > 30000:
        ohm >>= 1
        series_ohm >>= 1
    return supply * ohm // (ohm + series_ohm)


def crc8(data):
    """The 1-Wire checksum, x**8 + x**5 + x**4 + 1, reflected; 0 over data with their checksum."""
    crc = 0
    for byte in data:
        for _ in range(8):
            mixed = (crc ^ byte) & 1
            crc >>= 1
            if mixed:
                crc ^= 0x8C
            byte >>= 1
    return crc


def from_board(section, machine):
    """The sensor of board.json's `temperature`, to be run as a task. Raises KeyError, ValueError."""
    pin = machine.Pin(section["pin"])
    if section["driver"] == "ds18b20":
        import onewire  # frozen in the stock image, and only where there is a wire

        return Temperature(DS18B20(onewire.OneWire(pin), _sleep_ms))
    if section["driver"] != "ntc":
        raise ValueError("temperature.driver must be ds18b20 or ntc, is {}".format(section["driver"]))
    adc = machine.ADC(pin, atten=machine.ADC.ATTN_11DB)
    return Temperature(NTC(adc, section, _sleep_ms))


async def _sleep_ms(ms):
    await asyncio.sleep_ms(ms)
