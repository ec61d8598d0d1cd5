"""Ten minutes for an upload, after the restart that the op `maintenance` asked for. Loaded for it by main.

No relay closes: the protection is never made ready. A transfer may stop the tick, and with it whoever feeds the
watchdog; so that waits a minute longer than we do. Whatever the transfer leaves behind, the board restarts.
"""

import asyncio

SPAN_S = 600
_WATCHDOG_MS = (SPAN_S + 60) * 1000


async def keep(point, watchdog):
    """`watchdog` is machine.WDT. Say so, wait, and ask for the restart that ends it; `reboot` ends it earlier."""
    point.state = "maintenance"
    point.problems = point.problems + ["maintenance: relays stay open for {} s".format(SPAN_S)]
    print("zhuque:", point.problems[-1])
    watchdog(timeout=_WATCHDOG_MS)
    await asyncio.sleep(SPAN_S)
    point.restart_asked = True
