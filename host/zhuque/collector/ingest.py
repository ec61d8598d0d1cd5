"""A topic and its bytes become an item that can be stored: pure, and it never raises.

Strategy: take what is understood, keep what is not. A record of an unknown kind, with unknown keys or names is stored
as it came, for a newer board of the same major version may send it. What breaks a rule becomes a DeadLetter with the
reason; where its epoch and seq can be read they go along, so that a bad record does not hold back the good ones
behind it.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from zhuque.store.items import (
    DeadLetter,
    Ignored,
    Item,
    Message,
    Record,
    Refused,
    Reply,
    Status,
    Telemetry,
)
from zhuque.wire import topics
from zhuque.wire.messages import WireError, load
from zhuque.wire.records import FIELDS
from zhuque.wire.version import WIRE

_INT_MAX = (1 << 53) - 1
_HEX = frozenset("0123456789abcdef")
_TEXT_MAX = 120
_SOCKETS_MAX = 255

_INTEGERS = {kind: tuple(n for n, form in fields if form == "u") for kind, fields in FIELDS.items()}
_TEXTS = {kind: tuple(n for n, form in fields if form != "u") for kind, fields in FIELDS.items()}
# Without these a record of the kind says nothing.
_NEEDED = {
    "session_start": ("socket", "session"),
    "session_end": ("socket", "session", "reason"),
    "session_checkpoint": ("socket",),
    "clock": ("boot", "uptime_ms", "time"),
    "alarm": ("alarm", "state"),
    "trip": ("cause",),
}


# A site has few topics and many messages.
_parse = lru_cache(4096)(topics.parse)


class _Bad(Exception):
    """A field that breaks a rule; the text says which and how."""


def decode(topic: str, payload: bytes, retained: bool, now: int) -> Item:
    """What a message is; `now` is the collector's clock in Unix seconds."""
    place = _parse(topic)
    if place is None:
        return DeadLetter(topic, payload, "bad_topic", "not zq/MAJOR/SITE/POINT/CHANNEL", now)
    major, site, point, channel = place
    if major != WIRE:
        return Refused(site, point, _other_version(major), now)
    if channel not in ("record", "status", "telemetry", "reply"):
        return Ignored()
    body: Message = {}
    try:
        body = load(payload)
        if channel == "record":
            return _record(topic, site, point, body, payload, now)
        if channel == "status":
            return _status(site, point, body, retained, now)
        if channel == "reply":
            return Reply(site, point, body, now)
        return _telemetry(site, point, body, now)
    except WireError as error:
        if channel == "reply":
            return Ignored()
        return DeadLetter(topic, payload, error.code, error.detail, now, site, point)
    except _Bad as error:
        letter = DeadLetter(topic, payload, "bad_field", str(error), now, site, point)
        if channel == "record":
            letter.epoch, letter.seq = _readable_place(body)
        return letter


def _other_version(major: int) -> str:
    which = "this zhuque" if major > WIRE else "the point's firmware"
    return f"speaks version {major} of the wire, this zhuque speaks {WIRE}: upgrade {which}"


def _record(topic: str, site: str, point: str, body: Message, payload: bytes, now: int) -> Record:
    get = body.get
    epoch, seq, kind = get("epoch"), get("seq"), get("kind")
    if type(epoch) is not str or not is_epoch(epoch):
        raise _Bad(f"epoch must be 16 hexadecimal digits, is {epoch!r}")
    if type(seq) is not int or not 1 <= seq <= _INT_MAX:
        raise _Bad(f"seq must be a number from 1, is {seq!r}")
    if type(kind) is not str or not 1 <= len(kind) <= 32 or not kind.isascii():
        raise _Bad(f"kind must be a short name, is {kind!r}")
    for name in ("boot", "uptime_ms", "time", *_INTEGERS.get(kind, ())):
        value = get(name)
        if value is not None and (type(value) is not int or not 0 <= value <= _INT_MAX):
            raise _Bad(f"{name} must be a number from 0, is {value!r}")
    for name in _TEXTS.get(kind, ()):
        _check_text(name, get(name))
    for name in _NEEDED.get(kind, ()):
        if get(name) is None:
            raise _Bad(f"{name} is missing")
    socket, session = _socket(kind, get("socket")), get("session")
    if kind not in FIELDS:
        session = session if type(session) is str and _is_session(session) else None
    elif session is not None and not _is_session(session):
        raise _Bad(f"session must be EPOCH-SEQ, is {session!r}")
    return Record(
        site,
        point,
        epoch,
        seq,
        get("boot"),
        get("uptime_ms"),
        get("time"),
        kind,
        socket,
        session,
        body,
        payload.decode(),
        now,
        topic,
    )


def _status(site: str, point: str, body: Message, retained: bool, now: int) -> Status:
    online = body.get("online")
    if type(online) is not bool:
        raise _Bad(f"online must be true or false, is {online!r}")
    for name in ("boot", "first_seq", "last_seq", "sockets", "time"):
        _check_integer(name, body.get(name))
    for name in ("firmware", "board", "state", "epoch", "ip"):
        _check_text(name, body.get(name))
    if body.get("epoch") is not None and not is_epoch(body["epoch"]):
        raise _Bad(f"epoch must be 16 hexadecimal digits, is {body['epoch']!r}")
    problems = body.get("problems")
    if problems is not None and type(problems) is not list:
        raise _Bad("problems must be a list of texts")
    for problem in problems or ():
        _check_text("problems", problem)
        if problem is None:
            raise _Bad("problems holds a null")
    return Status(site, point, online, body, not retained, now)


def _telemetry(site: str, point: str, body: Message, now: int) -> Telemetry:
    sockets = body.get("sockets")
    if type(sockets) is not list or len(sockets) > _SOCKETS_MAX:
        raise _Bad("sockets must be a list of rows")
    for row in sockets:
        if type(row) is not list or len(row) < 4 or type(row[0]) is not str:
            raise _Bad(f"a row of sockets must be state, current_ma, power_mw, energy_mwh, is {row!r}")
        _check_text("the state of a socket", row[0])
        for name, value in zip(("current_ma", "power_mw", "energy_mwh"), row[1:4], strict=True):
            _check_integer(name, value)
    for name in ("time", "uptime_ms", "voltage_mv"):
        _check_integer(name, body.get(name))
    return Telemetry(site, point, body, now)


def _check_integer(name: str, value: Any) -> None:
    if value is not None and (type(value) is not int or not 0 <= value <= _INT_MAX):
        raise _Bad(f"{name} must be a number from 0, is {value!r}")


def _check_text(name: str, value: Any) -> None:
    """A text that every database can hold: short, no lone surrogates, no NUL."""
    if value is None:
        return
    if type(value) is not str or len(value) > _TEXT_MAX or "\0" in value:
        raise _Bad(f"{name} must be a text of at most {_TEXT_MAX} characters, is {value!r:.200}")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeError:
            raise _Bad(f"{name} is not Unicode: {value!r}") from None


def _socket(kind: str, value: Any) -> int | None:
    if value is None:
        return None
    if type(value) is not int or not 1 <= value <= _SOCKETS_MAX:
        if kind not in FIELDS:
            return None
        raise _Bad(f"socket must be 1 to {_SOCKETS_MAX}, is {value!r}")
    return value


def is_epoch(value: Any) -> bool:
    """True for the name of a journal: 16 hexadecimal digits."""
    return type(value) is str and len(value) == 16 and _HEX.issuperset(value)


def _is_session(value: str) -> bool:
    return len(value) <= 36 and value[16:17] == "-" and is_epoch(value[:16]) and value[17:].isdecimal()


def _readable_place(body: Message) -> tuple[str | None, int | None]:
    epoch, seq = body.get("epoch"), body.get("seq")
    if is_epoch(epoch) and type(seq) is int and 1 <= seq <= _INT_MAX:
        return epoch, seq
    return None, None
