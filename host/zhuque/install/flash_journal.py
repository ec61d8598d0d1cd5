"""The journal of a board that says nothing, from the bytes of its flash, with the firmware's own code."""

from __future__ import annotations

import json
import time
from typing import Any

from zhuque import board_code
from zhuque.collector import ingest
from zhuque.collector.pull import Extent
from zhuque.device import layout
from zhuque.store.items import DeadLetter, Record
from zhuque.wire import topics

_MOST = 500


class FlashJournal:
    """What the partition holds: the records `first_seq` to `last_seq` of `epoch`; none where `last_seq` is 0."""

    def __init__(self, partition: bytes) -> None:
        self._journal = board_code.load("core.journal").Journal(_Store(partition), lambda: "0" * 16)
        self._journal.recover()
        self.epoch: str = self._journal.epoch
        self.first_seq: int = self._journal.first_seq
        self.last_seq: int = self._journal.last_seq

    def read(self, seq: int) -> dict[str, Any] | None:
        """A record; None where it cannot be read."""
        found: dict[str, Any] | None = self._journal.read(seq)
        return found

    def holds_sessions(self) -> bool:
        """True where somebody charged while it was written."""
        records = (self.read(seq) for seq in range(self.first_seq, self.last_seq + 1))
        return any(record is not None and record["kind"].startswith("session_") for record in records)


class FlashSource:
    """The Source of a journal on flash that is this point's."""

    def __init__(self, journal: FlashJournal, site: str, point: str) -> None:
        self.name = f"{site}/{point}"
        self.extent = Extent(site, point, journal.epoch, journal.first_seq, journal.last_seq)
        self.most = _MOST
        self._journal = journal

    def read(self, first: int, last: int) -> list[Record | DeadLetter]:
        """The records, without those that cannot be read."""
        topic, now = topics.topic(self.extent.site, self.extent.point, "record"), int(time.time())
        read = (self._journal.read(seq) for seq in range(first, last + 1))
        items = (ingest.decode(topic, json.dumps(body).encode(), False, now) for body in read if body)
        return [item for item in items if isinstance(item, Record | DeadLetter)]


class _Store:
    """The partition as the firmware's journal reads it."""

    block_size = layout.BLOCK

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.blocks = len(data) // layout.BLOCK

    def read(self, block: int, offset: int, buf: Any) -> None:
        """Fills `buf`."""
        at = block * layout.BLOCK + offset
        buf[:] = self._data[at : at + len(buf)]
