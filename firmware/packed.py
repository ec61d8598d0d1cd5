"""The application's modules in one file, as a file system to import from.

littlefs looks a name up from the root each time: an import out of its folders costs a thousand reads of the flash and
more, and a start of the board some ten seconds. Here it costs one seek, and the module is checked before it runs: what
has rotted in the flash raises OSError(EIO), and every relay stays open.

The file: `ZQP1`, the length of the index in hex, and the index, a line a module: NAME OFFSET SIZE CRC32, in hex, the
offset from the end of the index. host/zhuque/device/pack.py writes it.
"""

import binascii
import io
import sys

MAGIC = b"ZQP1"
_HEAD = 8  # the magic and four digits
_FOLDER = 0x4000
_FILE = 0x8000
_ENOENT = 2
_EIO = 5
_EROFS = 30


class Pack:
    """What MicroPython asks of a file system that can be imported from; nothing else of it can be seen."""

    def __init__(self, path):
        self._file = open(path, "rb")
        head = self._file.read(_HEAD)
        if head[:4] != MAGIC:
            raise OSError(_EIO, path + " is no application: flash the board again")
        size = int(head[4:], 16)
        self._from = _HEAD + size
        self._index = self._file.read(size)

    def mount(self, readonly, mkfs):
        """Asked by vfs.mount."""

    def umount(self):
        """Asked by vfs.umount."""

    def stat(self, path):
        """Of a module or a folder; OSError(ENOENT)."""
        name = path.strip("/")
        if "\n{}/".format(name).encode() in self._index:
            return self._told(_FOLDER, 0)
        return self._told(_FILE, self._find(name)[1])

    def open(self, path, mode):
        """A module to read from; OSError(ENOENT), or OSError(EIO) where it is not what was written."""
        name = path.strip("/")
        at, size, crc = self._find(name)
        self._file.seek(self._from + at)
        code = self._file.read(size)
        if binascii.crc32(code) != crc:
            raise OSError(_EIO, name + " has rotted in the flash: flash the board again")
        return io.BytesIO(code)

    def ilistdir(self, path):
        """Nothing: what lies here is the one file, and is listed as that."""
        return iter(())

    def _find(self, name):
        line = "\n{} ".format(name).encode()
        at = self._index.find(line)
        if at < 0:
            raise OSError(_ENOENT)
        at += len(line)
        return [int(word, 16) for word in self._index[at : self._index.find(b"\n", at)].split()]

    def _told(self, kind, size):
        return kind, 0, 0, 0, 0, 0, size, 0, 0, 0


def mount(path, at="/app"):
    """From here on modules come from that pack, from what is frozen, and from nowhere else."""
    import vfs

    vfs.mount(Pack(path), at)
    folder = path.rpartition("/")[0]
    sys.path[:] = [at] + [name for name in sys.path if name not in ("", "/lib", folder)]
