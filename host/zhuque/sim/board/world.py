"""What happens to the point: the scenario's events and those asked for at run time, told to physics, chips and truth.

An event is a dict `{"do": name, ...}`; in a scenario it also has `at_s`, seconds since the world began. Sockets count
from 1. Every event that happened is told on standard output as a JSON line, with the time of the world.

    plug          socket, load (keys of loads.DEFAULTS), account and scan_after_s: the resident scans so much later
    scan          socket, account          somebody asks for power: the host publishes the command
    ask           socket, op, actor        somebody else does (stop, reset): the host publishes the command
    unplug        socket
    overload      socket, watts, for_s     a heater beside the charger
    short         socket                   behind the relay, until it is unplugged
    relay_stuck   socket, on               the contact welds as it stands closed, or closes
    relay_dead    socket, on               the contact does not close
    meter_silent  for_s                    the meter chip does not answer
    meter_corrupt frames                   so many answers have a bit wrong
    network_down  for_s                    no byte gets through
    network_up
    power_cut     for_s                    the supply of the whole point
    speed         speed                    from now on
    truth                                  tells the truth so far
    end                                    tells that the scenario is over
"""

import network
from clock import clock
from physics import Physics
from truth import Truth

_ON_TIME_US = 100000
_MINUTE_US = 60000000


class EventError(ValueError):
    """An event that cannot happen: the text says why."""


class World:
    """`tell(event, **keys)` writes a line; `power_cut(us)` ends the process."""

    def __init__(self, sockets, seed, start_unix, tell, power_cut):
        self.physics = Physics(sockets, seed)
        self.truth = Truth(self.physics, start_unix)
        self.meter = None
        self.relays = None
        self._tell = tell
        self._power_cut = power_cut
        self._events = []  # (at_us, order, event), the next one last
        self._order = 0
        self._physics_due_us = 0
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
        while self._events and self._events[-1][0] <= now:
            self._attempt(self._events.pop()[2])
        if now >= self._minute_us:
            self._minute_us = now - now % _MINUTE_US + _MINUTE_US
            self.tell("time", speed=clock.speed)
        due = min(self._physics_due_us, self._minute_us, now + _ON_TIME_US)
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
        self.changed()

    def _do_plug(self, i, event):
        self.physics.plug(i, event.get("load", {}))
        if self.physics.sockets[i].closed:
            self.truth.closed(i, clock.now_us)
        account = event.get("account")
        self.tell("plug", socket=i + 1, account=account)
        if event.get("scan_after_s") is not None:
            scan = {"do": "scan", "socket": i + 1, "account": account, "bike": True}
            self.later(scan, clock.now_us + int(event["scan_after_s"] * 1000000))

    def _do_scan(self, i, event):
        if event.get("bike") and self.physics.sockets[i].charger is None:
            return  # gone again
        self.truth.asked(i, event.get("account"))
        self.tell("scan", socket=i + 1, account=event.get("account"))

    def _do_ask(self, i, event):
        self.tell("ask", socket=i + 1, op=event["op"], actor=event.get("actor"))

    def _do_unplug(self, i, event):
        if self.physics.sockets[i].charger is None:
            raise EventError("nothing is plugged into socket {}".format(i + 1))
        watts = self.physics.power_w(i)
        self.physics.unplug(i)
        self.truth.unplugged(i, clock.now_us)
        self.tell("unplug", socket=i + 1, power_mw=int(watts * 1000))

    def _do_overload(self, i, event):
        self.physics.overload(i, float(event["watts"]), _us(event, "for_s"))
        self.tell("overload", socket=i + 1, watts=event["watts"])

    def _do_short(self, i, event):
        self.physics.short(i, True)
        self.tell("short", socket=i + 1)

    def _do_relay_stuck(self, i, event):
        self.physics.sockets[i].stuck = event.get("on", True)
        self.tell("relay_stuck", socket=i + 1, on=event.get("on", True))
        self._move_contact(i)

    def _do_relay_dead(self, i, event):
        self.physics.sockets[i].dead = event.get("on", True)
        self.tell("relay_dead", socket=i + 1, on=event.get("on", True))
        self._move_contact(i)

    def _do_meter_silent(self, i, event):
        silent = event.get("on", True)
        self.meter.silent = silent
        self.tell("meter_silent", on=silent)
        if silent and _us(event, "for_s") >= 0:
            self.later({"do": "meter_silent", "on": False}, clock.now_us + _us(event, "for_s"))

    def _do_meter_corrupt(self, i, event):
        self.meter.corrupt_next(event.get("frames", 1))
        self.tell("meter_corrupt", frames=event.get("frames", 1))

    def _do_network_down(self, i, event):
        network.cut(True)
        self.tell("network_down")
        if _us(event, "for_s") >= 0:
            self.later({"do": "network_up"}, clock.now_us + _us(event, "for_s"))

    def _do_network_up(self, i, event):
        network.cut(False)
        self.tell("network_up")

    def _do_power_cut(self, i, event):
        for_us = max(0, _us(event, "for_s"))
        self.tell("power_cut", for_s=for_us // 1000000)
        self._power_cut(for_us)

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

    def drop_relays(self, at_us):
        """Nobody drives the relays any more: they are open from then on."""
        clock.now_us = at_us
        self.physics.update(at_us)
        for i, socket in enumerate(self.physics.sockets):
            socket.commanded = False
            self._move_contact(i)

    def save(self):
        """Everything, as JSON can hold it."""
        return {
            "physics": self.physics.save(),
            "truth": self.truth.save(),
            "events": [(at, event) for at, _, event in self._events],
            "cut": network.is_cut(),
            "silent": self.meter.silent,
        }

    def load(self, saved, now_us):
        """What `save` gave, at `now_us`."""
        self.physics.load(saved["physics"], now_us)
        self.truth.load(saved["truth"])
        for at, event in reversed(saved["events"]):
            self.later(event, at)
        network.cut(saved["cut"])
        self.meter.silent = saved["silent"]


def _us(event, key):
    """Microseconds of a number of seconds, -1 where there is none."""
    seconds = event.get(key)
    return -1 if seconds is None else int(seconds * 1000000)
