"""Chance, of the chip's own generator."""

import os


def roll(low, high):
    """A random integer from low to high, both at most 65535."""
    return low + int.from_bytes(os.urandom(2), "big") % (high - low + 1)


def epoch():
    """16 random hexadecimal characters: the name of a journal."""
    return os.urandom(8).hex()
