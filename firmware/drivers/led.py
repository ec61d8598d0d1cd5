"""An LED on a pin; `[led]` of the board's file. Loaded when one is to blink."""

import asyncio

BLINKS = 20
_HALF_MS = 250


def from_board(section, machine):
    """(pin, the level at which it is lit), dark."""
    lit = 0 if section["active_low"] else 1
    return machine.Pin(section["pin"], machine.Pin.OUT, value=1 - lit), lit


async def blink(pin, lit):
    """For ten seconds, and dark at the end; goes on when this module is forgotten."""
    for _ in range(BLINKS):
        pin.value(lit)
        await asyncio.sleep_ms(_HALF_MS)
        pin.value(1 - lit)
        await asyncio.sleep_ms(_HALF_MS)
