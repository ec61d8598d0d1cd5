"""Commands that hardly ever come: loaded for one, and dropped again by tasks/command."""

from . import causes
from .protection import WHOLE

# Remote resets of one socket within a day: beyond that somebody has to look at it.
RESETS_A_DAY = 3
_DAY_S = 86400


def obey(commands, command, i, uptime_ms, unix):
    """None, (error, detail), or the keys of the reply; `commands` is core.commands.Commands, i a socket's index."""
    op = _OPS.get(command["op"])
    if op is None:
        return "unknown_op", command["op"] + " is not implemented by this firmware"
    return op(commands, command, i, uptime_ms, unix)


def _reset(commands, command, i, uptime_ms, unix):
    point = commands.point
    if command["line"].is_local:
        return commands.journal(command, uptime_ms, unix) or reset(
            point, i, True, command["actor"], "button", uptime_ms, unix
        )
    # One without a time counts until the clock is known, and then from now on.
    if unix is not None:
        resets = [(s, unix if t is None else min(t, unix)) for s, t in point.remote_resets]
        point.remote_resets = [(s, t) for s, t in resets if unix - t < _DAY_S]
    if len([s for s, _ in point.remote_resets if s == i]) >= RESETS_A_DAY:
        return "too_many_resets", "{} today: have somebody look at the socket".format(RESETS_A_DAY)
    refused = commands.journal(command, uptime_ms, unix) or reset(
        point, i, False, command["actor"], "remote", uptime_ms, unix
    )
    if not refused:
        point.remote_resets.append((i, unix))
    return refused


def reset(point, i, local, actor, source, uptime_ms, unix):
    """Clear the lockouts of socket i or of the WHOLE point, and record by whom. None or (error, detail)."""
    point.take_trips(uptime_ms, unix)  # a trip is journalled before its reset, and its session ends with it
    bits = point.protection.latched[i]
    socket = None if i == WHOLE else i + 1
    error = point.protection.unlock(i, local, point.reading)
    if error:
        return error, causes.name(bits) or "nothing is locked there"
    cause = causes.name(bits)
    point.record("reset", uptime_ms, unix, socket=socket, cause=cause, actor=actor, source=source)
    if bits & causes.RELAY_WELDED:
        point.record("alarm", uptime_ms, unix, alarm="relay_welded", state="cleared", socket=socket)
    point.locked_since[i] = None
    for n, session in enumerate(point.sessions):
        if not session.is_open:
            point.rest(n, session)
    return None


def _limit(commands, command, i, uptime_ms, unix):
    """New limits of an open session; those left out stay, and the point's own longest time is never exceeded."""
    point = commands.point
    session = point.sessions[i]
    longest_s, most_mwh = command["max_duration_s"], command["max_energy_mwh"]
    if longest_s == 0 or most_mwh == 0 or longest_s is most_mwh is None:
        return "bad_field", "max_duration_s or max_energy_mwh must be given, and be more than 0"
    if not session.is_open:
        return "no_session", "socket {} is {}".format(i + 1, session.state)
    refused = commands.journal(command, uptime_ms, unix)
    if not refused:
        if longest_s is not None:
            session.max_duration_ms = 1000 * min(longest_s, point.max_duration_s)
        if most_mwh is not None:
            session.max_energy_mwh = most_mwh
        point.checkpoint_soon()
    return refused


def _reboot(commands, command, i, uptime_ms, unix):
    """A restart that was asked for: open sessions go on after it, as after any short outage."""
    refused = commands.journal(command, uptime_ms, unix)
    if not refused:
        commands.point.restart_asked = True
        commands.point.checkpoint_soon()  # why a session is about to end is in no record yet
    return refused


def _maintenance(commands, command, i, uptime_ms, unix):
    """A restart into tasks/maintenance: it is this record by which recovery knows. Nobody's charging is cut for it."""
    point = commands.point
    if point.is_charging or point.protection.word:
        return "socket_busy", "maintenance begins only while no session is open and every relay is"
    return _reboot(commands, command, i, uptime_ms, unix)


def _config(commands, command, i, uptime_ms, unix):
    return _elsewhere(commands.configure, commands, command, uptime_ms, unix)


def _ping(commands, command, i, uptime_ms, unix):
    """What only the point itself knows of its clock and its inputs: `zhuque point test` asks."""
    reading = commands.point.reading
    return {
        "time": unix,
        "uptime_ms": uptime_ms,
        "inputs": _inputs(reading.active),
        "unread": _inputs(reading.unread),
    }


def _inputs(bits):
    """The names of the inputs among these causes."""
    return [causes.name(1 << n) for n in range(len(causes.CAUSES)) if bits & causes.INPUTS & 1 << n]


def _identify(commands, command, i, uptime_ms, unix):
    return _elsewhere(commands.identify, commands, command, uptime_ms, unix)


def _elsewhere(hook, commands, command, uptime_ms, unix):
    """What needs more of the board than the point."""
    if hook is None:
        return "unknown_op", command["op"] + " is not implemented by this firmware"
    return hook(commands, command, uptime_ms, unix)


_OPS = {
    "reset": _reset,
    "limit": _limit,
    "reboot": _reboot,
    "maintenance": _maintenance,
    "config": _config,
    "identify": _identify,
    "ping": _ping,
}
