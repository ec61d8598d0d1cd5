"""What happens to the point: the scenario's events and those asked for at run time, told to physics, chips and truth.

An event is a dict `{"do": name, ...}`; in a scenario it also has `at_s`, seconds since the world began. Sockets count
from 1. With `for_s` what began ends by itself so much later; with `on = false` it ends now. Every event that happened
is told on standard output as a JSON line, with the time of the world. happenings.py and faults.py let them happen;
all of
them, with their keys, are in ../README.md and in ../scenario.py, which checks them.

Besides those: `truth` tells the truth so far, `speed` sets it, `end` tells that the scenario is over.
"""

import esp32
import network
from clock import NEVER, clock
from faults import Faults
from happenings import EventError, Happenings, us
from physics import BREAKER_US, Physics
from truth import Truth

_ON_TIME_US = 100000
_MINUTE_US = 60000000


_ON_OFF = (
    "leak",
    "heat",
    "mains",
    "smoke",
    "emergency_stop",
    "residual_current",
    "relay_stuck",
    "relay_dead",
    "meter_silent",
    "meter_frozen",
    "time_server",
)


class World(Happenings, Faults):
    """`tell(event, **keys)` writes a line; `power_cut(us)` ends the process.

    `meters` and `relays` are set by wiring.py; `breakers`: every socket has one of its own.
    """

    def __init__(self, sockets, seed, start_unix, tell, power_cut):
        self.physics = Physics(sockets, seed)
        self.truth = Truth(self.physics, start_unix)
        self.physics.on_breaker = self._on_breaker
        self.meters = self.meter = None  # all chips, and the first
        self.relays = None
        self.breakers = False
        self.time_error_us = 0  # of the time server
        self._tell = tell
        self._power_cut = power_cut
        esp32.supply(self.cut_between, self.cut_power)
        self._events = []  # (at_us, order, event), the next one last
        self._order = 0
        self._physics_due_us = 0
        self._watch_due_us = NEVER  # of the meter chips' own outputs
        self._minute_us = 0

    def tell(self, event, **keys):
        """A JSON line with the time of the world."""
        self._tell(event, self.truth.unix(clock.now_us), keys)

    # Time -------------------------------------------------------------------------------------------------------------

    def advance(self, now):
        """Everything that is due at `now`; returns when to come again."""
        self.physics.move(now)
        if self.relays is not None:
            self.relays.on_time(now // 1000)
        if now >= self._physics_due_us:
            self._physics_due_us = self.physics.update(now)
        if self.meters is not None:
            self._watch_due_us = self.meters.watch(now)
        while self._events and self._events[-1][0] <= now:
            self._attempt(self._events.pop()[2])
        if now >= self._minute_us:
            self._minute_us = now - now % _MINUTE_US + _MINUTE_US
            self.tell("time", speed=clock.speed)
        return min(self.next_due(), now + _ON_TIME_US)

    def next_due(self):
        """When something changes by itself, or the next event comes."""
        due = min(self._physics_due_us, self._watch_due_us, self._minute_us)
        return min(due, self._events[-1][0]) if self._events else due

    def changed(self):
        """Something happened now: whoever reads next must see it."""
        now = clock.read()
        self.physics.move(now)
        self._physics_due_us = now
        clock.wake_world(now)

    def later(self, event, at_us):
        """Let it happen then."""
        self._order += 1
        self._events.append((at_us, self._order, event))
        self._events.sort(key=lambda item: (-item[0], -item[1]))
        clock.wake_world(at_us)

    # Relays -----------------------------------------------------------------------------------------------------------

    def on_relays(self, word):
        """The driver chips' outputs changed: called from inside the tick, with the time of the tick."""
        now = clock.read()
        self.physics.move(now)
        for i, socket in enumerate(self.physics.sockets):
            commanded = bool(word >> i & 1)
            if commanded != socket.commanded:
                socket.commanded = commanded
                self._move_contact(i)
        self.changed()

    def _move_contact(self, i):
        physics = self.physics
        amps, watts = physics.current_a(i), physics.power_w(i)
        if not physics.contact(i):
            return
        now = physics.now_us
        if physics.sockets[i].closed:
            if physics.feed:
                self.truth.closed(i, now)
            self.tell("relay", socket=i + 1, closed=True)
        else:
            self.truth.opened(i, now)
            self.tell(
                "relay", socket=i + 1, closed=False, current_ma=int(amps * 1000), power_mw=int(watts * 1000)
            )

    # Events -----------------------------------------------------------------------------------------------------------

    def _attempt(self, event):
        try:
            self.do(event)
        except (ValueError, KeyError, TypeError) as e:
            self.tell("refused", asked=event, why=str(e))

    def do(self, event):
        """Let it happen now. EventError for one that cannot."""
        self.physics.move(clock.read())
        happen = getattr(self, "_do_" + str(event.get("do")), None)
        if happen is None:
            raise EventError("there is no event {}".format(repr(event.get("do"))))
        i = None
        if "socket" in event:
            i = event["socket"] - 1
            if not 0 <= i < self.physics.count:
                raise EventError("there is no socket {}".format(event["socket"]))
        happen(i, event)
        if event["do"] in _ON_OFF and event.get("on", True) and us(event, "for_s") >= 0:
            over = {key: value for key, value in event.items() if key not in ("for_s", "at_s")}
            over["on"] = False
            self.later(over, clock.now_us + us(event, "for_s"))
        self.changed()

    def _on_breaker(self, i, for_us):
        """A short flows through socket i, and a breaker will clear it."""
        event = {"do": "breaker", "socket": i + 1, "for_s": for_us / 1000000}
        self.later(event, self.physics.now_us + BREAKER_US)

    def _do_speed(self, i, event):
        speed = event["speed"]
        if not 1 <= speed <= 100000:
            raise EventError("speed must be 1 to 100000, is {}".format(speed))
        clock.set_speed(speed)

    def _do_truth(self, i, event):
        self.tell("truth", **self.truth.report())

    def _do_end(self, i, event):
        self.tell("end")

    # Across a restart -------------------------------------------------------------------------------------------------

    def on_contactor(self, closed):
        """The contactor before all sockets is told at every tick what to be."""
        if bool(closed) == self.physics.feed:
            return
        self.physics.move(clock.read())
        self.physics.feed = bool(closed)
        for i, socket in enumerate(self.physics.sockets):
            self.physics.settle(i)
            if socket.closed:
                (self.truth.closed if closed else self.truth.opened)(i, self.physics.now_us)
        self.tell("contactor", closed=bool(closed))
        self.changed()

    def drop_relays(self, at_us):
        """Nobody drives the relays any more: they are open from then on."""
        clock.now_us = at_us
        self.physics.update(at_us)
        for i, socket in enumerate(self.physics.sockets):
            socket.commanded = False
            self._move_contact(i)

    def release_relays(self, now_us):
        """The CPU starts anew: they open as soon as nothing holds them, which an expander does for ever."""
        hold_us = self.relays.hold_us
        if hold_us >= 0:
            self.drop_relays(now_us + hold_us)

    def save(self):
        """Everything, as JSON can hold it."""
        return {
            "physics": self.physics.save(),
            "truth": self.truth.save(),
            "events": [(at, event) for at, _, event in self._events],
            "cut": network.is_cut(),
            "wifi": network.password,
            "time_error": self.time_error_us,
            "meters": self.meters.save(),
        }

    def load(self, saved, now_us, cold):
        """What `save` gave, at `now_us`; `cold`: the supply was gone meanwhile."""
        self.physics.load(saved["physics"], now_us)
        self.truth.load(saved["truth"])
        for at, event in reversed(saved["events"]):
            self.later(event, at)
        network.cut(saved["cut"])
        network.password = saved["wifi"]
        self.time_error_us = saved["time_error"]
        self.meters.load(saved["meters"], cold)
        self.relays.restore(self.physics.sockets, cold)
