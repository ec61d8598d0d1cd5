"""Files that are whole or not there: written beside their place with their mode, on the disk, and then renamed.

So a full disk, a fault or a cut leaves what was there. Nothing else of Zhuque writes a file that somebody relies on,
but what grows line by line.
"""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from zhuque.errors import NotFoundError, RefusedError, UsageError, ZhuqueError

PRIVATE = 0o600
PUBLIC = 0o644

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_OF_THE_DISK = (*_FULL, errno.EIO)


class FileError(ZhuqueError):
    """A file cannot be written."""


@contextmanager
def whole_file(path: Path, mode: int | None = None) -> Iterator[BinaryIO]:
    """A file to write, that takes the place of `path` at the end; after an exception `path` is as it was.

    `mode` are its permission bits, whatever the umask says; None: those of the file that it replaces, else what a new
    file gets. Raises NotFoundError for want of the folder, UsageError for what is no file, RefusedError, FileError.
    """
    if path.exists() and not path.is_file():
        raise UsageError(f"{path} is no file, and cannot be replaced by one: name a file")
    path = path.resolve()  # what a link leads to is replaced, not the link
    part = None
    try:
        descriptor, name = tempfile.mkstemp(".part", f".{path.name}.", path.absolute().parent)  # 0600
        part = Path(name)
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fchmod(file.fileno(), _mode(path) if mode is None else mode)
            os.fsync(file.fileno())
        part.replace(path)
        part = None
    except OSError as error:
        if error.filename is None and error.errno not in _OF_THE_DISK:
            raise FileError(f"{path}: {error}") from error  # what the caller read, not what it wrote
        raise cannot_write(path, error) from error
    finally:
        if part is not None:
            with contextlib.suppress(OSError):
                part.unlink()


def write(path: Path, content: str | bytes, mode: int = PRIVATE) -> None:
    """The file with this content, in the place of what was there. Raises as `whole_file` does."""
    with whole_file(path, mode) as file:
        file.write(content.encode() if isinstance(content, str) else content)


def cannot_write(path: Path, error: OSError) -> ZhuqueError:
    """What a person can do about a file that could not be written."""
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return NotFoundError(f"no folder {path.parent} to write {path.name} in: make it first")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return RefusedError(
            f"{path} may not be written: {error.strerror}; what was there is unchanged: choose another folder, or"
            " mend the mode of this one"
        )
    if error.errno in _FULL:
        why = "the disk is full" if error.errno != errno.EFBIG else error.strerror
        return FileError(
            f"{path} could not be written: {why}; what was there is unchanged: free some space and do it again"
        )
    return FileError(
        f"{path} could not be written: {error.strerror or error}; what was there is unchanged: choose another file or"
        " mend its folder"
    )


def _mode(path: Path) -> int:
    """That of the file which is replaced, else what a new file gets."""
    with contextlib.suppress(OSError):
        return path.stat().st_mode & 0o777
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask
