"""How a point finds itself again after a restart. Loaded for it.

The newest checkpoint, then every record after it, then the lockouts that the tick left in RTC memory: together they
are the sessions that were open, the lockouts, and the ids of commands already obeyed. Nothing here closes a relay:
a recovered session is suspended until the length of the outage is known.
"""

import json

from . import causes, keeping
from .obeyed import KEPT_IDS
from .protection import WHOLE

# How far back the journal is searched for commands already obeyed.
_SEARCH = 300
# A program that fails takes the block's rest with it: the next try erases another.
_ROOM_TRIES = 3


def recover(point, reset_cause, firmware, uptime_ms, unix):
    """Bring the point to where it was and journal this boot; returns the ids of the commands obeyed before it.

    What protection has latched already is what RTC memory kept (core.trip_memo).
    """
    journal = point.journal
    last = journal.read(journal.last_seq)
    state = _unpack(journal.checkpoint)
    journal.checkpoint = None
    found = _Found(point, state)
    for record in journal.replay():
        found.take(record)
    point.boot = 1 + max([known["boot"] for known in (state, last) if known], default=0)
    point.outage_from = found.alive
    point.clock_known(uptime_ms, unix)
    kept = list(point.protection.latched)
    found.apply()
    _make_room(point)
    point.record(
        "boot",
        uptime_ms,
        unix,
        reset_cause=reset_cause,
        firmware=firmware,
        board=point.board_name,
        outage_s=None if unix is None or found.alive is None else max(0, unix - found.alive),
    )
    for i in range(WHOLE, len(point.sessions)):
        bits, _ = found.locks.get(i, (0, None))
        point.record_trip(i, kept[i] & ~bits, uptime_ms, unix)  # one that never reached the flash
    point.checkpoint_soon()  # what was replayed outlives a supply that comes and goes
    ids, maintenance = _remember(journal)
    point.maintenance = maintenance and reset_cause == "software"
    return ids


def _make_room(point):
    """A full ring that no checkpoint knows takes no record, and while one waits no checkpoint is written: so now."""
    journal = point.journal
    for _ in range(_ROOM_TRIES):
        if not journal.ready(1):
            keeping.do_work(journal)  # no relay is closed yet
        if not journal.ready(1):
            keeping.checkpoint(point, point.outage_from)


def _unpack(payload):
    if payload is None:
        return {}
    try:
        state = json.loads(payload)
    except ValueError:
        return {}
    return state if isinstance(state, dict) else {}


class _Found:
    """Sessions, locks and the last sign of life, as the checkpoint and the records after it tell them.

    `reasons` are why a session was about to end: a stop that was obeyed and a trip end it without their record too.
    """

    def __init__(self, point, state):
        self.point = point
        self.sessions = {row[0]: row[1:] for row in state.get("sessions", ())}
        self.locks = {row[0]: (row[1], row[2]) for row in state.get("locks", ())}
        self.reasons = {}
        self.resets = [(i, time) for i, time in state.get("resets", ())]
        self.alive = state.get("time")
        for i, mwh in enumerate(state.get("stray", ())[: len(point.stray_mwh)]):
            point.stray_mwh[i] = mwh

    def take(self, record):
        """One record after the checkpoint."""
        if record["time"] is not None:
            self.alive = record["time"]
        i = (record.get("socket") or 0) - 1  # without a socket: the WHOLE point
        kind = record["kind"]
        if i >= len(self.point.sessions) or (i == WHOLE and kind not in ("trip", "reset")):
            return
        if kind == "session_start":
            self.reasons.pop(i, None)
            self.sessions[i] = self._begun(record)
        elif kind == "session_end":
            self.sessions.pop(i, None)
        elif kind == "session_checkpoint":
            self._checkpointed(i, record)
        elif kind == "trip":
            self._tripped(i, record)
        elif kind == "reset":
            self.locks.pop(i, None)
            if record["source"] == "remote":
                self.resets.append((i, record["time"]))
        elif kind == "command" and record["op"] == "stop":
            self.reasons.setdefault(i, "stopped_remote")

    def _tripped(self, i, record):
        cause = record["cause"]
        bit = causes.bit(cause) & ~causes.INTERNAL if cause in causes.CAUSES else 0
        bits, _ = self.locks.get(i, (0, None))
        # What is no lockout is in a trip record without a session only where a session that had used up its recloses
        # was locked for it.
        if bit & causes.LOCKOUTS or (bit and record["session"] is None):
            self.locks[i] = (bits | bit, record["time"])
        for n in self.sessions if i == WHOLE else (i,):
            self.reasons.setdefault(n, cause)

    def _begun(self, record):
        """A snapshot, in the order of session._SAVED, of a session of which only the beginning is known."""
        longest = record["max_duration_s"]
        return (
            [
                record["session"],
                record["account"],
                record["source"],
                record["time"],
                None if longest is None else 1000 * longest,
                record["max_energy_mwh"],
            ]
            + [0] * 8
            + [None, None]
        )

    def _checkpointed(self, i, record):
        """Newer totals; a reclose in the journal also means: not proven since."""
        if record["session"] is None:
            self.point.stray_mwh[i] = 0
        row = self.sessions.get(i)
        if row is None or row[0] != record["session"]:
            return
        row[6] = record["energy_mwh"]
        row[7] = 1000 * record["duration_s"]
        row[8] = 1000 * record["suspended_s"]
        row[9] = record["peak_ma"]
        row[10] = record["peak_mw"]
        if record["resumed"] is not None:
            row[12] = record["resumed"]
            row[13] = 0

    def apply(self):
        """Hand all of it to the point."""
        point = self.point
        point.remote_resets = self.resets
        for i, (bits, since) in self.locks.items():
            if WHOLE <= i < len(point.sessions):
                point.protection.restore(i, bits)
                point.locked_since[i] = since
        for i, row in self.sessions.items():
            if i < len(point.sessions):
                point.sessions[i].revive(row)
                if i in self.reasons:
                    point.sessions[i].stop(self.reasons[i])


def _remember(journal):
    """(the ids of the last commands obeyed, oldest first; whether the boot before asked for maintenance)."""
    ids = []
    asked = asked_before = False
    for seq in range(journal.last_seq - _SEARCH, journal.last_seq + 1):
        record = journal.read(seq)
        if record and record["kind"] == "command":
            ids.append(record["id"])
            asked = asked or record["op"] == "maintenance"
        elif record and record["kind"] == "boot":
            asked_before, asked = asked, False
    return ids[-KEPT_IDS:], asked_before
