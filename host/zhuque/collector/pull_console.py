"""A board's own journal, read at its USB port, with a network or without one, while its sessions go on.

What does not arrive is asked for three times, as over MQTT, and left out then: it is rotten on the board's flash. A
stretch is short, for a cable may be pulled, and what came of a stretch that was cut off is asked for again.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Protocol

from zhuque.collector import ingest
from zhuque.collector.ask import new_id
from zhuque.collector.pull import Extent, PullError
from zhuque.errors import RefusedError
from zhuque.store.items import DeadLetter, Record
from zhuque.wire import topics

_TRIES = 3
# Under a second at 115200 baud.
_STRETCH = 25


class Link(Protocol):
    """A console: device/console_link.py."""

    @property
    def port(self) -> str:
        """What it is called."""

    def status(self) -> dict[str, Any]:
        """What the board says of itself."""

    def ask(self, command: dict[str, Any], on_record: Callable[[bytes], None] = ...) -> dict[str, Any]:
        """Its reply, after its records."""


class ConsoleSource:
    """The Source of a point behind an open link. Raises RefusedError where another board is there."""

    def __init__(self, link: Link, site: str, point: str, actor: str) -> None:
        self.name = f"{site}/{point}"
        self._link = link
        self._actor = actor
        self._topic = topics.topic(site, point, "record")
        self._extent = self._told(site, point, link.status())

    @property
    def extent(self) -> Extent:
        """As the board said it when we came."""
        return self._extent

    @property
    def most(self) -> int:
        """What a pulled cable may cost."""
        return _STRETCH

    def read(self, first: int, last: int) -> list[Record | DeadLetter]:
        """The records; what the board cannot read is asked for three times, and left out."""
        found: dict[int, Record | DeadLetter] = {}
        for _ in range(_TRIES):
            missing = [seq for seq in range(first, last + 1) if seq not in found]
            if not missing or not self._ask(missing[0], missing[-1], found):
                break
        return [found[seq] for seq in sorted(found) if first <= seq <= last]

    def _ask(self, first: int, last: int, found: dict[int, Record | DeadLetter]) -> bool:
        """One `resend` into `found`; False where asking again is of no use."""

        def take(raw: bytes) -> None:
            item = ingest.decode(self._topic, raw, False, int(time.time()))
            if isinstance(item, Record | DeadLetter) and item.epoch == epoch and item.seq is not None:
                found[item.seq] = item

        epoch = self._extent.epoch
        wanted = {"op": "resend", "epoch": epoch, "from": first, "to": last, "actor": self._actor}
        reply = self._link.ask({"id": new_id(), **wanted}, take)
        if reply.get("ok") or reply.get("error") in ("gone", "bad_json"):
            return reply.get("error") != "gone"
        raise PullError(f"{self.name} does not give its records: {reply.get('error')}: {reply.get('detail')}")

    def _told(self, site: str, point: str, status: dict[str, Any]) -> Extent:
        port = self._link.port
        if status.get("site") is None or status.get("point") is None:
            raise RefusedError(
                f"the board at {port} does not know which point it is, so nothing was read: provision it first"
            )
        if (status["site"], status["point"]) != (site, point):
            raise RefusedError(
                f"the board at {port} is {status['site']}/{status['point']} and not {self.name}: nothing was read; "
                "plug in the other one, or name this one"
            )
        return Extent(site, point, str(status["epoch"]), int(status["first_seq"]), int(status["last_seq"]))
