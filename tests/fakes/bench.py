"""A bench for the protection: ten sockets, a meter that says what the test sets, time that the test moves."""

try:
    from micropython import heap_lock, heap_unlock  # as tasks/protect does it
except ImportError:

    def heap_lock():
        pass

    heap_unlock = heap_lock

from core import causes
from core.limits import Limits
from core.protection import Protection
from core.reading import Reading

RATED_MA = 5000


class Meter:
    """The traits of a BL0910 on SPI, without the chip."""

    window_ms = 20
    round_ms = 200
    stale_windows = 5
    settle_ms = 0
    floor_ma = 50
    rms_floor_ma = 20


class Bench:
    """`ma` is what flows through a closed relay, `welded` what flows through an open one.

    `window_ms` is the meter's: one of more than a tick has a new current in one tick of several.
    """

    def __init__(self, sockets=10, limits=None, awake=True, has_temperature=False, window_ms=20):
        self.sockets = sockets
        self.reading = Reading(sockets)
        meter = Meter()
        meter.window_ms = window_ms
        self.protection = Protection(
            sockets, limits or Limits(RATED_MA, 1_000_000, 80_000), meter, has_temperature
        )
        self._window_ms = window_ms
        self.protection.ready = True
        self.ma = [0] * sockets
        self.welded = [0] * sockets
        self.slow_ma = [None] * sockets  # what the slow value shows, where it is not the same
        self.mw = [0] * sockets
        self.mv = 230_000
        self.voltage_silent = False
        self.active = self.cut = 0
        self.dc = 250
        self.errors = 0  # bad frames out of fifteen a poll
        self.silent = [False] * sockets
        self.slow_silent = [False] * sockets
        self.lease = True
        self.word = 0
        self.ms = 0
        if awake:
            self.run(5200, 100 if window_ms == 20 else 20)
            for i in range(sockets):
                assert not self.protection.judge.stale[i]
                self.theta[i] = 0

    def read(self):
        """What the driver would have stored at this tick."""
        r = self.reading
        between = self._window_ms > 20 and self.ms % self._window_ms
        for i in range(self.sockets):
            closed = self.word >> i & 1
            ma = self.ma[i] if closed else self.welded[i]
            r.fast_ok[i] = 0 if self.silent[i] or between else 1
            r.slow_ok[i] = 0 if self.silent[i] or self.slow_silent[i] else 1
            if r.fast_ok[i]:
                r.fast_ma[i] = ma
            if r.slow_ok[i]:
                r.current_ma[i] = ma if self.slow_ma[i] is None else self.slow_ma[i]
                r.power_mw[i] = self.mw[i] if closed else 0
        if not self.voltage_silent:
            r.voltage_mv = self.mv
        r.voltage_ok = 0 if self.voltage_silent else 1
        r.active = self.active
        r.cut = self.cut
        r.temperature_dc = self.dc
        r.polls += 1
        r.frames += 15
        r.errors += self.errors

    def tick(self, dt_ms=20):
        """One tick, dt_ms after the last."""
        self.ms += dt_ms
        if self.lease:
            self.protection.renew()
        self.read()
        heap_lock()
        self.word = self.protection.step(dt_ms, self.reading)
        heap_unlock()
        return self.word

    def run(self, ms, dt_ms=20):
        """Ticks for so long."""
        for _ in range(ms // dt_ms):
            self.tick(dt_ms)

    def until_open(self, i, limit_ms, dt_ms=20):
        """Milliseconds until socket i's relay opens, or None when it stays closed for limit_ms."""
        begin = self.ms
        while self.ms - begin < limit_ms:
            if not self.tick(dt_ms) >> i & 1:
                return self.ms - begin
        return None

    def close(self, i):
        """Close socket i's relay and let the inrush time pass."""
        self.protection.want(i, True)
        self.run(1100)
        assert self.word >> i & 1
        return self

    @property
    def theta(self):
        """The thermal replica's state."""
        return self.protection.judge.replica.theta

    def cause(self, i):
        """The name of what is latched on socket i, or on the point."""
        return causes.name(self.protection.against(i)[1])

    def held(self, i):
        """The name of what is held against socket i, or against the point."""
        return causes.name(self.protection.against(i)[0])

    def reset(self, i, local=False):
        return self.protection.unlock(i, local, self.reading)
