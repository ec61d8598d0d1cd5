"""BL0910: what is done once: the registers that are written, and what its counts are worth. Loaded for set-up only.

Sources: [1] the BL0910 data sheet V1.01, in Chinese, 74 pages, kept beside a public driver (Johnnybyzhang/ESP-BL0910):
registers in chapter 4, SPI in 5.1, UART in 5.2. [2] Formulas with Vref 1.097 V and pin values in mV, alike in four
public drivers: I_reg = 12875 I gain / Vref, V_reg = 13162 V gain / Vref, W_reg = 40.4125 I V cos gains / Vref**2,
kWh a count = 4194304 x 0.032768 x 16 / (3.6e6 CFDIV Kp), Kp the counts of power in a watt.

What [1] says and the formulas do not: the fast value is the mean of |i|, about 0.55 of the RMS register for a sine
(4.7.3), so that a peaky current reads low in it; it needs MODE1 bit 22 for alternating current (3.5); MODE bit 19 clear
is the mode of ten currents (4.4.1); after each frame of 48 clocks the chip waits for the next (5.1.3); counters follow
CFDIV in steps of two, but not at 0 and 0x800 (4.6.20).

The chip's own over-current outputs M1 to M10 (3.5, 4.6.8, 4.6.9), used where board.json has `fast_trip_ma`: one
threshold for all channels, an eighth of the fast value, in FAST_RMS_CTRL bits 20..0. FLAG_CTRL1 bits 9..0 make an
output stay high once it rose, its bits 23..10 are the delay before it rises, in 0.1 ms; STATUS3 then shows the channel
until a 1 in FLAG_CTRL2 lets the output fall. FLAG_CTRL = 0 leaves the outputs to the chip. Sure: threshold, outputs
and their level, alike in 3.5 and 4.6. From 4.6.9 alone, in no public driver: the staying. Open: what a delay of 0 does
(so it is 0.1 ms), how much current an output gives.
"""

from wire.units import const

from . import meter_setup
from .meter_error import MeterError

CHANNELS = const(10)

_STATUS3 = const(0x56)
_GAIN1 = const(0x60)
_GAIN2 = const(0x61)
_PHASE = const(0x64)
_RMSGN = const(0x6C)
_RMSOS = const(0x77)
_CREEP_POWER = const(0x88)
_CREEP_RMS = const(0x8A)
_FAST_CTRL = const(0x8B)
_FLAG_CTRL = const(0x90)
_FLAG_CTRL1 = const(0x91)
_FLAG_CTRL2 = const(0x92)
_ADC_PD = const(0x93)
_MODE1 = const(0x96)
_MODE = const(0x98)
_RST_ENG = const(0x9D)
_WRPROT = const(0x9E)
_RESET = const(0x9F)
_CHGN = const(0xA0)
_WATTGN = const(0xB6)
_WATTOS = const(0xC0)
_CFDIV = const(0xCE)

_UNLOCK = const(0x005555)
_RESET_USER = const(0x55AA55)  # registers 60..9F and A0..D0 to their defaults; counters go on [1]
_RESET_ALL = const(0x5A5A5A)  # the digital part; the counters go too [1]
_RESET_MS = const(20)  # [1] gives no time; public drivers wait 10 to 100 ms

_SILENT = "silent"  # nobody is told: after the next reset `differing` says what is wrong

_GAIN_CODES = {1: 0, 2: 1, 8: 2, 16: 3}
_VAR_CREEP = const(0x04C << 12)  # the default of the half that we do not use
_WINDOW_20_MS = const(1 << 21)
_NO_ALARM = const(0x1FFFFF)  # the highest threshold: the outputs stay low
_LATCHED = const(1 << 10 | 0x3FF)  # each output rises 0.1 ms after the flag, and stays
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
    return meter_setup.fraction(num, den)


def settings(section):
    """What `configure` writes, in order: (register, value); the lock comes last. Raises KeyError, ValueError."""
    cfdiv = section["cfdiv"]
    if not 1 <= cfdiv <= 0x400 or cfdiv & (cfdiv - 1):  # where counts are linear in it [1]
        raise ValueError("meter.cfdiv must be a power of two from 1 to 1024, is {}".format(cfdiv))
    current = _gain_code(section, "current_gain")
    voltage = _gain_code(section, "voltage_gain")
    trip = _trip(section)
    return (
        (_GAIN1, current * 0x111110 | voltage),
        (_GAIN2, current * 0x11111),
        (_CREEP_POWER, _VAR_CREEP | section["power_creep"]),
        (_CREEP_RMS, section["rms_creep"]),
        (_FAST_CTRL, _WINDOW_20_MS | trip),
        (_FLAG_CTRL, 0),
        (_FLAG_CTRL1, 0 if trip == _NO_ALARM else _LATCHED),
        (_FLAG_CTRL2, 0),
        (_ADC_PD, 0),
        (_MODE1, _HIGH_PASS),
        (_MODE, 0),
        (_RST_ENG, 0),
        (_CFDIV, section["cfdiv"]),
        (_WRPROT, 0),
    )


def _trip(section):
    """The threshold at which the chip raises its outputs, in eighths of the fast value."""
    trip_ma = section.get("fast_trip_ma")
    if trip_ma is None:
        return _NO_ALARM
    _, fast, _, _, full_scale_ma = scales(section)
    if not 0 < trip_ma <= full_scale_ma:
        raise ValueError(
            "meter.fast_trip_ma must be at most the full scale of {}, is {}".format(full_scale_ma, trip_ma)
        )
    return int(trip_ma / fast / 8)


def untouched():
    """Calibration registers of the chip that stay at 0: calibration is ours, in core/calibration.py."""
    ranges = ((_PHASE, 6), (_RMSGN, 11), (_RMSOS, 11), (_CHGN, 11), (_WATTGN, 10), (_WATTOS, 10))
    return tuple([(first + i, 0) for first, count in ranges for i in range(count)])


def rounds(settings, trips):
    """The order in which polls check registers: two settings to one of the others, so that each comes within 0.5 s."""
    often = settings + (((_STATUS3, 0),) if trips else ())
    order = []
    for i, item in enumerate(untouched()):
        order.append(often[2 * i % len(often)])
        order.append(often[(2 * i + 1) % len(often)])
        order.append(item)
    return order


def configure(chip, settings):
    """Resets, unlocks, writes, reads back and locks the registers; about 0.1 s. Raises MeterError.

    The energy counters go on where the chip answers at once.
    """
    if _write_all(chip, settings, _RESET_USER):
        found = _write_all(chip, settings, _RESET_ALL)
        if found:
            raise MeterError(found)


def _write_all(chip, settings, reset):
    """Returns what is wrong, "" when all is well."""
    chip.clear_bus()
    cut = meter_setup.asked(chip.read, _STATUS3)
    if cut is None and reset == _RESET_USER:
        return _SILENT  # the reset would forget what it has cut: only the next one is worth that
    chip.note_trips(cut)
    _write(chip, _WRPROT, _UNLOCK)
    _write(chip, _RESET, reset)
    meter_setup.sleep_ms(_RESET_MS)
    chip.clear_bus()
    _write(chip, _WRPROT, _UNLOCK)
    for address, value in settings:
        _write(chip, address, value)
    return differing(chip, settings)


def _write(chip, address, value):
    chip.write(address, value)
    meter_setup.sleep_ms(chip.write_ms)  # on a UART it takes its time to leave


def differing(chip, settings):
    """What is wrong with the chip's registers, "" when each holds what it should."""
    for address, value in settings + untouched():
        found = meter_setup.asked(chip.read, address)
        if found is None:
            return (
                "the meter chip BL0910 does not answer (register {:02x}): no current is measured and no relay "
                "may close; check its supply, its SEL pin and its wiring".format(address)
            )
        if found != value:
            return (
                "the meter chip BL0910 holds {:06x} in register {:02x} instead of {:06x}: its readings are not to "
                "be trusted; restart the board, and replace it if this returns".format(found, address, value)
            )
    return ""


def _gain_code(section, key):
    if section[key] not in _GAIN_CODES:
        raise ValueError("meter.{} must be 1, 2, 8 or 16, is {}".format(key, section[key]))
    return _GAIN_CODES[section[key]]
