"""How the files of a site are written: whole or not at all, and for nobody else to read.

A file is written beside its place, with its mode from the beginning, made durable and renamed: a full disk leaves what
was there. `secret` files have mode 0600 and their folders 0700; the others are 0644 at most.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from zhuque.site.settings import SiteError

SECRET = 0o600
PUBLIC = 0o644
PRIVATE_FOLDER = 0o700


def write(path: Path, content: str | bytes, mode: int = SECRET) -> None:
    """Raises SiteError where it cannot be written; what was there before is then still there."""
    data = content.encode() if isinstance(content, str) else content
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        file = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, mode)
        try:
            os.fchmod(file, mode)  # whatever the umask says
            _write_all(file, data)
            os.fsync(file)
        finally:
            os.close(file)
        beside.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)
        raise SiteError(
            f"{path} cannot be written: {error.strerror}; what was there is unchanged:"
            " free some space or mend the folder's mode, and repeat the command"
        ) from error


def make_folder(path: Path, mode: int = PRIVATE_FOLDER) -> None:
    """Raises SiteError where it cannot be made."""
    try:
        path.mkdir(mode=mode, parents=True, exist_ok=True)
        path.chmod(mode)
    except OSError as error:
        raise SiteError(
            f"the folder {path} cannot be made: {error.strerror}; take another place for it"
        ) from error


@contextlib.contextmanager
def alone(path: Path) -> Iterator[None]:
    """One process at a time, others wait: two installers may work in the same folder."""
    with contextlib.ExitStack() as stack:
        try:
            lock = stack.enter_context(open(os.open(path, os.O_RDWR | os.O_CREAT, SECRET), "wb"))  # noqa: PTH123
            fcntl.flock(lock, fcntl.LOCK_EX)
        except OSError as error:
            raise SiteError(
                f"{path} cannot be locked: {error.strerror}; work as the user whom the site's folder belongs to"
            ) from error
        yield


def open_to_others(path: Path) -> int:
    """The permission bits that a secret file or folder should not have; 0 where it is private or not there."""
    try:
        return stat.S_IMODE(path.stat().st_mode) & 0o077
    except OSError:
        return 0


def _write_all(file: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]
