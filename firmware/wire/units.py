"""Units and the integer arithmetic both sides share.

On the board everything is an integer whose name ends in its unit: `_mv`, `_ma`, `_mw`, `_mwh`, `_dc` (0.1 degree
Celsius), `_ms`, `_s`. A stock ESP32 keeps integers up to 2**30 - 1 without touching the heap, and the protection
may not touch it: so a product is scaled before it is formed.
"""

try:
    from micropython import const as const
except ImportError:  # CPython: the host, and the tests that run on both

    def const(value: int) -> int:
        """The value; on the board the compiler puts it in place of the name."""
        return value


SMALL_INT_MAX = const((1 << 30) - 1)

# Seconds from 1970-01-01 to 2000-01-01, both UTC: the ESP32 port of MicroPython counts from the latter.
EPOCH_2000_S = const(946684800)

MWH_PER_WH = const(1000)
# 1 mWh = 3.6 J = 3600 mW s
MWS_PER_MWH = const(3600)


def scale_factor(ratio: float) -> "tuple[int, int]":
    """The pair (k, shift) with which `scale` multiplies by `ratio`, to within 2**-18 of it; 2**-13 <= ratio < 64."""
    if not 1 / 8192 <= ratio < 64:
        raise ValueError("scale ratio out of range 2**-13 .. 64: {}".format(ratio))
    shift = 0
    while ratio < 32:
        ratio *= 2
        shift += 1
    return min(int(ratio * 4096 + 0.5), 262143), shift


def scale(raw: int, k: int, shift: int) -> int:
    """raw * k / 2**(12 + shift), rounded down, with no intermediate above 2**30 - 1.

    0 <= raw < 2**24 and 0 <= k < 2**18: the width of a meter chip's registers and what is left of a small integer.
    """
    return ((raw >> 12) * k + (((raw & 4095) * k) >> 12)) >> shift


def gain_delta(gain_ppm: int) -> int:
    """What `correct` takes for a gain of 900,000 to 1,100,000 parts per million: its distance from 1 in 2**-20."""
    return ((gain_ppm - 1_000_000) * (1 << 20) + 500_000) // 1_000_000


def correct(value: int, delta: int, offset: int) -> int:
    """(value - offset) x gain, at least 0, to within two units; no intermediate above 2**30 - 1.

    From 2**24 on, where a reading means "over range", the value stays what it is.
    """
    if value >= 16777216:
        return value
    value -= offset
    if value <= 0:
        return 0
    return value + ((value >> 12) * delta >> 8) + ((value & 4095) * delta >> 20)
