"""BL0942: what its bytes mean, and what is written to it once. The driver is meter_bl0942.py.

A packet answers the command byte READ | address, then 0xAA: 55, current 3 bytes, voltage 3, fast current 3, power 3
signed, energy count 3, period of the mains 2 and a zero, status 3, sum; little endian. The sum begins with the command
byte, in which the address is: an answer of another chip is no answer. A packet of nothing but zeros comes from a chip
that has just woken up: its sum is right and its readings are not. One byte of sum is little: bits that the registers do
not have must be zero, too.

Sources: [1] the data sheet V1.06 as public drivers state it: registers, MODE, input ranges of 700, 175, 42 and 28 mV
peak at gain 1, 4, 16 and 24. [2] Factors 305978, 73989, 3537 with Vref 1.218 V and pin values in mV, at gain 16; a
count of energy is 1638.4 x 256 periods of the power register. [3] Owners' captures. [4] The data sheet V1.05 in
Chinese, 2.6: for a sine the fast value is about 0.363 of the RMS register (`fast_ratio_ppm` 363000), and only for large
currents.
"""

from wire.units import const

from .meter_frame import (
    BAD_EMPTY,
    BAD_HEADER,
    BAD_LENGTH,
    BAD_RANGE,
    BAD_SUM,
    COUNT,
    CURRENT_MA,
    FAST_MA,
    FREQUENCY_MHZ,
    GOOD,
    POWER_MW,
    UNKNOWN,
    VOLTAGE_MV,
    fine,
    fine_factor,
    forget,
)

FRAME = const(23)
READ = const(0x58)  # | address
BAUD = const(38400)
HEAD = const(0x55)
# Where the period of 16 bits and the status of 10 bits have the byte that is always zero.
PERIOD_TOP = const(18)
STATUS_TOP = const(21)


def scales(mv, ma, fast_ma, mw):
    """What `decode` scales with: millivolts, -amperes, fast milliamperes and milliwatts a count."""
    return fine_factor(mv), fine_factor(ma), fine_factor(fast_ma), fine_factor(mw)


def board_scales(section):
    """The same from a board's shunt, divider, reference and gain."""
    gain = section["current_gain"] / 16
    shunt = section["shunt_uohm"]
    low = section["divider_low_ohm"]
    whole = low + section["divider_high_ohm"]
    vref = section["vref_uv"] / 1000000
    ma = vref * 1000000 / (305978 * gain * shunt)
    mv = vref * whole / (73989 * low)
    mw = vref * vref * 1000 * whole / (3537 * gain * shunt * low)
    return scales(mv, ma, ma * 1000000 / section["fast_ratio_ppm"], mw)


def energy_of_count(section):
    """Milliwatt-seconds of one energy count as a fraction (num, den), in whole numbers."""
    from .meter_setup import fraction

    vref = section["vref_uv"]
    low = section["divider_low_ohm"]
    num = 419430400 * (low + section["divider_high_ohm"]) * vref * vref * 16
    return fraction(num, 3537 * section["current_gain"] * section["shunt_uohm"] * low * 10**12)


def decode(frame, command, scale, values):
    """The values of a packet that answers `command` (READ | address); GOOD, or what is wrong and all unknown.

    Milli-units; the frequency is UNKNOWN without mains. Current and power of a reversed shunt: power is negative.
    """
    forget(values)
    if len(frame) != FRAME:
        return BAD_LENGTH
    if frame[0] != HEAD:
        return BAD_HEADER
    total = command
    filled = 0
    for i in range(FRAME - 1):
        total += frame[i]
        filled |= frame[i] if i else 0
    if ~total & 255 != frame[FRAME - 1]:
        return BAD_SUM
    if not filled:
        return BAD_EMPTY
    if frame[PERIOD_TOP] or frame[STATUS_TOP] or frame[STATUS_TOP - 1] > 3:
        return BAD_RANGE
    _convert(frame, scale, values)
    return GOOD


def _convert(frame, scale, values):
    values[VOLTAGE_MV] = fine(word(frame, 4), scale[0])
    values[CURRENT_MA] = fine(word(frame, 1), scale[1])
    values[FAST_MA] = fine(word(frame, 7), scale[2])
    watt = word(frame, 10)
    values[POWER_MW] = -fine(0x1000000 - watt, scale[3]) if watt & 0x800000 else fine(watt, scale[3])
    values[COUNT] = word(frame, 13)
    period = frame[17] << 8 | frame[16]
    values[FREQUENCY_MHZ] = (1000000000 + (period >> 1)) // period if period else UNKNOWN


def word(frame, at):
    """Three bytes, the lowest first."""
    return frame[at + 2] << 16 | frame[at + 1] << 8 | frame[at]
