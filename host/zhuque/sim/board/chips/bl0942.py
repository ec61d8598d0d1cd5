"""A BL0942 at its bytes: what it answers on its UART, with a load's ground truth behind it.

Written from public accounts of the chip's registers and from owners' captures, not from our driver: an error in one
shows against the other. A reading is computed when it is asked for; kept are the writable registers and the energy
counted.

Modelled: packets and single registers with their sums, the address in them, write protection, soft reset, gains, the
creep threshold of power, counting of |power|, the fast value as a mean of |i| that the input's limit clips, its offset
before the high-pass filter (MODE bit 4), the baud rate in MODE, packets of zeros until the first measurement after a
reset. Not modelled: averaging times, noise, phase, waveforms, the CF outputs.

`source` gives the truth in double precision: `voltage_v()`, and of socket `ch` `current_a(ch)`, `power_w(ch)` (negative
for a reversed shunt), `energy_j(ch)`, the last cumulative and never falling.
"""

import math

from .serial_line import SerialChip

_VREF = 1.218
_PER_MV_I = 305978.0
_PER_MV_V = 73989.0
_PER_MW = 3537.0
_COUNT_PERIODS = 1638.4 * 256
_GAINS = (1, 4, 16, 24)
_PEAK_MV = (700.0, 175.0, 42.0, 28.0)
_BAUDS = {2: 19200, 3: 38400}
_DEFAULTS = {0x12: 0, 0x14: 0x0B, 0x15: 0xFFFF, 0x16: 1, 0x17: 3, 0x18: 0x24, 0x19: 0x87, 0x1A: 2, 0x1D: 0}
_WIDTHS = {0x12: 8, 0x14: 8, 0x15: 16, 0x16: 3, 0x17: 2, 0x18: 6, 0x19: 10, 0x1A: 2, 0x1D: 8}
_TURNAROUND_US = 300
_WAKE_US = 400000  # the RMS registers are refreshed every 400 ms


class BL0942Chip(SerialChip):
    """The chip with this address, measuring socket `ch`. `section` is board.json's `meter`: shunt and divider are used.

    Settable: `gain_error` and `voltage_error` (relative), `offset_a` (of the input, in the fast value before its
    filter), `fast_ratio` (fast over RMS for a sine), `peakiness` (mean of |i| over that of a sine of the same RMS).
    Faults: `silent`, `frozen`, `corrupt_next(n)`, `poke(register, value)`, `power_on()`.
    """

    def __init__(self, source, section, ch=0, address=0, pin_baud=9600):
        super().__init__()
        self.source = source
        self.ch = ch
        self.address = address
        self.gain_error = self.voltage_error = 0.0
        self.offset_a = 0.4
        self.fast_ratio = 0.363
        self.peakiness = 1.0
        self._pin_baud = pin_baud
        self._amp_mv = section["shunt_uohm"] / 1000
        low = section["divider_low_ohm"]
        self._volt_mv = 1000.0 * low / (low + section["divider_high_ohm"])
        self._now_us = 0
        self.power_on(awake=True)

    def power_on(self, awake=False):
        """As after a power cut: defaults, counter at zero, and packets of zeros for the first 400 ms."""
        self._registers = dict(_DEFAULTS)
        self._joules = 0.0
        self._seen_j = self.source.energy_j(self.ch)
        self._awake_us = 0 if awake else self._now_us + _WAKE_US
        self._set_baud()

    def poke(self, register, value):
        """Puts a value into a writable register without being asked."""
        self._registers[register] = value
        self._set_baud()

    def _set_baud(self):
        self.baud = _BAUDS.get(self._registers[0x19] >> 8 & 3, self._pin_baud)

    # The bus

    def run(self, now_us):
        """Only keeps the time."""
        self._now_us = now_us

    def hear(self, data, end_us):
        """Questions of two bytes and commands of six; nothing else is understood."""
        self._now_us = end_us
        if self.silent:
            return
        if len(data) == 2 and data[0] & 0xFC == 0x58:
            if data[0] & 3 == self.address:
                self._answer(data[1], end_us + _TURNAROUND_US)
        elif len(data) == 6 and data[0] & 0xFC == 0xA8:
            if data[0] & 3 == self.address:
                self._write(data)
        else:
            self.rejected += 1

    def _answer(self, register, start_us):
        command = 0x58 | self.address
        if register == 0xAA:
            frame = bytearray([0x55])
            for value in self.readings():
                _append(frame, value)
            frame.append(~(command + sum(frame)) & 255)
        elif register in self._registers or 3 <= register <= 9:
            frame = bytearray()
            _append(frame, self._registers[register] if register > 9 else self.readings()[_ORDER[register]])
            frame.append(~(command + register + sum(frame)) & 255)
        else:
            self.rejected += 1
            return
        self.speak(frame, start_us)

    def _write(self, data):
        register = data[1]
        protected = register not in (0x1D, 0x1C) and self._registers[0x1D] != 0x55
        if ~sum(data[:5]) & 255 != data[5] or protected or (register not in _WIDTHS and register != 0x1C):
            self.rejected += 1
            return
        value = data[4] << 16 | data[3] << 8 | data[2]
        if register == 0x1C:
            if value == 0x5A5A5A:
                self.power_on()
            return
        self._count()  # what was used so far was counted with the old gain
        self._registers[register] = value & ((1 << _WIDTHS[register]) - 1)
        self._set_baud()

    # Readings

    def measure(self):
        """Current, voltage, fast current, power, energy count, period and status, as the registers hold them."""
        if self._now_us < self._awake_us:
            return (0, 0, 0, 0, 0, 0, 0)
        volts = self.source.voltage_v() * (1 + self.voltage_error)
        watt = int(self._watt())
        v_reg = min(int(volts * self._volt_mv * _PER_MV_V / _VREF), 0xFFFFFF)
        status = 0x100 | (2 if not watt else 0) | (1 if watt < 0 else 0)
        period = 20000 if volts > 20 else 0xFFFF
        return (self._rms(), v_reg, self._fast(), watt & 0xFFFFFF, self._count(), period, status)

    def _gain(self):
        return _GAINS[self._registers[0x1A] & 3]

    def _counts(self, amps):
        return amps * (1 + self.gain_error) * self._amp_mv * self._gain() / 16 * _PER_MV_I / _VREF

    def _clip_a(self):
        return _PEAK_MV[self._registers[0x1A] & 3] / self._amp_mv / math.sqrt(2)

    def _rms(self):
        amps = min(self.source.current_a(self.ch), self._clip_a() * math.sqrt(2))
        return 0 if not self._watt() and amps < 0.005 else min(int(self._counts(amps)), 0xFFFFFF)

    def _fast(self):
        amps = min(
            self.source.current_a(self.ch), self._clip_a() * math.pi / 2
        )  # the mean of a full square, scaled as a sine
        amps *= self.peakiness
        if not self._registers[0x19] & 0x10:
            amps += self.offset_a
        return min(int(self._counts(amps) * self.fast_ratio), 0xFFFFFF)

    def _watt(self):
        """The signed value of the power register; 0 below the creep threshold."""
        error = (1 + self.gain_error) * (1 + self.voltage_error)
        value = self.source.power_w(self.ch) * error * self._per_watt()
        creep = self._registers[0x14] * 3125 / 256  # in counts of the power register
        return 0 if -creep < value < creep else max(min(value, 0x7FFFFF), -0x800000)

    def _per_watt(self):
        return _PER_MW * self._amp_mv * self._volt_mv * self._gain() / 16 / _VREF**2

    def _count(self):
        total = self.source.energy_j(self.ch)
        if self._watt():
            error = (1 + self.gain_error) * (1 + self.voltage_error)
            self._joules += abs(total - self._seen_j) * error * self._per_watt() / _COUNT_PERIODS
        self._seen_j = total
        return int(self._joules) & 0xFFFFFF


_ORDER = {3: 0, 4: 1, 5: 2, 6: 3, 7: 4, 8: 5, 9: 6}


def _append(frame, value):
    """Three bytes, the lowest first."""
    frame.append(value & 255)
    frame.append(value >> 8 & 255)
    frame.append(value >> 16 & 255)
