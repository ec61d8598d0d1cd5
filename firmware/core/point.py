"""One charge point: sessions, energy and journal around the protection.

`update` is the session loop's one call, twice a second; core/commands takes what came over the wire. Both are given the
time: uptime in milliseconds and Unix seconds, None while the clock is not set. What is journalled is journalled
before its effect, a start before the relay is asked for, a command before it is obeyed; only a stop opens it first.
"""

from wire.units import const

from . import causes
from .protection import WHOLE
from .session import ARMED, CHARGING, ENDED, IDLE, LOCKED, UNAVAILABLE, Session

CHECKPOINT_MS = const(60_000)
MOST_TRIES = const(600)  # two a second
HALF_HOUR_S = const(1800)
OUTAGE_KNOWN_WITHIN_MS = const(180_000)
PATIENCE_MS = const(10_000)
# What may wait for a quiet moment; everything else is written at once, for an effect may follow it.
_PATIENT = ("session_checkpoint",)
# A clock that moved by more than this against the uptime has been set.
_CLOCK_STEP_S = const(2)


def _keeping():
    """core/keeping for what can wait; None while it cannot be loaded, and then it waits."""
    try:
        from . import keeping
    except (MemoryError, OSError, ImportError):
        keeping = None
    return keeping


class Point:
    """`journal` is recovered; `meter` gives rms_floor_ma and round_ms; `problems` are texts that forbid closing."""

    def __init__(self, board, config, protection, reading, energy, journal, meter, roll):
        n = protection.sockets
        self.board_name = board.get("name", "unknown")
        self.protection = protection
        self.reading = reading
        self.energy = energy
        self.journal = journal
        self.roll = roll
        self.boot = 0
        self.state = "starting"
        self.problems = []
        self.max_duration_s = config["session.max_duration_s"]
        resume_ms = 1000 * config["session.resume_after_outage_s"]
        self.sessions = [Session(meter.rms_floor_ma, resume_ms, meter.round_ms) for _ in range(n)]
        self.remote_resets = []  # (socket index, Unix seconds or None), of the last day
        self.restart_asked = False
        self.maintenance = False  # this boot is one that the op `maintenance` asked for
        self.locked_since = [None] * (n + 1)  # the last is the whole point's
        self._anomalous = [None] * n
        self.stray_mwh = [0] * n  # energy that passed outside any session: a welded relay
        self.outage_from = None  # Unix seconds of the last sign of life before this boot
        self._uptime_ms = 0
        self._half_hour = None
        self._clock_offset_s = None  # Unix seconds less uptime, as last known in this boot
        self._clock_lost = True
        self.forgetful = False  # recovery failed: a checkpoint would forget what was locked
        self._checkpoint_ms = 0
        self.unkept = 0  # tries since the last checkpoint that was kept
        self._dirty = False
        self._patient = []  # records that wait for a quiet moment
        self._unwritten = 0  # bit per socket: its relay waits for the record of its closing
        self._lost_unstored = 0
        self._lost_since = 0  # stored_seq when the alarm was raised
        self._damaged = 0

    @property
    def is_charging(self):
        """True while any session is open."""
        return any([session.is_open for session in self.sessions])

    # The session loop -----------------------------------------------------------------------------------------------

    def update(self, uptime_ms, unix):
        """Everything that is due; called every half second. Renews the lease when it came through."""
        dt_ms = uptime_ms - self._uptime_ms
        self._uptime_ms = uptime_ms
        self._watch_clock(uptime_ms, unix)
        self._settle_outages(uptime_ms, unix)
        self.take_trips(uptime_ms, unix)
        if self._unwritten and not self.journal.pending:
            self._close_written()
        for i in range(self.protection.sockets):
            self._update_socket(i, dt_ms, uptime_ms, unix)
        self._half_hours(uptime_ms, unix)
        self._write_patient(uptime_ms)
        self._checkpoint(uptime_ms, unix)
        self._care_for_journal(uptime_ms, unix)
        self.protection.renew()

    def record(self, kind, uptime_ms, unix, **fields):
        """Append a record. Half-hourly totals wait, 10 s at most, while a closed socket may need every tick."""
        fields["kind"] = kind
        fields["boot"] = self.boot
        fields["uptime_ms"] = uptime_ms
        fields["time"] = unix
        self._dirty = True
        if fields.get("resumed") is None and kind in _PATIENT and not self.protection.may_stall():
            self._patient.append(fields)
        else:
            self._enter(fields)

    def _write_patient(self, uptime_ms):
        """What waited, in its order, once nothing is hot or it has waited long enough."""
        while self._patient and (
            self.restart_asked
            or uptime_ms - self._patient[0]["uptime_ms"] >= PATIENCE_MS
            or self.protection.may_stall()
        ):
            self._enter(self._patient[0])
            self._patient.pop(0)

    def _enter(self, record):
        from . import keeping

        keeping.take_record(self.journal, record)

    def _watch_clock(self, uptime_ms, unix):
        """A `clock` record whenever the clock was set: the host dates back by it what had no time."""
        if unix is None:
            self._clock_lost = True
            return
        offset = unix - uptime_ms // 1000
        was = None if self._clock_lost else self._clock_offset_s
        if was is None or abs(offset - was) > _CLOCK_STEP_S:
            self.record("clock", uptime_ms, unix, was=None if was is None else was + uptime_ms // 1000)
            self.clock_known(uptime_ms, unix)

    def clock_known(self, uptime_ms, unix):
        """The clock survived the restart: no `clock` record is due for it."""
        if unix is not None:
            self._clock_offset_s = unix - uptime_ms // 1000
            self._clock_lost = False

    def _settle_outages(self, uptime_ms, unix):
        if unix is None and uptime_ms < OUTAGE_KNOWN_WITHIN_MS:
            return
        outage_ms = None
        if unix is not None and self.outage_from is not None:
            outage_ms = 1000 * (unix - self.outage_from) - uptime_ms
            # Before the last sign of life: one of the two times is wrong, and nobody knows how long it was dark.
            outage_ms = max(0, outage_ms) if outage_ms >= -1000 * _CLOCK_STEP_S else None
        for session in self.sessions:
            if session.outage_open:
                session.outage(outage_ms)
                self.checkpoint_soon()  # what was decided outlives the next cut

    def take_trips(self, uptime_ms, unix):
        """Journal the trips that the tick left, and end the sessions that they hit."""
        trips = self.protection.trips
        while trips.waiting:
            from . import keeping

            keeping.load()  # first: what cannot be loaded now is told by the next call
            i, bits, current_ma, power_mw, voltage_mv = trips.take()
            for n in range(self.protection.sockets):
                if i in (n, WHOLE):
                    self.sessions[n].stop(causes.name(bits))
            self.record_trip(i, bits, uptime_ms, unix, current_ma, power_mw, voltage_mv)

    def record_trip(self, i, bits, uptime_ms, unix, current_ma=None, power_mw=None, voltage_mv=None):
        """Journal a trip, of a socket or of the WHOLE point, a record for each cause in `bits`."""
        for cause in range(len(causes.CAUSES)):
            if bits >> cause & 1:
                self._record_cause(i, 1 << cause, uptime_ms, unix, current_ma, power_mw, voltage_mv)

    def _record_cause(self, i, bits, uptime_ms, unix, current_ma, power_mw, voltage_mv):
        """Of one cause; a welded relay raises the point's alarm too."""
        whole = i == WHOLE
        session = None if whole else self.sessions[i]
        if self.protection.latched[i] & bits:
            self.locked_since[i] = unix
        self.record(
            "trip",
            uptime_ms,
            unix,
            socket=None if whole else i + 1,
            cause=causes.name(bits),
            session=session.id if session and session.is_open else None,
            current_ma=None if whole else current_ma,
            power_mw=None if whole else power_mw,
            voltage_mv=voltage_mv,
        )
        if bits & causes.RELAY_WELDED:
            self.record("alarm", uptime_ms, unix, alarm="relay_welded", state="raised", socket=i + 1)

    def _update_socket(self, i, dt_ms, uptime_ms, unix):
        session = self.sessions[i]
        heard = self.reading.slow_ok[i]
        mwh = self.energy.take(i, self.reading.count[i]) if heard else 0
        if not session.is_open:
            if mwh:
                self.stray_mwh[i] += mwh
                self._dirty = True
            self.rest(i, session)
            return
        current_ma = self.reading.current_ma[i] if heard else None
        hold, latched = self._against(i, session)
        what = session.update(dt_ms, current_ma, self.reading.power_mw[i], mwh, hold, latched, self.roll)
        watched_mw = self.reading.power_mw[i] if session.state == CHARGING else 0
        if heard and self.energy.frozen(i, watched_mw, dt_ms):
            self.protection.distrust(i)
        if session.anomaly and not self._anomalous[i]:
            self.record(
                "alarm",
                uptime_ms,
                unix,
                alarm="load_anomaly",
                state="raised",
                socket=i + 1,
                detail=session.anomaly,
            )
        self._anomalous[i] = session.anomaly
        if session.reason:
            self.protection.want(i, False)
        if what == "end":
            self._end(i, session, uptime_ms, unix)
        elif what == "suspend":
            self.protection.want(i, False)
            self._session_record("session_checkpoint", i, uptime_ms, unix, cause=session.cause)
        elif what == "resume":
            self._resume(i, session, uptime_ms, unix)

    def _against(self, i, session):
        """(hold, latched): the names of the causes that keep this socket open, None where there is none."""
        protection = self.protection
        # First: what a tick opens from here on is among the causes.
        wanted = (protection.wanted | self._unwritten) >> i & 1
        held, locks = protection.against(i)
        hold = causes.name(held)
        latched = causes.name(locks)
        if protection.fault:
            latched = latched or "internal"
        elif not protection.ready:
            hold = hold or "internal"  # in safe mode the meter is heard, and yet nothing closes
        elif session.state in (ARMED, CHARGING) and not wanted:
            # Opened, and what opened it is gone again between two calls.
            hold = hold or causes.name(protection.dropped[i]) or "meter_stale"
        return hold, latched

    def rest(self, i, session):
        """A socket without a session: locked, unavailable or idle, as protection says."""
        held, locked = self.protection.against(i)
        usable = self.protection.ready and not held and not self.protection.fault
        if locked:
            if session.state != LOCKED:
                session.event("lock")
        elif session.state == LOCKED:
            session.event("reset")
        elif usable and session.state == UNAVAILABLE:
            session.event("regain")
        elif not usable and session.state in (IDLE, ENDED):
            session.event("lose")

    def _resume(self, i, session, uptime_ms, unix):
        """The reclose is in the journal before the relay is asked for."""
        if self.restart_asked or not self.journal.ready(1):
            return
        session.resume()
        self._session_record("session_checkpoint", i, uptime_ms, unix, resumed=session.recloses)
        self.close(i)

    def close(self, i):
        """Ask for the relay; where flash that fails kept the record in RAM, not before it is written."""
        if self.journal.pending:
            self._unwritten |= 1 << i
        else:
            self.protection.want(i, True)

    def _close_written(self):
        for i, session in enumerate(self.sessions):
            # One that is about to end, or before a restart, stays open.
            if (
                self._unwritten >> i & 1
                and session.state == ARMED
                and not (session.reason or self.restart_asked)
            ):
                self.protection.want(i, True)
        self._unwritten = 0

    def _end(self, i, session, uptime_ms, unix):
        if session.worn_out and session.reason in causes.CAUSES:
            bits = causes.bit(session.reason)
            # A welded relay is a neighbour's, or it were locked already; a restart is what clears a fault.
            if not bits & (causes.RELAY_WELDED | causes.INTERNAL):
                self.protection.lock(i, bits)
        self._session_record(
            "session_end",
            i,
            uptime_ms,
            unix,
            reason=session.reason,
            account=session.account,
            source=session.source,
            started=session.started,
        )
        session.end()
        self.take_trips(uptime_ms, unix)  # the lock is on record with the session's end
        self.energy.drop_rest(i)
        self.rest(i, session)

    def _session_record(self, kind, i, uptime_ms, unix, **fields):
        session = self.sessions[i]
        self.record(
            kind,
            uptime_ms,
            unix,
            socket=i + 1,
            session=session.id,
            duration_s=session.charge_ms // 1000,
            suspended_s=session.suspended_ms // 1000,
            energy_mwh=session.energy_mwh,
            peak_ma=session.peak_ma,
            peak_mw=session.peak_mw,
            **fields,
        )

    def _half_hours(self, uptime_ms, unix):
        """Energy so far at each UTC half hour: time-of-use prices come from it. Without a clock, of uptime."""
        now_s = uptime_ms // 1000 if unix is None else unix
        half_hour = (unix is None, now_s // HALF_HOUR_S)
        was = self._half_hour
        if was == half_hour or self.journal.pending:
            return  # while records wait for room these would fill it: they come, with the energy so far, after them
        self._half_hour = half_hour
        if not was:
            return
        for i, session in enumerate(self.sessions):
            if session.is_open:
                self._session_record("session_checkpoint", i, uptime_ms, unix)
            elif self.stray_mwh[i]:
                self.record("session_checkpoint", uptime_ms, unix, socket=i + 1, energy_mwh=self.stray_mwh[i])
                self.stray_mwh[i] = 0

    # Flash ----------------------------------------------------------------------------------------------------------

    def _checkpoint(self, uptime_ms, unix):
        """Every minute while a session is open, and once after the last change."""
        if uptime_ms - self._checkpoint_ms < CHECKPOINT_MS or self.forgetful:
            return
        if not self.is_charging and not self._dirty:
            return
        self.take_trips(uptime_ms, unix)
        self.unkept += 1
        if self.unkept == MOST_TRIES:
            self.alarm("journal_damaged", uptime_ms, unix, "no checkpoint could be written for some minutes")
        if unix is None and self._clock_offset_s is not None:
            unix = self._clock_offset_s + uptime_ms // 1000  # the clock is lost, the uptime still tells
        elif unix is None and self.outage_from is not None:
            unix = self.outage_from + uptime_ms // 1000  # it is no earlier
        if self._patient or not self.journal.takes_checkpoint:
            return
        keeping = _keeping()
        if keeping and keeping.checkpoint(self, unix):
            self.unkept = 0
            self._checkpoint_ms = uptime_ms
            self._dirty = False
            for i, session in enumerate(self.sessions):
                if self.protection.is_settled(i):
                    session.proven = True

    def checkpoint_soon(self):
        """The next call of `update` writes one, if the flash has room: something changed that no record tells."""
        self._checkpoint_ms -= CHECKPOINT_MS
        self._dirty = True

    def _care_for_journal(self, uptime_ms, unix):
        """Erase ahead while nothing forbids it, and say what the journal lost."""
        journal = self.journal
        protection = self.protection
        # After a recovery that failed what it did not find must stay, for the next one and for whoever pulls it.
        if not (protection.still or self.forgetful):
            # Before the question: a tick between it and the erase might close a relay.
            protection.still = True
            try:
                if protection.may_stall() and journal.has_work():
                    keeping = _keeping()
                    if keeping:
                        keeping.do_work(journal)
            finally:
                protection.still = False
        lost = journal.lost_unstored - self._lost_unstored
        if lost and self._lost_since != journal.stored_seq + 1:
            # Once for each silence of the collector: every block that follows would tell the same.
            self._lost_unstored = journal.lost_unstored
            self._lost_since = journal.stored_seq + 1
            self.alarm("journal_unstored_lost", uptime_ms, unix, "{} records so far".format(lost))
        if journal.damaged != self._damaged:
            self._damaged = journal.damaged
            self.alarm(
                "journal_damaged",
                uptime_ms,
                unix,
                "{} blocks with unreadable records".format(journal.damaged),
            )

    def alarm(self, alarm, uptime_ms, unix, detail):
        """Raise an alarm of the point itself."""
        self.record("alarm", uptime_ms, unix, alarm=alarm, state="raised", detail=detail)
