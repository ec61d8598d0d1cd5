"""The mains and ten sockets: what flows, in double precision. This is the truth that the meter only reads.

Strategy: voltage, current and power are constant between updates, so the energy of a stretch is its power times its
length, exactly. An update comes every second of virtual time, every 20 ms while a charger starts, and at every event: a
step, a short or an unplugged bike is there for the very next tick. `version` changes whenever a value did, so that a
chip may keep what it computed.
"""

import math

from loads import Charger

_QUIET_US = 1000000
_STARTING_US = 20000
_SHORT_A = 400.0  # what the house's wiring lets through; the meter is at its end of scale far below


class Socket:
    """The state of one. `closed` is the contact itself, welded or dead relays included."""

    def __init__(self):
        self.closed = False
        self.commanded = False
        self.stuck = False
        self.dead = False
        self.charger = None
        self.charged_us = 0
        self.energised_us = -1  # since when, -1 while it is not
        self.extra_w = 0.0  # a load beside the charger: an overload
        self.extra_until_us = -1
        self.shorted = False


class Physics:
    """`voltage_v`, `current_a`, `power_w` and `energy_j` are what a chip asks of its source."""

    def __init__(self, count, seed=1):
        self.count = count
        self.sockets = [Socket() for _ in range(count)]
        self.version = 0
        self.now_us = 0
        self._phase = seed * 2.399963
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
        t = now_us / 1000000 + self._phase * 300
        self._volts = 230.0 + 3.0 * math.sin(t / 287.0) + 1.2 * math.sin(t / 15.5)
        soonest = now_us + _QUIET_US
        for i in range(self.count):
            soonest = min(soonest, self.settle(i))
        return soonest

    def settle(self, i):
        """What socket i draws from now on; returns until when that holds at the longest."""
        socket = self.sockets[i]
        self._integrate(i)
        amps, watts, until = self._draw(socket)
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

    def _draw(self, socket):
        """(amperes, watts, until when)."""
        now = self.now_us
        energised = socket.closed and (socket.charger is not None)
        if energised != (socket.energised_us >= 0):
            socket.energised_us = now if energised else -1
        if socket.extra_until_us >= 0 and now >= socket.extra_until_us:
            socket.extra_w = 0.0
            socket.extra_until_us = -1
        if not socket.closed:
            return 0.0, 0.0, now + _QUIET_US
        if socket.shorted:
            return _SHORT_A, _SHORT_A * self._volts * 0.9, now + _QUIET_US
        amps, watts, until = self._charge(socket) if energised else (0.0, 0.0, now + _QUIET_US)
        if socket.extra_w:
            amps += socket.extra_w / self._volts
            watts += socket.extra_w
            if socket.extra_until_us >= 0:
                until = min(until, socket.extra_until_us)
        return amps, watts, until

    def _charge(self, socket):
        charger = socket.charger
        now = self.now_us
        on_us = now - socket.energised_us
        if on_us < charger.inrush_ms * 1000:
            # A capacitor charges: much current, little energy.
            return (
                charger.inrush_a,
                charger.inrush_a * self._volts * 0.2,
                socket.energised_us + charger.inrush_ms * 1000,
            )
        watts = charger.watts(socket.charged_us / 1000000, on_us / 1000000)
        amps = watts / (self._volts * charger.power_factor(watts))
        return amps, watts, now + (_STARTING_US if on_us < charger.ramp_s * 1000000 else _QUIET_US)

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
        """A charger with these keys (loads.DEFAULTS) is plugged in. ValueError where one is already."""
        if self.sockets[i].charger is not None:
            raise ValueError("socket {} is taken".format(i + 1))
        self._integrate(i)
        self.sockets[i].charger = Charger(keys)
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
        self.settle(i)

    def overload(self, i, watts, for_us):
        """A resistive load beside the charger, for so long (< 0: until it is unplugged)."""
        socket = self.sockets[i]
        socket.extra_w = watts
        socket.extra_until_us = -1 if for_us < 0 else self.now_us + for_us
        self.settle(i)

    def short(self, i, on):
        """A short circuit behind the relay."""
        self.sockets[i].shorted = on
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
        return rows

    def load(self, rows, now_us):
        """What `save` gave, at `now_us`."""
        self.now_us = now_us
        for i, row in enumerate(rows):
            socket = self.sockets[i]
            for name in _KEPT:
                setattr(socket, name, row[name])
            socket.charger = None if row["charger"] is None else Charger(row["charger"])
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
    "extra_w",
    "extra_until_us",
    "shorted",
)
