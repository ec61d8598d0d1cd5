"""Puts a folder into the littlefs of a flash file: `micropython fill_vfs.py FLASH OFFSET SIZE FOLDER`.

The file system is MicroPython's own, with the values of its ESP32 port.
"""

import os
import sys

import vfs

BLOCK = 4096


class Blocks:
    """The partition, as esp32.Partition."""

    def __init__(self, path, offset, size):
        self._file = open(path, "r+b")  # noqa: SIM115 - for as long as the process runs
        self._offset = offset
        self._size = size

    def _seek(self, block, offset):
        self._file.seek(self._offset + block * BLOCK + offset)

    def readblocks(self, block, buf, offset=0):
        self._seek(block, offset)
        self._file.readinto(buf)

    def writeblocks(self, block, buf, offset=0):
        self._seek(block, offset)
        self._file.write(buf)

    def ioctl(self, operation, argument):
        if operation == 4:
            return self._size // BLOCK
        if operation == 5:
            return BLOCK
        if operation == 6:
            self.writeblocks(argument, b"\xff" * BLOCK)
        return 0


def copy(folder, into):
    for name, kind, *_ in os.ilistdir(folder):
        if kind == 0x4000:
            vfs_.mkdir(into + "/" + name)
            copy(folder + "/" + name, into + "/" + name)
        else:
            with open(folder + "/" + name, "rb") as source, vfs_.open(into + "/" + name, "wb") as target:
                target.write(source.read())


blocks = Blocks(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
vfs.VfsLfs2.mkfs(blocks)
vfs_ = vfs.VfsLfs2(blocks)
copy(sys.argv[4], "")
