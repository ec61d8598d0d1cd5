"""The application's modules in one file, as a file system to import from.

littlefs looks a name up from the root each time: an import out of its folders costs a thousand reads of the flash and
more, and a start of the board some ten seconds. Here it costs a few reads; and all of the file is checked before any of
it runs, and a module again when it is loaded: what has rotted in the flash raises OSError(EIO), and every relay stays
open. MicroPython itself would wait for ever for the rest of a module that ends too early.

The file: `ZQP1`, the CRC-32 of all that follows in eight hex digits, the length of the index in four, and the index, a
line a module: NAME OFFSET SIZE CRC-32, in hex, the offset from the end of the index. There the texts begin that the
firmware says to people, a byte for the length of each before it. host/zhuque/device/pack.py writes it.
"""

import binascii
import io
import sys

_MAGIC = b"ZQP1"
_INDEX_FROM = 16
_CHUNK = 512
_WHOLE = 1 << 29  # longer than any file
_FILE = 0x8000
_ENOENT = 2
_EIO = 5
_BUFFER_SIZE = 11  # of a stream's ioctl: how much the importer reads at once
_IMPORTER_READS = 255  # its most
_UNTOLD = "(no memory to say it)"


class Pack:
    """What MicroPython asks of a file system that can be imported from; nothing else of it can be seen."""

    def __init__(self, path):
        self._file = open(path, "rb")
        head = self._file.read(_INDEX_FROM)
        if head[:4] != _MAGIC or int(head[4:12], 16) != self._crc(binascii.crc32(head[12:]), _WHOLE):
            raise OSError(_EIO, path + " is not what was written: flash the board again")
        self._size = int(head[12:], 16)
        self.index = None

    def _crc(self, crc, left):
        """With what follows in the file, so many bytes at most."""
        part = self._file.read(min(_CHUNK, left))
        while part:
            crc = binascii.crc32(part, crc)
            left -= len(part)
            part = self._file.read(min(_CHUNK, left))
        return crc

    def mount(self, readonly, mkfs):
        """Asked by vfs.mount."""

    def umount(self):
        """Asked by vfs.umount."""

    def stat(self, path):
        """Of a module; OSError(ENOENT). There are no folders."""
        return _FILE, 0, 0, 0, 0, 0, self._find(path.strip("/"))[1], 0, 0, 0

    def open(self, path, mode):
        """A module to read from; OSError(ENOENT), OSError(EIO)."""
        at, size, crc = self._find(path.strip("/"))
        at += _INDEX_FROM + self._size
        self._file.seek(at)
        if self._crc(0, size) != crc:
            raise OSError(_EIO, path + " has rotted in the flash: flash the board again")
        return _Module(self._file, at, size)

    def ilistdir(self, path):
        """Nothing: what lies here is the one file, and is listed as that."""
        return iter(())

    def text(self, at):
        """The text that begins so many bytes from the first."""
        self._file.seek(_INDEX_FROM + self._size + at)
        return self._file.read(self._file.read(1)[0]).decode()

    def _find(self, name):
        if self.index is None:
            self._file.seek(_INDEX_FROM)
            self.index = self._file.read(self._size)
        index = self.index
        line = "\n{} ".format(name).encode()
        at = index.find(line)
        if at < 0:
            raise OSError(_ENOENT)
        at += len(line)
        return [int(word, 16) for word in index[at : index.find(b"\n", at)].split()]


class _Module(io.IOBase):
    """`size` bytes of a file from `at` on, as a stream: a whole module would need its size in one piece."""

    def __init__(self, file, at, size):
        self._file = file
        self._at = at
        self._left = size

    def readinto(self, into):
        """As of a file."""
        self._file.seek(self._at)
        got = self._file.readinto(memoryview(into)[: self._left])
        if got:  # the tick runs at jumps alone: here it may, between two pieces of a module
            self._at += got
            self._left -= got
        return got

    def ioctl(self, op, arg):
        """As of a file; the one beneath stays open."""
        return _IMPORTER_READS if op == _BUFFER_SIZE else 0


_pack = None


def rest():
    """For now nothing more is imported: the index is read again for the next, and not kept in between."""
    if _pack is not None:
        _pack.index = None


def text(at):
    """What the firmware says, from where it lies in the flash (host/zhuque/device/texts.py).

    Raises nothing: an error that is to be told stays that error, on a full heap, too.
    """
    try:
        return _pack.text(at)
    except MemoryError:
        return _UNTOLD
    except (OSError, ValueError, IndexError):
        return "(text {} of the firmware cannot be read from the flash)".format(at)


def mount(path, at="/app"):
    """From here on modules come from that pack, from what is frozen, and from nowhere else."""
    import vfs

    global _pack
    _pack = Pack(path)
    vfs.mount(_pack, at)
    folder = path.rpartition("/")[0]
    sys.path[:] = [at] + [name for name in sys.path if name not in ("", "/lib", folder)]
