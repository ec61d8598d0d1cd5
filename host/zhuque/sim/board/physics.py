"""The mains and the sockets: what flows, in double precision. This is the truth that the meter only reads.

Strategy: voltage, current and power are constant between updates, so the energy of a stretch is its power times its
length, exactly. An update comes every second of virtual time, every 10 or 20 ms while a charger starts, at the edges of
a hiccup, and at every event: a step, a short or an unplugged bike is there for the very next tick. `version` changes
whenever a value did, so that a chip may keep what it computed.

A short draws what the house's wiring lets through. Where a breaker is to clear it `on_breaker` is called as soon as it
flows; what the breaker takes away, the socket or the whole point, is not decided here.
"""

from loads import make
from surroundings import Surroundings

_QUIET_US = 1000000
_STARTING_US = 20000
_SHORT_A = 400.0  # what the house's wiring lets through; the meter is at its end of scale far below
_SHORT_PF = 0.9
BREAKER_US = 10000  # a magnetic release, within the first half-cycle


class Socket:
    """The state of one. `closed` is the contact itself, welded or dead relays included."""

    def __init__(self):
        self.closed = False
        self.commanded = False
        self.stuck = False
        self.dead = False
        self.charger = None  # what is plugged in
        self.charged_us = 0
        self.energised_us = -1  # since when, -1 while it is not
        self.off_us = -1000000000  # since when it was not
        self.extra_w = 0.0  # a load beside the charger: an overload
        self.extra_from_us = 0
        self.extra_ramp_us = 0
        self.extra_until_us = -1
        self.shorted = False
        self.breaker_us = (
            -1
        )  # how long until somebody closes the breaker that clears the short; -1: there is none
        self.cleared = False  # by the socket's own breaker, where the board has one


class Physics:
    """`voltage_v`, `current_a`, `power_w` and `energy_j` are what a chip asks of its source."""

    def __init__(self, count, seed=1):
        self.count = count
        self.sockets = [Socket() for _ in range(count)]
        self.around = Surroundings(seed)
        self.feed = True  # the contactor before all sockets
        self.on_breaker = None  # called with (socket, microseconds) once a short flows
        self.version = 0
        self.now_us = 0
        self._volts = 230.0
        self._amps = [0.0] * count
        self._watts = [0.0] * count
        self._joules = [0.0] * count
        self._since_us = [0] * count

    def voltage_v(self):
        """RMS."""
        return self._volts

    def current_a(self, i):
        """RMS, socket from 0."""
        return self._amps[i]

    def power_w(self, i):
        """Active power, socket from 0."""
        return self._watts[i]

    def energy_j(self, i):
        """What went through the socket since the world began."""
        return self._joules[i] + self._watts[i] * (self.now_us - self._since_us[i]) / 1000000

    def move(self, now_us):
        """Time passes and nothing changes."""
        self.now_us = now_us

    def update(self, now_us):
        """Everything that changes by itself; returns when to come again."""
        self.now_us = now_us
        self._volts = self.around.voltage_v(now_us)
        soonest = now_us + _QUIET_US
        for i in range(self.count):
            soonest = min(soonest, self.settle(i))
        fed = [socket.closed and self.feed for socket in self.sockets]
        return min(soonest, self.around.settle(now_us, self._amps, fed))

    def settle(self, i):
        """What socket i draws from now on; returns until when that holds at the longest."""
        socket = self.sockets[i]
        self._integrate(i)
        amps, watts, until = self._draw(i, socket)
        self._amps[i] = amps
        self._watts[i] = watts
        self.version += 1
        return until

    def _integrate(self, i):
        passed = self.now_us - self._since_us[i]
        if not passed:
            return
        self._joules[i] += self._watts[i] * passed / 1000000
        self._since_us[i] = self.now_us
        socket = self.sockets[i]
        if socket.energised_us >= 0:
            socket.charged_us += passed

    def _draw(self, i, socket):
        """(amperes, watts, until when)."""
        now = self.now_us
        fed = socket.closed and self.feed and not socket.cleared
        energised = fed and socket.charger is not None
        if energised != (socket.energised_us >= 0):
            socket.energised_us = now if energised else -1
            if not energised:
                socket.off_us = now
        if socket.extra_until_us >= 0 and now >= socket.extra_until_us:
            socket.extra_w = 0.0
            socket.extra_until_us = -1
        if not fed:
            return 0.0, 0.0, now + _QUIET_US
        if socket.shorted:
            if socket.breaker_us >= 0 and self.on_breaker is not None:
                for_us, socket.breaker_us = socket.breaker_us, -1
                self.on_breaker(i, for_us)
            return _SHORT_A, _SHORT_A * self._volts * _SHORT_PF, now + _QUIET_US
        amps, watts, until = self._charge(socket) if energised else (0.0, 0.0, now + _QUIET_US)
        if socket.extra_w:
            extra_w, until = self._extra(socket, until)
            amps += extra_w / max(1.0, self._volts)
            watts += extra_w
        return amps, watts, until

    def _extra(self, socket, until):
        """The watts of what hangs beside the charger, and until when they hold."""
        if socket.extra_until_us >= 0:
            until = min(until, socket.extra_until_us)
        passed = self.now_us - socket.extra_from_us
        if passed >= socket.extra_ramp_us:
            return socket.extra_w, until
        return socket.extra_w * passed / socket.extra_ramp_us, min(until, self.now_us + _STARTING_US)

    def _charge(self, socket):
        now = self.now_us
        on_us = now - socket.energised_us
        off_s = (socket.energised_us - socket.off_us) / 1000000
        amps, watts, hold_s = socket.charger.draw(
            self._volts, socket.charged_us / 1000000, on_us / 1000000, off_s
        )
        return amps, watts, now + max(1, int(hold_s * 1000000 + 0.5))

    # What happens to a socket: `now_us` is the time of the latest move ------------------------------------------------

    def contact(self, i):
        """The contact follows its coil, unless it is welded or dead; returns True when it moved."""
        socket = self.sockets[i]
        closed = socket.stuck or (socket.commanded and not socket.dead)
        if closed == socket.closed:
            return False
        self._integrate(i)
        socket.closed = closed
        self.settle(i)
        return True

    def plug(self, i, keys):
        """A load with these keys (load_keys.py) is plugged in. ValueError where one is already, or it cannot be."""
        if self.sockets[i].charger is not None:
            raise ValueError("socket {} is taken".format(i + 1))
        charger = make(keys)
        self._integrate(i)
        self.sockets[i].charger = charger
        self.sockets[i].charged_us = 0
        self.settle(i)

    def unplug(self, i):
        """Whatever hangs there is pulled out."""
        self._integrate(i)
        socket = self.sockets[i]
        socket.charger = None
        socket.extra_w = 0.0
        socket.extra_until_us = -1
        socket.shorted = False
        self.around.leak(i, 0, 0, self.now_us)
        self.settle(i)

    def overload(self, i, watts, for_us, ramp_us=0):
        """A load beside the charger that grows so long to its power, for so long (< 0: until it is unplugged)."""
        socket = self.sockets[i]
        socket.extra_w = watts
        socket.extra_from_us = self.now_us
        socket.extra_ramp_us = ramp_us
        socket.extra_until_us = -1 if for_us < 0 else self.now_us + for_us
        self.settle(i)

    def short(self, i, on, breaker_us=-1):
        """A short circuit behind the relay; a breaker, if there is one, takes the point's supply away for so long."""
        self.sockets[i].shorted = on
        self.sockets[i].breaker_us = breaker_us
        self.settle(i)

    # Across a restart of the process ----------------------------------------------------------------------------------

    def save(self):
        """Everything, as JSON can hold it."""
        rows = []
        for i, socket in enumerate(self.sockets):
            self._integrate(i)
            row = {name: getattr(socket, name) for name in _KEPT}
            row["charger"] = None if socket.charger is None else socket.charger.keys
            row["joules"] = self._joules[i]
            rows.append(row)
        return {"sockets": rows, "around": self.around.save()}

    def load(self, saved, now_us):
        """What `save` gave, at `now_us`."""
        self.now_us = now_us
        self.around.load(saved["around"])
        for i, row in enumerate(saved["sockets"]):
            socket = self.sockets[i]
            for name in _KEPT:
                setattr(socket, name, row[name])
            socket.charger = None if row["charger"] is None else make(row["charger"])
            self._joules[i] = row["joules"]
            self._since_us[i] = now_us
            self.settle(i)


_KEPT = (
    "closed",
    "commanded",
    "stuck",
    "dead",
    "charged_us",
    "energised_us",
    "off_us",
    "extra_w",
    "extra_from_us",
    "extra_ramp_us",
    "extra_until_us",
    "shorted",
    "breaker_us",
    "cleared",
)
