"""`sys` of a board whose serial port nobody holds: the standard input of this process is not the firmware's."""

import io
import sys as _real
from sys import *  # noqa: F403 - the module's interface

path = _real.path
modules = _real.modules
argv = []


class _Nobody(io.IOBase):
    """Standard input on which nothing comes."""

    real = None  # nothing to wait for; see select.py

    def read(self, most=-1):
        """Nothing is there."""
        return


stdin = _Nobody()
stdin.buffer = _Nobody()
