"""The session loop: calls the point twice a second, and restarts the board after an internal fault.

It renews the lease by way of `point.update`: when this loop dies, or update raises, the relays open.
"""

import asyncio
import sys

from core.protection import FAULTS, WHOLE

PERIOD_MS = 500
# After an internal fault: time to journal the trip and end the sessions before the restart.
_RESTART_AFTER_MS = 2000


async def record_loop(point, clock, protect, restart):
    """Runs for ever; `restart()` is machine.reset. In safe mode no fault restarts the board again."""
    global _here
    _here = point, clock, protect
    protection = point.protection
    fault_ms = 0
    while True:
        try:
            now = clock.uptime_ms(), clock.unix()
            if protection.fault and not fault_ms:
                fault_ms = 1
                _report(point, protect, now)
            point.update(*now)
        except Exception as e:  # noqa: BLE001 - reported, and the board restarts
            if fault_ms <= PERIOD_MS:
                sys.print_exception(e)
            protection.fail()
            if protect.safe_mode:
                protection.renew()  # no relay is closed that this could keep closed
        if point.restart_asked and (protect.safe_mode or not protection.fault):
            protect.going_to_restart()
            await asyncio.sleep_ms(_RESTART_AFTER_MS)  # the reply leaves first
            restart()
        if protection.fault:
            fault_ms += PERIOD_MS
            if fault_ms > _RESTART_AFTER_MS and not protect.safe_mode:
                restart()
        await asyncio.sleep_ms(PERIOD_MS)


def reset_here(socket, actor):
    """A lockout that somebody at the USB port resets, `socket` 0 for the whole point's: None, or (error, detail).

    For the port's prompt, which has ended the session loop: the board is to be restarted afterwards.
    """
    point, clock, protect = _here
    protect.going_to_restart()
    where = socket - 1 if socket else WHOLE
    return point.reset(where, True, actor, "button", clock.uptime_ms(), clock.unix())


def _report(point, protect, now):
    fault = FAULTS[point.protection.fault]
    then = "the board stays in safe mode" if protect.safe_mode else "restarting"
    print("zhuque: internal fault: {}; every relay is open; {}".format(fault, then))
    if protect.error is not None:
        sys.print_exception(protect.error)
    point.alarm("internal", now[0], now[1], fault)
