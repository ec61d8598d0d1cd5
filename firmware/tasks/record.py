"""The session loop: calls the point twice a second, and restarts the board after an internal fault.

It renews the lease by way of `point.update`: when this loop dies, or update raises, the relays open.
"""

import asyncio
import sys

from core.protection import FAULTS

PERIOD_MS = 500
# After an internal fault: time to journal the trip and end the sessions before the restart.
_RESTART_AFTER_MS = 2000


async def record_loop(point, clock, protect, restart):
    """Runs for ever; `restart()` is machine.reset."""
    fault_ms = 0
    while True:
        try:
            now = clock.uptime_ms(), clock.unix()
            point.update(*now)
        except Exception as e:  # noqa: BLE001 - reported, and the board restarts
            sys.print_exception(e)
            point.protection.fail()
        if point.restart_asked and not point.protection.fault:
            protect.going_to_restart()
            await asyncio.sleep_ms(_RESTART_AFTER_MS)  # the reply leaves first
            restart()
        if point.protection.fault:
            if not fault_ms:
                _report(point, protect)
                point.alarm("internal", now[0], now[1], FAULTS[point.protection.fault])
            fault_ms += PERIOD_MS
            if fault_ms > _RESTART_AFTER_MS:
                restart()
        await asyncio.sleep_ms(PERIOD_MS)


def _report(point, protect):
    print(
        "zhuque: internal fault: {}; every relay is open; restarting".format(FAULTS[point.protection.fault])
    )
    if protect.error is not None:
        sys.print_exception(protect.error)
