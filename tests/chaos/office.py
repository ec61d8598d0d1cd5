"""The office under fire: a broker, a collector and a database, each a process of its own that can be struck.

A strike is a context: inside it the victim is gone, after it the victim is back. Kills are kill -9. Which database a
strike meets decides what "away" is: a PostgreSQL stops or is killed, a SQLite file is locked by somebody else.
"""

from __future__ import annotations

import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from pathlib import Path
from types import TracebackType

from tests.fakes.postgres import Postgres
from zhuque.sim.broker import Broker


class Office:
    """Use it as a context manager. `survived` counts the strikes by kind."""

    def __init__(
        self, folder: Path, db: str, seed: int, server: Postgres | None = None, persistence: bool = True
    ) -> None:
        """`server` is the PostgreSQL of `db`; without `persistence` a killed broker forgets everything."""
        self.db = db
        self.log = folder / "collector.log"
        self.survived: Counter[str] = Counter()
        self.broker = Broker(folder / "broker", configuration="" if persistence else "persistence false\n")
        self._server = server
        self._chance = random.Random(f"{seed}/office")
        self._collector: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Office:
        self.broker.start()
        self._collect()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._kill_collector()
        self.broker.stop()

    def strike(self, kinds: Sequence[str], for_s: float) -> None:
        """Take all of them away, and give them back after so long, the last one first."""
        ways: dict[str, Callable[[], AbstractContextManager[None]]] = {
            "collector_kill": self._without_collector,
            "broker_kill": self._broker_killed,
            "broker_restart": self._broker_stopped,
            "database_away": self._without_database,
        }
        with ExitStack() as gone:
            for kind in kinds:
                gone.enter_context(ways[kind]())
                self.survived[kind] += 1
            time.sleep(for_s)

    def where_it_hangs(self) -> str:
        """Ends the collector, and gives the end of its log, with the place where each of its threads was."""
        if self._collector is not None:
            self._collector.send_signal(signal.SIGABRT)
            self._collector.wait()
        return self.log.read_text()[-6000:]

    @contextmanager
    def _without_collector(self) -> Iterator[None]:
        self._kill_collector()
        yield
        self._collect()

    @contextmanager
    def _broker_killed(self) -> Iterator[None]:
        self.broker.kill()
        yield
        self.broker.start()

    @contextmanager
    def _broker_stopped(self) -> Iterator[None]:
        self.broker.stop()
        yield
        self.broker.start()

    @contextmanager
    def _without_database(self) -> Iterator[None]:
        if self._server is not None:
            self._chance.choice((self._server.stop, self._server.kill))()
            yield
            self._server.start()
            return
        with closing(sqlite3.connect(self.db, timeout=10, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            yield
            other.execute("ROLLBACK")

    def _collect(self) -> None:
        command = [
            sys.executable,
            "-X",
            "faulthandler",
            "-m",
            "zhuque",
            "collect",
            "--db",
            self.db,
            "--broker",
            self.broker.url,
        ]
        with self.log.open("ab") as log:
            self._collector = subprocess.Popen(
                [*command, "--gap-age", "2s"], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def _kill_collector(self) -> None:
        if self._collector is not None:
            self._collector.kill()
            self._collector.wait()
