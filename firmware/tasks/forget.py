"""Modules that were loaded for a while give their heap back; whoever imports one again loads it anew."""

import gc
import sys


def forget(names):
    """Drop modules of ours by their full names, those of them that are loaded."""
    loaded = [name for name in names if name in sys.modules]
    for name in loaded:
        del sys.modules[name]
        package, _, part = name.rpartition(".")
        if package:
            delattr(sys.modules[package], part)
    if not loaded:
        return
    if "packed" in sys.modules:
        sys.modules["packed"].rest()
    gc.collect()
