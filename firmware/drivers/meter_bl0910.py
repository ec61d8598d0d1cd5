"""BL0910: ten currents against one voltage, on SPI. What the tick reads.

Strategy: one poll is one exchange on the bus. Each register costs a frame of six bytes, `82 addr` out and `H M L sum`
back; the frames of a poll lie side by side in one buffer that is made once, and are parsed where they land. A poll
reads the fast RMS of every channel and the voltage, and in turn the slow set of one channel (RMS, power, energy
counter) and one configuration register, which must still hold what was written. So a socket's slow set comes every
`sockets` polls; a setting that is lost, as when the chip resets, is noticed within half a second, a flipped bit in a
calibration register within three.

Rules: a frame counts only with its checksum; a value without one is marked, never guessed. Nothing in `poll` allocates:
no number reaches 2**30, no buffer is sliced. `configure` and `verify` belong to the same thread of control as the
tick's timer, which may run between any two of their steps: while they work, `poll` reports every channel as unread.

Sources: bl0910_setup.py, which also knows the registers that are written once. The fast value is the mean of |i|: right
for a sine, too low for a peaky current, in which only the slow RMS is right.
"""

import time
from array import array

from wire.units import const, correct, gain_delta, scale, scale_factor

from .bl0910_setup import CHANNELS, energy_of_count, rounds, scales, settings, untouched
from .meter_error import MeterError

SATURATED = const(1 << 29)  # reported where the input is over range: above every threshold

_READ = const(0x82)
_WRITE = const(0x81)

_RMS = const(0x0C)
_RMS_VOLTAGE = const(0x16)
_FAST_RMS = const(0x17)
_WATT = const(0x22)
_CF_COUNT = const(0x2F)
_WRPROT = const(0x9E)
_RESET = const(0x9F)

_UNLOCK = const(0x005555)
_RESET_USER = const(0x55AA55)  # registers 60..9F and A0..D0 to their defaults; counters go on (data sheet)
_RESET_ALL = const(0x5A5A5A)  # the digital part; the counters go too (data sheet)
_RESET_MS = const(20)  # the data sheet gives no time; public drivers wait 10 to 100 ms


class BL0910:
    """One chip; socket i is its channel i + 1. `section` is board.json's `meter`.

    energy_mws_num / energy_mws_den milliwatt-seconds are one count of the energy counters. `wrong` counts configuration
    registers that were found changed since `configure`, modulo 2**24.
    """

    window_ms = 20  # of the fast RMS: FAST_RMS_CTRL bits 23..21 = 1
    stale_windows = 5
    settle_ms = 60  # a window that began before the relay opened, a whole one, and the tick that fetches it
    rms_floor_ma = 20

    def __init__(self, spi, cs, section):
        self._transfer = spi.write_readinto  # bound once: binding a method takes heap
        self._cs = cs
        self.channels = sockets = section.get("sockets", CHANNELS)
        if not 1 <= sockets <= CHANNELS:
            raise ValueError("meter.sockets must be 1 to 10, is {}".format(sockets))
        self.floor_ma = section["fast_floor_ma"]
        self.wrong = 0
        self._settings = settings(section)
        self._audited = self._settings + untouched()
        self._rounds = rounds(self._settings, untouched())
        self._set_scales(section)
        self.calibrate({})
        self._set_frames(sockets, section.get("burst", 0))
        self._turn = 0
        self._audit = 0
        self._busy = False

    def _set_scales(self, section):
        rms, fast, volt, watt, full_scale_ma = scales(section)
        self._rms_k, self._rms_shift = scale_factor(rms)
        self._fast_ratio = fast
        self._volt_k, self._volt_shift = scale_factor(volt)
        self._watt_k, self._watt_shift = scale_factor(watt)
        self.full_scale_ma = full_scale_ma
        self._limit = int(full_scale_ma / fast)
        if self._limit >= 1 << 24:
            raise ValueError("meter: full scale does not fit the registers: raise shunt_uohm or current_gain")
        self.energy_mws_num, self.energy_mws_den = energy_of_count(section)

    def calibrate(self, table):
        """The (gain_ppm, offset) of each channel for `current`, `power` and `voltage`; see core/calibration.

        Not while the tick polls. The offset of the current is not taken from the fast value: below its floor there is
        nothing to correct, and above it an offset could only hide something.
        """
        neutral = ((1_000_000, 0),) * self.channels
        current = table.get("current", neutral)
        factors = [scale_factor(self._fast_ratio * gain / 1_000_000) for gain, _ in current]
        self._fast_k = array("i", [k for k, _ in factors])
        self._fast_shift = bytes([shift for _, shift in factors])
        self._rms_delta, self._rms_offset = _arrays(current)
        self._watt_delta, self._watt_offset = _arrays(table.get("power", neutral))
        gain, self._volt_offset = table.get("voltage", neutral)[0]
        self._volt_delta = gain_delta(gain)

    def _set_frames(self, sockets, burst):
        frames = sockets + 5
        burst = burst or frames
        self._slow_at = 6 * sockets + 6
        self._out = bytearray(6 * frames)
        self._in = bytearray(6 * frames)
        for i in range(frames):
            self._out[6 * i] = _READ
            self._out[6 * i + 1] = _FAST_RMS + i
        self._out[6 * sockets + 1] = _RMS_VOLTAGE
        out, into = memoryview(self._out), memoryview(self._in)
        steps = range(0, 6 * frames, 6 * burst)
        self._parts = tuple([(out[i : i + 6 * burst], into[i : i + 6 * burst]) for i in steps])
        self._one_out = bytearray(6)
        self._one_in = bytearray(6)

    def configure(self):
        """Resets, unlocks, writes, reads back and locks the configuration registers; about 0.1 s.

        The energy counters go on where the chip answers at once. Raises MeterError.
        """
        self._busy = True
        try:
            found = self._write_all(_RESET_USER)
            if found:
                found = self._write_all(_RESET_ALL)
        finally:
            self._busy = False
        if found:
            raise MeterError(found)

    def verify(self):
        """True when every configuration and calibration register holds what it should."""
        self._busy = True
        try:
            return self._differing() == ""
        finally:
            self._busy = False

    def _write_all(self, reset):
        """Returns what is wrong, "" when all is well."""
        self._clear_bus()
        self._write(_WRPROT, _UNLOCK)
        self._write(_RESET, reset)
        _sleep_ms(_RESET_MS)
        self._clear_bus()
        self._write(_WRPROT, _UNLOCK)
        for address, value in self._settings:
            self._write(address, value)
        return self._differing()

    def _differing(self):
        for address, value in self._audited:
            found = self._read(address)
            if found is None:
                return (
                    "the meter chip BL0910 does not answer (register {:02x}): no current is measured and no relay "
                    "may close; check its supply, its SEL pin and the SPI wiring".format(address)
                )
            if found != value:
                return (
                    "the meter chip BL0910 holds {:06x} in register {:02x} instead of {:06x}: its readings are not to "
                    "be trusted; restart the board, and replace it if this returns".format(
                        found, address, value
                    )
                )
        return ""

    def _clear_bus(self):
        """Six bytes FF put the chip's serial interface into its first state (data sheet 5.1.6)."""
        for i in range(6):
            self._one_out[i] = 0xFF
        self._exchange_one()

    def _write(self, address, value):
        self._fill(_WRITE, address, value)
        self._one_out[5] = 0xFF - (sum(self._one_out) - self._one_out[5]) % 256
        self._exchange_one()

    def _read(self, address):
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

    def poll(self, reading):
        """Reads one round into `reading` (core/reading.py); no allocation, and no error for a bad frame."""
        reading.polls = (reading.polls + 1) & 0xFFFFFF
        if self._busy:
            self._unread(reading)
            return
        self._address()
        self._exchange()
        bad = (
            self._take_fast(reading)
            + self._take_voltage(reading)
            + self._take_slow(reading)
            + self._take_audit()
        )
        reading.frames = (reading.frames + self.channels + 5) & 0xFFFFFF
        if bad:
            reading.errors = (reading.errors + bad) & 0xFFFFFF

    def _unread(self, reading):
        for i in range(self.channels):
            reading.fast_ok[i] = 0
            reading.slow_ok[i] = 0
        reading.voltage_ok = 0

    # Where MicroPython needs more than 11 words for what a function holds, it takes them from the heap at every call
    # (and gives them back): hence small functions with few names, which a test counts. Those that take a reading return
    # how many frames were bad.

    def _address(self):
        """Writes the registers whose turn it is into the frames that go out."""
        out = self._out
        at = self._slow_at + 1
        out[at] = _RMS + self._turn
        out[at + 6] = _WATT + self._turn
        out[at + 12] = _CF_COUNT + self._turn
        out[at + 18] = self._rounds[self._audit][0]

    def _exchange(self):
        for part in self._parts:
            self._cs(0)
            self._transfer(part[0], part[1])
            self._cs(1)

    def _take_fast(self, reading):
        bad = 0
        for i in range(self.channels):
            bad += self._take_channel(reading, i)
        return bad

    def _take_channel(self, reading, i):
        raw = self._value(6 * i, _FAST_RMS + i)
        if raw < 0:
            reading.fast_ok[i] = 0
            return 1
        if raw >= self._limit:
            reading.fast_ma[i] = SATURATED
        else:
            reading.fast_ma[i] = scale(raw, self._fast_k[i], self._fast_shift[i])
        reading.fast_ok[i] = 1
        return 0

    def _take_voltage(self, reading):
        raw = self._value(self._slow_at - 6, _RMS_VOLTAGE)
        if raw < 0:
            reading.voltage_ok = 0
            return 1
        millivolts = scale(raw, self._volt_k, self._volt_shift)
        reading.voltage_mv = correct(millivolts, self._volt_delta, self._volt_offset)
        reading.voltage_ok = 1
        return 0

    def _take_slow(self, reading):
        """The slow set of the channel whose turn it is; the turn passes on."""
        turn = self._turn
        self._turn = turn + 1 if turn + 1 < self.channels else 0
        bad = (
            self._take_current(reading, turn)
            + self._take_power(reading, turn)
            + self._take_count(reading, turn)
        )
        reading.slow_ok[turn] = not bad
        return bad

    def _take_current(self, reading, turn):
        raw = self._value(self._slow_at, _RMS + turn)
        if raw < 0:
            return 1
        milliamps = scale(raw, self._rms_k, self._rms_shift)
        reading.current_ma[turn] = correct(milliamps, self._rms_delta[turn], self._rms_offset[turn])
        return 0

    def _take_power(self, reading, turn):
        raw = self._value(self._slow_at + 6, _WATT + turn)
        if raw < 0:
            return 1
        if raw & 0x800000:  # below zero, in two's complement: a shunt the wrong way round, or noise
            raw = 0
        milliwatts = scale(raw, self._watt_k, self._watt_shift)
        reading.power_mw[turn] = correct(milliwatts, self._watt_delta[turn], self._watt_offset[turn])
        return 0

    def _take_count(self, reading, turn):
        raw = self._value(self._slow_at + 12, _CF_COUNT + turn)
        if raw < 0:
            return 1
        reading.count[turn] = raw
        return 0

    def _take_audit(self):
        """The configuration register whose turn it is; the turn passes on."""
        item = self._rounds[self._audit]
        self._audit = self._audit + 1 if self._audit + 1 < len(self._rounds) else 0
        raw = self._value(self._slow_at + 18, item[0])
        # A line that nobody drives reads FF throughout: for register 81 a good checksum, and nobody wrote FFFFFF.
        if raw < 0 or raw == 0xFFFFFF:
            return 1
        if raw != item[1]:
            self.wrong = (self.wrong + 1) & 0xFFFFFF
        return 0

    def _value(self, at, address):
        """The 24 bits of the frame at this offset, or -1 when its checksum is wrong."""
        frames = self._in
        raw = frames[at + 2] << 16 | frames[at + 3] << 8 | frames[at + 4]
        # In a good frame all bytes add up to 255; the bits of `raw` above each byte do not reach the last eight.
        if (_READ + 1 + address + (raw >> 16) + (raw >> 8) + raw + frames[at + 5]) & 255:
            return -1
        return raw


def from_board(section, machine):
    """The driver on the pins of board.json's `meter`; the chip is not touched yet. Raises KeyError, ValueError."""
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
    return BL0910(spi, cs, section)


def _arrays(pairs):
    return array("i", [gain_delta(gain) for gain, _ in pairs]), array("i", [offset for _, offset in pairs])


def _sleep_ms(ms):
    sleep = getattr(time, "sleep_ms", None)
    if sleep is None:
        time.sleep(ms / 1000)
    else:
        sleep(ms)
