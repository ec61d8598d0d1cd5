"""The flash chip: a file of just its size; a program only clears bits, an erase sets whole sectors to FF."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
from pathlib import Path

from zhuque import files
from zhuque.errors import UsageError
from zhuque.sim.esp32 import claim

SECTOR = 4096
MIB = 1 << 20
SIZES = {f"{count}MB": count * MIB for count in (1, 2, 4, 8, 16)}
_WINBOND = 0xEF
_W25Q = 0x40
_OPTION = "--flash"


class FlashFile:
    """The file is made, erased, where it is not there. What is written is in it at once: it survives a lost supply.

    While it is open nobody else has it.
    """

    def __init__(self, path: Path, size: int | None = None) -> None:
        """`size` in bytes; None: that of the file, 4 MiB for a new one.

        Raises UsageError where it does not fit, NoAnswerError while another board has it, NotFoundError for want of the
        folder, RefusedError, FileError.
        """
        self.path = path
        try:
            if not path.exists():
                _make(path, size or 4 * MIB)
            self.size = _fitting(path, size)
            self._file = path.open("r+b", buffering=0)
            with contextlib.ExitStack() as undo:
                undo.callback(self._file.close)
                claim.lock(self._file.fileno(), path, _OPTION)
                undo.pop_all()
        except OSError as error:
            raise files.cannot_write(path, error) from error

    @property
    def jedec_id(self) -> int:
        """What the chip answers to 9F, the first byte lowest: Winbond, W25Q, and its size as a power of two."""
        return _WINBOND | _W25Q << 8 | (self.size.bit_length() - 1) << 16

    def read(self, offset: int, length: int) -> bytes:
        """Raises ValueError beyond the end, as do the others."""
        self._check(offset, length)
        self._file.seek(offset)
        return self._file.read(length)

    def program(self, offset: int, data: bytes) -> None:
        """Clears the bits that are 0 in `data`."""
        held = self.read(offset, len(data))
        both = int.from_bytes(held, "little") & int.from_bytes(data, "little")
        self._write(offset, both.to_bytes(len(data), "little"))

    def erase(self, offset: int, length: int) -> None:
        """Whole sectors alone."""
        self._check(offset, length)
        if offset % SECTOR or length % SECTOR:
            raise ValueError(f"an erase of {length} bytes at {offset:#x} is not of whole sectors")
        self._write(offset, b"\xff" * length)

    def md5(self, offset: int, length: int) -> bytes:
        """Of what is there."""
        return hashlib.md5(self.read(offset, length)).digest()

    def close(self) -> None:
        """The file stays, and is anybody's."""
        if not self._file.closed:
            claim.unlock(self._file.fileno())
        self._file.close()

    def _write(self, offset: int, data: bytes) -> None:
        """A file with holes, copied from a flash, may need the disk after all: raises FileError."""
        try:
            if os.pwrite(self._file.fileno(), data, offset) < len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            raise files.FileError(
                f"{self.path} could not be written: {error.strerror}; it is as after a lost supply: free some space,"
                " start the board anew and flash it again"
            ) from error

    def _check(self, offset: int, length: int) -> None:
        if offset < 0 or length < 0 or offset + length > self.size:
            raise ValueError(
                f"{length} bytes at {offset:#x} are beyond the end of the flash at {self.size:#x}"
            )


def _make(path: Path, size: int) -> None:
    """An erased one, whole or not at all; of two boards that begin together one makes it."""
    name = claim.Name(path, _OPTION)
    name.take()
    try:
        if not path.exists():
            with files.whole_file(path) as file:
                file.write(b"\xff" * size)
    finally:
        name.give_back()


def _fitting(path: Path, size: int | None) -> int:
    """The size of a flash that is there."""
    found = path.stat().st_size
    if found not in SIZES.values():
        raise UsageError(
            f"{path} is no flash: it holds {found} bytes, a flash 1, 2, 4, 8 or 16 MiB; name another --flash"
        )
    if size not in (None, found):
        raise UsageError(
            f"{path} holds a flash of {found // MIB} MB: leave --size away, or name another file"
        )
    return found
