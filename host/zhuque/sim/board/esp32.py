"""`esp32`: the flash partitions, as a file that keeps exactly what was programmed.

A program only clears bits; an erase sets a block of 4096 bytes to FF, and the CPU stands still for 45 ms of virtual
time. The file holds the journal partition and nothing else.
"""

from clock import clock

BLOCK = 4096
ERASE_US = 45000
HEAP_DATA = 4
HEAP_EXEC = 1

_table = {}  # label: Partition


def add_partition(label, address, size, path):
    """Puts a file at the place of a partition; it is made, erased, when it is not there."""
    _table[label] = Partition._of(label, address, size, path)


def idf_heap_info(capabilities):
    """[(total, free, largest free, least ever free)]: as on a board with Wi-Fi up; the simulation has no such heap."""
    return [(150000, 60000, 50000, 45000)]


class Partition:
    """As esp32.Partition."""

    BOOT = 0
    RUNNING = 1
    TYPE_APP = 0
    TYPE_DATA = 1

    @classmethod
    def _of(cls, label, address, size, path):
        self = object.__new__(cls)
        self._label = label
        self._address = address
        self._size = size
        self.erases = 0
        self._file = _open(path, size)
        return self

    @staticmethod
    def find(type=1, subtype=0xFF, label=None, block_size=BLOCK):
        """The partitions that match."""
        if type != Partition.TYPE_DATA:
            return []
        return [part for name, part in _table.items() if label in (None, name)]

    def info(self):
        """(type, subtype, address, size, label, encrypted)."""
        return 1, 0x40, self._address, self._size, self._label, False

    def ioctl(self, operation, argument=0):
        """4 counts blocks, 5 tells their size, 6 erases one."""
        if operation == 4:
            return self._size // BLOCK
        if operation == 5:
            return BLOCK
        if operation == 6:
            self._erase(argument)
            return 0
        return 0 if operation in (1, 2, 3) else None

    def readblocks(self, block, buf, offset=0):
        """Fills `buf`."""
        self._seek(block, offset, len(buf))
        self._file.readinto(buf)

    def writeblocks(self, block, buf, offset=None):
        """With an offset programs, without one erases first."""
        if offset is None:
            for i in range(len(buf) // BLOCK):
                self._erase(block + i)
            offset = 0
        self._seek(block, offset, len(buf))
        held = bytearray(len(buf))
        self._file.readinto(held)
        for i in range(len(buf)):
            held[i] &= buf[i]
        self._seek(block, offset, len(buf))
        self._file.write(held)

    def _erase(self, block):
        self._seek(block, 0, BLOCK)
        self._file.write(b"\xff" * BLOCK)
        self.erases += 1
        clock.stall(ERASE_US)

    def _seek(self, block, offset, length):
        at = block * BLOCK + offset
        if at < 0 or at + length > self._size:
            raise OSError(-258)  # ESP_ERR_INVALID_ARG
        self._file.seek(at)


def _open(path, size):
    try:
        file = open(path, "r+b")
    except OSError:
        with open(path, "wb") as new:
            for _ in range(size // BLOCK):
                new.write(b"\xff" * BLOCK)
        file = open(path, "r+b")
    return file
