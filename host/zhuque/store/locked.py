"""What is locked at a point, as its journal tells: what a trip locked, and what was reset since. Pure.

The rules are those by which the board itself finds its lockouts again after a restart (firmware/core/recovery.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from zhuque.lockouts import LOCKING
from zhuque.wire.codes import CAUSES


class Lockout(NamedTuple):
    """`socket` is None for the whole point; `since` is in Unix seconds, None where no clock tells."""

    socket: int | None
    cause: str
    since: int | None


class Told(NamedTuple):
    """A trip or reset record; `at` is its time, dated back where the board had none."""

    kind: str
    socket: int | None
    session: str | None
    cause: str
    at: int | None


def standing(records: Iterable[Told]) -> list[Lockout]:
    """What is locked after these records of one journal, in its order: the whole point first, then by socket."""
    locked: dict[int | None, Lockout] = {}
    for record in records:
        if record.kind == "reset":
            locked.pop(record.socket, None)
        elif _locks(record):
            # Of several causes at one place the board names the one that comes first in CAUSES.
            before = locked.get(record.socket)
            cause = record.cause if before is None else min(before.cause, record.cause, key=CAUSES.index)
            locked[record.socket] = Lockout(record.socket, cause, record.at)
    return [locked[place] for place in sorted(locked, key=lambda socket: socket or 0)]


def _locks(trip: Told) -> bool:
    """What clears by itself is in a trip record without a session only where a session that had used up its recloses
    was locked for it."""
    if trip.cause in LOCKING:
        return True
    return trip.cause in CAUSES and trip.cause != "internal" and trip.session is None


def believed(lockouts: Iterable[Lockout], state: object, sockets: Sequence[str]) -> tuple[Lockout, ...]:
    """Those that the point does not contradict: `state` as its status has it, `sockets` the states in its telemetry.

    The record of a reset may be lost, or be under way; the point knows.
    """

    def stands(lockout: Lockout) -> bool:
        if lockout.socket is None:
            return state == "locked" or (bool(sockets) and all(one == "locked" for one in sockets))
        return lockout.socket <= len(sockets) and sockets[lockout.socket - 1] == "locked"

    return tuple(lockout for lockout in lockouts if stands(lockout))
