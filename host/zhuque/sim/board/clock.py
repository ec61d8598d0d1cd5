"""The virtual clock: one time for ticks, asyncio, timers, the watchdog and the physics.

Strategy. `now_us` counts microseconds since the simulated world began, across restarts of the board. Two ways to move:

- Live (speed 1): it is the wall clock. Whoever is busy is late; a timer that fell due meanwhile is delivered late, at
  the next wait, and at most eight times in a burst, as from the callback queue of an ESP32.
- Fast (any other speed): computing takes no time at all, only waiting does. A wait goes from one due moment to the next
  and misses none; it is held back to `speed` times the wall clock, and where the machine cannot keep up the virtual
  clock is simply slower. What was lost is not caught up. While something real is under way (`stand`), time stands
  still: what happens does then not depend on how busy the machine is.

Callbacks run from waits alone (`select.poll`, `time.sleep*`), never inside one another. Sockets are looked at once when
a wait begins and then every 2 ms of wall time, so that a tick costs no system call. The modules `utime` and `uselect`
are the real ones.

Rules: nothing here knows boards or chips. `world` is called with the time whenever its `due_us` has come, before any
timer of the same moment: it returns when it wants to be called again.
"""

import sys

import uselect
import utime

NEVER = 1 << 60
QUEUE = 8  # callbacks that wait in an ESP32's queue; what comes on top is lost
_LOOK_US = 2000
_LAG_US = 50000  # further behind than this is not caught up
_SPINS = 20000
_PATIENCE_US = 5000000  # of wall time, for what is under way
# Reasons to stand still: somebody was asked and has not answered, the network, and the others of a garage are behind.
ASKED = 1
FLIGHT = 2
HORIZON = 4
# asyncio's task queue is written in C and stamps some tasks with the real tick counter. So ours runs ahead of it, by
# less than half its period: a task so stamped is due at once, which is what it should be.
TICKS_AHEAD_MS = 1 << 40 if sys.maxsize > 1 << 32 else 3 * 86400 * 1000


class Clock:
    """One a process. `after_look` and the house's streams are set by those who need them."""

    def __init__(self):
        self.now_us = 0
        self.speed = 1.0
        self.live = False
        self.due_us = 0
        self.world_due_us = 0
        self.world = lambda now: NEVER
        self.timers = []
        self.watchdog = None
        self.house = {}  # id of a stream: (stream, what to call when it is readable)
        self.inside = False
        self.keep_alive = lambda: None  # at every look at the outside
        self.on_stall = lambda: None
        self.on_patience = lambda: None  # what was waited for does not come
        self.standing = 0  # bits of the reasons above
        self._stood = 0
        self._real = utime.ticks_us()
        self._from_us = 0
        self._free_us = 0  # until then we cannot be ahead of the wall clock by more than _LOOK_US
        self._looked = 0
        self._spins = 0
        self._ticks_base_ms = utime.ticks_ms() + TICKS_AHEAD_MS
        self.boot_us = 0
        self._idle = uselect.poll()

    def begin(self, now_us, speed):
        """The board's supply comes on at `now_us`."""
        self.now_us = self.boot_us = now_us
        self._spins = 0
        self.set_speed(speed)

    def set_speed(self, speed):
        """1 follows the wall clock; more runs that many times faster at most."""
        self.read()
        self.speed = speed
        self.live = speed == 1
        self._anchor()

    def _anchor(self):
        self._real = utime.ticks_us()
        self._from_us = self.now_us
        self._free_us = self.now_us + int(_LOOK_US * self.speed)

    def read(self):
        """Microseconds now. A loop that only looks at the clock must see it move: after many looks it does."""
        if self.live:
            self.now_us = self._from_us + utime.ticks_us() - self._real
        else:
            self._spins += 1
            if self._spins > _SPINS:
                self.now_us += 100
        return self.now_us

    def ticks_ms(self):
        """What time.ticks_ms() says."""
        return (self.read() - self.boot_us) // 1000 + self._ticks_base_ms

    def ticks_us(self):
        """What time.ticks_us() says."""
        return self.read()

    def stand(self, why):
        """Let no time pass until `go_on` says the same; at the wall clock's speed it passes all the same."""
        if not self.standing & why:
            self._stood = utime.ticks_us()
        self.standing |= why

    def go_on(self, why):
        """That reason to stand is gone."""
        self.standing &= ~why

    def stall(self, us):
        """Nothing runs for so long: an erase of the flash. Timers that fall due come in a burst afterwards."""
        self.on_stall()
        if self.live:
            utime.sleep_us(us)
        else:
            self.now_us += us

    def add_house(self, stream, on_readable):
        """A stream of the simulator itself, looked at together with the firmware's sockets."""
        self.house[id(stream)] = (stream, on_readable)
        self._idle.register(stream, uselect.POLLIN)

    def sleep_us(self, us):
        """Let so much time pass. In a timer's callback nothing else runs meanwhile."""
        if self.inside:
            self.stall(us)
        else:
            self.wait(self._idle, us)

    def wait(self, poller, timeout_us):
        """What became ready of `poller`, [] when the time is over; for ever if timeout_us < 0."""
        self._spins = 0
        until = NEVER if timeout_us < 0 else self.read() + timeout_us
        return self._wait_live(poller, until) if self.live else self._wait_fast(poller, until)

    def _wait_live(self, poller, until):
        while True:
            now = self.read()
            if self.due_us <= now and not self.inside:
                self.dispatch(now)
                now = self.read()
            goal = min(self.due_us, until)
            ms = 0 if goal <= now else min((goal - now + 999) // 1000, 1000)
            ready = self._look(poller, ms)
            if ready or not self.live or self.read() >= until:
                return ready

    def _wait_fast(self, poller, until):
        ready = self._look(poller, 0)
        while not ready:
            if self.live:
                return ready
            if (
                self.standing
                and until > self.now_us
                and (poller is not self._idle or self.standing & HORIZON)
            ):
                ready = self._stand(poller)
                continue
            due = self.due_us
            now = self.now_us
            if due > until:
                if until > now:
                    self.now_us = until
                return self._pace(poller) if self._is_time() else ready
            if due > now:
                self.now_us = now = due
            self.dispatch(now)
            if self._is_time():
                ready = self._pace(poller)
        return ready

    def _stand(self, poller):
        """A look at the outside while time stands; who waited too long for an answer goes on without."""
        ready = self._look(poller, 50)
        if not ready and self.standing & ~HORIZON and utime.ticks_us() - self._stood > _PATIENCE_US:
            self.on_patience()
            self.standing &= HORIZON
        self._anchor()
        return ready

    def _is_time(self):
        """True when we may be ahead of the wall clock, or have not looked outside for long."""
        return self.now_us > self._free_us or utime.ticks_us() - self._looked >= _LOOK_US

    def _pace(self, poller):
        """Waits for the wall clock where we are ahead of it, and looks outside meanwhile."""
        ahead_us = self._ahead_us()
        if ahead_us < -_LAG_US:
            self._anchor()
        ready = self._look(poller, max(0, min(int(ahead_us) // 1000, 1000)))
        while not ready and self._ahead_us() > 1000 and not self.live:
            ready = self._look(poller, max(1, min(int(self._ahead_us()) // 1000, 1000)))
        self._free_us = self.now_us + int((_LOOK_US - self._ahead_us()) * self.speed)
        return ready

    def _ahead_us(self):
        """How much later by the wall clock it may be what it is now."""
        return (self.now_us - self._from_us) / self.speed - (utime.ticks_us() - self._real)

    def _look(self, poller, ms):
        """The real poll, for so many real milliseconds."""
        again = True
        while again:
            again = False
            ready = []  # what was ready before still is: asyncio must not be told of a stream twice
            for item in poller.poll(ms):
                house = self.house.get(id(item[0]))
                if house is None:
                    ready.append(item)
                elif house[1](item[1]):
                    again = True  # something was answered: it may be readable at once
            ms = 0
        self._looked = utime.ticks_us()
        self.keep_alive()
        return ready

    def dispatch(self, now):
        """Everything that is due at `now`."""
        if now >= self.world_due_us:
            self.world_due_us = self.world(now)
        due = self.world_due_us
        self.inside = True
        for timer in self.timers:
            if timer.due_us <= now:
                timer.run(now)
            if timer.due_us < due:
                due = timer.due_us
        self.inside = False
        watchdog = self.watchdog
        if watchdog is not None:
            watchdog.check(now)
        self.due_us = due

    def add_timer(self, timer):
        """Watch it, from now on."""
        if timer not in self.timers:
            self.timers.append(timer)
        self.wake(timer.due_us)

    def remove_timer(self, timer):
        """Forget it; it may be the one that runs now."""
        self.timers = [other for other in self.timers if other is not timer]

    def wake(self, due_us):
        """Something is due at that time, maybe sooner than what was known."""
        if due_us < self.due_us:
            self.due_us = due_us

    def wake_world(self, due_us):
        """The world must be called at that time, maybe sooner than it had asked for."""
        if due_us < self.world_due_us:
            self.world_due_us = due_us
        self.wake(due_us)


clock = Clock()
