"""What MicroPython runs first: the application's own boot.py, which opens every relay."""

import sys

sys.path.insert(0, "/a")

import packed

packed.mount("/a/modules")

import boot  # noqa: E402, F401 - /app/boot.mpy
