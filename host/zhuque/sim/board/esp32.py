"""`esp32`: the flash partitions, as a file that keeps exactly what was programmed.

A program only clears bits and takes 0.1 ms and 2.5 us a byte (a W25Q32's page program, and what the CPU needs around
it); an erase sets a block of 4096 bytes to FF and takes 45 ms. The CPU stands still meanwhile. When the supply fails
during
one, it is torn: of the bits that a program was to clear any subset is cleared, after an erase the block holds any
bytes. `supply` says who knows when it fails. A file
holds one partition, or a whole flash with every one.
"""

import os

from clock import clock

BLOCK = 4096
ERASE_US = 45000
PROGRAM_US = 100
PROGRAM_BYTE_NS = 2500
OPERATIONS = ("program", "erase")
HEAP_DATA = 4
HEAP_EXEC = 1

_table = {}  # label: Partition
_supply = {"between": None, "cut": None, "during": None, "until": -1, "then": None, "dead": False}


def supply(between, cut):
    """`between(now_us, until_us)`: how long the supply fails from then on, -1 when it does not; `cut(us)` lets it."""
    _supply["between"], _supply["cut"] = between, cut


def cut_during(operation, until_us, then):
    """The supply fails in the middle of the next program or erase, before `until_us` where that is >= 0: `then()`."""
    _supply["during"], _supply["until"], _supply["then"] = operation, until_us, then


def _failing(operation, us):
    """What ends the board in the middle of this operation, or None."""
    if _supply["during"] == operation:
        _supply["during"] = None
        if not 0 <= _supply["until"] <= clock.read():
            return _supply["then"]
    between = _supply["between"]
    if between is None:
        return None
    now = clock.read()
    for_us = between(now, now + us)
    return None if for_us < 0 else lambda: _supply["cut"](for_us)


def _die(then):
    """From here on nothing reaches the flash, whatever the firmware still tries on its way out."""
    _supply["dead"] = True
    then()


def add_partition(label, address, size, path, start=0, kind=1, subtype=0x40):
    """Puts a file, from `start` on, at the place of a partition; it is made, erased, when it is not there."""
    _table[label] = Partition._of(label, address, size, path, start, kind, subtype)


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
    def _of(cls, label, address, size, path, start, kind, subtype):
        self = object.__new__(cls)
        self._label = label
        self._type = kind, subtype
        self._start = start
        self._address = address
        self._size = size
        self.erases = 0
        self._file = _open(path, size)
        return self

    @staticmethod
    def find(type=1, subtype=0xFF, label=None, block_size=BLOCK):
        """The partitions that match."""
        found = [part for name, part in _table.items() if label in (None, name) and part._type[0] == type]
        return [part for part in found if subtype in (0xFF, part._type[1])]

    def info(self):
        """(type, subtype, address, size, label, encrypted)."""
        return self._type[0], self._type[1], self._address, self._size, self._label, False

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
        self._program(block, buf, offset)

    def _program(self, block, buf, offset):
        self._seek(block, offset, len(buf))
        held = bytearray(len(buf))
        self._file.readinto(held)
        took_us = PROGRAM_US + len(buf) * PROGRAM_BYTE_NS // 1000
        then = _failing("program", took_us)
        torn = None if then is None else os.urandom(len(buf))
        for i in range(len(buf)):
            held[i] &= buf[i] if torn is None else buf[i] | torn[i]
        self._put(block, held, offset)
        if then is not None:
            _die(then)
        clock.stall(took_us)

    def _erase(self, block):
        then = _failing("erase", ERASE_US)
        self._put(block, b"\xff" * BLOCK if then is None else os.urandom(BLOCK), 0)
        self.erases += 1
        if then is not None:
            _die(then)
        clock.stall(ERASE_US)

    def _put(self, block, held, offset):
        self._seek(block, offset, len(held))
        if not _supply["dead"]:
            self._file.write(held)

    def _seek(self, block, offset, length):
        at = block * BLOCK + offset
        if at < 0 or at + length > self._size:
            raise OSError(-258)  # ESP_ERR_INVALID_ARG
        self._file.seek(self._start + at)


def _open(path, size):
    try:
        file = open(path, "r+b")
    except OSError:
        with open(path, "wb") as new:
            for _ in range(size // BLOCK):
                new.write(b"\xff" * BLOCK)
        file = open(path, "r+b")
    return file
