"""`gc` as the firmware sees it: the real one, but that how often the heap is collected is the simulator's affair.

The far ends of its wires live in the same heap, hundreds of times as large as a board's: what a board collects in some
milliseconds every two kilobytes would take most of the time here.
"""

from gc import *  # noqa: F403 - the module's interface


def threshold(_bytes=-1):
    """As gc.threshold(), without an effect."""
    return -1
