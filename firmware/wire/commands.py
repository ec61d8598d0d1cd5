"""What a valid command looks like. A board loads this when one comes, and drops it again."""

from .codes import OPS
from .messages import WireError, field, load

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
