"""What is around the sockets: the mains, the box and its heat, the residual-current monitor, the loops of the inputs.

The mains wander slowly about 230 V, as in a house; a sag, a swell or a broken neutral sets them to a voltage for a
while. The box follows the air with a time constant of ten minutes, a little warmer for what flows; `heat` brings it
to a
temperature within some time, as a fire behind the wall does, and then lets it cool.

The monitor opens its loop once the sum of all leakage has been above 22.5 mA for 300 ms (a device of 30 mA must trip
between 15 and 30), and closes it when nothing has leaked for 10 s. `leak` grows linearly to its value: a damp
insulation. It
flows only where the contact feeds it, and no current channel sees it.

Rules: double precision; nothing here draws anything; `settle` is called whenever the physics does.
"""

import math

_TRIP_MA = 22.5
_TRIP_US = 300000
_CLEAR_US = 10000000
_AIR_C = 18.0
_BOX_S = 600.0
_PER_A2 = 0.02  # kelvins for the square of each socket's amperes, sum
LOOPS = ("emergency_stop", "smoke", "residual_current")


class Surroundings:
    """`voltage_v`, `temperature_c`, and `is_open(name)` of a loop."""

    def __init__(self, seed=1):
        self._phase = seed * 2.399963
        self._set_volts = None  # where an event has put the mains
        self._heat_c = None  # where an event drives the box, and how many kelvins a second
        self._heat_rate = 0.0
        self._box_c = _AIR_C
        self._then_us = 0
        self._leaks = {}  # socket: [milliamperes at the end, from when, within how many microseconds]
        self._leaking_us = -1  # since when the monitor sees too much
        self._sound_us = 0  # since when it sees nothing
        self._cut = []  # loops that are open
        self._monitor = False

    # Questions

    def voltage_v(self, now_us):
        """RMS."""
        if self._set_volts is not None:
            return self._set_volts
        t = now_us / 1000000 + self._phase * 300
        return 230.0 + 3.0 * math.sin(t / 287.0) + 1.2 * math.sin(t / 15.5)

    def temperature_c(self):
        """In the box."""
        return self._box_c

    def is_open(self, name):
        """True while that loop is open: somebody pressed, smelt or measured something, or the wire is cut."""
        return name in self._cut or (name == "residual_current" and self._monitor)

    def leakage_ma(self, i, now_us):
        """What leaks at socket i, if it is fed."""
        leak = self._leaks.get(str(i))
        if leak is None:
            return 0.0
        most, since_us, rise_us = leak
        return most if now_us - since_us >= rise_us else most * (now_us - since_us) / rise_us

    # What time does

    def settle(self, now_us, amps, fed):
        """Now, with these currents through these fed sockets; returns when something may change at the earliest."""
        self._warm(now_us, amps)
        total = sum([self.leakage_ma(i, now_us) for i in range(len(fed)) if fed[i]]) if self._leaks else 0.0
        return self._watch(now_us, total)

    def _warm(self, now_us, amps):
        seconds = (now_us - self._then_us) / 1000000
        if seconds <= 0:
            return
        self._then_us = now_us
        if self._heat_c is not None:
            step = self._heat_rate * seconds
            gap = self._heat_c - self._box_c
            self._box_c = self._heat_c if abs(gap) <= step else self._box_c + math.copysign(step, gap)
            return
        goal = _AIR_C + _PER_A2 * sum([ampere * ampere for ampere in amps if ampere < 50])
        self._box_c += (goal - self._box_c) * (1 - math.exp(-seconds / _BOX_S))

    def _watch(self, now_us, total_ma):
        if total_ma > _TRIP_MA:
            self._sound_us = now_us
            if self._leaking_us < 0:
                self._leaking_us = now_us
            if now_us - self._leaking_us >= _TRIP_US:
                self._monitor = True
                return now_us + _CLEAR_US
            return self._leaking_us + _TRIP_US
        self._leaking_us = -1
        if self._monitor and now_us - self._sound_us >= _CLEAR_US:
            self._monitor = False
        return now_us + _CLEAR_US

    # What happens

    def mains(self, volts):
        """From now on so many volts; None: as always."""
        self._set_volts = volts

    def heat(self, celsius, over_s):
        """To this temperature within so many seconds; None: left alone."""
        self._heat_c = celsius
        if celsius is not None:
            self._heat_rate = abs(celsius - self._box_c) / max(0.02, over_s)

    def leak(self, i, milliamps, over_s, now_us):
        """Socket i leaks, more and more until so much; 0: no longer."""
        self._leaks.pop(str(i), None)
        if milliamps:
            self._leaks[str(i)] = [milliamps, now_us, max(1, int(over_s * 1000000))]

    def open_loop(self, name, on):
        """That loop is opened, or closed again."""
        self._cut = [other for other in self._cut if other != name] + [name] * on

    # Across a restart of the process

    def save(self):
        """Everything, as JSON can hold it."""
        return [getattr(self, name) for name in _KEPT]

    def load(self, saved):
        """What `save` gave."""
        for name, value in zip(_KEPT, saved):
            setattr(self, name, value)


_KEPT = (
    "_phase",
    "_set_volts",
    "_heat_c",
    "_heat_rate",
    "_box_c",
    "_then_us",
    "_leaks",
    "_leaking_us",
    "_sound_us",
    "_cut",
    "_monitor",
)
