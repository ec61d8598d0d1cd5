"""HLW8032, CSE7766, CSE7759B: what their bytes mean. The driver is meter_hlw8032.py.

A frame: state, 5A, then coefficient and period, 3 bytes each, of voltage, current and power, `adj`, 16 bits of energy
pulses, the sum of bytes 3 to 23; big endian. A quantity is sent as the time of one of its pulses, in microseconds,
beside a factory coefficient: value = coefficient / period x K, where K is the board's divider (/ 1000) and 1 mOhm / its
shunt; power takes the product. A pulse of energy is worth power's coefficient x K microjoules.

Rules. The state byte is not in the sum, so that only values which it can have are taken. A period counts only if the
chip says that it is complete (bits 6, 5, 4 of `adj`: voltage, current, power). "Over range" (state Fx, bits 3, 2, 1)
means a pulse that takes too long: a value near zero, where the voltage is there to say so. A period of zero is none.
The time that a pulse of power has lasted so far gives an upper bound of the power. A current beside a power that low is
not told from none: without a load, and even without mains, the registers show 0.05 to 0.25 A. A current near zero
beside a power, or a power near zero beside a current, is a damaged state byte, and not believed.

Sources: the data sheets as public drivers state them, and owners' captures; input range 43.75 mV peak.
"""

from wire.units import const

from .meter_frame import (
    BAD_HEADER,
    BAD_LENGTH,
    BAD_SUM,
    COUNT,
    CURRENT_MA,
    EXTRA,
    FAST_MA,
    GOOD,
    POWER_MW,
    UNKNOWN,
    VOLTAGE_MV,
    fine,
    fine_factor,
    forget,
)

FRAME = const(24)
BAUD = const(4800)
QUIET_MA = const(500)
_GOOD_STATE = const(0x55)
_UNCALIBRATED = const(0xAA)
MARK = const(0x5A)
_RAW_MAX = const(0xFFFFFF)
_SOME_MW = const(20000)
_MAINS_MV = const(10000)  # below it there is no mains, and what is shown of the power is noise


def scales(k_voltage, k_current):
    """What `decode` scales with, from the factors K: voltage, current and power, and millijoules a microjoule."""
    power = k_voltage * k_current
    return fine_factor(k_voltage), fine_factor(k_current), fine_factor(power), fine_factor(power / 1000)


def board_scales(section):
    """The same from a board's divider and shunt."""
    low = section["divider_low_ohm"]
    return scales((low + section["divider_high_ohm"]) / low / 1000, 1000 / section["shunt_uohm"])


def decode(frame, scale, values):
    """The values of a frame; GOOD, or what is wrong and all unknown. Milli-units.

    COUNT is 17 bits of pulses, the carry at the top. FAST_MA is the current as its register has it, CURRENT_MA is
    UNKNOWN where that cannot be told from none. EXTRA is an upper bound of the power while its pulse lasts.
    """
    forget(values)
    if len(frame) != FRAME:
        return BAD_LENGTH
    if frame[1] != MARK or not is_state(frame[0]):
        return BAD_HEADER
    total = 0
    for i in range(2, FRAME - 1):
        total += frame[i]
    if total & 255 != frame[FRAME - 1]:
        return BAD_SUM
    values[COUNT] = (frame[20] & 0x80) << 9 | frame[21] << 8 | frame[22]
    if frame[0] != _UNCALIBRATED and not _flags(frame) & 1:
        _take_voltage(frame, scale, values)
        _take_power(frame, scale, values)
        _take_current(frame, scale, values)
    return GOOD


def pulse_mj(frame, scale):
    """What a pulse of energy is worth, in millijoules."""
    return fine(_word(frame, 14), scale[3])


def is_state(state):
    """55 good, AA not calibrated, Fx with at least one thing over range."""
    return state == _GOOD_STATE or state == _UNCALIBRATED or state > 0xF0


def _flags(frame):
    return frame[0] & 15 if frame[0] > 0xF0 else 0


def _take_voltage(frame, scale, values):
    if frame[20] & 0x40 and not _flags(frame) & 8:
        values[VOLTAGE_MV] = _milli(frame, 2, scale[0])


def _take_power(frame, scale, values):
    if values[VOLTAGE_MV] == UNKNOWN:
        return
    if _flags(frame) & 2:
        values[EXTRA if values[VOLTAGE_MV] < _MAINS_MV else POWER_MW] = 0
    elif frame[20] & 0x10:
        values[POWER_MW] = _milli(frame, 14, scale[2])
    else:
        values[EXTRA] = _milli(frame, 14, scale[2])


def _take_current(frame, scale, values):
    if _flags(frame) & 4:
        values[FAST_MA] = 0 if values[VOLTAGE_MV] != UNKNOWN and values[POWER_MW] <= _SOME_MW else UNKNOWN
    elif frame[20] & 0x20:
        values[FAST_MA] = _milli(frame, 8, scale[1])
    if _flags(frame) & 2:
        if values[FAST_MA] >= QUIET_MA:
            values[POWER_MW] = UNKNOWN
    elif values[POWER_MW] != UNKNOWN:
        values[CURRENT_MA] = values[FAST_MA]


def _milli(frame, at, factor):
    """1000 x coefficient / period x K of the six bytes here, rounded, at most 2**24 x K; UNKNOWN without a period."""
    period = _word(frame, at + 3)
    if not period:
        return UNKNOWN
    return fine(_thousandfold(_word(frame, at), period), factor)


def _thousandfold(num, den):
    """1000 num / den, rounded, by long division: 1000 x num would not be a small integer."""
    whole = num // den
    if whole >= _RAW_MAX // 1000:
        return _RAW_MAX
    rest = num % den
    for _ in range(3):
        rest *= 10
        whole = 10 * whole + rest // den
        rest %= den
    return whole + 1 if 2 * rest >= den else whole


def _word(frame, at):
    return frame[at] << 16 | frame[at + 1] << 8 | frame[at + 2]
