"""A timer as one integer, for code that must not allocate: 0 is not running, else the elapsed milliseconds plus 1.

So the first reading above a limit starts a timer and never completes it, whatever the time since the one before.
"""

from wire.units import const

# A window may be counted this much early, so that the jitter of a 20 ms timer does not halve the rate of readings.
JITTER_MS = const(5)
FOREVER = const(1 << 29)  # where a timer that is only compared stops counting


def run(value, above, dt_ms):
    """The timer's value after dt_ms: compare it with `> LIMIT_MS`."""
    if not above:
        return 0
    return min(value + dt_ms, FOREVER) if value else 1
