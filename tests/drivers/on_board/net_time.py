"""The board's clock and resolver under test: `micropython net_time.py CASE PORT ARGUMENT...`, a JSON line an event."""

import asyncio
import json
import sys
import time

import drivers.clock as module
from drivers.clock import Clock
from drivers.resolver import resolve
from drivers.sntp import sntp


def tell(*event):
    print(json.dumps(event))


class Rtc:
    """machine.RTC as far as the clock needs it; it only keeps what it was set to."""

    def datetime(self, value):
        tell("rtc", *value)


async def ask_time(port, not_before):
    clock = Clock(Rtc(), int(not_before))
    started = time.ticks_ms()
    try:
        tell("time", await sntp(clock, "127.0.0.1", port))
    except OSError as e:
        tell("failed", str(e), time.ticks_diff(time.ticks_ms(), started))


async def name(port, asked):
    started = time.ticks_ms()
    try:
        tell("address", await resolve(asked, "127.0.0.1", port))
    except OSError as e:
        tell("failed", str(e), time.ticks_diff(time.ticks_ms(), started))


async def refuses(_port, not_before):
    """What needs no server: a time before provisioning, and a name where only digits may be."""
    clock = Clock(Rtc(), int(not_before))
    tell("is_set", clock.is_set, clock.unix() is None)
    try:
        clock.set_unix(int(not_before) - 1)
    except ValueError as e:
        tell("failed", str(e))
    try:
        await sntp(clock, "localhost")
    except OSError as e:
        tell("failed", str(e))


async def wraps(_port, steps):
    """Uptime over many wraps of ticks_ms, of which each call may see a day."""
    ticks = [0]
    real = time.ticks_diff

    class Time:
        gmtime = time.gmtime
        time = time.time
        ticks_diff = real

        @staticmethod
        def ticks_ms():
            return ticks[0]

    module.time = Time
    clock = Clock(Rtc(), 0)
    for _ in range(int(steps)):
        ticks[0] = time.ticks_add(ticks[0], 86_400_000)
        clock.uptime_ms()
    tell("uptime_ms", clock.uptime_ms())


async def jumps(_port, _argument):
    """The RTC goes on as it should, then jumps by so much, then is set again; what the clock says each time."""
    now = [900_000_000, 0]  # seconds since this port's epoch, milliseconds of uptime

    class Time:
        gmtime = time.gmtime
        ticks_diff = time.ticks_diff

        @staticmethod
        def time():
            return now[0]

        @staticmethod
        def ticks_ms():
            return now[1]

    class Remembering:
        year = 0

        def datetime(self, value):
            self.year = value[0]

    module.time = Time
    rtc = Remembering()
    clock = Clock(rtc, 0)
    unix = clock.unix()
    for by in (1, 0, 3600, -3600, 86400 * 400):
        for _ in range(100):
            now[0] += 1
            now[1] += 1000
            assert clock.unix() is not None
        now[0] += by
        told = clock.unix()
        tell("after", by, told is not None, rtc.year == 2000)
        now[0] -= by
        clock.set_unix(unix + now[1] // 1000)  # what the time server says
        assert clock.unix() is not None
    clock.believe_from(clock.unix() + 1)
    tell("later", clock.unix() is None)


async def contradicts(_port, steps):
    """A time server tells times before the journal's last: steps of OFFSET@SECOND; what is believed after each."""
    now = [0]

    class Time:
        gmtime = time.gmtime
        ticks_diff = time.ticks_diff
        time = time.time

        @staticmethod
        def ticks_ms():
            return now[0]

    module.time = Time
    clock = Clock(Rtc(), 1_700_000_000)
    clock.believe_from(2_000_000_000)
    for step in steps.split():
        offset, second = map(int, step.split("@"))
        now[0] = 1000 * second
        try:
            clock.set_unix(offset + second)
        except ValueError:
            tell("refused", offset)
        else:
            tell("set", offset)


CASES = {
    "contradicts": contradicts,
    "jumps": jumps,
    "sntp": ask_time,
    "name": name,
    "refuses": refuses,
    "wraps": wraps,
}

if __name__ == "__main__":
    asyncio.run(CASES[sys.argv[1]](int(sys.argv[2]), sys.argv[3]))
