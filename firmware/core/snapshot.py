"""What a checkpoint holds of a point; core/recovery takes it up again."""

import json

from .checkpoints import MAX_PAYLOAD
from .protection import WHOLE


def pack(point, unix):
    """The checkpoint of a point as bytes: open sessions, lockouts and when they began, the time."""
    protection = point.protection
    sessions = []
    locks = []
    for i, session in enumerate(point.sessions):
        if session.is_open:
            sessions.append([i] + session.snapshot(protection.is_settled(i)))
    for i in range(WHOLE, len(point.sessions)):
        if protection.latched[i]:
            locks.append([i, protection.latched[i], point.locked_since[i]])
    state = {
        "boot": point.boot,
        "time": unix,
        "sessions": sessions,
        "locks": locks,
        "stray": point.stray_mwh,
        "resets": point.remote_resets,
    }
    payload = _dump(state)
    while len(payload) > MAX_PAYLOAD and state["resets"]:
        state["resets"] = state["resets"][1:]  # the oldest goes; of sixteen sockets forty find room at least
        payload = _dump(state)
    # Then what can be told without: energy outside of sessions, and whose a session is.
    if len(payload) > MAX_PAYLOAD:
        state["stray"] = []
        payload = _dump(state)
    for row in sessions:
        if len(payload) > MAX_PAYLOAD:
            row[2] = None
            payload = _dump(state)
    return payload


def _dump(state):
    return json.dumps(state, separators=(",", ":")).encode()
