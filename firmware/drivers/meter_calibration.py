"""What every meter driver does with a calibration: a gain and an offset for each channel, in integers, without heap.

Where the pairs come from is in core/calibration.py. A value over range stays over range; a value that is not known
(below zero) stays unknown.
"""

from array import array

from wire.units import correct, gain_delta, scale_factor

_NEUTRAL = ((1_000_000, 0),)


class Correction:
    """Of one quantity: `apply(i, value)` is what channel i's value becomes."""

    def __init__(self, pairs):
        self._deltas = array("i", [gain_delta(gain) for gain, _ in pairs])
        self._offsets = array("i", [offset for _, offset in pairs])

    def apply(self, i, value):
        """(value - offset) x gain, at least 0."""
        return value if value < 0 else correct(value, self._deltas[i], self._offsets[i])

    def gain(self, i, value):
        """value x gain: a fast current's offset would hide something, and below its floor corrects nothing."""
        return value if value < 0 else correct(value, self._deltas[i], 0)


class Calibrated:
    """A driver's base: `current`, `power` and `voltage` corrections of `channels` channels."""

    count_step = 1  # by so many counts a counter of energy may move at once
    _fast_ratio = 0  # milliamperes of a raw fast current, where a driver scales it with its gain in one step

    def calibrate(self, table):
        """The (gain_ppm, offset) of each channel for `current`, `power`, `voltage`; {} for none.

        A tick between two of its steps reads with the old and the new ones mixed: so only while every relay is open.
        """
        neutral = _NEUTRAL * self.channels
        currents = table.get("current", neutral)
        if self._fast_ratio:
            factors = [scale_factor(self._fast_ratio * gain / 1_000_000) for gain, _ in currents]
            self._fast_k = array("i", [k for k, _ in factors])
            self._fast_shift = bytes([shift for _, shift in factors])
        self._current = Correction(currents)
        self._power = Correction(table.get("power", neutral))
        self._voltage = Correction(table.get("voltage", neutral))
