"""Files that only their owner may read, whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
from pathlib import Path

from zhuque.errors import RefusedError, ZhuqueError


def write(path: Path, data: bytes) -> None:
    """The file with these bytes and mode 0600, in the place of what was there. Raises ZhuqueError, RefusedError."""
    try:
        folder = path.absolute().parent
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=folder)  # 0600
    except OSError as error:
        raise cannot_write(path, error) from error
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        with contextlib.suppress(FileNotFoundError):
            Path(name).unlink()


def cannot_write(path: Path, error: OSError) -> ZhuqueError:
    """What a person can do about a file that could not be written."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return ZhuqueError(
            f"{path} could not be written: the disk is full; nothing was changed, free some space and try again"
        )
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return RefusedError(f"{path} may not be written ({error.strerror}); choose another folder")
    return ZhuqueError(
        f"{path} could not be written: {error.strerror or error}; choose another file or mend its folder"
    )
