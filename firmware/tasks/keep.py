"""A loop that ends by an exception is begun again: whatever becomes of it, protection and sessions go on."""

import asyncio
import sys

from wire.units import const

AGAIN_S = const(30)


async def keep(name, begin):
    """Runs `begin()` until it returns; an exception is told, and it is begun again."""
    while True:
        try:
            await begin()
            return
        except Exception as e:  # noqa: BLE001 - told, and tried again
            sys.print_exception(e)
            print("zhuque: {} failed; it is begun again in {} s".format(name, AGAIN_S))
        await asyncio.sleep(AGAIN_S)
