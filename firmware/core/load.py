"""The sum of the sockets' currents against what the point's cable may carry. Allocates nothing.

Current, not power: at a power factor of 0.55, 8.7 kW is 69 A. A socket that has just closed counts for what it may yet
draw, and a welded one for what nobody can stop.
"""

from wire.units import const

from .timer import run

NEW_MA = const(2000)  # what a closed socket counts for at least in its first minute, and a welded one always
NEW_MS = const(60_000)
START_PERCENT = const(90)
SHED_PERCENT = const(100)
SHED_MS = const(5000)
ALL_PERCENT = const(120)
ALL_MS = const(1000)
CLEAR_PERCENT = const(80)
CLEAR_MS = const(60_000)
_SATURATED_MA = const(1 << 24)


class PointLoad:
    """`add` each socket's current, then `judge`: 0 nothing, 1 shed the newest, 2 shed all."""

    def __init__(self, limit_ma):
        self._limit_ma = limit_ma
        self.total_ma = 0
        self._sum_ma = 0
        self.held = False  # it has shed: no closing until it has been low for a minute
        self._shed_ms = 0
        self._all_ms = 0
        self._clear_ms = 0

    def add(self, ma, young):
        """A socket's current; young: it counts for at least NEW_MA."""
        if young and ma < NEW_MA:
            ma = NEW_MA
        self._sum_ma = min(self._sum_ma + min(ma, _SATURATED_MA), _SATURATED_MA)

    def judge(self, dt_ms):
        """What to shed after one tick."""
        self.total_ma = total_ma = self._sum_ma
        self._sum_ma = 0
        self._all_ms = run(self._all_ms, self._above(ALL_PERCENT), dt_ms)
        self._shed_ms = run(self._shed_ms, self._above(SHED_PERCENT), dt_ms)
        self._clear_ms = run(self._clear_ms, total_ma < self._limit_ma * CLEAR_PERCENT // 100, dt_ms)
        if self._clear_ms > CLEAR_MS:
            self.held = False
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
