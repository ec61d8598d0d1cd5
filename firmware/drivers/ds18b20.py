"""A DS18B20 on 1-Wire, for drivers/temperature.

None is a bad checksum, and the 85.0 degrees that it shows when it was reset instead of converting.
"""

from wire.units import const

CONVERSION_MS = const(800)  # 750 at most for 12 bits (DS18B20 data sheet)

_SKIP_ROM = const(0xCC)
_CONVERT = const(0x44)
_READ = const(0xBE)
_POWER_ON_DC = const(850)
_NEAR_DC = const(100)


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


def from_board(section, machine, sleep_ms):
    """The only sensor on the pin of board.json's `temperature`. Raises KeyError, ValueError."""
    import onewire  # frozen in the stock image, and only where there is a wire

    return DS18B20(onewire.OneWire(machine.Pin(section["pin"])), sleep_ms)
