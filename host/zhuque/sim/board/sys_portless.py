"""`sys` of a board without a serial port: the standard input of this process is not the firmware's.

What the world's people type at its console (`ask` with `at_point`) comes there all the same, a line at a time.
"""

import io
import sys as _real
from sys import *  # noqa: F403 - the module's interface

path = _real.path
modules = _real.modules
argv = []


class _Typed(io.IOBase):
    """Standard input on which there is what somebody of the world typed, and mostly nothing."""

    real = None  # no stream of the computer to wait for; see select.py

    def __init__(self):
        self._typed = b""

    def type(self, line):
        """Somebody types a line."""
        self._typed += line + b"\n"

    def any(self):
        """How many bytes can be read."""
        return len(self._typed)

    def read(self, most=-1):
        """So many bytes at most, None where nothing is there."""
        most = len(self._typed) if most < 0 else most
        data, self._typed = self._typed[:most], self._typed[most:]
        return data or None


stdin = _Typed()
stdin.buffer = _Typed()
