"""BL0942: what is done once: the registers that are written and read back. Loaded for set-up only.

Sources: bl0942_frame.py.
"""

from wire.units import const

from . import meter_setup
from .bl0942_frame import BAUD

_FAST_TH = const(0x15)
_FAST_CYC = const(0x16)
_OT_FUNX = const(0x18)
_MODE = const(0x19)
_GAIN = const(0x1A)
_WRPROT = const(0x1D)
_UNLOCK = const(0x55)
# CF on, RMS every 400 ms, fast value behind the high pass, 50 Hz, counter kept, energy by magnitude, 38400 baud
_MODE_VALUE = const(0x0397)
# gain: its code, and the input range as RMS of a sine in microvolts
_GAINS = {1: (0, 494975), 4: (1, 123744), 16: (2, 29698), 24: (3, 19799)}
_USABLE_PERCENT = const(98)


def settings(section):
    """What `configure` writes to each chip: (register, value); and full scale in mA. Raises KeyError, ValueError."""
    addresses = section["addresses"]
    n = len(addresses)
    if not 1 <= n <= 4 or len(set(addresses)) != n or max(addresses) > 3:
        raise ValueError(
            "meter.addresses must be 1 to 4 different numbers of 0 to 3, is {}".format(addresses)
        )
    if section["current_gain"] not in _GAINS:
        raise ValueError("meter.current_gain must be 1, 4, 16 or 24, is {}".format(section["current_gain"]))
    code, input_uv = _GAINS[section["current_gain"]]
    rows = ((_GAIN, code), (_FAST_TH, 0xFFFF), (_FAST_CYC, 1), (_OT_FUNX, 0x24), (_MODE, _MODE_VALUE))
    return rows, input_uv * 10 * _USABLE_PERCENT // section["shunt_uohm"]


def write_all(line, addresses, settings, start_baud):
    """Writes every chip's registers and reads them back; what is wrong with each, "" when all is well."""
    line.set_baud(start_baud)  # as a chip is after a reset; one that is at BAUD sees noise
    for address in addresses:
        line.write_register(address, _WRPROT, _UNLOCK)
        line.write_register(address, _MODE, _MODE_VALUE)
        meter_setup.sleep_ms(20)
    line.set_baud(BAUD)
    return [_write(line, address, settings) for address in addresses]


def _write(line, address, settings):
    for register, value in ((_WRPROT, _UNLOCK),) + settings + ((_WRPROT, 0),):
        line.write_register(address, register, value)
    meter_setup.sleep_ms(20)
    return differing(line, address, settings)


def differing(line, address, settings):
    """What is wrong with a chip, "" when all is well."""
    for register, value in settings:
        got = meter_setup.asked(line.read_register, address, register)
        if got is None:
            return (
                "the meter chip BL0942 {} does not answer: no current is measured and no relay may close; check "
                "its supply, its address pins and the wires of the UART".format(address)
            )
        if got != value:
            return (
                "the meter chip BL0942 {} holds {:06x} in register {:02x} instead of {:06x}: its readings are not "
                "to be trusted; restart the board, and replace it if this returns".format(
                    address, got, register, value
                )
            )
    return ""
