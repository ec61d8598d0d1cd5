"""What one virtual board at a time may have: its flash, and the name of its port.

Rules. The kernel's locks alone, which go with the process that has them, however it ends: what a killed board left is
taken without a question.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path

from zhuque import files
from zhuque.errors import NoAnswerError


def lock(descriptor: int, path: Path, option: str) -> None:
    """For as long as the file is open. Raises NoAnswerError while another has `path`, which `option` named; OSError."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise NoAnswerError(
            f"{path} is in use: another virtual board has it; end that one, or name another {option}"
        ) from error


def unlock(descriptor: int) -> None:
    """Before it is closed, for a process that is just being started has the file open, too, for a moment."""
    fcntl.flock(descriptor, fcntl.LOCK_UN)


class Name:
    """A name in a folder, which need not be there: a locked file beside it says that it is taken."""

    def __init__(self, path: Path, option: str) -> None:
        """`option` is where a person named it."""
        self._path, self._option = path, option
        self._file = path.with_name(f".{path.name}.lock")
        self._descriptor: int | None = None

    def take(self) -> None:
        """Raises NoAnswerError while another has it, NotFoundError for want of the folder, RefusedError, FileError."""
        try:
            while self._descriptor is None:
                self._try()
        except OSError as error:
            raise files.cannot_write(self._path, error) from error

    def _try(self) -> None:
        descriptor = os.open(self._file, os.O_RDWR | os.O_CREAT, files.PRIVATE)
        with contextlib.ExitStack() as undo:
            undo.callback(os.close, descriptor)
            lock(descriptor, self._path, self._option)
            if os.fstat(descriptor).st_nlink:  # else whoever had it took the file away while we came
                self._descriptor = descriptor
                undo.pop_all()

    def give_back(self) -> None:
        """Leaves nothing; no error where it was not taken."""
        if self._descriptor is None:
            return
        with contextlib.suppress(OSError):
            self._file.unlink()
        unlock(self._descriptor)
        os.close(self._descriptor)
        self._descriptor = None
