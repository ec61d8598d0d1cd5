"""A BL0910 at its bytes: what comes back on SPI for what is sent, with a load's ground truth behind it.

Written from the chip's data sheet (as kept beside the public driver Johnnybyzhang/ESP-BL0910; section numbers below are
its) and the four public drivers' formulas, not from our driver: an error in one shows against the other.

Strategy: a register is computed when it is read. Nothing is kept but the writable registers and the energy that the
counters have integrated, so an idle chip costs nothing. Runs on MicroPython in the simulator and on CPython in tests.

Modelled: frames and their checksums (5.1.3), six FF (5.1.6), write protection of 60..9D and A0..D0 (reg. 9E), both
resets (reg. 9F), gains, RMSGN and WATTGN, the creep thresholds (4.6.7), CFDIV (4.6.20), counting of |power| that wraps
at 2**24 (3.3), the fast value as a mean of |i| that the input's limit clips (3.5), its offset without the high-pass
filter (MODE1), channels powered down, the mode without ten currents, reading a counter with RST_ENG set clears it.
The outputs M1 to M10 are in bl0910_outputs.py, the UART is in bl0910_uart.py. Not modelled: averaging times, noise,
phase errors, waveforms, reactive power.

`source` gives the truth in double precision: `voltage_v()`, and of a channel from 0 `current_a(ch)`, `power_w(ch)` and
`energy_j(ch)`, the last cumulative and never falling.
"""

import math

_FORMULA_I = 12875.0
_FORMULA_V = 13162.0
_FORMULA_W = 40.4125
_VREF_V = 1.097
_PEAK_MV = 700.0  # differential input at gain 1 (2.4.1)
_FAST_OF_SINE = 0.55  # FAST_RMS of a sine over RMS (4.7.3)
_COUNT_KWH = 4194304 * 0.032768 * 16 / 3600000  # times 1 / (CFDIV Kp)
_PGA = (1, 2, 8, 16)
_WIDTH_BITS = {0x61: 20, 0x69: 8, 0x8A: 12, 0x89: 12, 0x93: 11, 0x94: 16, 0x9E: 16, 0xCE: 12}
_WIDTH_BITS.update(
    [(address, 16) for address in range(0x64, 0x69)] + [(address, 16) for address in range(0x6C, 0x77)]
)
_DEFAULTS = {0x88: 0x04C04C, 0x8A: 0x200, 0x8B: 0x20FFFF, 0x8C: 0xFFFFFF, 0x94: 0x07FF, 0xCE: 0x010}
# Counting rate over that of CFDIV 0x10 (4.6.20)
_RATES = {0: 1 / 32, 1: 1 / 16, 2: 1 / 8, 4: 1 / 4, 8: 1 / 2, 0x20: 2, 0x40: 4, 0x80: 8, 0x100: 16, 0x200: 32}
_RATES.update({0x400: 64, 0x800: 256})


class BL0910Chip:
    """One chip. `section` is board.json's `meter`: of it the shunt and the voltage divider are used, not the settings.

    Settable: `gain_error[ch]` (relative error of a current channel), `voltage_error`, `offset_a` (of the inputs, seen
    by the fast value without its filter), `peakiness[ch]` (mean of |i| over that of a sine of the same RMS: 1 or less).
    Faults: `silent` (the line floats high), `frozen` (readings stop changing), `corrupt_next(n)`, `poke(reg, value)`.
    Counters for tests: `frames` answered, `rejected` for a wrong checksum, command or write protection.
    """

    def __init__(self, source, section):
        self.source = source
        self._amp_mv = section["shunt_uohm"] / 1000  # on the pins, for one ampere
        low = section["divider_low_ohm"]
        self._volt_mv = 1000.0 * low / (low + section["divider_high_ohm"])
        self.gain_error = [0.0] * 10
        self.voltage_error = 0.0
        self.offset_a = 0.05
        self.peakiness = [1.0] * 10
        self.silent = False
        self.frames = 0
        self.rejected = 0
        self._corrupt = 0
        self._frozen = None
        self._selected = False
        self._pokes = {}
        self.outputs = None  # BL0910Outputs, where they are wired
        self._now_us = 0  # as far as the outputs were told
        self._flowed = [False] * 10
        self._registers = [0] * 256
        self._joules = [0.0] * 10
        self._seen_j = [0.0] * 10
        self.power_on()

    def power_on(self):
        """As after a power cut: defaults, and counters at zero."""
        self._pokes = {}
        self._reset_user()
        self._reset_counters()

    def _reset_user(self):
        for address in range(0x60, 0xD1):
            self._registers[address] = _DEFAULTS.get(address, 0)
        if self.outputs is not None:
            self.outputs.reset()
        self._configured()

    def _reset_counters(self):
        for ch in range(10):
            self._joules[ch] = 0.0
            self._seen_j[ch] = self.source.energy_j(ch)

    def _configured(self):
        """Works out, from the writable registers, the factors that readings need."""
        reg = self._registers
        gain_v = _PGA[reg[0x60] & 3]
        self._v_gain = gain_v
        self._per_volt = _FORMULA_V * self._volt_mv * gain_v / _VREF_V * (1 + _signed16(reg[0x76]) / 65536)
        self._per_amp = []
        self._per_watt = []
        self._clip_a = []
        self._joule_counts = []
        for ch in range(10):
            code = reg[0x60] >> 4 * (ch + 1) if ch < 5 else reg[0x61] >> 4 * (ch - 5)
            gain = _PGA[code & 3]
            on = not reg[0x93] >> (ch + 1) & 1
            amp = _FORMULA_I * self._amp_mv * gain / _VREF_V if on else 0.0
            kp = _FORMULA_W * self._amp_mv * self._volt_mv * gain * gain_v / _VREF_V**2
            kwh = _COUNT_KWH / (16 * _RATES.get(reg[0xCE], 1) * kp)
            self._per_amp.append(amp)
            self._per_watt.append(kp * (1 + _signed16(reg[0xB6 + ch]) / 65536))
            self._joule_counts.append(1 / (kwh * 3600000))
            self._clip_a.append(_PEAK_MV / gain / self._amp_mv / math.sqrt(2))
        self._fast_offset = 0.0 if reg[0x96] >> 22 & 1 else self.offset_a
        self._rms_creep = 2 * reg[0x8A]
        self._watt_creep = 2 * (reg[0x88] & 0xFFF)

    # What a test or a scenario may do to the chip

    @property
    def frozen(self):
        """True while the readings are stuck at what they were when it was set."""
        return self._frozen is not None

    @frozen.setter
    def frozen(self, on):
        self._frozen = [self._measure(address) for address in range(0x60)] if on else None

    def corrupt_next(self, n):
        """The next n answers have a bit wrong."""
        self._corrupt = n

    def poke(self, register, value):
        """Puts a value where nobody wrote it: in a reading until poked with None, elsewhere until written."""
        if register >= 0x60:
            self._registers[register] = value
            self._configured()
        elif value is None:
            self._pokes.pop(register, None)
        else:
            self._pokes[register] = value

    # The bus

    def select(self, level):
        """The chip select pin: a low level selects; a high one ends whatever frame was begun."""
        self._selected = not level

    def exchange(self, out, into):
        """One transaction, of any number of frames; `into` may be None. What is not a whole frame answers nothing."""
        if into is not None:
            idle = 0xFF if self.silent or not self._selected else 0
            for i in range(len(into)):
                into[i] = idle
        if self.silent or not self._selected:
            return
        registers = self._registers
        frozen = self._frozen
        for at in range(0, len(out) - 5, 6):
            command = out[at]
            address = out[at + 1]
            if command == 0x82:
                if address >= 0x60:
                    value = registers[address]
                elif frozen is not None:
                    value = frozen[address]
                else:
                    value = self._measure(address)
                if into is not None:
                    high = value >> 16
                    middle = value >> 8 & 255
                    low = value & 255
                    into[at + 2] = high
                    into[at + 3] = middle
                    into[at + 4] = low
                    into[at + 5] = ~(0x82 + address + high + middle + low) & 255
                    if self._corrupt:
                        self._corrupt -= 1
                        into[at + 3] ^= 0x10
                self.frames += 1
            elif command == 0x81:
                self._write_frame(out, at)
            elif command != 0xFF:
                self.rejected += 1

    def _write_frame(self, out, at):
        total = 0
        for i in range(at, at + 5):
            total += out[i]
        if ~total & 255 != out[at + 5]:
            self.rejected += 1
            return
        self.write_register(out[at + 1], out[at + 2] << 16 | out[at + 3] << 8 | out[at + 4])

    def write_register(self, address, value):
        """What a write whose sum was right does."""
        protected = address not in (0x9E, 0x9F) and self._registers[0x9E] != 0x5555
        if not 0x60 <= address <= 0xD0 or protected:
            self.rejected += 1
            return
        self.frames += 1
        if address == 0x9F:
            self._soft_reset(value)
        else:
            self._integrate_all()  # what was used so far was counted with the old factors
            width = _WIDTH_BITS.get(address, 16 if address >= 0xA0 else 24)
            before = self._registers[address]
            self._registers[address] = value & ((1 << width) - 1)
            self._configured()
            if self.outputs is not None:
                self.outputs.written(address, before, self._now_us)

    def read_register(self, address):
        """The 24 bits that a question for the register is answered with."""
        if address >= 0x60:
            return self._registers[address]
        return self._measure(address) if self._frozen is None else self._frozen[address]

    def watch(self, now_us, version=None):
        """The time, for what the outputs do by themselves; returns when to come again, None without outputs."""
        self._now_us = now_us
        return None if self.outputs is None else self.outputs.watch(now_us, version)

    def _soft_reset(self, value):
        if value == 0x5A5A5A:
            self._reset_counters()
        if value in (0x5A5A5A, 0x55AA55):
            self._integrate_all()
            self._reset_user()

    # Readings

    def _measure(self, address):
        if self._pokes and address in self._pokes:
            return self._pokes[address]
        if 0x17 <= address <= 0x20:
            return self._fast(address - 0x17)
        if 0x0C <= address <= 0x15:
            return self._rms(address - 0x0C)
        if address == 0x16:
            volts = self.source.voltage_v() * (1 + self.voltage_error)
            return min(int(volts * self._per_volt), 0xFFFFFF)
        if 0x22 <= address <= 0x2B:
            return int(self._watt(address - 0x22)) & 0xFFFFFF
        if 0x2F <= address <= 0x38:
            return self._count(address - 0x2F)
        held = None if self.outputs is None else self.outputs.value(address)
        return held or 0

    def _fast(self, ch):
        amps = self.source.current_a(ch)
        if amps > self._clip_a[ch]:
            amps = _clipped_mean(amps, self._clip_a[ch])
        amps = amps * self.peakiness[ch] + self._fast_offset
        return min(int(amps * (1 + self.gain_error[ch]) * self._per_amp[ch] * _FAST_OF_SINE), 0xFFFFFF)

    def _rms(self, ch):
        amps = self.source.current_a(ch)
        if amps > self._clip_a[ch]:
            amps = _clipped_rms(amps, self._clip_a[ch])
        gain = 1 + _signed16(self._registers[0x6C + ch]) / 65536
        value = int(amps * (1 + self.gain_error[ch]) * self._per_amp[ch] * gain)
        return 0 if value < self._rms_creep else min(value, 0xFFFFFF)

    def _watt(self, ch):
        """The signed value of the power register; 0 below the creep threshold and where the mode has no such power."""
        if self._registers[0x98] >> 19 & 1 and ch in (0, 4, 5, 9):
            return 0
        error = (1 + self.gain_error[ch]) * (1 + self.voltage_error)
        value = self.source.power_w(ch) * error * self._per_watt[ch]
        if -self._watt_creep < value < self._watt_creep or not self._per_amp[ch]:
            return 0
        return max(min(value, 0x7FFFFF), -0x800000)

    def _integrate(self, ch):
        """Adds the energy since the last time, unless the power was under the creep threshold then and is now."""
        total = self.source.energy_j(ch)
        flowed = self._flowed[ch]
        self._flowed[ch] = self._watt(ch) != 0
        if flowed or self._flowed[ch]:
            gain = 1 + _signed16(self._registers[0xB6 + ch]) / 65536
            error = (1 + self.gain_error[ch]) * (1 + self.voltage_error) * gain
            self._joules[ch] += abs(total - self._seen_j[ch]) * error * self._joule_counts[ch]
        self._seen_j[ch] = total

    def _integrate_all(self):
        for ch in range(10):
            self._integrate(ch)

    def _count(self, ch):
        self._integrate(ch)
        count = int(self._joules[ch])
        if self._registers[0x9D] >> ch & 1:
            self._joules[ch] -= count
        return count & 0xFFFFFF


def _signed16(value):
    return value - 65536 if value & 0x8000 else value


def _clipped_mean(amps, limit):
    """The RMS of a sine whose mean of |i| is that of a sine of this RMS cut at limit x sqrt(2)."""
    ratio = limit / amps
    angle = math.asin(ratio)
    return amps * (1 - math.cos(angle) + ratio * (math.pi / 2 - angle))


def _clipped_rms(amps, limit):
    """The RMS of a sine of this RMS when its peaks are cut at limit x sqrt(2)."""
    ratio = limit / amps
    angle = math.asin(ratio)
    square = (angle - math.sin(2 * angle) / 2 + 2 * ratio * ratio * (math.pi / 2 - angle)) * 2 / math.pi
    return amps * math.sqrt(square)
