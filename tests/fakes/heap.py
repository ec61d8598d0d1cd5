"""What a call takes from the heap, on MicroPython: nothing lasting, and not even a loan for its frame."""

import micropython


def kept(function, argument):
    """Runs it with the heap locked, as the tick does: an allocation is an error, and a large frame is the stack's."""
    micropython.heap_lock()
    try:
        function(argument)
    finally:
        micropython.heap_unlock()


def borrowed(function, argument):
    """Bytes that function(argument) borrows. First it runs with the heap locked, which makes an allocation an error
    but hides what a large frame takes and gives back; a second run counts that."""
    kept(function, argument)
    before = micropython.mem_total()
    function(argument)
    return micropython.mem_total() - before


def locked(function, argument):
    """Runs it so; AssertionError where it took anything."""
    taken = borrowed(function, argument)
    assert taken == 0, "took {} bytes".format(taken)
