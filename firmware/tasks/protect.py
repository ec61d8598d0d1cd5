"""The tick: every 20 ms from a timer callback, whatever asyncio is doing.

It reads the meter, lets core/protection judge, writes the relay word and feeds the watchdog, in that order and with
the heap locked: an allocation in here is an exception, and an exception opens every relay.
"""

import time

import micropython

from core import trip_memo
from core.protection import MIN_TICK_MS

PERIOD_MS = 20


class ProtectTask:
    """`meter` is None until one answered; `watchdog` and `rtc` are machine.WDT and machine.RTC, or alike."""

    def __init__(self, protection, reading, relays, watchdog, rtc):
        self.protection = protection
        self.reading = reading
        self.relays = relays
        self.watchdog = watchdog
        self.rtc = rtc
        self.meter = None
        self.error = None  # the exception that opened every relay
        self.gap_ms = 0  # longest time between ticks since `take_blind_ms`
        self.tick_us = 0  # longest tick since `take_tick_us`
        self._memo = bytearray(trip_memo.size(len(protection.latched)))
        self._memo_of = -1
        self._last = time.ticks_ms()
        micropython.alloc_emergency_exception_buf(100)

    def start(self, timer):
        """Run from `timer`, a machine.Timer."""
        self._last = time.ticks_ms()
        timer.init(period=PERIOD_MS, mode=timer.PERIODIC, callback=self.tick)

    def tick(self, _timer):
        """One decision. Ticks queued up by a stall come at once: all but the first find no time passed."""
        now = time.ticks_ms()
        dt_ms = time.ticks_diff(now, self._last)
        if dt_ms < MIN_TICK_MS:
            return
        self._last = now
        if dt_ms > self.gap_ms:
            self.gap_ms = dt_ms
        started = time.ticks_us()
        micropython.heap_lock()
        try:
            self._decide(dt_ms)
        except Exception as e:  # noqa: BLE001 - any exception here means: open
            self.error = e
            self.protection.fail()
            self.relays.write(0)
        micropython.heap_unlock()
        took_us = time.ticks_diff(time.ticks_us(), started)
        if took_us > self.tick_us:
            self.tick_us = took_us
        self.protection.ran(took_us // 1000)

    def _decide(self, dt_ms):
        protection = self.protection
        if self.meter is not None:
            self.meter.poll(self.reading)
        self.relays.write(protection.step(dt_ms, self.reading))
        if protection.changes != self._memo_of:
            self._memo_of = protection.changes
            trip_memo.pack_into(self._memo, protection.latched)
            self.rtc.memory(self._memo)
        if not protection.fault:
            self.watchdog.feed()

    def take_blind_ms(self):
        """The longest time between two ticks since the last call."""
        gap_ms = self.gap_ms
        self.gap_ms = 0
        return gap_ms

    def take_tick_us(self):
        """The longest tick since the last call, in microseconds."""
        tick_us = self.tick_us
        self.tick_us = 0
        return tick_us
