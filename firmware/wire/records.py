"""Journal records: their keys, and their form on flash.

A record is a dict on both sides. On the wire it is the dict as JSON. On flash it is the bytes that `encode` writes,
at most 120, without `epoch` and `seq`: the block's header and the frame carry those.

    kind 1 byte | head fields | fields of the kind

    u  integer >= 0 or null: 0 is null, else varint(value + 1)
    t  text or null: 0 is null, else varint(length in bytes + 1) and UTF-8
    s  session id or null: 0 null; 1 varint(seq) of this journal; 2 epoch 8 bytes, varint(seq) of another
    or the tuple of codes a name is taken from: 0 is null, else 1 + its place

A reader meets fields in this order and stops at the end of the bytes: a field appended later reads as null.
"""

from . import codes
from .units import const

MAX_ENCODED = const(120)

# Every record: on the wire after epoch and seq.
HEAD = (("boot", "u"), ("uptime_ms", "u"), ("time", "u"))

_TOTALS = (
    ("duration_s", "u"),
    ("suspended_s", "u"),
    ("energy_mwh", "u"),
    ("peak_ma", "u"),
    ("peak_mw", "u"),
)

FIELDS: dict = {
    "boot": (("reset_cause", codes.RESET_CAUSES), ("firmware", "t"), ("board", "t"), ("outage_s", "u")),
    # `time` of the head is the time now; `was` the time the clock showed before it was set, null if it showed none.
    "clock": (("was", "u"),),
    "session_start": (
        ("socket", "u"),
        ("session", "s"),
        ("account", "t"),
        ("source", codes.SOURCES),
        ("max_duration_s", "u"),
        ("max_energy_mwh", "u"),
    ),
    # Energy so far; `cause` null at a half hour, else why the session was suspended or, with `resumed`, continued.
    "session_checkpoint": (("socket", "u"), ("session", "s"))
    + _TOTALS
    + (("cause", codes.CAUSES), ("resumed", "u")),
    "session_end": (
        ("socket", "u"),
        ("session", "s"),
        ("reason", codes.END_REASONS),
        ("account", "t"),
        ("source", codes.SOURCES),
        ("started", "u"),
    )
    + _TOTALS,
    "trip": (
        ("socket", "u"),
        ("cause", codes.CAUSES),
        ("session", "s"),
        ("current_ma", "u"),
        ("power_mw", "u"),
        ("voltage_mv", "u"),
    ),
    "reset": (("socket", "u"), ("cause", codes.CAUSES), ("actor", "t"), ("source", codes.SOURCES)),
    "alarm": (("alarm", codes.ALARMS), ("state", codes.ALARM_STATES), ("socket", "u"), ("detail", "t")),
    "command": (("id", "t"), ("op", codes.OPS), ("socket", "u"), ("actor", "t")),
    "config": (("digest", "t"), ("problem", "t")),
}


def session_id(epoch: str, seq: int) -> str:
    """A session is named after its `session_start` record."""
    return "{}-{}".format(epoch, seq)


def encode(record: dict, epoch: str) -> bytes:
    """The record's bytes on flash; ValueError for a value its field cannot hold or above MAX_ENCODED bytes."""
    kind = record["kind"]
    out = bytearray()
    out.append(codes.RECORD_KINDS.index(kind))
    for name, form in HEAD + FIELDS[kind]:
        value = record.get(name)
        if value is None:
            out.append(0)
        elif form == "u":
            if value < 0:
                raise ValueError("{} is negative: {}".format(name, value))
            _put_varint(out, value + 1)
        elif form == "t":
            raw = value.encode()
            _put_varint(out, len(raw) + 1)
            out.extend(raw)
        elif form == "s":
            _put_session(out, value, epoch)
        else:
            out.append(1 + form.index(value))
    if len(out) > MAX_ENCODED:
        raise ValueError("{} record of {} bytes, at most {}".format(kind, len(out), MAX_ENCODED))
    return bytes(out)


def decode(raw: "bytes | bytearray | memoryview", epoch: str, seq: int) -> dict:
    """The record that `encode` wrote, with its epoch and seq; ValueError where the bytes are none."""
    try:
        kind = codes.RECORD_KINDS[raw[0]]
        record = {"epoch": epoch, "seq": seq}
        at = 1
        for name, form in HEAD:
            record[name], at = _take(raw, at, form, epoch)
        record["kind"] = kind
        for name, form in FIELDS[kind]:
            record[name], at = _take(raw, at, form, epoch) if at < len(raw) else (None, at)
    except (IndexError, UnicodeError) as e:
        raise ValueError("not a record: {}".format(e))
    return record


def _put_varint(out: bytearray, value: int) -> None:
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)


def _put_session(out: bytearray, session: str, epoch: str) -> None:
    own, seq = session.split("-")
    if own == epoch:
        out.append(1)
    else:
        out.append(2)
        out.extend(bytes.fromhex(own))
    _put_varint(out, int(seq))


def _take(raw, at, form, epoch):
    """(value, position after it) of one field."""
    if raw[at] == 0:
        return None, at + 1
    if form == "u":
        value, at = _take_varint(raw, at)
        return value - 1, at
    if form == "t":
        length, at = _take_varint(raw, at)
        end = at + length - 1
        if end > len(raw):
            raise IndexError("text beyond the end")
        return str(bytes(raw[at:end]), "utf-8"), end
    if form == "s":
        own = epoch if raw[at] == 1 else bytes(raw[at + 1 : at + 9]).hex()
        seq, at = _take_varint(raw, at + 1 if raw[at] == 1 else at + 9)
        return session_id(own, seq), at
    return form[raw[at] - 1], at + 1


def _take_varint(raw, at):
    value = shift = 0
    while True:
        byte = raw[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7
        if shift > 63:
            raise IndexError("varint without an end")
