"""The life of one socket's session: a table of states, and the rules that end it.

Pure: `update` is told what passed since the last call and answers with what happened; journalling and the relay are
the caller's. Times are milliseconds of uptime differences, except `started`, Unix seconds or None.

`suspended` is an open session whose relay is open for a cause that clears by itself. Its time is not charge time:
`charge_ms` and `suspended_ms` together tile the time from start to end.
"""

from wire.units import const

IDLE = "idle"
ARMED = "armed"
CHARGING = "charging"
SUSPENDED = "suspended"
ENDED = "ended"
LOCKED = "locked"
UNAVAILABLE = "unavailable"

# (state, event) -> state; an event that is not here is a bug of the caller and raises.
TRANSITIONS = {
    (IDLE, "start"): ARMED,
    (ENDED, "start"): ARMED,
    (ARMED, "load"): CHARGING,
    (ARMED, "suspend"): SUSPENDED,
    (CHARGING, "suspend"): SUSPENDED,
    (SUSPENDED, "resume"): ARMED,
    (IDLE, "recover"): SUSPENDED,
    (ARMED, "end"): ENDED,
    (CHARGING, "end"): ENDED,
    (SUSPENDED, "end"): ENDED,
    (IDLE, "lock"): LOCKED,
    (ENDED, "lock"): LOCKED,
    (UNAVAILABLE, "lock"): LOCKED,
    (LOCKED, "reset"): IDLE,
    (IDLE, "lose"): UNAVAILABLE,
    (ENDED, "lose"): UNAVAILABLE,
    (UNAVAILABLE, "regain"): IDLE,
}

OPEN = (ARMED, CHARGING, SUSPENDED)

LOAD_MW = const(5000)
NO_LOAD_MS = const(120_000)
FULL_MW = const(30_000)
FULL_PART = const(10)  # or a tenth of the plateau
FULL_MS = const(1_800_000)
GONE_MS = const(10_000)
# After opening, the meter's counter needs this long to show the last of the energy, and then it must be read.
SETTLE_MS = const(600)
RESUME_MIN_S = const(5)
RESUME_MAX_S = const(60)
MAX_RECLOSES = const(3)
ANOMALY_RISE_MW = const(20_000)  # and a quarter of the plateau
NEVER_TAPERS_MS = const(36_000_000)
_SAMPLE_MS = const(1000)
_BLOCK_MS = const(60_000)


# What a checkpoint keeps of an open session, in this order; `proven`, `reason` and `cause` follow.
_SAVED = (
    "id",
    "account",
    "source",
    "started",
    "max_duration_ms",
    "max_energy_mwh",
    "energy_mwh",
    "charge_ms",
    "suspended_ms",
    "peak_ma",
    "peak_mw",
    "plateau_mw",
    "recloses",
)


class IllegalEvent(Exception):
    """An event that the state does not allow."""


class Session:
    """One socket. Below `floor_ma`, the meter's floor, current counts as gone; it is read once in `round_ms`."""

    def __init__(self, floor_ma, resume_after_outage_ms, round_ms=0):
        self.floor_ma = floor_ma
        self._settle_ms = SETTLE_MS + round_ms
        self.resume_after_outage_ms = resume_after_outage_ms
        self.state = IDLE
        self._clear()

    def _clear(self):
        self.id = None
        self.account = None
        self.source = None
        self.started = None
        self.max_duration_ms = None
        self.max_energy_mwh = None
        self.energy_mwh = 0
        self.charge_ms = 0
        self.suspended_ms = 0
        self.peak_ma = 0
        self.peak_mw = 0
        self.plateau_mw = 0
        self._settled_mw = 0
        self.anomaly = None  # what a failing battery would look like, in words; stays until the end
        self._trough_mw = 0  # the lowest minute since the taper began
        self._soft_start = True
        self.recloses = 0
        self.cause = None  # why it is suspended
        self.reason = None  # why it is about to end
        # A checkpoint reached the flash since the relay last closed, a second later or more.
        self.proven = False
        self.outage_open = False  # recovered after a restart, and how long the board was off is not known yet
        self._resume_in_ms = None
        self._held_ms = 0
        self._armed_ms = 0
        self._low_ms = 0
        self._gone_ms = 0
        self._ending_ms = None
        self._sample_ms = 0
        self._recent_mw = 0
        self._before_mw = 0
        self._block_ms = 0
        self._block_mws = 0

    @property
    def is_open(self):
        """True from start to end, suspended included."""
        return self.state in OPEN

    def event(self, event):
        """Move along the table; IllegalEvent when the state does not know the event."""
        try:
            self.state = TRANSITIONS[self.state, event]
        except KeyError:
            raise IllegalEvent("{} in state {}".format(event, self.state))

    # Beginning ------------------------------------------------------------------------------------------------------

    def arm(self, id, account, source, started, max_duration_ms, max_energy_mwh):
        """Arm a new session; IllegalEvent where one is open or the socket is locked."""
        self.event("start")
        self._clear()
        self.id = id
        self.account = account
        self.source = source
        self.started = started
        self.max_duration_ms = max_duration_ms
        self.max_energy_mwh = max_energy_mwh

    def resume(self):
        """The relay closes again; the caller has journalled it before."""
        self.event("resume")
        self.recloses += 1
        self.proven = False
        self.cause = None
        self._resume_in_ms = None
        self._held_ms = 0
        self._armed_ms = 0
        self._gone_ms = 0
        self._block_ms = self._block_mws = 0
        self._soft_start = True

    # Running --------------------------------------------------------------------------------------------------------

    def update(self, dt_ms, current_ma, power_mw, energy_mwh, hold, latched, roll):
        """What happened in the last dt_ms: None, "suspend", "resume" (the caller resumes it) or "end".

        current_ma and power_mw are the meter's, None while it is silent; energy_mwh what came through since the last
        call; hold and latched name the protection cause that keeps the relay open; roll(low, high) draws an integer.
        After "end" `reason` says why, and the caller calls `end`.
        """
        self.energy_mwh += energy_mwh
        if self.state == SUSPENDED and not self.reason:
            self.suspended_ms += dt_ms
        elif not self.reason:
            self.charge_ms += dt_ms
        if current_ma is not None and not self.reason:
            self.peak_ma = max(self.peak_ma, current_ma)
            self.peak_mw = max(self.peak_mw, power_mw)
        if self.reason:
            # Where it was stopped since the last call, the settling begins with this one.
            self._ending_ms = 0 if self._ending_ms is None else self._ending_ms + dt_ms
            return "end" if self._ending_ms >= self._settle_ms else None
        reason = latched or self._limit_reached()
        if reason:
            return self._conclude(reason)
        if self.state == SUSPENDED:
            return self._suspended(dt_ms, hold, roll)
        if hold:
            self.cause = hold
            self.event("suspend")
            return "suspend"
        reason = None if current_ma is None else self._watch_load(dt_ms, current_ma, power_mw)
        return self._conclude(reason) if reason else None

    def _conclude(self, reason):
        """It ends: its relay opens now, where it is not open, and the meter begins to settle."""
        self.reason = reason
        self._ending_ms = 0

    def stop(self, reason):
        """Someone asked, or the caller knows better: it ends for this reason once the meter has settled."""
        if not self.reason:
            self.reason = reason

    def end(self):
        """Ended; the totals stay readable until the next start."""
        self.event("end")

    def _limit_reached(self):
        if self.max_duration_ms is not None and self.charge_ms >= self.max_duration_ms:
            return "time_limit"
        if self.max_energy_mwh is not None and self.energy_mwh >= self.max_energy_mwh:
            return "energy_limit"
        return None

    def _suspended(self, dt_ms, hold, roll):
        self._held_ms += dt_ms
        if self._held_ms > self.resume_after_outage_ms:
            self._conclude(self.cause if self.outage_open or not hold else hold)
        elif self.outage_open:
            return None  # `outage` decides
        elif hold:
            # After a restart much holds at first, until it was read: that is not what the session was suspended for.
            if self.cause != "power_loss":
                self.cause = hold
            self._resume_in_ms = None
        elif self._resume_in_ms is None:
            if self.recloses >= MAX_RECLOSES:
                self._conclude(self.cause)
            else:
                self._resume_in_ms = 1000 * roll(RESUME_MIN_S, RESUME_MAX_S)
        else:
            self._resume_in_ms -= dt_ms
            if self._resume_in_ms <= 0:
                return "resume"
        return None

    @property
    def worn_out(self):
        """It has used up its recloses: the caller locks the socket when it ends for its cause."""
        return self.recloses >= MAX_RECLOSES and self.reason is not None and self.reason == self.cause

    def _watch_load(self, dt_ms, current_ma, power_mw):
        """The end reasons that the load itself gives, or None."""
        if self.state == ARMED:
            if power_mw >= LOAD_MW:
                self.event("load")
            else:
                self._armed_ms += dt_ms
                return self._never_loaded(current_ma) if self._armed_ms >= NO_LOAD_MS else None
        if current_ma < self.floor_ma:
            self._gone_ms += dt_ms
            if self._gone_ms < GONE_MS:
                return None
            return "full" if 2 * self._before_mw < self.plateau_mw else "unplugged"
        self._gone_ms = 0
        self._learn_plateau(dt_ms, power_mw)
        if power_mw >= max(FULL_MW, self.plateau_mw // FULL_PART):
            self._low_ms = 0
            return None
        self._low_ms += dt_ms
        return "full" if self._low_ms >= FULL_MS else None

    def _never_loaded(self, current_ma):
        """The end reason where no load came: one that had charged before a resumption is full, or was taken away."""
        if not self.plateau_mw:
            return "no_load"
        return "unplugged" if current_ma < self.floor_ma else "full"

    def _learn_plateau(self, dt_ms, power_mw):
        """The plateau is the highest minute's mean so far; `_before_mw` the power one to two seconds ago.

        The power just before the current vanished decides between full and unplugged, and a meter shows the drop as a
        slope: so the decision looks a second further back.
        """
        if not self._before_mw:
            self._before_mw = self._recent_mw = power_mw
        self._sample_ms += dt_ms
        if self._sample_ms >= _SAMPLE_MS:
            self._sample_ms = 0
            self._before_mw = self._recent_mw
            self._recent_mw = power_mw
        self._block_ms += dt_ms
        self._block_mws += power_mw * dt_ms
        mean_mw = self._block_mws // self._block_ms
        if self._block_ms >= _BLOCK_MS:
            self._block_ms = self._block_mws = 0
            self._settled_mw = max(self._settled_mw, mean_mw)
            self.plateau_mw = self._settled_mw
            self._look_for_anomaly(mean_mw)
        elif not self._settled_mw:
            self.plateau_mw = mean_mw  # the first minute: all that is known

    def _look_for_anomaly(self, mean_mw):
        """The picture of a failing battery, from one minute's mean: it rises after its taper began, or never tapers.

        Real chargers rise by a fifth over hours before the taper and by a watt or two near its end. The first minute
        after a closing is a soft start and says nothing.
        """
        if self._soft_start:
            self._soft_start = False
        elif 10 * mean_mw < 9 * self._settled_mw:
            self._trough_mw = min(self._trough_mw or mean_mw, mean_mw)
        if self._trough_mw:
            if mean_mw > self._trough_mw + max(ANOMALY_RISE_MW, self._settled_mw // 4):
                self.anomaly = self.anomaly or "rose to {} W after a taper to {} W".format(
                    mean_mw // 1000, self._trough_mw // 1000
                )
        elif self.charge_ms >= NEVER_TAPERS_MS:
            self.anomaly = self.anomaly or "no taper within 10 h"

    # Restart --------------------------------------------------------------------------------------------------------

    def snapshot(self, settled):
        """What a checkpoint keeps of an open session; settled: its relay closed a while ago, and is closed."""
        proven = 1 if settled or self.proven else 0
        cause = self.cause if self.reason else None  # what it is suspended for after a restart is the restart
        return [getattr(self, name) for name in _SAVED] + [proven, self.reason, cause]

    def revive(self, snapshot):
        """Take up a session found after a restart: suspended until `outage` says how long the board was off."""
        self.event("recover")
        self._clear()
        for name, value in zip(_SAVED, snapshot):
            setattr(self, name, value)
        self.proven = bool(snapshot[len(_SAVED)])
        self._settled_mw = self.plateau_mw
        self.cause = "power_loss"
        self.outage_open = True
        ending = snapshot[len(_SAVED) + 1 :] + [None, None]  # another release may have written fewer, or more
        if ending[0]:
            self.reason, self.cause = ending[:2]

    def outage(self, outage_ms):
        """How long the board was off, None when that cannot be known: the session waits to resume, or ends.

        Without a checkpoint since its last closing it ends too: a fault that took the supply down with it must not be
        met again by itself.
        """
        self.outage_open = False
        self.suspended_ms += outage_ms or 0
        self._held_ms += outage_ms or 0
        if outage_ms is None or self._held_ms > self.resume_after_outage_ms or not self.proven:
            self.stop("power_loss")
