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
UNKNOWN_MA = const(-1)
_CAP = const(8 * 2048)


class Replica:
    """Theta of every socket, 1 after a restart: what happened before is not known. Allocates nothing."""

    def __init__(self, sockets, rated_ma):
        self._rated_ma = rated_ma
        self._cap_ma = CAP_TIMES_RATED * rated_ma
        self.theta = array("i", [THETA_ONE] * sockets)
        self._rest = array("i", [0] * sockets)

    def heat(self, dt_ms, currents_ma):
        """Integrate over dt_ms at each socket's constant current; True when any theta is at or above the trip.

        Where the current is UNKNOWN_MA nothing heats, nothing cools and nothing trips.
        """
        while STEP_MS < dt_ms <= LONGEST_MS:
            self._step(STEP_MS, currents_ma)
            dt_ms -= STEP_MS
        return self._step(dt_ms, currents_ma)

    def _step(self, dt_ms, currents_ma):
        theta = self.theta
        rest = self._rest
        rated_ma = self._rated_ma
        cap_ma = self._cap_ma
        hot = False
        for i in range(len(theta)):
            x = currents_ma[i]
            if x >= 0:
                x = x * 2048 // rated_ma if x < cap_ma else _CAP
                x = x * x >> 4
                now = theta[i]
                if dt_ms <= STEP_MS:
                    x = (x - now) * dt_ms + rest[i]
                    rest[i] = x % TAU_MS
                    now += x // TAU_MS
                elif x > now:
                    now = x  # unseen for so long: heated all the way, cooled not at all
                theta[i] = now
                if now >= THETA_TRIP:
                    hot = True
        return hot
