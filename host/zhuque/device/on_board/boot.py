"""What MicroPython runs first: the application's own boot.py, which opens every relay."""

import sys

sys.path.insert(0, "/a")

import boot  # noqa: F401 - /a/boot.mpy: this file is not on the path before it
