"""A PostgreSQL of one's own on a free port, in a folder, without root: for tests, chaos and benchmarks.

Where this runs as root it becomes another user for the server, which refuses to be root. Nothing survives `close`.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from signal import Signals

from zhuque.sim.broker import free_port

TOOLCHAIN = Path(__file__).resolve().parents[2] / "build" / "toolchain" / "bin"
_START_S = 90.0


class PostgresMissingError(Exception):
    """There is no server to be run here; the text says what to install."""


def find_program(name: str) -> Path:
    """A program of the server. Raises PostgresMissingError."""
    folders = [TOOLCHAIN, *sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)]
    for folder in folders:
        if (folder / name).is_file():
            return folder / name
    found = shutil.which(name)
    if found is None:
        raise PostgresMissingError(f"no {name} here: install postgresql, or run `make setup`")
    return Path(found)


class Postgres:
    """A server from `start()` to `close()`; `stop`, `kill` and `start` again are its outages."""

    def __init__(self) -> None:
        self.port = free_port()
        self._user = "nobody" if os.getuid() == 0 else pwd.getpwuid(os.getuid()).pw_name
        self._initdb, self._postgres = find_program("initdb"), find_program("postgres")
        self._folder = Path(tempfile.mkdtemp(prefix="zhuque-pg-"))
        self._data = self._folder / "data"
        self._process: subprocess.Popen[bytes] | None = None
        self._databases = 0
        self.template = ""  # the URL of a database that new ones are copies of; nobody may be connected to it
        if os.getuid() == 0:
            shutil.chown(self._folder, self._user)
        self._run(
            self._initdb, "-D", self._data, "-U", "zhuque", "-A", "trust", "-E", "UTF8", "--locale=C", "-N"
        )

    def url(self, database: str = "postgres") -> str:
        """As `--db` takes it."""
        return f"postgresql://zhuque@127.0.0.1:{self.port}/{database}"

    def new_database(self, empty: bool = False) -> str:
        """The URL of a new database, a copy of `template` or empty."""
        import psycopg

        self._databases += 1
        name = f"zhuque_{self._databases}"
        with psycopg.connect(self.url(), autocommit=True) as connection:
            template = "" if empty else self.template.rpartition("/")[2]
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {template or 'template1'}")
        return self.url(name)

    def start(self) -> Postgres:
        """Returns once it takes connections."""
        import psycopg

        if self._process is None or self._process.poll() is not None:
            self._spawn()
        until = time.monotonic() + _START_S
        while True:
            try:
                psycopg.connect(self.url(), connect_timeout=2).close()
                return self
            except psycopg.OperationalError:
                if time.monotonic() > until or self._process is None or self._process.poll() is not None:
                    raise RuntimeError((self._folder / "log").read_text()[-2000:]) from None
                time.sleep(0.05)

    def _spawn(self) -> None:
        options = {"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "max_connections": "40"}
        arguments = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*self._as_user(), self._postgres, "-D", self._data, "-p", str(self.port), *arguments],
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def stop(self) -> None:
        """A fast shutdown: every connection is ended."""
        self._end(Signals.SIGINT)

    def kill(self) -> None:
        """As a power cut would: it recovers from its log at the next start."""
        self._end(Signals.SIGQUIT)

    def close(self) -> None:
        """Gone without a trace."""
        self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _end(self, signal: Signals) -> None:
        if self._process is None:
            return
        self._process.send_signal(signal)  # setpriv has become the server
        try:
            self._process.wait(_START_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def _as_user(self) -> list[str]:
        if os.getuid() != 0:
            return []
        return ["setpriv", f"--reuid={self._user}", "--clear-groups", f"--regid={_group(self._user)}", "--"]

    def _run(self, *command: str | Path) -> None:
        try:
            subprocess.run(
                [*self._as_user(), *map(str, command)], cwd=self._folder, check=True, capture_output=True
            )
        except (OSError, subprocess.CalledProcessError) as error:
            shutil.rmtree(self._folder, ignore_errors=True)
            said = getattr(error, "stderr", b"") or str(error).encode()
            raise PostgresMissingError(f"initdb does not run here: {said.decode()[-300:]}") from None


def _group(user: str) -> str:
    return str(pwd.getpwnam(user).pw_gid)
