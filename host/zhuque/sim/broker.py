"""A mosquitto of one's own on loopback: for the demo, `zhuque sim run`, and the tests.

Rules: a free port, no password, nothing outside its folder. Its limits are those of a real site's broker, for
mosquitto's defaults stall a batch of more than 20 unacknowledged messages and drop what exceeds 1000 queued ones.
"""

from __future__ import annotations

import os
import pwd
import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType

from zhuque.sim.tools import find_mosquitto

_CONFIGURATION = """\
listener {port} {host}
allow_anonymous true
set_tcp_nodelay true
max_inflight_messages 2000
max_queued_messages 200000
persistence true
persistence_location {folder}/
autosave_interval 10
log_dest file {folder}/mosquitto.log
log_type error
log_type warning
log_type notice
log_type information
"""
_START_S = 10.0
_STOP_S = 5.0


class BrokerError(Exception):
    """The broker did not start; the text holds the end of its log."""


def free_port(host: str = "127.0.0.1") -> int:
    """A TCP port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port


class Broker:
    """mosquitto in `folder`, from start() to stop(); it keeps its port and its retained messages between them."""

    def __init__(self, folder: Path, port: int | None = None, configuration: str = "") -> None:
        """`configuration` is added to mosquitto.conf as it is."""
        self.host = "127.0.0.1"
        self.port = port or free_port(self.host)
        self.folder = folder.absolute()
        self.log = self.folder / "mosquitto.log"
        self._added = configuration
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """As `--broker` takes it."""
        return f"mqtt://{self.host}:{self.port}"

    @property
    def running(self) -> bool:
        """True while the process is there."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> Broker:
        """Starts it, and returns once it accepts connections. Raises BrokerError, ToolMissingError."""
        if self.running:
            return self
        self._need_the_port()
        self.folder.mkdir(parents=True, exist_ok=True)
        text = _CONFIGURATION.format(host=self.host, port=self.port, folder=self.folder) + self._added
        if os.getuid() == 0:  # otherwise it becomes a user that cannot write in the folder
            text += f"user {pwd.getpwuid(0).pw_name}\n"
        file = self.folder / "mosquitto.conf"
        file.write_text(text)
        with (self.folder / "mosquitto.out").open("ab") as output:
            self._process = subprocess.Popen(
                [find_mosquitto(), "-c", file], stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )
        self._wait_until_it_listens(self._process)
        return self

    def stop(self) -> None:
        """Asks it to end, so that it saves what it holds; kills it if it does not."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self.kill()
        self._process = None

    def kill(self) -> None:
        """Ends it as a power cut would: what it had not yet saved is lost."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def __enter__(self) -> Broker:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def _need_the_port(self) -> None:
        """Somebody else's broker on our port would look like our own."""
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((self.host, self.port))
            except OSError as error:
                raise BrokerError(f"no broker on {self.host}:{self.port}: {error.strerror}") from error

    def _wait_until_it_listens(self, process: subprocess.Popen[bytes]) -> None:
        until = time.monotonic() + _START_S
        while time.monotonic() < until and process.poll() is None:
            try:
                socket.create_connection((self.host, self.port), timeout=1).close()
            except OSError:
                time.sleep(0.02)
            else:
                return
        self.kill()
        raise BrokerError(f"mosquitto did not start on {self.host}:{self.port}: {self._last_words()}")

    def _last_words(self) -> str:
        said = [file.read_text() for file in (self.folder / "mosquitto.out", self.log) if file.is_file()]
        return " / ".join("".join(said).splitlines()[-3:]) or "it said nothing"
