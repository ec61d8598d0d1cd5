"""On MicroPython: mounts the image in argv[1] as a board does, prints each file's hash, imports what argv[2:] names.

The last line tells how often the flash was read for these imports.
"""

import hashlib
import os
import sys

import vfs

BLOCK, BLOCKS = 4096, 128


class Flash:
    """The `vfs` partition, blank behind the image."""

    reads = 0

    def __init__(self, image):
        self._data = image

    def readblocks(self, block, into, offset=0):
        Flash.reads += 1
        at = block * BLOCK + offset
        for i in range(len(into)):
            into[i] = self._data[at + i] if at + i < len(self._data) else 0xFF

    def writeblocks(self, block, data, offset=0):
        raise OSError(30)  # a mount that would have to mend something is not the one that was meant

    def ioctl(self, op, arg):
        if op == 4:
            return BLOCKS
        if op == 5:
            return BLOCK
        return 0


def walk(folder):
    for name, kind, _, _size in os.ilistdir(folder):
        path = folder + "/" + name
        if kind == 0x4000:
            yield from walk(path)
        else:
            with open(path, "rb") as file:
                yield path, hashlib.sha256(file.read()).digest().hex()


with open(sys.argv[1], "rb") as file:
    image = file.read()
vfs.mount(vfs.VfsLfs2(Flash(image)), "/board")
for path, digest in walk("/board"):
    print(path[len("/board/") :], digest)
sys.path[:] = ["/board/a", "", "/lib"]
Flash.reads = 0
import packed  # noqa: E402

packed.mount("/board/a/modules")
assert sys.path == ["/app"], sys.path
for name in sys.argv[2:]:
    __import__(name)
print("imported", Flash.reads)
