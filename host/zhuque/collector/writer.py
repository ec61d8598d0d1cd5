"""The thread that decodes and stores what the connection brings in, batch by batch.

Rules: nothing is reported as done before it is durable. While the database takes nothing, the batch in hand is tried
again and again, which is said once; the broker holds the rest, for nothing is acknowledged.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Event, Thread

from zhuque.collector import ingest
from zhuque.errors import StoreError
from zhuque.store.items import Item, Record, Refused, Status
from zhuque.store.write import Store

BATCH = 500
_BATCH_S = 0.2
# Nothing more came for this long: a broker with a small window waits for us.
_QUIET_S = 0.02
_RETRY_MIN_S = 0.2
_RETRY_MAX_S = 5.0
_PRUNE_S = 3600.0


@dataclass(slots=True)
class Delivery:
    """A message, and the connection to which its acknowledgement belongs."""

    connection: int
    mid: int
    qos: int
    topic: str
    payload: bytes
    retained: bool
    received_at: int


@dataclass(slots=True)
class Done:
    """A stored batch: what to acknowledge, and how far the journals it touched are stored."""

    deliveries: list[Delivery]
    stored: dict[tuple[str, str], tuple[str, int]]


class Writer(Thread):
    """`inbox` takes deliveries and None to end; `done` gives stored batches, each announced by `wake()`.

    `failure` holds what ended the thread against its will.
    """

    def __init__(self, store: Store, say: Callable[[str], None], wake: Callable[[], None]) -> None:
        super().__init__(name="zhuque-writer", daemon=True)
        self.inbox: SimpleQueue[Delivery | None] = SimpleQueue()
        self.done: deque[Done] = deque()
        self.failure: Exception | None = None
        self.records = 0
        self._store = store
        self._say = say
        self._wake = wake
        self._refused: set[tuple[str, str, str]] = set()
        self._giving_up = Event()
        self._ending = False
        self._prune_at = time.monotonic()

    def run(self) -> None:
        """Until None comes and everything before it is stored, or until it is told to give up."""
        try:
            while not self._ending:
                batch = self._next_batch()
                if batch and not self._store_batch(batch):
                    return
                self._prune()
        except Exception as error:  # noqa: BLE001 - handed to the main thread, which raises it
            self.failure = error
        finally:
            self._wake()

    def finish(self, wait_s: float) -> bool:
        """Store what is in hand and end; False when the database did not take it in time."""
        self.inbox.put(None)
        self.join(wait_s)
        self._giving_up.set()
        self.join(_RETRY_MAX_S)
        return not self.is_alive() and self.inbox.empty()

    def _next_batch(self) -> list[Delivery]:
        """Up to BATCH deliveries that came within 200 ms, or before a pause."""
        batch: list[Delivery] = []
        until = 0.0
        while len(batch) < BATCH:
            try:
                left = until - time.monotonic() if batch else 1.0
                delivery = self.inbox.get(timeout=max(0.0, min(left, _QUIET_S if batch else 1.0)))
            except Empty:
                break
            if delivery is None:
                self._ending = True
                break
            if not batch:
                until = time.monotonic() + _BATCH_S
            batch.append(delivery)
        return batch

    def _store_batch(self, batch: list[Delivery]) -> bool:
        """True once it is durable; False when given up."""
        items = [ingest.decode(d.topic, d.payload, d.retained, d.received_at) for d in batch]
        self._name_refused(items)
        pause_s, waiting = _RETRY_MIN_S, False
        while True:
            try:
                self._store.write(items)
                break
            except StoreError as error:
                if not waiting:
                    self._say(
                        f"{error}; nothing is lost: nothing is acknowledged until it takes records again"
                    )
                waiting = True
            if self._giving_up.wait(pause_s):
                return False
            pause_s = min(2 * pause_s, _RETRY_MAX_S)
        if waiting:
            self._say("the database takes records again")
        self._report(batch, items)
        return True

    def _report(self, batch: list[Delivery], items: list[Item]) -> None:
        touched: dict[tuple[str, str], tuple[str, int]] = {}
        for item in items:
            epoch = None
            if isinstance(item, Record):
                self.records += 1
                epoch = item.epoch
            elif isinstance(item, Status):
                epoch = item.body.get("epoch")
            if epoch is not None and isinstance(item, Record | Status):
                touched[item.site, item.point] = (epoch, 0)
        stored = {
            (site, point): (epoch, self._store.stored((site, point, epoch)))
            for (site, point), (epoch, _) in touched.items()
        }
        self.done.append(Done(batch, stored))
        self._wake()

    def _name_refused(self, items: list[Item]) -> None:
        for item in items:
            if isinstance(item, Refused) and (item.site, item.point, item.problem) not in self._refused:
                self._refused.add((item.site, item.point, item.problem))
                self._say(f"{item.site}/{item.point} {item.problem}")

    def _prune(self) -> None:
        if time.monotonic() < self._prune_at:
            return
        self._prune_at = time.monotonic() + _PRUNE_S
        try:
            self._store.drop_old_telemetry(int(time.time()))
        except StoreError:
            self._prune_at = time.monotonic() + _RETRY_MAX_S
