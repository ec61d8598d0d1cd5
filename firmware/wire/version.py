"""Versions. `WIRE` changes only when an old reader would misread a new message; `VERSION` at every release."""

WIRE = 1
VERSION = "0.1.0"
