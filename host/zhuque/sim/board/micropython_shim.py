"""`micropython` as the firmware sees it: the real one, and a count of how often the heap is locked.

The tick runs with the heap locked, and rightly so; what the simulator does inside it (the far end of a wire) is not the
board's and may allocate, between `leave` and `enter`.
"""

import micropython as _real
from micropython import *  # noqa: F403 - the module's interface

_depth = 0


def heap_lock():
    """As micropython.heap_lock()."""
    global _depth
    _real.heap_lock()
    _depth += 1


def heap_unlock():
    """As micropython.heap_unlock()."""
    global _depth
    _depth -= 1
    _real.heap_unlock()


def alloc_emergency_exception_buf(_size):
    """An ESP32 keeps room for a traceback made while nothing can be allocated; here nothing is needed."""


def kbd_intr(byte):
    """Which byte of the serial port interrupts, where there is one."""
    import sys

    if "uart0" in sys.modules:
        sys.modules["uart0"].uart.listen(byte)
    else:
        _real.kbd_intr(byte)


def leave():
    """Unlocks the heap altogether; returns what `enter` needs to lock it again."""
    global _depth
    depth = _depth
    for _ in range(depth):
        _real.heap_unlock()
    _depth = 0
    return depth


def enter(depth):
    """Locks the heap as often as it was before `leave`."""
    global _depth
    _depth = depth
    for _ in range(depth):
        _real.heap_lock()
