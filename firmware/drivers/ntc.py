"""An NTC on the ADC, for drivers/temperature. None where it is cut or shorted."""

from array import array

from wire.units import const

from .temperature import LOWEST_DC

_SAMPLES = const(8)
STEP_DC = const(50)  # of the table, which begins at LOWEST_DC


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


def from_board(section, machine, sleep_ms):
    """The NTC on the pin of board.json's `temperature`. Raises KeyError, ValueError."""
    adc = machine.ADC(machine.Pin(section["pin"]), atten=machine.ADC.ATTN_11DB)
    return NTC(adc, section, sleep_ms)
