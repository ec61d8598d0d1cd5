"""The files of a site: secret ones have mode 0600 and their folders 0700, the others 0644 at most.

They are written by `zhuque.files`, whole or not at all.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from zhuque.files import PRIVATE as SECRET
from zhuque.files import PUBLIC as PUBLIC
from zhuque.files import write as write
from zhuque.site.settings import SiteError

PRIVATE_FOLDER = 0o700


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
