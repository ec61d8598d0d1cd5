"""A collector in a thread, and questions to its database, for tests."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from zhuque.collector.broker import parse
from zhuque.collector.client import Collector
from zhuque.store.engine import open_reader
from zhuque.store.write import Store


def wait_for(what: Callable[[], Any], seconds: float = 20.0) -> Any:
    until = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.02)
    return found


class Running:
    """A collector in a thread, as `zhuque collect` runs it."""

    def __init__(self, url: str, db: str, sites: tuple[str, ...] = (), gap_age_s: float = 60.0) -> None:
        self.db = db
        self.said: list[str] = []
        self.store = Store(db)
        self.collector = Collector(parse(url), self.store, sites, self.said.append, gap_age_s)
        self.thread = threading.Thread(target=self.collector.run)
        self.thread.start()

    def connected(self) -> Running:
        wait_for(lambda: any("connected" in text for text in self.said))
        return self

    def stop(self) -> None:
        if self.thread.is_alive():
            self.collector.stop()
            self.thread.join(20)
        assert not self.thread.is_alive()
        self.store.close()

    def count(self, table: str) -> int:
        return count(self.db, table)


def count(db: str, table: str) -> int:
    database = open_reader(db)
    try:
        with database.begin() as reading:
            return int(reading.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar_one())
    finally:
        database.dispose()


def rows(db: str, sql: str) -> list[tuple[Any, ...]]:
    """What a query gives."""
    database = open_reader(db)
    try:
        with database.begin() as reading:
            return [tuple(row) for row in reading.exec_driver_sql(sql)]
    finally:
        database.dispose()
