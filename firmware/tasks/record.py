"""The session loop: calls the point twice a second, and restarts the board after an internal fault.

It renews the lease by way of `point.update`: when this loop dies, or update raises, the relays open.
"""

import asyncio
import sys

from wire.units import const

from .forget import forget

# What writing and reading records took.
_LOADED = ("core.keeping", "core.snapshot", "wire.records")
PERIOD_MS = const(500)
# A lockout is journalled within this time: the supply may go with what tripped, when a breaker upstream opens too.
_LOOK_MS = const(100)
# Before a restart: time to journal the trip and end the sessions, or for the reply to leave.
_RESTART_AFTER_MS = const(2000)


async def record_loop(point, clock, protect, restart):
    """Runs for ever; `restart()` is machine.reset. In safe mode no fault restarts the board again."""
    protection = point.protection
    fault_ms = 0
    restart_at_ms = None
    slept_ms = PERIOD_MS
    while True:
        changes = protection.changes
        try:
            now = clock.uptime_ms(), clock.unix()
            if protection.fault and not fault_ms:
                from .fault import report

                report(point, protect, now)
            try:
                point.update(*now)
            finally:
                forget(_LOADED)
        except Exception as e:  # noqa: BLE001 - reported, and the board restarts
            if not fault_ms:
                sys.print_exception(e)
            protection.fail()
            if protect.safe_mode:
                protection.renew()  # no relay is closed that this could keep closed
        if restart_at_ms is not None:
            if clock.uptime_ms() >= restart_at_ms:
                restart()
        elif point.restart_asked:
            restart_at_ms = clock.uptime_ms() + _RESTART_AFTER_MS
            protect.going_to_restart()
        if protection.fault:
            fault_ms += slept_ms
            if fault_ms >= _RESTART_AFTER_MS and not protect.safe_mode:
                restart()
        slept_ms = 0
        while slept_ms < PERIOD_MS:
            await asyncio.sleep_ms(_LOOK_MS)
            slept_ms += _LOOK_MS
            if protection.changes != changes:
                break
