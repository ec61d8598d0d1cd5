"""The tick: every 20 ms from a timer callback, whatever asyncio is doing.

It reads the meter, lets core/protection judge, writes the relay word and feeds the watchdog, in that order and with
the heap locked: an allocation in here is an exception, and an exception opens every relay.
"""

import time
from array import array

import micropython

from core import trip_memo
from core.protection import FAULT_RELAYS, FAULT_TICK, MIN_TICK_MS
from wire.units import const

PERIOD_MS = const(20)
BAD_READBACKS = const(5)
SAFE_MODE_CRASHES = const(3)

# What may lie between two ticks. A handshake is TLS; an append and an erase are the journal's.
STRETCHES = ("quiet", "append", "erase", "handshake")
QUIET = const(0)
APPEND = const(1)
ERASE = const(2)
HANDSHAKE = const(3)


class ProtectTask:
    """`meter` is None until one answered; `watchdog` and `rtc` are machine.WDT and machine.RTC, or alike.

    `crashes` is how many restarts for an internal fault or by the watchdog came before this one, in a row. After
    SAFE_MODE_CRASHES of them it is `safe_mode`: no relay closes before the next restart, and so no fault is a reason
    for one: what crashed three times would crash again, and nobody could read why.
    """

    def __init__(self, protection, reading, relays, watchdog, rtc, crashes=0):
        self.protection = protection
        self.reading = reading
        self.relays = relays
        self.watchdog = watchdog
        self.rtc = rtc
        self.meter = None
        self.meter_wrong = 0  # `wrong` of the meter when it was last set up
        self.inputs = None  # drivers.inputs.Inputs of a board that has any
        self.contactor = None  # a relay driver with one relay, of a board that has one
        self.error = None  # the exception that opened every relay
        self._blind_ms = array("i", [0] * len(STRETCHES))
        self._during = QUIET
        self.tick_us = 0  # longest tick since `take_tick_us`
        self._memo = bytearray(trip_memo.size(len(protection.latched)))
        self._memo_of = -1
        self._crashes = crashes
        self.safe_mode = crashes >= SAFE_MODE_CRASHES
        # Once: a meter whose set-up hangs the board would go on crashing it.
        self.meter_is_safe = crashes <= SAFE_MODE_CRASHES
        self._own = 0  # 1: the restart that follows is ours, and counted where it is to be
        self._bad_readbacks = 0
        self._last = time.ticks_ms()
        micropython.alloc_emergency_exception_buf(100)

    def run_by(self, timer):
        """Run from `timer`, a machine.Timer."""
        self._keep_memo()  # a crash that comes before the first tick counts, too
        self._last = time.ticks_ms()
        timer.init(period=PERIOD_MS, mode=timer.PERIODIC, callback=self.tick)

    def tick(self, _timer):
        """One decision. Ticks queued up by a stall come at once: all but the first find no time passed."""
        # Here, not in what it calls: a frame above 11 words comes from the heap, and sometimes a collection with it,
        # but from the stack where the heap is locked.
        micropython.heap_lock()
        try:
            self.locked_tick()
        finally:
            micropython.heap_unlock()

    def locked_tick(self):
        """What `tick` does with the heap locked. Public, lest zhuque/device/inline.py make it part of `tick`."""
        now = time.ticks_ms()
        dt_ms = time.ticks_diff(now, self._last)
        if dt_ms < MIN_TICK_MS:
            return
        self._last = now
        if dt_ms > self._blind_ms[self._during]:
            self._blind_ms[self._during] = dt_ms
        self._during = HANDSHAKE if self.protection.announced else QUIET
        started = time.ticks_us()
        try:
            self._decide(dt_ms)
        except Exception as e:  # noqa: BLE001 - any exception here means: open
            self._fail(e, dt_ms)
        if self.protection.leased and (self.safe_mode or not self.protection.fault):
            self.watchdog.feed()
        took_us = time.ticks_diff(time.ticks_us(), started)
        if took_us > self.tick_us:
            self.tick_us = took_us
        self.protection.ran(took_us // 1000)

    def _decide(self, dt_ms):
        protection = self.protection
        if self.meter is not None:
            self.meter.poll(self.reading)
            if self.meter.wrong != self.meter_wrong:
                protection.distrust()  # at once; `main` then sets it up again
        if self.inputs is not None:
            active = self.inputs.poll(dt_ms)
            # Not yet read means open, and is no alarm.
            self.reading.unread = self.inputs.unread
            self.reading.active = active & ~self.inputs.unread
        word = protection.step(dt_ms, self.reading)
        if not protection.fault:
            self.relays.write(word)
            if self.contactor is not None:
                self.contactor.write(1 if protection.contactor else 0)
            self._check_readback()
        if protection.fault:
            self._open_all()
        if protection.changes != self._memo_of:
            self._memo_of = protection.changes
            self._keep_memo()
        if protection.fault:
            self._count_crash()

    def _check_readback(self):
        """Relays that do not do what is written, so many ticks in a row, are an internal fault; a contactor, too."""
        if self.relays.readback_ok and (self.contactor is None or self.contactor.readback_ok):
            self._bad_readbacks = 0
        elif self._bad_readbacks < BAD_READBACKS:
            self._bad_readbacks += 1
        else:
            self.protection.fail_now(FAULT_RELAYS)

    def _keep_memo(self):
        trip_memo.pack_into(self._memo, self.protection.latched, self._crashes, self._own)
        self.rtc.memory(self._memo)

    def _count_crash(self):
        """Once: this boot ends in a restart, and the next one is told of it."""
        if not self._own:
            self._own = 1
            self._crashes = min(self._crashes + 1, 127)
            self._keep_memo()

    def going_to_restart(self):
        """A restart that somebody asked for is no crash."""
        self._own = 1
        self._memo_of = -1  # written by the next tick: from here it could come in the middle of it

    def going_to_write(self):
        """A file is about to be written, with every relay open: its erases are no fault of the tick."""
        self.protection.announce_gap()
        self.blame_erase()

    def forget_crashes(self):
        """The board has run well for long enough."""
        self._crashes = 0
        self._memo_of = -1

    def _fail(self, error, dt_ms):
        self._open_all()  # the pins before anything else that may fail
        self.error = error
        self.protection.fail_now(FAULT_TICK)
        self.protection.advance(dt_ms)
        self._count_crash()

    def _open_all(self):
        """No word any more: relays that may not obey it lose their supply too, where the board can."""
        self._open(self.relays)
        if self.contactor is not None:
            self._open(self.contactor)

    def _open(self, relays):
        try:
            relays.off()
        except Exception:  # noqa: BLE001 - its bus is dead: the next tick tries again
            pass

    def blame_append(self):
        """A record is about to be programmed."""
        self._during = APPEND

    def blame_erase(self):
        """A block of the flash is about to be erased."""
        self._during = ERASE

    def blame_handshake(self):
        """A TLS handshake is about to begin; what is still announced at a tick is one, too."""
        self._during = HANDSHAKE

    def take_blind_ms(self):
        """The longest time between two ticks since the last call, by stretch: a dict of the names in STRETCHES."""
        blind_ms = {name: self._blind_ms[i] for i, name in enumerate(STRETCHES)}
        for i in range(len(STRETCHES)):
            self._blind_ms[i] = 0
        return blind_ms

    def take_tick_us(self):
        """The longest tick since the last call, in microseconds."""
        tick_us = self.tick_us
        self.tick_us = 0
        return tick_us
