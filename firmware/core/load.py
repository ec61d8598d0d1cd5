"""The sum of the sockets' currents against what the point's cable may carry. Allocates nothing.

Current, not power: at a power factor of 0.55, 8.7 kW is 69 A. A socket that has just closed counts for what it may yet
draw, and a welded one for what nobody can stop.
"""

from array import array

from wire.units import const

from .timer import run

NEW_MA = const(2000)  # what a closed socket counts for at least in its first minute, and a welded one always
NEW_MS = const(60_000)
START_PERCENT = const(90)
SHED_MS = const(5000)
ALL_PERCENT = const(120)
ALL_MS = const(1000)
CLEAR_PERCENT = const(80)
CLEAR_MS = const(60_000)
_SATURATED_MA = const(1 << 24)


class PointLoad:
    """`take` the sockets' currents, then `judge`: 0 nothing, 1 shed the newest, 2 shed all."""

    def __init__(self, sockets, limit_ma):
        self._limit_ma = limit_ma
        self.closed_ms = array("i", [0] * sockets)  # of a closed relay, since it closed, until NEW_MS
        self._order = array("i", [0] * sockets)  # which closing of this start it was
        self.total_ma = 0
        self.held = False  # it has shed: no closing until it has been low for a minute
        self._shed_ms = 0
        self._all_ms = 0
        self._clear_ms = 0

    def closes(self, i):
        """Socket i's relay is about to close: its first minute begins, and it is the newest."""
        self.closed_ms[i] = 0
        self._order[i] = max(self._order) + 1

    def take(self, dt_ms, word, welded, currents_ma):
        """A tick of all sockets: the bits of the closed relays and of the welded, and what flows, below 0: unknown."""
        closed_ms = self.closed_ms
        total_ma = 0
        for i in range(len(closed_ms)):
            ma = currents_ma[i]
            if word >> i & 1:
                if closed_ms[i] < NEW_MS:
                    closed_ms[i] += dt_ms
                    if ma < NEW_MA and closed_ms[i] < NEW_MS:
                        ma = NEW_MA
            elif ma < NEW_MA and welded >> i & 1:
                ma = NEW_MA
            if ma > 0:
                total_ma += ma if ma < _SATURATED_MA else _SATURATED_MA
        self.total_ma = total_ma if total_ma < _SATURATED_MA else _SATURATED_MA

    def newest(self, word):
        """Of the closed sockets the one that closed last; -1 where none is."""
        newest = -1
        for i in range(len(self.closed_ms)):
            if word >> i & 1 and (newest < 0 or self._order[i] > self._order[newest]):
                newest = i
        return newest

    def judge(self, dt_ms):
        """What to shed after one tick."""
        if self.held:
            self._clear_ms = run(self._clear_ms, self.total_ma < self._limit_ma * CLEAR_PERCENT // 100, dt_ms)
            if self._clear_ms > CLEAR_MS:
                self.held = False
                self._clear_ms = 0
        if self.total_ma <= self._limit_ma:  # nothing is shed up to 100 %
            self._all_ms = self._shed_ms = 0
            return 0
        self._all_ms = run(self._all_ms, self._above(ALL_PERCENT), dt_ms)
        self._shed_ms = run(self._shed_ms, True, dt_ms)
        if self._all_ms > ALL_MS:
            self._all_ms = self._shed_ms = 0
            self.held = True
            return 2
        if self._shed_ms > SHED_MS:
            self._shed_ms = 0
            self.held = True
            return 1
        return 0

    def _above(self, percent):
        return self.total_ma > self._limit_ma * percent // 100

    def room_beside(self, waiting):
        """True while one more socket may start beside those in the sum and `waiting` others that are to close yet."""
        return not self.held and self.total_ma + waiting * NEW_MA < self._limit_ma * START_PERCENT // 100
