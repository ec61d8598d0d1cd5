"""Short conversations with the broker: a command and its reply, and the status it keeps.

One connection each, clean, under a name of its own. The reply is subscribed to before the command is sent, and only
the one with the command's own id counts.
"""

from __future__ import annotations

import os
import ssl
import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any

from paho.mqtt.client import MQTTMessage

from zhuque.collector import ingest
from zhuque.collector.broker import CONNECT_TIMEOUT_S, BrokerAddress
from zhuque.errors import NoAnswerError, RefusedError
from zhuque.store.items import Refused, Status, Telemetry
from zhuque.store.views import PointView
from zhuque.wire import messages, topics

_KEEPALIVE_S = 30
_BASE32 = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def new_id() -> str:
    """A command's id: 26 characters, by time (48 bits, ms) and chance (80 bits)."""
    number = int(time.time() * 1000) << 80 | int.from_bytes(os.urandom(10), "big")
    return "".join(_BASE32[number >> 5 * i & 31] for i in reversed(range(26)))


def command(
    broker: BrokerAddress, site: str, point: str, fields: dict[str, Any], timeout_s: float
) -> dict[str, Any]:
    """Send a command (`fields` holds op and what it needs) and return the reply.

    Raises NoAnswerError when the point is offline or silent for timeout_s, RefusedError when the broker refuses us.
    """
    message = {"id": new_id(), **fields}
    payload = messages.dump(message)
    with Conversation(broker, message["id"]) as talk:
        talk.subscribe(topics.topic(site, point, "reply"), topics.topic(site, point, "status"))
        talk.publish(topics.topic(site, point, "command"), payload)
        heard = _Heard(message["id"])
        talk.until(lambda: heard.judge(talk.take()) or talk.denied is not None, timeout_s)
        if talk.denied is not None:
            raise RefusedError(
                f"the broker {broker} does not let {broker.user or 'us'} send commands ({talk.denied}):"
                " nothing was done; ask for an operator's account"
            )
    if heard.reply is not None:
        return heard.reply
    if heard.problem:
        raise NoAnswerError(f"{site}/{point} {heard.problem}")
    if heard.online is None:
        raise NoAnswerError(
            f"no answer from {site}/{point}, and {broker} has never heard of it:"
            " check the name with `zhuque status --broker`"
        )
    if not heard.online:
        raise NoAnswerError(f"{site}/{point} is offline: nothing was done; check its supply and its Wi-Fi")
    raise NoAnswerError(
        f"{site}/{point} is online but did not answer within {timeout_s:g} s:"
        " whether it obeyed is not known; look at `zhuque status` before you repeat it"
    )


def telemetry(
    broker: BrokerAddress, site: str, point: str, silence_s: float = 30.0
) -> Iterator[dict[str, Any]]:
    """A point's telemetry as it comes, well-formed. Raises NoAnswerError after silence_s without any."""
    with Conversation(broker) as talk:
        talk.subscribe(topics.topic(site, point, "telemetry"), qos=0)
        while True:
            arrived: list[MQTTMessage] = []
            talk.until(lambda into=arrived: bool(into.extend(talk.take()) or into), silence_s)  # type: ignore[misc]
            if not arrived:
                raise NoAnswerError(
                    f"{site}/{point} has sent no telemetry for {silence_s:g} s: is it online? look at `zhuque status`"
                )
            for message in arrived:
                item = ingest.decode(message.topic, bytes(message.payload), message.retain, int(time.time()))
                if isinstance(item, Telemetry):
                    yield item.body


def kept_status(broker: BrokerAddress, site: str | None, point: str | None) -> list[PointView]:
    """The status of every point as the broker keeps it, by name. Raises NoAnswerError, RefusedError."""
    views: dict[tuple[str, str], PointView] = {}
    with Conversation(broker) as talk:
        # The answer to the second subscription comes after what is kept for the first.
        talk.subscribe(f"{topics.ROOT}/+/{site or '+'}/{point or '+'}/status", qos=0)
        talk.subscribe(f"{topics.ROOT}/-", qos=0)
        for message in talk.take():
            item = ingest.decode(message.topic, bytes(message.payload), True, int(time.time()))
            if isinstance(item, Status):
                body = item.body if item.online else {}
                seen_at = body.get("time")
                views[item.site, item.point] = PointView(
                    item.site, item.point, item.online, body, {}, seen_at, None
                )
            elif isinstance(item, Refused):
                views.setdefault(
                    (item.site, item.point),
                    PointView(item.site, item.point, None, {}, {}, None, item.problem),
                )
    return [views[key] for key in sorted(views)]


class _Heard:
    """What came while we waited for the reply to one command."""

    def __init__(self, id: str) -> None:
        self._id = id
        self.reply: dict[str, Any] | None = None
        self.online: bool | None = None
        self.problem: str | None = None

    def judge(self, arrived: list[MQTTMessage]) -> bool:
        """True when there is nothing more to wait for: the reply came, or none can come."""
        for message in arrived:
            item = ingest.decode(message.topic, bytes(message.payload), message.retain, 0)
            if isinstance(item, Status):
                self.online = item.online
            elif isinstance(item, Refused):
                self.problem = item.problem
            else:
                self._judge_reply(message)
        return self.reply is not None or self.online is False or self.problem is not None

    def _judge_reply(self, message: MQTTMessage) -> None:
        try:
            body = messages.load(bytes(message.payload))
        except messages.WireError:
            return
        if body.get("id") == self._id and type(body.get("ok")) is bool:
            self.reply = body


class Conversation:
    """A connection for a few messages. Raises NoAnswerError and RefusedError on entering and subscribing."""

    def __init__(self, broker: BrokerAddress, id: str | None = None) -> None:
        """`id` is that of the command: as our client id it is in the broker's log, beside the user that it knows."""
        self._broker = broker
        self._arrived: list[MQTTMessage] = []
        self._subscribed: dict[int, bool] = {}
        self._denied: str | None = None
        self._connack: Any = None
        self._client = broker.client("zhuque-cli-" + (id or new_id()))
        self._client.on_connect = lambda client, data, flags, reason, properties: self._set_connack(reason)
        self._client.on_subscribe = lambda client, data, mid, reasons, properties: self._set_suback(
            mid, reasons
        )
        self._client.on_publish = lambda client, data, mid, reason, properties: self._set_puback(reason)
        self._client.on_message = lambda client, data, message: self._arrived.append(message)

    def __enter__(self) -> Conversation:
        try:
            self._client.connect(self._broker.host, self._broker.port, _KEEPALIVE_S)
        except (OSError, ssl.SSLError) as error:
            raise NoAnswerError(
                f"the broker {self._broker} does not answer: {error}; is it running, is the address right?"
            ) from error
        self.until(lambda: self._connack is not None, CONNECT_TIMEOUT_S)
        if self._connack is None:
            raise NoAnswerError(f"{self._broker} accepts connections but says nothing; is it an MQTT broker?")
        if self._connack.is_failure:
            raise RefusedError(
                f"the broker {self._broker} refuses us: {self._connack}; check user and password"
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.disconnect()

    def subscribe(self, *filters: str, qos: int = 1) -> None:
        """Returns once the broker has agreed to all of them."""
        _, mid = self._client.subscribe([(text, qos) for text in filters])
        if mid is None or not self.until(lambda: mid in self._subscribed, CONNECT_TIMEOUT_S):
            raise NoAnswerError(f"the broker {self._broker} stopped answering; try again")
        if not self._subscribed[mid]:
            raise RefusedError(f"the broker {self._broker} does not let us read {' and '.join(filters)}")

    def publish(self, topic: str, payload: bytes) -> None:
        """At QoS 1."""
        self._client.publish(topic, payload, qos=1)

    @property
    def denied(self) -> str | None:
        """Why the broker did not take what was published, None where it did."""
        return self._denied

    def take(self) -> list[MQTTMessage]:
        """What arrived since the last call."""
        arrived, self._arrived = self._arrived, []
        return arrived

    def until(self, fulfilled: Callable[[], bool], timeout_s: float) -> bool:
        """Serve the connection until fulfilled; False when time is up or the connection is gone."""
        end = time.monotonic() + timeout_s
        while not fulfilled():
            left = end - time.monotonic()
            if left <= 0 or self._client.loop(min(left, 0.2)) != 0:
                return fulfilled()
        return True

    @property
    def connected(self) -> bool:
        """False once the broker went away."""
        return self._client.is_connected()

    def _set_connack(self, reason: Any) -> None:
        self._connack = reason

    def _set_puback(self, reason: Any) -> None:
        if reason.is_failure:
            self._denied = str(reason)

    def _set_suback(self, mid: int, reasons: list[Any]) -> None:
        self._subscribed[mid] = not any(reason.is_failure for reason in reasons)
