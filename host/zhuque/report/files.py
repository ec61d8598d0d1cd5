"""Files that are whole or not there: written beside their place, and moved there once they are on the disk."""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from zhuque.errors import NotFoundError, RefusedError, ZhuqueError

_PRIVATE = 0o600


class FileError(ZhuqueError):
    """A file cannot be written."""


@contextmanager
def whole_file(path: Path, private: bool = False) -> Iterator[BinaryIO]:
    """A file to write, that takes the place of `path` at the end; after an exception `path` is as it was.

    With `private` only its owner may read it. Raises NotFoundError for want of the folder, RefusedError, FileError.
    """
    part = None
    try:
        descriptor, name = tempfile.mkstemp(".part", f".{path.name}.", path.parent)
        part = Path(name)
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.chmod(_PRIVATE if private else _mode(path))
        part.replace(path)
        part = None
    except OSError as error:
        raise _told(error, path) from error
    finally:
        if part is not None:
            with contextlib.suppress(OSError):
                part.unlink()


def _mode(path: Path) -> int:
    """That of the file which is replaced, else what a new file gets."""
    with contextlib.suppress(OSError):
        return path.stat().st_mode & 0o777
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask


def _told(error: OSError, path: Path) -> ZhuqueError:
    if error.filename is None and error.errno not in (errno.ENOSPC, errno.EFBIG, errno.EDQUOT, errno.EIO):
        return FileError(f"{path}: {error}")
    untouched = f"{path} is as it was before"
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return NotFoundError(f"no folder {path.parent} to write {path.name} in: make it first")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return RefusedError(f"{path} cannot be written: {error.strerror}; {untouched}")
    what = "the disk is full" if error.errno == errno.ENOSPC else error.strerror
    return FileError(
        f"{path} could not be written to its end: {what}; {untouched}. Make room and do it again"
    )
