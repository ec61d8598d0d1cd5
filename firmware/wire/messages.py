"""JSON messages: what a valid one looks like, and how to write one.

`WireError` carries a name from `codes.REPLY_ERRORS` and a detail for a person. Unknown keys are ignored everywhere,
so that a newer peer of the same major version is understood. Commands are in wire/commands.py.
"""

import json

from .units import const

MAX_MESSAGE = const(4096)

# Largest integer accepted in a message: milliwatt-hours, Unix seconds and uptimes all stay far below.
_INT_MAX = const((1 << 53) - 1)

MAX_ID = const(36)
MAX_ACTOR = const(40)
MAX_ACCOUNT = const(32)

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
    # By bytes: MicroPython keeps every character of a text that it is asked for as a name, for ever.
    if want == "str" and any(byte < 32 for byte in value.encode()):
        raise WireError("bad_field", name + " has control characters")
    return value


def reply(id: "str | None", error: "str | None" = None, detail: "str | None" = None) -> dict:
    """The answer to a command: ok, or an error of codes.REPLY_ERRORS with a detail for a person."""
    if error is None:
        return {"id": id, "ok": True}
    return {"id": id, "ok": False, "error": error, "detail": detail}


def stored(payload: "bytes | bytearray | memoryview") -> "tuple[str, int]":
    """(epoch, seq) of a collector's confirmation; WireError when it is not one."""
    message = load(payload)
    return field(message, "epoch", "str"), field(message, "seq", "int")
