"""Files and code of a board that runs: mpremote as a library, behind this one adapter.

mpremote's library has no declared stable interface: its version is pinned, and nothing else imports it. Two things are
done otherwise than its command does. The raw REPL is entered without a soft reset: that would stop the tick and leave
the relays as they are. And the board's watchdog is given ten minutes, or it would restart the board in the middle of a
transfer. So a board is to be restarted when the work is done.

Rules: a file is written beside its place, read back by its SHA-256 on the board, and renamed; what was interrupted
leaves the old file. Paths are absolute. What is sent is never printed: it may be a secret.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

from zhuque.device import ports
from zhuque.device.network_port import as_device
from zhuque.errors import NoAnswerError, NotFoundError, ZhuqueError

_ERASED_AT_ONCE = 32  # blocks of the flash, 45 to 400 ms each: the board is to be heard within ten seconds
_BAUD = 115200
_READ_S = 1.0  # without it a pseudo-terminal's read waits for ever
PATIENCE_S = 15.0
_ATTEMPTS = 3
_CHUNK = 1024
_SNIPPETS = Path(__file__).resolve().parent / "on_board"


class ReplError(ZhuqueError):
    """Code on the board raised; the text has the last line of its traceback."""


class Repl:
    """Use it as a context manager. Every method raises NoAnswerError where the board went away.

    `patience_s` is how long a board may take to stop what it does.
    """

    def __init__(self, port: str, patience_s: float = PATIENCE_S) -> None:
        self.port = port
        self._patience_s = patience_s
        self._transport: Any = None
        self._open = contextlib.ExitStack()

    def __enter__(self) -> Repl:
        ports.check(self.port)
        with contextlib.ExitStack() as undo:
            self._transport = self._on(undo.enter_context(as_device(self.port)))
            undo.callback(self._close)
            self._enter()
            self.exec(_snippet("hold"))
            self._open = undo.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            with self._open:
                if kind is None and self._transport.in_raw_repl:
                    self._transport.exit_raw_repl()
        except OSError:
            if kind is None:
                raise self._gone() from None

    def exec(self, code: str) -> str:
        """Runs code; what it printed. Raises ReplError."""
        return str(self._call(lambda: self._transport.exec(code)).decode(errors="replace"))

    def eval(self, expression: str) -> Any:
        """The value of an expression of literals. Raises ReplError."""
        return self._call(lambda: self._transport.eval(expression))

    def mac(self) -> str:
        """The board's MAC address, as esptool tells it."""
        return bytes(self.eval("__import__('machine').unique_id()")).hex(":")

    def read(self, path: str) -> bytes:
        """A file's bytes. Raises NotFoundError."""
        return bytes(self._call(lambda: self._transport.fs_readfile(path, _CHUNK), path))

    def sha256(self, path: str) -> str:
        """A file's SHA-256, computed on the board. Raises NotFoundError."""
        return str(self._call(lambda: self._transport.fs_hashfile(path, "sha256"), path).hex())

    def sums(self) -> dict[str, str]:
        """The SHA-256 of every file by its path, without the leading slash, computed on the board."""
        lines = self.exec(_snippet("sums")).splitlines()
        return {path: sum for sum, _, path in (line.partition(" ") for line in lines) if path}

    def write(self, path: str, data: bytes, on_part: Callable[[float], None] = lambda part: None) -> None:
        """Puts a file in its place whole or not at all. `on_part` hears 0 to 1. Raises ReplError, ZhuqueError."""
        beside = path + ".new"

        def heard(done: int, total: int) -> None:
            on_part(done / max(1, total))

        self._call(lambda: self._transport.fs_writefile(beside, data, _CHUNK, heard))
        if self.sha256(beside) != hashlib.sha256(data).hexdigest():
            self.remove(beside)
            raise ZhuqueError(
                f"{self.port}: {path} did not arrive as it was sent, the old one stays; try again, with a shorter cable"
            )
        self.exec(f"import os\nos.rename({beside!r}, {path!r})")

    def remove(self, path: str) -> None:
        """Removes a file. Raises NotFoundError."""
        self._call(lambda: self._transport.fs_rmfile(path), path)

    def names(self, folder: str = "/") -> list[str]:
        """The names in a folder, sorted; those of folders end in a slash. Raises NotFoundError."""
        found = self._call(lambda: self._transport.fs_listdir(folder), folder)
        return sorted(entry.name + ("/" if entry.st_mode & 0x4000 else "") for entry in found)

    def new_journal(self, on_part: Callable[[float], None] = lambda part: None) -> None:
        """Erases the journal, some 20 s on a board; a restart begins it under a new epoch. on_part hears 0 to 1."""
        self.exec(_snippet("new_journal"))
        blocks, done = 1, 0
        while done < blocks:
            blocks = self.eval(f"erase({done}, {_ERASED_AT_ONCE})")
            done += _ERASED_AT_ONCE
            on_part(min(1.0, done / blocks))

    def restart(self) -> None:
        """Restarts the board into its firmware; nothing can be asked afterwards."""
        from mpremote.transport import TransportError

        try:
            self._transport.exec_raw_no_follow(_snippet("restart"))
        except (OSError, TransportError):
            raise self._gone() from None
        self._transport.in_raw_repl = False

    def _close(self) -> None:
        with contextlib.suppress(OSError):  # of a board that went away
            self._transport.close()

    def _on(self, device: str) -> Any:
        from mpremote import transport_serial
        from mpremote.transport import TransportError

        # It prints what it received when the raw REPL is not entered; a library has no business to.
        transport_serial.print = lambda *words: None
        try:
            return transport_serial.SerialTransport(device, _BAUD, timeout=_READ_S)
        except (OSError, TransportError) as error:
            if ports.is_url(self.port):
                raise NoAnswerError(
                    f"{self.port} cannot be opened ({error}); start its server and try again"
                ) from error
            raise ports.in_use(self.port) from error

    def _enter(self) -> None:
        """A board that is busy in main.py may need more than one Ctrl-C."""
        from mpremote.transport import TransportError

        for _ in range(_ATTEMPTS):
            try:
                self._transport.enter_raw_repl(soft_reset=False, timeout_overall=self._patience_s / _ATTEMPTS)
                return
            except TransportError:
                continue
            except OSError:
                raise self._gone() from None
        raise NoAnswerError(
            f"{self.port}: the board does not stop for Ctrl-C, so its files cannot be reached; press its EN button and "
            "try again, or write it anew with `zhuque flash`"
        )

    def _call(self, work: Callable[[], Any], path: str = "") -> Any:
        from mpremote.transport import TransportError, TransportExecError

        try:
            return work()
        except TransportExecError as error:
            lines = error.error_output.strip().splitlines() or ["no reason given"]
            raise ReplError(f"{self.port}: the board says {lines[-1]!r}") from error
        except FileNotFoundError:
            raise NotFoundError(f"{self.port}: the board has no {path}") from None
        except TransportError as error:
            raise self._gone() from error
        except OSError as error:
            if path and error.strerror == path:  # the board's own error, as mpremote gives it
                raise ReplError(f"{self.port}: {path}: {os.strerror(error.errno or 0)}") from error
            raise self._gone() from error

    def _gone(self) -> NoAnswerError:
        return NoAnswerError(
            f"{self.port}: the board went away in the middle; plug it in again and run the command again"
        )


def _snippet(name: str) -> str:
    return (_SNIPPETS / f"{name}.py").read_text(encoding="utf-8")
