"""What a message becomes before it is stored: plain, immutable, without a database.

Rules: integers in the units of the wire; `received_at` is the collector's clock, Unix seconds; everything else that
is called a time is the board's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Message = dict[str, Any]


@dataclass(slots=True)
class Record:
    """A journal record that can be stored; `body` is the whole message, `raw` its text as it came."""

    site: str
    point: str
    epoch: str
    seq: int
    boot: int | None
    uptime_ms: int | None
    time: int | None
    kind: str
    socket: int | None
    session: str | None
    body: Message
    raw: str
    received_at: int
    topic: str


@dataclass(slots=True)
class Status:
    """What a point says of itself, or its last will. `live` is False for a message the broker had kept."""

    site: str
    point: str
    online: bool
    body: Message
    live: bool
    received_at: int


@dataclass(slots=True)
class Refused:
    """A point that speaks a newer wire: named, and otherwise left alone."""

    site: str
    point: str
    problem: str
    received_at: int


@dataclass(slots=True)
class Telemetry:
    """The figures of the moment."""

    site: str
    point: str
    body: Message
    received_at: int


@dataclass(slots=True)
class DeadLetter:
    """A message that cannot be taken, kept with the reason. With epoch and seq it fills its place in the journal."""

    topic: str
    payload: bytes
    reason: str
    detail: str
    received_at: int
    site: str | None = None
    point: str | None = None
    epoch: str | None = None
    seq: int | None = None


@dataclass(slots=True)
class Reply:
    """A point's answer to a command; ours or somebody else's."""

    site: str
    point: str
    body: Message
    received_at: int


@dataclass(slots=True)
class Lost:
    """What is missing of a journal before `begin` is gone for ever; `why` says so to a person."""

    site: str
    point: str
    epoch: str
    begin: int
    why: str
    received_at: int


@dataclass(slots=True)
class Ignored:
    """A message for somebody else."""


Item = Record | Status | Refused | Telemetry | DeadLetter | Reply | Lost | Ignored
