"""Temperature sensors at their wires: a DS18B20 byte by byte, and an NTC in its divider.

Written from the DS18B20 data sheet (1-Wire commands, scratchpad, checksum) and from the Beta formula of NTCs, not
from our driver. `source()` gives the temperature in degrees Celsius.
"""

import math

_SKIP_ROM = 0xCC
_CONVERT = 0x44
_READ = 0xBE
_POWER_ON_RAW = 85 * 16
_CONVERSION_MS = 750


class DS18B20Chip:
    """The only sensor on the wire, with the methods of onewire.OneWire that a driver uses.

    Time is given from outside: `on_time(now_ms)`. Faults: `missing`, `shorted` (the wire is at 0), `corrupt_next(n)`
    bytes, `power_on()` as when its supply failed.
    """

    def __init__(self, source):
        self._source = source
        self._now_ms = 0
        self._done_ms = None
        self._answer = b""
        self._addressed = False
        self._corrupt = 0
        self.missing = False
        self.shorted = False
        self.power_on()

    def power_on(self):
        """The scratchpad shows 85 degrees until a conversion is done."""
        self._raw = _POWER_ON_RAW
        self._done_ms = None

    def on_time(self, now_ms):
        """The time now, in milliseconds that only grow."""
        self._now_ms = now_ms
        if self._done_ms is not None and now_ms >= self._done_ms:
            self._done_ms = None
            self._raw = math.floor(self._source() * 16 + 0.5)

    def corrupt_next(self, n):
        """The next n bytes that are read have a bit wrong."""
        self._corrupt = n

    def reset(self, required=False):
        """The presence pulse: True when somebody is there, and where the wire is shorted too."""
        self._addressed = False
        self._answer = b""
        return self.shorted or not self.missing

    def writebyte(self, value):
        """A byte from the controller."""
        if not self._addressed:
            self._addressed = value == _SKIP_ROM
        elif value == _CONVERT:
            self._done_ms = self._now_ms + _CONVERSION_MS
        elif value == _READ:
            pad = bytes([self._raw & 255, self._raw >> 8 & 255, 0x4B, 0x46, 0x7F, 0xFF, 0x0C, 0x10])
            self._answer = pad + bytes([_crc(pad)])

    def readbyte(self):
        """A byte to the controller; ones where nobody speaks."""
        if self.shorted:
            return 0
        if not self._answer or self.missing:
            return 0xFF
        value = self._answer[0]
        self._answer = self._answer[1:]
        if self._corrupt:
            self._corrupt -= 1
            value ^= 0x20
        return value


def _crc(data):
    """The checksum of the data sheet's shift register, most significant stage first."""
    stages = [0] * 8
    for byte in data:
        for i in range(8):
            feedback = (byte >> i & 1) ^ stages[7]
            stages = [feedback] + stages[:7]
            stages[4] ^= feedback
            stages[5] ^= feedback
    return sum([stage << 7 - i for i, stage in enumerate(stages)])


class NtcDivider:
    """What an ADC pin sees of a resistor to the supply and an NTC to ground. Faults: `cut`, `shorted`."""

    def __init__(self, source, supply_mv, series_ohm, ohm_25, beta_k):
        self._source = source
        self._supply_mv = supply_mv
        self._series_ohm = series_ohm
        self._ohm_25 = ohm_25
        self._beta_k = beta_k
        self.cut = False
        self.shorted = False

    def ohm(self):
        """The resistance now."""
        if self.shorted:
            return 0.5
        if self.cut:
            return 1e9
        kelvin = self._source() + 273.15
        return self._ohm_25 * math.exp(self._beta_k * (1 / kelvin - 1 / 298.15))

    def read_uv(self):
        """Microvolts on the pin, as machine.ADC.read_uv."""
        ohm = self.ohm()
        return int(self._supply_mv * 1000 * ohm / (ohm + self._series_ohm))
