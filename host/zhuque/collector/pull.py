"""A board's own journal, read from the board: over MQTT here, over its USB port in pull_console.py.

A `Source` says which journal the board has and gives any stretch of it; whoever pulls needs nothing else of the line.

Over MQTT a stretch is asked for with `resend`: at most 200 records, one request outstanding. The board answers and
sends the records as it sends any, so a collector that runs meanwhile stores them too, and takes no harm. What the
board says it sent and did not send in three tries is left out: it is rotten on the board's flash.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol

from paho.mqtt.client import MQTTMessage

from zhuque.collector import ingest
from zhuque.collector.ask import Conversation, new_id
from zhuque.collector.broker import BrokerAddress
from zhuque.collector.gaps import MAX_RESEND
from zhuque.errors import NoAnswerError, NotFoundError, ZhuqueError
from zhuque.store.items import DeadLetter, Record, Status
from zhuque.store.journals import Journal
from zhuque.wire import messages, topics

_TRIES = 3
_QUIET_S = 3.0
_EXPIRES_S = 60


class PullError(ZhuqueError):
    """The board does not give its journal."""


@dataclass(frozen=True)
class Extent:
    """What a board has: the records from `first_seq` to `last_seq` of one journal."""

    site: str
    point: str
    epoch: str
    first_seq: int
    last_seq: int

    @property
    def journal(self) -> Journal:
        """Its key in the database."""
        return self.site, self.point, self.epoch


class Source(Protocol):
    """A line to a board's journal. Raises NoAnswerError when the board is gone, PullError."""

    @property
    def name(self) -> str:
        """The point, `SITE/POINT`."""

    @property
    def extent(self) -> Extent:
        """What the board has."""

    @property
    def most(self) -> int:
        """How many records `read` gives at once."""

    def read(self, first: int, last: int) -> list[Record | DeadLetter]:
        """The records from first to last, by seq; without those that the board cannot read."""


def stretches(ranges: Iterable[tuple[int, int]], most: int) -> Iterator[tuple[int, int]]:
    """The ranges, in order, cut to at most so many records."""
    for first, last in ranges:
        for begin in range(first, last + 1, most):
            yield begin, min(last, begin + most - 1)


class MqttSource:
    """A board at a broker, as a context. `actor` asks it; `timeout_s` is how long the board may be silent."""

    def __init__(
        self, broker: BrokerAddress, site: str, point: str, actor: str, timeout_s: float = 15.0
    ) -> None:
        self._actor = actor
        self.name = f"{site}/{point}"
        self._site, self._point = site, point
        self._broker = broker
        self._timeout_s = timeout_s
        self._talk = Conversation(broker)
        self._status: Status | None = None
        self._reply: dict[str, Any] | None = None
        self._asked = ""
        self._found: dict[int, Record | DeadLetter] = {}
        self._heard = 0.0
        self._extent: Extent | None = None

    def __enter__(self) -> MqttSource:
        self._talk.__enter__()
        # The answer to the second subscription comes after what is kept for the first.
        self._talk.subscribe(topics.topic(self._site, self._point, "status"), qos=0)
        self._talk.subscribe(*(topics.topic(self._site, self._point, name) for name in ("reply", "record")))
        self._take()
        self._extent = self._told()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._talk.__exit__(kind, error, trace)

    @property
    def most(self) -> int:
        """As many as a board sends again for one request."""
        return MAX_RESEND

    @property
    def extent(self) -> Extent:
        """As the status said it when we came."""
        assert self._extent is not None, "only within the context"
        return self._extent

    def read(self, first: int, last: int) -> list[Record | DeadLetter]:
        """The records; what the board cannot read is asked for three times, and left out."""
        self._found.clear()
        for _ in range(_TRIES):
            missing = [seq for seq in range(first, last + 1) if seq not in self._found]
            if not missing:
                break
            if not self._ask(missing[0], missing[-1]):
                break
        return [self._found[seq] for seq in sorted(self._found) if first <= seq <= last]

    # One request ----------------------------------------------------------------------------------------------------

    def _ask(self, first: int, last: int) -> bool:
        """One `resend`, and what comes of it; False where asking again is of no use."""
        reply = self._answer(
            {
                "op": "resend",
                "epoch": self.extent.epoch,
                "from": first,
                "to": last,
                "actor": self._actor,
                "expires": int(time.time()) + _EXPIRES_S,
            }
        )
        gone = reply.get("error") == "gone"
        if not reply["ok"] and not gone:
            raise PullError(
                f"{self.name} does not give its records: {reply.get('error')}: {reply.get('detail')}"
            )
        wanted = set(range(first, last + 1))
        self._wait(lambda: wanted <= self._found.keys() or self._quiet(gone))
        return not gone

    def _answer(self, command: dict[str, Any]) -> dict[str, Any]:
        """The board's reply to a command. Raises NoAnswerError."""
        self._asked, self._reply, self._heard = new_id(), None, time.monotonic()
        payload = messages.dump({"id": self._asked, **command})
        self._talk.publish(topics.topic(self._site, self._point, "command"), payload)
        self._wait(lambda: self._reply is not None)
        reply: dict[str, Any] | None = self._reply
        if reply is None:
            raise NoAnswerError(f"{self.name} is online but does not answer; try again")
        return reply

    def _quiet(self, gone: bool) -> bool:
        """True when no more records are to be expected: those that are there come one after the other."""
        return time.monotonic() - self._heard > (1.0 if gone else min(self._timeout_s / 3, _QUIET_S))

    def _wait(self, fulfilled: Callable[[], bool]) -> None:
        """Until fulfilled, or the board has been silent for too long. Raises NoAnswerError where it went away."""
        while True:
            alive = self._talk.until(lambda: self._take() or fulfilled() or self._gone(), 1.0)
            if self._gone():
                raise NoAnswerError(f"{self.name} went offline")
            if fulfilled() or time.monotonic() - self._heard > self._timeout_s:
                return
            if not alive and not self._talk.connected:
                raise NoAnswerError(f"the broker {self._broker} went away")

    def _gone(self) -> bool:
        return self._status is not None and not self._status.online

    def _take(self) -> bool:
        """Look at what came; never reason enough to stop waiting."""
        for message in self._talk.take():
            self._judge(message)
        return False

    def _judge(self, message: MQTTMessage) -> None:
        payload, now = bytes(message.payload), int(time.time())
        item = ingest.decode(message.topic, payload, message.retain, now)
        if isinstance(item, Status):
            self._status = item
        elif isinstance(item, Record | DeadLetter) and item.epoch == self._epoch() and item.seq is not None:
            self._heard = time.monotonic()
            self._found[item.seq] = item
        elif message.topic.endswith("/reply"):
            self._judge_reply(payload)

    def _judge_reply(self, payload: bytes) -> None:
        try:
            body = messages.load(payload)
        except messages.WireError:
            return
        if body.get("id") == self._asked and type(body.get("ok")) is bool:
            self._reply, self._heard = body, time.monotonic()

    def _epoch(self) -> str | None:
        return self._extent.epoch if self._extent else None

    def _told(self) -> Extent:
        """The journal as the status tells of it. Raises NotFoundError, NoAnswerError, PullError."""
        if self._status is None:
            raise NotFoundError(
                f"{self._broker} has never heard of {self.name}: check the name with `zhuque status --broker`"
            )
        if not self._status.online:
            raise NoAnswerError(f"{self.name} is offline: check its supply and its Wi-Fi")
        body = self._status.body
        epoch, first, last = (body.get(name) for name in ("epoch", "first_seq", "last_seq"))
        if epoch is None or first is None or last is None:
            raise PullError(f"{self.name} does not say which records it has: update its firmware")
        return Extent(self._site, self._point, epoch, first, last)
