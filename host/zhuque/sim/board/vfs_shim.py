"""`vfs` of the virtual ESP32: the computer's own files, which the simulation reaches by a mount, are not listed."""

import vfs as _real
from vfs import *  # noqa: F403 - the module's interface

hidden = None  # where they are mounted


def mount(*what, **options):
    """As the real one."""
    if what:
        return _real.mount(*what, **options)
    return [item for item in _real.mount() if item[1] != hidden]
