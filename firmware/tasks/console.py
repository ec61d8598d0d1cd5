"""Lines at the USB console, while everything else goes on: what one of them asks is done by tasks/console_line.

Rules: nothing is kept but one line of at most 512 bytes, and a byte is taken only where one waits.
"""

import asyncio
import select

from drivers.waiting import readable
from wire.units import const

MAX_LINE = const(512)


async def console_loop(stdin, answer):
    """Takes line after line, for ever; `stdin` gives bytes, `await answer(line)` gets at most 513 of each."""
    poller = select.poll()
    poller.register(stdin, select.POLLIN)
    line = bytearray()
    while True:
        # Not asyncio's stream, whose module is a kilobyte of heap that nothing else needs.
        await readable(stdin)
        taken = stdin.read(1)
        if taken == b"":
            return  # nobody can ever type here: on an ESP32 that is never so
        while taken:
            if taken in b"\r\n":
                whole, line = line, bytearray()
                await answer(whole)
                await asyncio.sleep_ms(0)  # however many lines wait: the session loop renews its lease
            elif len(line) <= MAX_LINE:
                line.extend(taken)
            taken = stdin.read(1) if poller.poll(0) else None
        await asyncio.sleep_ms(0)
