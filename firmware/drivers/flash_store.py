"""The journal's partition as blocks that are read, programmed and erased; a program never erases.

Over `esp32.Partition` (or anything with its three methods). An offset given to `writeblocks` is what makes it program
without erasing: so it is always given, 0 too.
"""

from wire.units import const

_IOCTL_BLOCK_COUNT = const(4)
_IOCTL_BLOCK_SIZE = const(5)
_IOCTL_BLOCK_ERASE = const(6)


class FlashStore:
    """`blocks` blocks of `block_size` bytes. Every method raises OSError where the flash does.

    `before_program()` and `before_erase()`, where set, are called first: flash stops both CPUs, and that is counted.
    """

    def __init__(self, partition):
        self.before_program = None
        self.before_erase = None
        self._partition = partition
        self.blocks = partition.ioctl(_IOCTL_BLOCK_COUNT, 0)
        self.block_size = partition.ioctl(_IOCTL_BLOCK_SIZE, 0)

    def read(self, block, offset, buf):
        """Fill `buf` from `offset` of the block on."""
        self._partition.readblocks(block, buf, offset)

    def program(self, block, offset, buf):
        """Clear the bits that are 0 in `buf`; the bytes must have been erased."""
        if self.before_program:
            self.before_program()
        self._partition.writeblocks(block, buf, offset)

    def erase(self, block):
        """Set every byte of the block to FF: 45 ms as a rule, up to 400 ms, in which both CPUs stand still."""
        if self.before_erase:
            self.before_erase()
        self._partition.ioctl(_IOCTL_BLOCK_ERASE, block)
