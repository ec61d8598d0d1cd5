"""JSON messages: what a valid one looks like, and how to write one.

`WireError` carries a name from `codes.REPLY_ERRORS` and a detail for a person. Unknown keys are ignored everywhere,
so that a newer peer of the same major version is understood.
"""

import json

from .codes import OPS

MAX_MESSAGE = 4096

# Largest integer accepted in a message: milliwatt-hours, Unix seconds and uptimes all stay far below.
_INT_MAX = (1 << 53) - 1

MAX_ID = 36
MAX_ACTOR = 40
MAX_ACCOUNT = 32

# The keys of a command beyond `id` and `op`: (name, type, required). "int?" may be null.
_COMMAND_FIELDS = {
    "start": (
        ("socket", "int", True),
        ("max_duration_s", "int?", False),
        ("max_energy_mwh", "int?", False),
        ("account", "str?", False),
        ("source", "str?", False),
    ),
    "stop": (("socket", "int", True),),
    "reset": (("socket", "int?", False),),  # without a socket: the whole point
    "limit": (("socket", "int", True), ("max_duration_s", "int?", False), ("max_energy_mwh", "int?", False)),
    "resend": (("epoch", "str", True), ("from", "int", True), ("to", "int", True)),
    "reboot": (),
    "identify": (),
    "config": (("config", "dict", True),),
    "maintenance": (),
    "ping": (),
}
_COMMON_FIELDS = (("actor", "str?", False), ("expires", "int?", False))

_MAX_LENGTH = {"id": MAX_ID, "actor": MAX_ACTOR, "account": MAX_ACCOUNT, "epoch": 16, "source": 8}


class WireError(ValueError):
    """A message that cannot be taken: `code` from codes.REPLY_ERRORS, `detail` for a person, `id` where readable."""

    def __init__(self, code: str, detail: str, id: "str | None" = None) -> None:
        super().__init__(code + ": " + detail)
        self.code = code
        self.detail = detail
        self.id = id


def dump(message: dict) -> bytes:
    """The message as compact JSON in UTF-8; ValueError above MAX_MESSAGE bytes."""
    payload = json.dumps(message, separators=(",", ":")).encode()
    if len(payload) > MAX_MESSAGE:
        raise ValueError("message of {} bytes, at most {} allowed".format(len(payload), MAX_MESSAGE))
    return payload


def load(payload: "bytes | bytearray | memoryview") -> dict:
    """The JSON object in `payload`; WireError `too_large` or `bad_json`."""
    if len(payload) > MAX_MESSAGE:
        raise WireError("too_large", "{} bytes, at most {}".format(len(payload), MAX_MESSAGE))
    try:
        text = str(payload, "utf-8").strip()
        # Some releases of MicroPython take an object whose end is missing, and with it keys such as `expires`.
        if not text.endswith("}"):
            raise ValueError("the end is missing")
        message = json.loads(text)
    except (ValueError, RuntimeError) as e:  # RuntimeError: nested deeper than the stack
        raise WireError("bad_json", "not JSON in UTF-8: {}".format(e))
    if not isinstance(message, dict):
        raise WireError("bad_json", "not a JSON object")
    return message


def field(message: dict, name: str, kind: str, required: bool = True):
    """The value of a key, checked: kind is int (0 to 2**53 - 1), str, bool, dict or list; '?' appended allows null.

    A key that is not required reads as None when absent. WireError `bad_field` names the key and what was wrong.
    """
    value = message.get(name)
    if value is None:
        if name not in message and required:
            raise WireError("bad_field", name + " is missing")
        if name in message and not kind.endswith("?"):
            raise WireError("bad_field", name + " is null")
        return None
    want = kind.rstrip("?")
    found = type(value).__name__
    if found != want:
        raise WireError("bad_field", "{} must be {}, is {}".format(name, want, found))
    if want == "int" and not 0 <= value <= _INT_MAX:
        raise WireError("bad_field", "{} is out of range: {}".format(name, value))
    if want == "str" and len(value.encode()) > _MAX_LENGTH.get(name, 120):
        raise WireError("bad_field", "{} is longer than {} bytes".format(name, _MAX_LENGTH.get(name, 120)))
    if want == "str" and any(c < " " for c in value):
        raise WireError("bad_field", name + " has control characters")
    return value


def command(payload: "bytes | bytearray | memoryview") -> dict:
    """A command with every known key present (None where absent); WireError with the command's id where readable."""
    message = load(payload)
    id = None
    try:
        id = field(message, "id", "str")
        op = field(message, "op", "str")
        if not id:
            raise WireError("bad_field", "id is empty")
        if op not in OPS:
            raise WireError("unknown_op", str(op))
        out = {"id": id, "op": op}
        for name, kind, required in _COMMAND_FIELDS[op] + _COMMON_FIELDS:
            out[name] = field(message, name, kind, required)
    except WireError as e:
        e.id = id
        raise
    return out


def reply(id: "str | None", error: "str | None" = None, detail: "str | None" = None) -> dict:
    """The answer to a command: ok, or an error of codes.REPLY_ERRORS with a detail for a person."""
    if error is None:
        return {"id": id, "ok": True}
    return {"id": id, "ok": False, "error": error, "detail": detail}


def stored(payload: "bytes | bytearray | memoryview") -> "tuple[str, int]":
    """(epoch, seq) of a collector's confirmation; WireError when it is not one."""
    message = load(payload)
    return field(message, "epoch", "str"), field(message, "seq", "int")
