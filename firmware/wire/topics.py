"""Topic names: `zq/MAJOR/SITE/POINT/CHANNEL`."""

from .units import const
from .version import WIRE

ROOT = "zq"
CHANNELS = ("status", "telemetry", "record", "command", "stored", "reply")

_NAME_CHARS = "abcdefghijklmnopqrstuvwxyz0123456789-"
_NAME_MAX = const(32)


def is_name(text: object) -> bool:
    """True for a site's or point's name: 1 to 32 characters of a-z, 0-9 and '-'."""
    if not isinstance(text, str) or not 1 <= len(text) <= _NAME_MAX:
        return False
    # Not by its characters: MicroPython keeps every one that it is asked for as a name, for ever.
    return not text.strip(_NAME_CHARS)


def topic(site: str, point: str, channel: str) -> str:
    """The topic of a channel of a point; '+' for site or point gives a subscription filter."""
    return "{}/{}/{}/{}/{}".format(ROOT, WIRE, site, point, channel)


# The status of every point whatever its version, so that a newer one is seen and named.
ANY_STATUS = ROOT + "/+/+/+/status"


def parse(text: str) -> "tuple[int, str, str, str] | None":
    """(major, site, point, channel) of a topic, or None where it is not one of ours.

    The channel is checked against this version's names only where the major version is this one.
    """
    parts = text.split("/")
    if len(parts) != 5 or parts[0] != ROOT or not is_name(parts[2]) or not is_name(parts[3]):
        return None
    if not 1 <= len(parts[1]) <= 4 or parts[1].strip("0123456789"):
        return None
    major = int(parts[1])
    if major == WIRE and parts[4] not in CHANNELS:
        return None
    return major, parts[2], parts[3], parts[4]
