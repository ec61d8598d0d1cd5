"""BL0910: the registers that are written once, and what its counts are worth. The driver is meter_bl0910.py.

Sources: [1] the BL0910 data sheet, in Chinese, 74 pages, kept beside a public driver (Johnnybyzhang/ESP-BL0910):
registers in chapter 4, SPI in 5.1. [2] Formulas with Vref 1.097 V and pin values in mV, alike in four public drivers:
I_reg = 12875 I gain / Vref, V_reg = 13162 V gain / Vref, W_reg = 40.4125 I V cos gains / Vref**2,
kWh a count = 4194304 x 0.032768 x 16 / (3.6e6 CFDIV Kp), Kp the counts of power in a watt.

What [1] says and the formulas do not: the fast value is the mean of |i|, about 0.55 of the RMS register for a sine
(4.7.3), so that a peaky current reads low in it; it needs MODE1 bit 22 for alternating current (3.5); MODE bit 19 clear
is the mode of ten currents (4.4.1); after each frame of 48 clocks the chip waits for the next (5.1.3); counters follow
CFDIV in steps of two, but not at 0 and 0x800 (4.6.20).
"""

from wire.units import SMALL_INT_MAX, const

CHANNELS = const(10)

_GAIN1 = const(0x60)
_GAIN2 = const(0x61)
_PHASE = const(0x64)
_RMSGN = const(0x6C)
_RMSOS = const(0x77)
_CREEP_POWER = const(0x88)
_CREEP_RMS = const(0x8A)
_FAST_CTRL = const(0x8B)
_ADC_PD = const(0x93)
_MODE1 = const(0x96)
_MODE = const(0x98)
_RST_ENG = const(0x9D)
_WRPROT = const(0x9E)
_CHGN = const(0xA0)
_WATTGN = const(0xB6)
_WATTOS = const(0xC0)
_CFDIV = const(0xCE)

_GAIN_CODES = {1: 0, 2: 1, 8: 2, 16: 3}
_CFDIVS = (
    0x01,
    0x02,
    0x04,
    0x08,
    0x10,
    0x20,
    0x40,
    0x80,
    0x100,
    0x200,
    0x400,
)  # where counts are linear in it [1]
_VAR_CREEP = const(0x04C << 12)  # the default of the half that we do not use
_WINDOW_20_MS = const(1 << 21)
_NO_ALARM = const(0x1FFFFF)  # the highest threshold: the chip's own over-current outputs stay low
_HIGH_PASS = const(1 << 22)

_INPUT_UV = const(494975)  # 700 mV peak at most [1], as RMS of a sine
_USABLE_PERCENT = const(98)


def scales(section):
    """Milliamperes a count of RMS and of fast RMS, millivolts and milliwatts a count, and full scale in mA."""
    gain = section["current_gain"]
    shunt = section["shunt_uohm"]
    vref = section["vref_uv"]
    low = section["divider_low_ohm"]
    whole = low + section["divider_high_ohm"]
    voltage_gain = section["voltage_gain"]
    rms = vref / (12875 * gain * shunt)
    fast = rms * 1000000 / section["fast_ratio_ppm"]
    volt = vref / 13162 / 1000000 / voltage_gain * whole / low
    # W_reg = 40.4125 (mA uohm 1e-6) (mV low/whole) gains / (vref 1e-3)**2, and mA x mV are uW
    watt = (vref / 1000) * (vref / 1000) / 40412500 * 1000 / shunt * whole / low / gain / voltage_gain
    return rms, fast, volt, watt, _INPUT_UV * 10 * _USABLE_PERCENT // (gain * shunt)


def energy_of_count(section):
    """Milliwatt-seconds of one energy count as a fraction (num, den); num is a small integer.

    In whole numbers, for the board's floats have 24 bits: 2**22 x 0.032768 = 2**37 / 1e6.
    """
    vref = section["vref_uv"]
    low = section["divider_low_ohm"]
    whole = low + section["divider_high_ohm"]
    gains = section["current_gain"] * section["voltage_gain"]
    num = (1 << 41) * vref * vref * whole
    den = section["cfdiv"] * 404125 * gains * section["shunt_uohm"] * low * 10**11
    return _fraction(num, den)


def settings(section):
    """What `configure` writes, in order: (register, value); the lock comes last. Raises KeyError, ValueError."""
    if section["cfdiv"] not in _CFDIVS:
        raise ValueError("meter.cfdiv must be a power of two from 1 to 1024, is {}".format(section["cfdiv"]))
    current = _gain_code(section, "current_gain")
    voltage = _gain_code(section, "voltage_gain")
    return (
        (_GAIN1, current * 0x111110 | voltage),
        (_GAIN2, current * 0x11111),
        (_CREEP_POWER, _VAR_CREEP | section["power_creep"]),
        (_CREEP_RMS, section["rms_creep"]),
        (_FAST_CTRL, _WINDOW_20_MS | _NO_ALARM),
        (_ADC_PD, 0),
        (_MODE1, _HIGH_PASS),
        (_MODE, 0),
        (_RST_ENG, 0),
        (_CFDIV, section["cfdiv"]),
        (_WRPROT, 0),
    )


def untouched():
    """Calibration registers of the chip that stay at 0: calibration is ours, in core/calibration.py."""
    ranges = ((_PHASE, 6), (_RMSGN, 11), (_RMSOS, 11), (_CHGN, 11), (_WATTGN, 10), (_WATTOS, 10))
    return tuple([(first + i, 0) for first, count in ranges for i in range(count)])


def rounds(settings, untouched):
    """The order in which polls check registers: a setting at every other one, so that each comes within 0.5 s."""
    order = []
    for i, item in enumerate(untouched):
        order.append(settings[i % len(settings)])
        order.append(item)
    return tuple(order)


def _gain_code(section, key):
    if section[key] not in _GAIN_CODES:
        raise ValueError("meter.{} must be 1, 2, 8 or 16, is {}".format(key, section[key]))
    return _GAIN_CODES[section[key]]


def _fraction(num, den):
    """num / den as a fraction whose numerator is a small integer, to within 2**-29 where that is above 1."""
    unit = 1 << 20
    while unit > 1 and (num * unit + den // 2) // den > SMALL_INT_MAX:
        unit >>= 1
    return (num * unit + den // 2) // den, unit
