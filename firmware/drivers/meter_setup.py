"""What the meter drivers need while they are set up, and not in the tick. Loaded for set-up only."""

import time

from wire.units import const

_TRIES = const(3)


def fraction(num, den):
    """num / den as a fraction whose numerator is a small integer, to within 2**-29 where that is above 1."""
    unit = 1 << 20
    while unit > 1 and (num * unit + den // 2) // den >= 1 << 30:
        unit >>= 1
    return (num * unit + den // 2) // den, unit


def asked(read, *where):
    """What `read(*where)` says, asked three times at most while that is None: one bad answer is no dead chip."""
    for _ in range(_TRIES):
        found = read(*where)
        if found is not None:
            return found
    return None


def sleep_ms(ms):
    """Waits; for set-up only, never for a poll."""
    sleep = getattr(time, "sleep_ms", None)
    if sleep is None:
        time.sleep(ms / 1000)
    else:
        sleep(ms)
