"""The whole tick on a bench: the real tasks/protect and core/protection; time, buses, watchdog and RTC are the test's.

On MicroPython the tick locks the heap itself, so that whatever is allocated in any of it is a fault. Runs on both.
"""

import sys

from fakes.bench import Bench

from core import trip_memo

try:
    import micropython
except ImportError:
    micropython = None
    sys.modules["micropython"] = sys  # only while the tasks are imported

from tasks import protect, record  # noqa: F401 - what the tests change of them, they change here

if micropython is None:
    del sys.modules["micropython"]


class Runtime:
    """What the tick asks of `micropython`: the Unix port keeps no room for exceptions, CPython locks no heap."""

    depth = kept_for_exceptions = 0
    _lock = getattr(micropython, "heap_lock", lambda: None)
    _unlock = getattr(micropython, "heap_unlock", lambda: None)

    def heap_lock():
        Runtime._lock()
        Runtime.depth += 1

    def heap_unlock():
        Runtime.depth -= 1
        Runtime._unlock()

    def alloc_emergency_exception_buf(size):
        Runtime.kept_for_exceptions = size


protect.micropython = Runtime

WRAP = 1 << 30  # where the board's ticks begin anew
_HALF = 1 << 29
_MASK = _HALF - 1 + _HALF


class Time:
    """The board's `time`, moved by the test; as there, who asks what time it is takes no heap."""

    def __init__(self, ms=0):
        self._ms = ms
        self._us = self._rest_us = 0

    def spend(self, us):
        self._us = (self._us + us) & _MASK
        self._rest_us += us
        self._ms = (self._ms + self._rest_us // 1000) & _MASK
        self._rest_us %= 1000

    def ticks_ms(self):
        return self._ms

    def ticks_us(self):
        return self._us

    def ticks_diff(self, a, b):
        passed = a - b
        if passed < -_HALF:
            return passed + _HALF + _HALF
        return passed - _HALF - _HALF if passed >= _HALF else passed


class Part:
    """A chip, a pin or a peripheral of the tick: notes its calls, and raises what it is told to."""

    def __init__(self, task, name):
        self.task = task
        self.name = name
        self.error = None
        self.last = None
        self.readback_ok = True
        self.unread = 0
        self.calls = 0

    def _called(self):
        self.calls += 1
        self.task.notes[self.task.noted] = self.name
        self.task.noted = (self.task.noted + 1) % len(self.task.notes)
        if self.error is not None:
            raise self.error


class MeterPart(Part):
    wrong = 0

    def poll(self, reading):
        self._called()
        self.task.locked = Runtime.depth
        self.task.bench.read()
        self.task.clock.spend(self.task.slow_us)


class InputsPart(Part):
    active = 0

    def poll(self, dt_ms):
        self._called()
        return self.active | self.unread


class RelaysPart(Part):
    def write(self, word):
        self.last = word
        self._called()
        if self is self.task.relays:
            self.task.bench.word = word

    offs = 0

    def off(self):
        self.offs += 1
        self.write(0)


class RtcPart(Part):
    def memory(self, memo):
        self._called()
        if self.last is None:
            self.last = self.task.memo_bytes
        for i in range(len(memo)):
            self.last[i] = memo[i]


class WatchdogPart(Part):
    def feed(self):
        self._called()


class TickBench:
    """A whole tick: everything that it touches, and `closed` sockets with 1 A each."""

    def __init__(self, *closed, crashes=0, ms=0, contactor=True, sockets=4):
        self.notes = [None] * 16
        self.noted = self.locked = 0
        self.memo_bytes = bytearray(trip_memo.size(sockets + 1))
        self.slow_us = 0
        self.bench = Bench(sockets=sockets, awake=False)
        self.clock = protect.time = Time(ms)
        guard = self.guard = self.bench.protection
        self.relays = RelaysPart(self, "relays")
        self.watchdog = WatchdogPart(self, "feed")
        self.rtc = RtcPart(self, "memory")
        self.task = protect.ProtectTask(
            guard, self.bench.reading, self.relays, self.watchdog, self.rtc, crashes
        )
        self.meter = self.task.meter = MeterPart(self, "meter")
        self.inputs = self.task.inputs = InputsPart(self, "inputs")
        self.contactor = None
        if contactor:
            self.contactor = self.task.contactor = RelaysPart(self, "contactor")
        guard.has_contactor = contactor
        self.run(5100, 60)
        for i in range(sockets):
            self.bench.theta[i] = 0
        for i in closed:
            guard.want(i, True)
            self.bench.ma[i] = 1000
            self.run(1140, 60)
        assert guard.word == sum([1 << i for i in closed]) == (self.relays.last or 0)

    def tick(self, dt_ms=20, lease=True):
        self.clock.spend(1000 * dt_ms)
        if lease:
            self.guard.renew()
        self.task.tick(None)
        return self.relays.last

    def run(self, ms, dt_ms=20, lease=True):
        for _ in range(ms // dt_ms):
            self.tick(dt_ms, lease)

    def memo(self):
        return trip_memo.unpack(bytes(self.rtc.last), self.bench.sockets + 1)

    def calls(self, *steps_ms):
        """Whom the ticks called, in order."""
        self.noted = 0
        for dt_ms in steps_ms:
            self.tick(dt_ms)
        return self.notes[: self.noted]
