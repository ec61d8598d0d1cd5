"""An HLW8032 at its bytes: what it sends by itself, with a load's ground truth behind it.

Written from public accounts of the chip and from owners' captures, not from our driver. Time is modelled, because the
driver's difficulties are there: a quantity is the time of one pulse, a pulse that has not ended shows the time so far,
and one that takes longer than the register is over range. So power of a few watts comes seconds late.

Modelled: frames of 24 bytes, state and `adj`, the coefficients, periods that are refreshed when a pulse ends and not
more often than `refresh_us`, saturation, the noise current that shows without a load, 16 bits of energy pulses with
their carry, an uncalibrated chip (state AA). Not modelled: parity, noise of the values, phase.

`source` is that of bl0910.py; the chip measures socket `ch`.
"""

import math

from .serial_line import SerialChip

_COEFFICIENTS = (187600, 15575, 5105000)
_LAST = 0xFEFF01  # where a period saturates
_LONGEST_US = 12000000  # a pulse longer than this is over range
_PEAK_MV = 43.75
_FRAME_US = 105000
_NOISE_A = 0.06  # at the pins of a 1 mOhm shunt


class HLW8032Chip(SerialChip):
    """One chip. `section` is board.json's `meter`: of it the shunt and the divider are used.

    Settable: `gain_error`, `voltage_error` (relative), `refresh_us`, `uncalibrated`, `coefficients`.
    Faults: `silent`, `frozen`, `corrupt_next(n)`, `power_on()`.
    """

    baud = 4800

    def __init__(self, source, section, ch=0):
        super().__init__()
        self.source = source
        self.ch = ch
        low = section["divider_low_ohm"]
        self._k_v = (low + section["divider_high_ohm"]) / low / 1000
        self._k_i = 1000 / section["shunt_uohm"]
        self.gain_error = self.voltage_error = 0.0
        self.refresh_us = 500000
        self.uncalibrated = False
        self.coefficients = _COEFFICIENTS
        self._now_us = 0
        self._next_us = _FRAME_US
        self.power_on()

    def power_on(self):
        """As after a power cut: nothing measured yet, pulses at zero."""
        self._pulses = 0.0
        self._seen_j = self.source.energy_j(self.ch)
        self._periods = [0, 0, 0]
        self._begun = [self._now_us] * 3
        self._done = [False, False, False]

    def run(self, now_us):
        """Sends the frames that are due."""
        if now_us - self._next_us > 3000000:  # nobody listened: what was sent is lost anyway
            self._next_us = now_us - 3000000
        while self._next_us <= now_us:
            self._now_us = self._next_us
            self.speak(self._frame(), self._next_us)
            self._next_us += _FRAME_US

    def _frame(self):
        periods, done, over, pulses = self.readings()
        state = 0x55
        if over:
            state = 0xF0 | over
        if self.uncalibrated:
            state = 0xAA
        frame = bytearray([state, 0x5A])
        for i in range(3):
            for value in (self.coefficients[i], periods[i]):
                frame.append(value >> 16)
                frame.append(value >> 8 & 255)
                frame.append(value & 255)
        adj = 1 | (0x40 if done[0] else 0) | (0x20 if done[1] else 0) | (0x10 if done[2] else 0)
        frame.append(adj | (0x80 if pulses >> 16 & 1 else 0))
        frame.append(pulses >> 8 & 255)
        frame.append(pulses & 255)
        frame.append(sum(frame[2:]) & 255)
        return frame

    def measure(self):
        """Periods in microseconds, which of them are complete, the over-range bits, pulses of energy."""
        volts, amps, watts = self._truth()
        values = (volts / self._k_v, amps / self._k_i, watts / self._k_v / self._k_i)
        over = 0
        for i in range(3):
            over |= self._pulse(i, values[i])
        return tuple(self._periods), tuple(self._done), over, self._count()

    def _truth(self):
        gain = 1 + self.gain_error
        amps = self.source.current_a(self.ch) * gain
        limit = _PEAK_MV * self._k_i  # a full square
        noise = _NOISE_A * self._k_i
        amps = min(math.sqrt(amps * amps + noise * noise), limit)
        volts = self.source.voltage_v() * (1 + self.voltage_error)
        return max(volts, 0.4), amps, self.source.power_w(self.ch) * gain * (1 + self.voltage_error)

    def _pulse(self, i, value):
        """Moves the pulse of one quantity on; returns its over-range bit, or 0."""
        took = self.coefficients[i] / value if value > 0.001 else 1e9
        lasted = self._now_us - self._begun[i]
        if lasted >= max(took, self.refresh_us if i < 2 else 0):
            self._periods[i] = min(int(took + 0.5), _LAST)
            self._begun[i] = self._now_us
            self._done[i] = True
        elif took > _FRAME_US * 2 and i == 2:
            self._periods[i] = min(lasted, _LAST)
            self._done[i] = False
            if lasted > _LONGEST_US:
                return 2
        return 0

    def _count(self):
        total = self.source.energy_j(self.ch)
        gain = (1 + self.gain_error) * (1 + self.voltage_error)
        joules = self.coefficients[2] / 1000000 * self._k_v * self._k_i
        self._pulses += abs(total - self._seen_j) * gain / joules
        self._seen_j = total
        return int(self._pulses) & 0x1FFFF
