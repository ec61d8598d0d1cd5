"""Calibration: what a channel of the meter shows, made what a reference shows. Computed here, applied on the board.

A quantity of a channel has a gain in parts per million and an offset in its milli-unit: true = (shown - offset) x gain,
in integers. Where the pairs stand is in firmware/core/calibration.py.

Rules: a part that is more than 10 % off is broken or wired wrongly, and is refused instead of corrected; so is a load
that is too small or not steady, where noise would become a factor.
"""

from __future__ import annotations

from collections.abc import Sequence

from zhuque.errors import ZhuqueError
from zhuque.wire.config import CALIBRATION_OFFSETS, GAIN_HIGHEST_PPM, GAIN_LOWEST_PPM

Pair = tuple[int, int]  # gain in ppm, offset

ONE_PPM = 1_000_000
NEUTRAL = (ONE_PPM, 0)

STEADY_PPM = 10_000
VERIFIED_PPM = 10_000

# The least reference of each quantity: below, a count of the meter or a milliampere of noise is too much of it.
_LEAST = {"current": 200, "power": 40_000, "voltage": 100_000}
_UNITS = {"current": "mA", "power": "mW", "voltage": "mV"}


class CalibrationError(ZhuqueError):
    """No calibration can be had from these values; the text says why and what to do."""


def apply(value: int, pair: Pair) -> int:
    """What a value becomes; never below 0. The drivers do the same without big numbers."""
    return max(0, (value - pair[1]) * pair[0] // ONE_PPM)


def undo(value: int, pair: Pair) -> int:
    """What the meter would show without the pair that is in force, to within one unit."""
    return (value * ONE_PPM + pair[0] // 2) // pair[0] + pair[1]


def steady(quantity: str, samples: Sequence[int]) -> int:
    """The mean of at least three samples of a steady value. Raises CalibrationError."""
    if len(samples) < 3:
        raise CalibrationError(f"{len(samples)} samples of the {quantity}: three are needed; wait for more")
    mean = (sum(samples) + len(samples) // 2) // len(samples)
    spread = max(samples) - min(samples)
    if spread * ONE_PPM > STEADY_PPM * mean:
        text = "the {} went from {} to {} {}: no steady load; use a heater or a lamp, and let it warm up"
        raise CalibrationError(text.format(quantity, min(samples), max(samples), _UNITS[quantity]))
    return mean


def resistive_ma(power_mw: int, voltage_mv: int) -> int:
    """The current of a load without reactance. Raises CalibrationError where there is no mains."""
    if voltage_mv < _LEAST["voltage"]:
        raise CalibrationError(f"the voltage is {voltage_mv} mV: no mains; switch the load on first")
    return (power_mw * 1000 + voltage_mv // 2) // voltage_mv


def compute(quantity: str, reference: int, shown: int, zero_shown: int = 0, in_force: Pair = NEUTRAL) -> Pair:
    """(gain_ppm, offset) that make `shown` the reference and `zero_shown` 0; all in the quantity's milli-unit.

    `zero_shown` is what is shown without a load; `in_force` was applied to both. Raises CalibrationError.
    """
    unit = _UNITS[quantity]
    if reference < _LEAST[quantity]:
        text = "a reference of {} {} is too small to calibrate with: {} at least; use a bigger load"
        raise CalibrationError(text.format(reference, unit, _LEAST[quantity]))
    offset = undo(zero_shown, in_force) if zero_shown else 0
    most = CALIBRATION_OFFSETS[quantity]
    if abs(offset) > most:
        text = "without a load the meter shows {} {}, more than {}: something still draws, or the channel is broken"
        raise CalibrationError(text.format(offset, unit, most))
    raw = undo(shown, in_force) - offset
    if raw <= 0:
        text = "the meter shows no {} where {} {} flow: is the load on, and on this socket?"
        raise CalibrationError(text.format(quantity, reference, unit))
    gain_ppm = (reference * ONE_PPM + raw // 2) // raw
    if not GAIN_LOWEST_PPM <= gain_ppm <= GAIN_HIGHEST_PPM:
        text = (
            "the meter shows {} {} where the reference says {}: {} off, and more than 10 % is no matter of "
            "calibration; check the reference, the socket's number and the shunt"
        )
        raise CalibrationError(text.format(raw, unit, reference, _percent(raw, reference)))
    return gain_ppm, offset


def verify(quantity: str, reference: int, shown: int) -> int:
    """How far off the corrected value is, in ppm of the reference. Raises CalibrationError above VERIFIED_PPM."""
    off_ppm = (shown - reference) * ONE_PPM // reference
    if abs(off_ppm) > VERIFIED_PPM:
        text = "after calibration the {} shows {} {} for {}: {} off; nothing is kept, calibrate again"
        raise CalibrationError(
            text.format(quantity, shown, _UNITS[quantity], reference, _percent(shown, reference))
        )
    return off_ppm


def _percent(value: int, reference: int) -> str:
    tenths = abs(value - reference) * 1000 // reference
    return f"{tenths // 10}.{tenths % 10} %"
