"""The trip causes as bits, and what kind each is: what protection, sessions and commands read.

A bit is a cause's place in wire.codes.CAUSES, and the lowest set bit is the one that is named: order is precedence.
"""

from wire.codes import CAUSES
from wire.units import const

INTERNAL = const(1 << 0)
EMERGENCY_STOP = const(1 << 1)
SMOKE = const(1 << 2)
RESIDUAL_CURRENT = const(1 << 3)
OVERCURRENT_INSTANT = const(1 << 4)
RELAY_WELDED = const(1 << 5)
OVERCURRENT = const(1 << 6)
OVERPOWER = const(1 << 7)
OVERTEMPERATURE = const(1 << 8)
OVERVOLTAGE = const(1 << 9)
UNDERVOLTAGE = const(1 << 10)
METER_IMPLAUSIBLE = const(1 << 11)
METER_STALE = const(1 << 12)
POINT_OVERLOAD = const(1 << 13)

# What an input of the board may report.
INPUTS = const((1 << 1) | (1 << 2) | (1 << 3))
# Lockouts that only a person at the point resets.
LOCAL_ONLY = const((1 << 1) | (1 << 2) | (1 << 3) | (1 << 5))
# How a cause clears: HOLDS by themselves, `point_overload` ends the session and holds, `internal` by a restart, and all
# others are lockouts, cleared by a reset.
HOLDS = const((1 << 9) | (1 << 10) | (1 << 11) | (1 << 12))
LOCKOUTS = const(0x1FE)


def name(bits):
    """The name of the cause that wins among `bits`, or None for 0."""
    if not bits:
        return None
    i = 0
    while not bits >> i & 1:
        i += 1
    return CAUSES[i]


def bit(cause):
    """The bit of a cause's name."""
    return 1 << CAUSES.index(cause)
