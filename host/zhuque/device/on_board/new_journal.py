"""On a board that becomes another point: its journal is erased, and begins anew under a new epoch at the next start."""

import esp32

_BLOCKS, _SIZE, _ERASE = 4, 5, 6  # of ioctl

_partition = esp32.Partition.find(esp32.Partition.TYPE_DATA, label="journal")[0]
_block = bytearray(_partition.ioctl(_SIZE, 0))
_erased = b"\xff" * len(_block)


def erase(first, count):
    """Erases so many blocks, at most up to the end; returns how many there are in all."""
    blocks = _partition.ioctl(_BLOCKS, 0)
    for number in range(first, min(first + count, blocks)):
        _partition.readblocks(number, _block)
        if _block != _erased:  # an erase wears, and takes its time
            _partition.ioctl(_ERASE, number)
    return blocks
