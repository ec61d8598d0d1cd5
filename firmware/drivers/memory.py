"""How much memory is left: Python's heap, and what ESP-IDF has beside it, of which TLS takes its buffers."""

import gc

try:
    from esp32 import HEAP_DATA, idf_heap_info
except ImportError:  # a port without ESP-IDF
    HEAP_DATA = 0
    idf_heap_info = None


def figures():
    """`heap_free`, and on an ESP32 `idf_largest`, the largest free block of ESP-IDF, both in bytes."""
    found = {"heap_free": gc.mem_free()}
    left = outside()
    if left is not None:
        found["idf_largest"] = left[1]
    return found


def outside():
    """(bytes that ESP-IDF has free, those of its largest piece); None on a port without it."""
    if idf_heap_info is None:
        return None
    areas = idf_heap_info(HEAP_DATA)
    return sum([area[1] for area in areas]), max([area[2] for area in areas])
