"""The thread that decodes and stores what the connection brings in, batch by batch.

Rules: nothing is reported as done before it is durable. While the database takes nothing, the batch in hand is tried
again and again, which is said once; the broker holds the rest, for nothing is acknowledged. A batch is what came
within 200 ms, at most 500 messages; while more than that waits, it grows, for a commit costs the same for more.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Event, Thread

from zhuque.collector import ingest
from zhuque.errors import StoreError
from zhuque.store.items import Item, Lost, Record, Refused, Reply, Status
from zhuque.store.journals import Journal, Standing
from zhuque.store.telemetry import Ages
from zhuque.store.write import Store

BATCH = 500
BATCH_BEHIND = 2000
_BATCH_S = 0.2
# Nothing more came for this long: a broker with a small window waits for us.
_QUIET_S = 0.02
_RETRY_MIN_S = 0.2
_RETRY_MAX_S = 5.0
_PRUNE_S = 3600.0
_PRUNE_AT_ONCE_S = 0.1


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
    """A stored batch: what to acknowledge, where the journals it touched stand, and what points said in it.

    `behind` is True where more waited than the batch could hold.
    """

    deliveries: list[Delivery]
    standings: dict[Journal, Standing]
    statuses: list[Status]
    replies: list[Reply]
    behind: bool


class Writer(Thread):
    """`inbox` takes deliveries, losses, and None to end; `done` gives stored batches, each announced by `wake()`.

    `failure` holds what ended the thread against its will, `stuck` is True while the database takes nothing.
    """

    def __init__(
        self,
        store: Store,
        say: Callable[[str], None],
        wake: Callable[[], None],
        sites: tuple[str, ...] = (),
        ages: Ages | None = None,
    ) -> None:
        super().__init__(name="zhuque-writer", daemon=True)
        self.inbox: SimpleQueue[Delivery | Lost | None] = SimpleQueue()
        self.done: deque[Done] = deque()
        self.failure: Exception | None = None
        self.records = 0
        self.stuck = False
        self._ages = ages or Ages()
        self._sites = sites
        self._thinning: Iterator[int] | None = None
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

    def _next_batch(self) -> list[Delivery | Lost]:
        """What came within 200 ms or before a pause, up to BATCH; more of what waits already."""
        batch: list[Delivery | Lost] = []
        until = 0.0
        limit = BATCH_BEHIND if self.inbox.qsize() >= BATCH else BATCH
        while len(batch) < limit:
            try:
                item = self.inbox.get_nowait()
            except Empty:
                if len(batch) >= BATCH:
                    break
                left = until - time.monotonic() if batch else 1.0
                try:
                    item = self.inbox.get(timeout=max(0.0, min(left, _QUIET_S if batch else 1.0)))
                except Empty:
                    break
            if item is None:
                self._ending = True
                break
            if not batch:
                until = time.monotonic() + _BATCH_S
            batch.append(item)
        return batch

    def _store_batch(self, batch: list[Delivery | Lost]) -> bool:
        """True once it is durable; False when given up."""
        behind = self.inbox.qsize() > BATCH
        decode = ingest.decode
        items: list[Item] = [
            d if isinstance(d, Lost) else decode(d.topic, d.payload, d.retained, d.received_at) for d in batch
        ]
        self._name_refused(items)
        pause_s = _RETRY_MIN_S
        while True:
            try:
                self._store.write(items)
                break
            except StoreError as error:
                if not self.stuck:
                    self._say(
                        f"{error}; nothing is lost: nothing is acknowledged until it takes records again"
                    )
                self.stuck = True
            if self._giving_up.wait(pause_s):
                return False
            pause_s = min(2 * pause_s, _RETRY_MAX_S)
        if self.stuck:
            self._say("the database takes records again")
        self.stuck = False
        self._report(batch, items, behind)
        return True

    def _report(self, batch: list[Delivery | Lost], items: list[Item], behind: bool) -> None:
        touched: dict[Journal, None] = {}
        done = Done([d for d in batch if isinstance(d, Delivery)], {}, [], [], behind)
        for item in items:
            if isinstance(item, Record):
                self.records += 1
                touched[item.site, item.point, item.epoch] = None
            elif isinstance(item, Status):
                done.statuses.append(item)
                if item.body.get("epoch") is not None:
                    touched[item.site, item.point, item.body["epoch"]] = None
            elif isinstance(item, Reply):
                done.replies.append(item)
            elif isinstance(item, Lost):
                touched[item.site, item.point, item.epoch] = None
                self._say(f"{item.site}/{item.point}: records before {item.begin} are lost: {item.why}")
        done.standings = {journal: self._store.standing(journal) for journal in touched}
        self.done.append(done)
        self._wake()

    def _name_refused(self, items: list[Item]) -> None:
        for item in items:
            if isinstance(item, Refused) and (item.site, item.point, item.problem) not in self._refused:
                self._refused.add((item.site, item.point, item.problem))
                self._say(f"{item.site}/{item.point} {item.problem}")

    def _prune(self) -> None:
        """A little of the thinning while nothing waits; telemetry is in no hurry."""
        now = time.monotonic()
        if self._thinning is None and now >= self._prune_at:
            self._prune_at = now + _PRUNE_S
            self._thinning = self._store.thinning(int(time.time()), self._ages, self._sites)
        try:
            while self._thinning and self.inbox.empty() and time.monotonic() < now + _PRUNE_AT_ONCE_S:
                if next(self._thinning, None) is None:
                    self._thinning = None
        except StoreError:
            self._thinning = None
            self._prune_at = time.monotonic() + _RETRY_MAX_S
