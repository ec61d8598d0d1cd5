"""`--speed max`: ticks that cannot decide anything are not run, and the firmware never knows.

A tick is a function of the readings and of its own timers. What the meter says changes when the physics changes, once a
second in a quiet garage; the poll of a BL0910 reads every channel's current and one channel's slow set, so after a
round of polls (one a socket) the firmware has seen all there is, and further ticks would find what it knows already.
So after each change the ticks of one round run, at their places in the 20 ms grid, and the others until the next change
are left out; then the clock's next tick finds that much more time passed, which every timer of the protection adds up,
and the poll goes on at the channel where it would have been.

No tick is left out
- within 6 s of any event, command, relay or wish of the session loop, and of the start of the board (longer than the
  lease, the settling of an ended session, and the 5 s until a silent meter is trusted again);
- within 75 s of anything that a limit might concern (longer than the longest timer of the protection, 60 s): a current
  above 0.9 x rated or through an open relay, a power above 400 W (where counters read once a second would look frozen),
  a mains voltage outside 190 to 250 V, a sum above 0.7 of the point's, 50 degrees, a meter with a fault, a cause that
  holds;
- within 2 s of a UTC half hour, when energies are journalled;
- for a session with an energy limit, with a meter that is not a BL0910, and when the tick does not run.

Rules: this reads the firmware's `Point` and its meter, and changes nothing in them but the meter's place in its round.
What differs in the end: `blind_ms` in telemetry shows the time left out, and between half hours the counters that the
session loop reads are up to a second old: telemetry and checkpoints in flash may be a step of the counter behind.
"""

import flight
from clock import NEVER, clock

_AWAKE_US = 6000000
_LIMIT_US = 75000000
_LONGEST_US = 1500000  # the firmware takes 2 s between two ticks for a fault
_HALF_HOUR_S = 1800
_MOST_W = 400.0
_LOW_V, _HIGH_V = 190.0, 250.0
_HOT_DC = 500
_NEW_A = 2.0  # what a socket that has just closed counts for


class Quiet:
    """Goes between the clock and the world. `unix(us)` are the Unix seconds of a time of the world."""

    def __init__(self, world, unix):
        self.skipped = 0
        self._world = world
        self._unix = unix
        self._point = None
        self._task = None
        self._timer = None  # the one whose ticks are left out now
        self._from_us = 0  # where the first of them would have been
        self._awake_us = clock.now_us + _LIMIT_US
        self._version = -1
        self._round_us = 0
        flight.on_command = self.stir
        clock.on_stall = self.stir

    def observe(self, point_class, task_class):
        """Looks on while the session loop works: what it asks of the protection, the next tick must hear.

        `point_class` is core.point.Point, `task_class` tasks.protect.ProtectTask.
        """
        update, start = point_class.update, task_class.run_by

        def observed(point, uptime_ms, unix):
            before = point.protection.wanted
            update(point, uptime_ms, unix)
            self._point = point
            if point.protection.wanted != before:
                self.stir()

        def started(task, timer):
            self._task = task
            start(task, timer)

        point_class.update = observed
        task_class.run_by = started

    def stir(self):
        """Something happens now: from the next one on, every tick runs."""
        if self._timer is not None:
            self._land(clock.now_us + 1)
            clock.wake_world(clock.now_us)  # the charge pump is looked at every 100 ms again
        self._awake_us = max(self._awake_us, clock.now_us + _AWAKE_US)

    def advance(self, now):
        """As World.advance; returns when to come again."""
        self._land(now)
        world = self._world
        due = world.advance(now)
        if now < self._awake_us or self._point is None:
            return due
        if world.physics.version != self._version:
            self._version = world.physics.version
            flowing, calm = self._look(now)
            if not calm:
                self._awake_us = now + _LIMIT_US
                return due
            self._round_us = now + (self._point.protection.sockets if flowing else 1) * self._period_us()
        if now < self._round_us:
            return min(due, self._round_us)
        return self._begin(now, due)

    def _begin(self, now, due):
        timer = self._tick_timer()
        if timer is None:
            return due
        # The last tick before the change runs: over a gap the firmware heats with the larger current of its two ends.
        until = min(self._world.next_due(), now + _LONGEST_US) - timer.period_us
        if timer.due_us >= until or not self._world.relays.fresh(now // 1000):
            return due
        self._timer = timer
        self._from_us = timer.due_us
        timer.due_us = NEVER
        return until

    def _land(self, now):
        """The ticks before `now` were left out: the next one is the first that is not."""
        timer = self._timer
        if timer is None:
            return
        self._timer = None
        count = max(0, (now - self._from_us + timer.period_us - 1) // timer.period_us)
        timer.due_us = self._from_us + count * timer.period_us
        clock.wake(timer.due_us)
        self.skipped += count
        self._world.relays.held(now // 1000)
        meter = self._task.meter
        meter._turn = (meter._turn + count) % meter.channels
        meter._audit = (meter._audit + count) % len(meter._rounds)

    def _tick_timer(self):
        found = [timer for timer in clock.timers if timer.due_us != NEVER]
        return found[0] if len(found) == 1 and not found[0].once else None

    def _period_us(self):
        timer = self._tick_timer()
        return timer.period_us if timer else 20000

    # What a limit might concern ---------------------------------------------------------------------------------------

    def _look(self, now):
        """(whether any current flows, whether all is far from every limit)."""
        if not self._trusted():
            return True, False
        physics, chip = self._world.physics, self._world.meter
        seconds = (self._unix(now) + 2) % _HALF_HOUR_S
        calm = (
            seconds > 4
            and _LOW_V < physics.voltage_v() < _HIGH_V
            and not (chip.silent or chip.frozen or chip._corrupt or chip._pokes or any(chip.gain_error))
        )
        flowing = False
        total_a = 0.0
        limits = self._point.protection.limits
        for i in range(physics.count):
            amps, watts = physics.current_a(i), physics.power_w(i)
            if amps:
                flowing = True
                calm = calm and physics.sockets[i].closed and watts < _MOST_W
                calm = calm and 1000 * amps < 0.9 * limits.rated_ma and not physics.sockets[i].stuck
            total_a += max(amps, _NEW_A) if physics.sockets[i].closed else amps
        calm = calm and 1000 * total_a < 0.7 * limits.point_current_ma
        return flowing, calm

    def _trusted(self):
        """The firmware waits for nothing: nothing is held, asked for or limited."""
        point = self._point
        protection = point.protection
        if protection.fault or not protection.ready or protection.wanted != protection.word:
            return False
        for i, session in enumerate(point.sessions):
            if protection.against(i)[0] or (session.is_open and session.max_energy_mwh is not None):
                return False
        return type(self._task.meter).__name__ == "BL0910Spi" and point.reading.temperature_dc < _HOT_DC
