"""Commands as they come over the wire: checked, journalled, obeyed, answered; each id once. Loaded for a command.

What is asked for every day is here, the rest in core/rare_commands. `execute` always returns a reply. A command that
changes something is in the journal before its effect, so that after a restart its id is known; one that cannot be
journalled is refused. Only a stop is obeyed at once.
"""

from wire.commands import command as checked
from wire.messages import WireError, reply
from wire.records import session_id

from . import causes
from .protection import WHOLE


class Commands:
    """Obeys for one point; `obeyed` is core.obeyed.Obeyed.

    `configure`, called with (self, command, uptime_ms, unix), changes config.json; `identify`, called alike, shows
    which board this is.
    """

    def __init__(self, point, obeyed, configure=None, identify=None):
        self.point = point
        self.configure = configure
        self.identify = identify
        self._obeyed = obeyed
        self._ops = {
            "start": self._start,
            "stop": self._stop,
            "resend": self._resend,
        }

    def execute(self, payload, uptime_ms, unix, line):
        """The reply to a raw command; never raises for what the sender did.

        `line` is the way that it came: `is_local` where that is the point itself, `resend` what sends records there.
        """
        try:
            command = checked(payload)
            command["line"] = line
        except WireError as e:
            return reply(e.id, e.code, e.detail)
        known = self._obeyed.answer_to(command["id"])
        if known:
            return known
        answer = self._obey(command, uptime_ms, unix)
        # What changes nothing may be asked twice: a long pull must not push out the ids of what was obeyed.
        if command["op"] not in ("resend", "ping"):
            self._obeyed.remember(answer)
        return answer

    def _obey(self, command, uptime_ms, unix):
        id = command["id"]
        op = self._ops.get(command["op"])
        if command["expires"] is not None and unix is not None and unix > command["expires"]:
            return reply(id, "expired", "expired {} s ago".format(unix - command["expires"]))
        socket = command.get("socket")
        if socket is not None and not 1 <= socket <= len(self.point.sessions):
            return reply(id, "no_such_socket", "sockets are 1 to {}".format(len(self.point.sessions)))
        i = WHOLE if socket is None else socket - 1
        if op:
            refused = op(command, i, uptime_ms, unix)
        else:
            from . import rare_commands

            refused = rare_commands.obey(self, command, i, uptime_ms, unix)
        if isinstance(refused, dict):
            answer = reply(id)
            answer.update(refused)
            return answer
        answer = reply(id, *refused) if refused else reply(id)
        if answer.get("error") == "gone":
            answer["first_seq"] = self.point.journal.first_seq
        return answer

    def journal(self, command, uptime_ms, unix):
        """Put the command on record before its effect; returns (error, detail) when that cannot be."""
        if not self.point.journal.ready(2):
            return "journal", "the journal has no room before its next erase; try again in a few seconds"
        self._record(command, uptime_ms, unix)
        return None

    def _record(self, command, uptime_ms, unix):
        self.point.record(
            "command",
            uptime_ms,
            unix,
            id=command["id"],
            op=command["op"],
            socket=command.get("socket"),
            actor=command["actor"],
        )

    def _start(self, command, i, uptime_ms, unix):
        for limit in ("max_duration_s", "max_energy_mwh"):
            if command[limit] == 0:
                return "bad_field", limit + " is 0; leave it out for no limit of its own"
        return (
            why_not_start(self.point, i)
            or self.journal(command, uptime_ms, unix)
            or start(
                self.point,
                i,
                command["account"],
                "button" if command["line"].is_local else "remote",
                command["max_duration_s"],
                command["max_energy_mwh"],
                uptime_ms,
                unix,
            )
        )

    def _stop(self, command, i, uptime_ms, unix):
        """The relay first: its record may have to wait until an erase is allowed, and what forbids that may be this."""
        session = self.point.sessions[i]
        stopping = session.reason
        refused = stop(self.point, i, "stopped_local" if command["line"].is_local else "stopped_remote")
        if refused:
            return refused
        waits = self.point.journal.pending
        # A session that ends by itself is in no record yet: a restart would let it go on, were the stop in none either.
        if not stopping or not (waits or stopping.startswith("stopped")):
            self._record(command, uptime_ms, unix)
        if self.point.journal.pending:
            return (
                "journal",
                "the relay is open, but until the next erase a power cut undoes it; stop it again then",
            )
        return None

    def _resend(self, command, i, uptime_ms, unix):
        """Have records sent again; what is no longer in the journal is said with the first that is."""
        journal = self.point.journal
        if command["epoch"] != journal.epoch:
            return "gone", "this journal's epoch is " + journal.epoch
        try:
            count = command["line"].resend(command["epoch"], command["from"], command["to"])
        except ValueError as e:
            return "bad_field", str(e)
        if not count or command["from"] < journal.first_seq:
            return "gone", "the journal begins at {}".format(journal.first_seq)
        return None


def start(point, i, account, source, max_duration_s, max_energy_mwh, uptime_ms, unix):
    """Open a session on socket i of a Point; the record comes first. Returns None or (error, detail)."""
    session = point.sessions[i]
    refused = why_not_start(point, i)
    if refused:
        return refused
    longest_s = min(max_duration_s or point.max_duration_s, point.max_duration_s)
    id = session_id(point.journal.epoch, point.journal.next_seq)
    point.record(
        "session_start",
        uptime_ms,
        unix,
        socket=i + 1,
        session=id,
        account=account,
        source=source,
        max_duration_s=longest_s,
        max_energy_mwh=max_energy_mwh,
    )
    session.arm(id, account, source, unix, 1000 * longest_s, max_energy_mwh)
    point.energy.drop_rest(i)
    point.close(i)
    return None


def why_not_start(point, i):
    """(error, detail) when a session cannot start on socket i of a Point now, else None."""
    session = point.sessions[i]
    protection = point.protection
    if not session.is_open:
        point.rest(i, session)  # what the tick found since the last update
    if point.problems or not protection.ready:
        return "not_ready", "; ".join(point.problems) or "the point is " + point.state
    if point.restart_asked:
        return "not_ready", "the point is about to restart; try again in a minute"
    if session.is_open:
        return "socket_busy", "session {} is {}".format(session.id, session.state)
    held, locked = protection.against(i)
    if locked:
        # The lowest bit is the cause that is named; where it locks both, the whole point is told first.
        whole = protection.latched[WHOLE] & locked & -locked
        since = point.locked_since[WHOLE if whole else i]
        since = "before the clock was set" if since is None else since
        where = "the whole point: " if whole else ""
        return "socket_locked", "{}{} since {}".format(where, causes.name(locked), since)
    refused = "internal" if protection.fault else causes.name(held) or protection.refuses_start()
    if refused:
        return "not_ready", refused
    if not point.journal.ready(1):
        return "journal", "the journal has no room before its next erase; try again in a few seconds"
    return None


def stop(point, i, reason):
    """End the session of socket i of a Point. Returns None or (error, detail)."""
    session = point.sessions[i]
    if not session.is_open:
        return "no_session", "socket {} is {}".format(i + 1, session.state)
    session.stop(reason)
    point.protection.want(i, False)
    return None
