"""PZEM-004T v3: what its bytes mean. The driver is meter_pzem004t.py.

Modbus RTU: the question is address, 4, first register 0, count 10, CRC; the answer address, 4, length 20, ten
registers, CRC low byte first. Registers: voltage in 0.1 V, current in mA and power in 0.1 W (each low word, then high
word), energy in Wh (likewise), frequency in 0.1 Hz, power factor in 0.01, alarm; bytes within a word big endian.

Rules: an answer counts only with its address, function, length and CRC right. A frame of nothing but zeros, and values
beyond what the meter can measure, count for nothing.

Sources: the maker's manual as public drivers state it, and owners' captures.
"""

from array import array

from wire.units import const

from .meter_frame import (
    BAD_EMPTY,
    BAD_HEADER,
    BAD_LENGTH,
    BAD_RANGE,
    BAD_SUM,
    COUNT,
    CURRENT_MA,
    EXTRA,
    FAST_MA,
    FREQUENCY_MHZ,
    GOOD,
    POWER_MW,
    VOLTAGE_MV,
    forget,
)

FRAME = const(25)
BAUD = const(9600)
FULL_SCALE_MA = const(100000)  # with its split-core transformer; 10 A with the built-in shunt
_READ = const(4)
_REGISTERS = const(10)
_LARGEST_MA = const(120000)
_LARGEST_DW = const(400000)
_LARGEST_WH = const(0xFFFFFF)


def _crc_table():
    table = array("H", [0] * 256)
    for i in range(256):
        crc = i
        for _ in range(8):
            crc = crc >> 1 ^ 0xA001 if crc & 1 else crc >> 1
        table[i] = crc
    return table


_CRC = _crc_table()


def crc16(frame, n):
    """Modbus CRC of the first n bytes; goes on the wire low byte first."""
    crc = 0xFFFF
    for i in range(n):
        crc = _CRC[(crc ^ frame[i]) & 255] ^ crc >> 8
    return crc


def question(address, out):
    """Writes the question for the ten registers into `out`, eight bytes."""
    out[0] = address
    out[1] = _READ
    out[2] = out[3] = out[4] = 0
    out[5] = _REGISTERS
    crc = crc16(out, 6)
    out[6] = crc & 255
    out[7] = crc >> 8


def decode(frame, address, values):
    """The values of an answer; GOOD, or what is wrong and all unknown. Address 0 takes any. Milli-units.

    COUNT is watt-hours. EXTRA is the power factor in 0.01.
    """
    forget(values)
    if len(frame) != FRAME:
        return BAD_LENGTH
    if not is_head(frame[0], frame[1], frame[2], address):
        return BAD_HEADER
    if crc16(frame, FRAME - 2) != (frame[FRAME - 1] << 8 | frame[FRAME - 2]):
        return BAD_SUM
    if _is_empty(frame):
        return BAD_EMPTY
    if not _is_possible(frame):
        return BAD_RANGE
    _convert(frame, values)
    return GOOD


def is_head(first, second, third, address):
    """True when an answer of this address may begin with these bytes."""
    return second == _READ and third == 2 * _REGISTERS and (first == address or not address)


def _is_empty(frame):
    for i in range(3, FRAME - 2):
        if frame[i]:
            return False
    return True


def _is_possible(frame):
    """False beyond what the meter can measure; the high words first, so that no number leaves a small integer."""
    if frame[7] or frame[11] or frame[15]:
        return False
    return (
        _long(frame, 5) <= _LARGEST_MA and _long(frame, 9) <= _LARGEST_DW and _long(frame, 13) <= _LARGEST_WH
    )


def _convert(frame, values):
    values[VOLTAGE_MV] = _short(frame, 3) * 100
    values[CURRENT_MA] = values[FAST_MA] = _long(frame, 5)
    values[POWER_MW] = _long(frame, 9) * 100
    values[COUNT] = _long(frame, 13)
    values[FREQUENCY_MHZ] = _short(frame, 17) * 100
    values[EXTRA] = _short(frame, 19)


def _short(frame, at):
    return frame[at] << 8 | frame[at + 1]


def _long(frame, at):
    """Low word first; the highest byte is known to be zero."""
    return frame[at + 3] << 16 | frame[at] << 8 | frame[at + 1]
