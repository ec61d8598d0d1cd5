"""Versions. `WIRE` changes only when an old reader would misread a new message; `VERSION` at every release."""

from .units import const

WIRE = const(1)
VERSION = "0.1.0"

# When this version was made, Unix seconds: a clock that shows less is not set.
RELEASED = const(1_795_392_000)
