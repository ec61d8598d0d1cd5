"""How the board is, told on the console after the start: `zhuque flash` waits for it (zhuque/device/console.py)."""

import asyncio
import json

from drivers import memory
from wire.version import VERSION

# Seconds after the last time: who flashed the board may come late to listen, and cannot reset every port.
_AFTER_S = (1, 3, 6, 10)


async def announce(point):
    """A line with a JSON object, some times."""
    for wait_s in _AFTER_S:
        await asyncio.sleep(wait_s)
        said = memory.figures()
        said["firmware"] = VERSION
        said["board"] = point.board_name
        said["state"] = point.state
        said["problems"] = point.problems
        print("zhuque: " + json.dumps(said))
