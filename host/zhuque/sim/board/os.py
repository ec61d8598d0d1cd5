"""`os` whose random bytes come from a seed, so that a run can be had again; without a seed they are the system's."""

import hashlib

import uos
from uos import *  # noqa: F403 - the module's interface

_state = [None, 0]


def seed(text):
    """From here on `urandom` follows from this text alone; None for real chance."""
    _state[0] = text
    _state[1] = 0


hidden = None  # a name in the root that the board does not have


def ilistdir(*path):
    """As the real one."""
    return filter(lambda entry: entry[0] != hidden, uos.ilistdir(*path))


def listdir(*path):
    """As the real one."""
    return [name for name in uos.listdir(*path) if name != hidden]


def urandom(count):
    """As the real one, or the next `count` bytes of the seed's."""
    if _state[0] is None:
        return uos.urandom(count)
    found = b""
    while len(found) < count:
        _state[1] += 1
        found += hashlib.sha256("{}/{}".format(_state[0], _state[1]).encode()).digest()
    return found[:count]
