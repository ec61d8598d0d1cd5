"""BL0910 on SPI: everything that protection needs, in every poll.

Strategy: one poll is one exchange on the bus. Each register costs a frame of six bytes, `82 addr` out and `H M L sum`
back; the frames of a poll lie side by side in one buffer that is made once, and are parsed where they land. A poll
reads the fast RMS of every channel and the voltage, and in turn the slow set of one channel and one configuration
register. So a socket's slow set comes every `sockets` polls; a setting that is lost is noticed within half a second, a
flipped bit in a calibration register within four.

A frame that went wrong leaves nothing behind: a high level of the chip select resets the chip's interface (data sheet
5.1.6), and every exchange ends with one.
"""

from wire.units import const

from .meter_bl0910 import BL0910, CF_COUNT, FAST_RMS, RMS, RMS_VOLTAGE, SATURATED, WATT

_READ = const(0x82)
_WRITE = const(0x81)


class BL0910Spi(BL0910):
    """A chip on `spi`; `cs` is its select pin, low to select."""

    instant = True
    write_ms = 0
    window_ms = 20  # of the fast RMS: FAST_RMS_CTRL bits 23..21 = 1
    stale_windows = 5
    settle_ms = 60  # a window that began before the relay opened, a whole one, and the tick that fetches it

    def __init__(self, spi, cs, section):
        BL0910.__init__(self, section)
        self.round_ms = 20 * self.channels
        self._transfer = spi.write_readinto  # bound once: binding a method takes heap
        self._cs = cs
        self._set_frames(self.channels, section.get("burst", 0))

    def _set_frames(self, sockets, burst):
        frames = sockets + 5
        burst = burst or frames
        self._slow_at = 6 * sockets + 6
        self._out = bytearray(6 * frames)
        self._in = bytearray(6 * frames)
        for i in range(frames):
            self._out[6 * i] = _READ
            self._out[6 * i + 1] = FAST_RMS + i
        self._out[6 * sockets + 1] = RMS_VOLTAGE
        out, into = memoryview(self._out), memoryview(self._in)
        steps = range(0, 6 * frames, 6 * burst)
        self._parts = tuple([(out[i : i + 6 * burst], into[i : i + 6 * burst]) for i in steps])
        self._one_out = bytearray(6)
        self._one_in = bytearray(6)

    def clear_bus(self):
        """Six bytes FF put the chip's serial interface into its first state (data sheet 5.1.6)."""
        for i in range(6):
            self._one_out[i] = 0xFF
        self._exchange_one()

    def write(self, address, value):
        """A register; what came of it is read back later."""
        self._fill(_WRITE, address, value)
        self._one_out[5] = 0xFF - (sum(self._one_out) - self._one_out[5]) % 256
        self._exchange_one()

    def read(self, address):
        """The 24 bits of a register, or None without a valid answer."""
        self._fill(_READ, address, 0)
        self._one_out[5] = 0
        self._exchange_one()
        frame = self._one_in
        if (_READ + address + frame[2] + frame[3] + frame[4] + frame[5]) % 256 != 0xFF:
            return None
        return frame[2] << 16 | frame[3] << 8 | frame[4]

    def _fill(self, command, address, value):
        frame = self._one_out
        frame[0] = command
        frame[1] = address
        frame[2] = value >> 16
        frame[3] = value >> 8 & 255
        frame[4] = value & 255

    def _exchange_one(self):
        self._cs(0)
        self._transfer(self._one_out, self._one_in)
        self._cs(1)

    def _round(self, reading):
        self._exchange()
        bad = self._take_currents(reading) + self._take_slow(reading)
        bad += self._take_voltage(reading, self._value(self._slow_at - 6, RMS_VOLTAGE))
        bad += self._take_audit(self._value(self._slow_at + 18, self._rounds[self._audit]))
        reading.frames = (reading.frames + self.channels + 5) & 0xFFFFFF
        if self._tripped:
            self._release()
        return bad

    def _exchange(self):
        """All frames, with the registers whose turn it is."""
        out = self._out
        at = self._slow_at + 1
        out[at] = RMS + self._turn
        out[at + 6] = WATT + self._turn
        out[at + 12] = CF_COUNT + self._turn
        out[at + 18] = self._rounds[self._audit]
        for part in self._parts:
            self._cs(0)
            self._transfer(part[0], part[1])
            self._cs(1)

    def _take_currents(self, reading):
        """As `_value` and `_take_fast`, and units.scale, for all channels: a call costs as much as ten sums."""
        frames = self._in
        ok = reading.fast_ok
        fast_ma = reading.fast_ma
        limit = self._limit
        factors = self._fast_k
        shifts = self._fast_shift
        bad = 0
        at = 2
        for i in range(self.channels):
            raw = frames[at] << 16 | frames[at + 1] << 8 | frames[at + 2]
            if (_READ + 1 + FAST_RMS + i + (raw >> 16) + (raw >> 8) + raw + frames[at + 3]) & 255:
                ok[i] = 0
                bad += 1
            else:
                ok[i] = 1
                if raw < limit:
                    k = factors[i]
                    fast_ma[i] = ((raw >> 12) * k + (((raw & 4095) * k) >> 12)) >> shifts[i]
                else:
                    fast_ma[i] = SATURATED
            at += 6
        return bad

    def _take_slow(self, reading):
        """The slow set of the channel whose turn it is; the turn passes on."""
        turn = self._pass_turn()
        raw = self._value(self._slow_at, RMS + turn)
        bad = self._take_current(reading, turn, raw)
        raw = self._value(self._slow_at + 6, WATT + turn)
        bad += self._take_power(reading, turn, raw)
        raw = self._value(self._slow_at + 12, CF_COUNT + turn)
        bad += self._take_count(reading, turn, raw)
        reading.slow_ok[turn] = not bad
        return bad

    def _value(self, at, address):
        """The 24 bits of the frame at this offset, or -1 when its checksum is wrong."""
        frames = self._in
        raw = frames[at + 2] << 16 | frames[at + 3] << 8 | frames[at + 4]
        # In a good frame all bytes add up to 255; the bits of `raw` above each byte do not reach the last eight.
        if (_READ + 1 + address + (raw >> 16) + (raw >> 8) + raw + frames[at + 5]) & 255:
            return -1
        return raw


def from_board(section, machine):
    """The driver on the SPI of board.json's `meter`. Raises KeyError, ValueError."""
    bus = section["spi"]
    cs = machine.Pin(bus["cs"], machine.Pin.OUT, value=1)
    spi = machine.SPI(
        bus["id"],
        baudrate=bus["baud"],
        polarity=0,
        phase=1,
        sck=machine.Pin(bus["sck"]),
        mosi=machine.Pin(bus["mosi"]),
        miso=machine.Pin(bus["miso"]),
    )
    return BL0910Spi(spi, cs, section)
