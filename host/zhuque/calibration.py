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
_UNITS = {"current": ("A", 3), "power": ("W", 1), "voltage": ("V", 1)}  # and the decimals that people read


class CalibrationError(ZhuqueError):
    """No calibration can be had from these values; the text says why and what to do."""


def told(quantity: str, value: int) -> str:
    """A value in its milli-unit, as people read it: 936.0 W."""
    unit, decimals = _UNITS[quantity]
    return f"{value / 1000:.{decimals}f} {unit}"


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
        raise CalibrationError(
            f"the {quantity} went from {told(quantity, min(samples))} to {told(quantity, max(samples))}: no steady "
            "load; use a heater or a lamp, and let it warm up"
        )
    return mean


def resistive_ma(power_mw: int, voltage_mv: int) -> int:
    """The current of a load without reactance. Raises CalibrationError where there is no mains."""
    if voltage_mv < _LEAST["voltage"]:
        raise CalibrationError(
            f"the voltage is {told('voltage', voltage_mv)}: no mains; switch the load on first"
        )
    return (power_mw * 1000 + voltage_mv // 2) // voltage_mv


def compute(quantity: str, reference: int, shown: int, zero_shown: int = 0, in_force: Pair = NEUTRAL) -> Pair:
    """(gain_ppm, offset) that make `shown` the reference and `zero_shown` 0; all in the quantity's milli-unit.

    `zero_shown` is what is shown without a load; `in_force` was applied to both. Raises CalibrationError.
    """
    if reference < _LEAST[quantity]:
        raise CalibrationError(
            f"a reference of {told(quantity, reference)} is too small to calibrate with: "
            f"{told(quantity, _LEAST[quantity])} at least; use a bigger load"
        )
    offset = undo(zero_shown, in_force) if zero_shown else 0
    most = CALIBRATION_OFFSETS[quantity]
    if abs(offset) > most:
        raise CalibrationError(
            f"without a load the meter shows {told(quantity, offset)}, more than {told(quantity, most)}: something "
            "still draws, or the channel is broken"
        )
    raw = undo(shown, in_force) - offset
    if raw <= 0:
        raise CalibrationError(
            f"the meter shows no {quantity} where {told(quantity, reference)} flow: is the load on, and on this socket?"
        )
    gain_ppm = (reference * ONE_PPM + raw // 2) // raw
    if not GAIN_LOWEST_PPM <= gain_ppm <= GAIN_HIGHEST_PPM:
        raise CalibrationError(
            f"{_without(quantity, in_force)}the meter shows {told(quantity, raw)} where the reference says "
            f"{told(quantity, reference)}: {_percent(raw, reference)} off, and more than 10 % is no matter of "
            "calibration; check the reference, the socket's number and the shunt"
        )
    return gain_ppm, offset


def _without(quantity: str, in_force: Pair) -> str:
    """What was taken out of a value that was shown before: otherwise it is not the one that was read a moment ago."""
    if in_force == NEUTRAL:
        return ""
    gain_ppm, offset = in_force
    return f"without the gain {gain_ppm / ONE_PPM:.4f} and the offset {told(quantity, offset)} that are in force "


def verify(quantity: str, reference: int, shown: int) -> int:
    """How far off the corrected value is, in ppm of the reference. Raises CalibrationError above VERIFIED_PPM."""
    off_ppm = (shown - reference) * ONE_PPM // reference
    if abs(off_ppm) > VERIFIED_PPM:
        raise CalibrationError(
            f"after calibration the {quantity} shows {told(quantity, shown)} for {told(quantity, reference)}: "
            f"{_percent(shown, reference)} off; nothing is kept, calibrate again"
        )
    return off_ppm


def _percent(value: int, reference: int) -> str:
    tenths = abs(value - reference) * 1000 // reference
    return f"{tenths // 10}.{tenths % 10} %"
