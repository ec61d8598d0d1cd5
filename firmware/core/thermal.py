"""The thermal replica of each socket's wiring: theta' = ((I/In)**2 - theta) / tau.

Theta is 1 at rated current for ever, and trips at 1.44: 1.13 x In never trips within an hour, 1.45 x within 60 s and
2.55 x within 10 s from cold, inside what IEC 60898-1 allows a breaker (1 h, 1 h and 60 s). It is kept in units of
2**-18 and integrated in steps that fit a small integer: with I capped at 8 x In, 2**24 x 60 ms stays below 2**30.
"""

from array import array

from wire.units import const

THETA_ONE = const(1 << 18)
THETA_TRIP = const(377487)  # 1.44 x 2**18
TAU_MS = const(30000)
STEP_MS = const(60)
CAP_TIMES_RATED = const(8)
# Above this the socket was not watched: the loop is not run for so long a time within a tick.
LONGEST_MS = const(2000)
_CAP = const(8 * 2048)


class Replica:
    """Theta of every socket, 1 after a restart: what happened before is not known. Allocates nothing."""

    def __init__(self, sockets, rated_ma):
        self._rated_ma = rated_ma
        self.theta = array("i", [THETA_ONE] * sockets)
        self._rest = array("i", [0] * sockets)

    def heat(self, i, dt_ms, ma):
        """Integrate over dt_ms at a constant current; True when theta is at or above the trip."""
        x = _CAP if ma >= CAP_TIMES_RATED * self._rated_ma else ma * 2048 // self._rated_ma
        target = x * x >> 4
        if dt_ms > LONGEST_MS:
            # Unseen for so long: heated all the way, cooled not at all.
            if target > self.theta[i]:
                self.theta[i] = target
        else:
            self._integrate(i, dt_ms, target)
        return self.theta[i] >= THETA_TRIP

    def _integrate(self, i, dt_ms, target):
        theta = self.theta[i]
        rest = self._rest[i]
        while dt_ms > 0:
            moved = (target - theta) * (dt_ms if dt_ms < STEP_MS else STEP_MS) + rest
            theta += moved // TAU_MS
            rest = moved % TAU_MS
            dt_ms -= STEP_MS
        self.theta[i] = theta
        self._rest[i] = rest
