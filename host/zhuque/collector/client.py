"""The collector's connection to the broker: MQTT 5, acknowledging only what is durable.

Strategy: this thread alone touches the connection, another one (writer.py) decodes and stores. So an acknowledgement
cannot slip from one connection into the next: every delivery carries the number of its connection, and what comes
back from the writer for an earlier one is forgotten; the broker sends it again, and a duplicate is nothing.

The broker keeps our session while we are away, a quiet point is told `stored` (confirm.py), and is asked for what is
missing (gaps.py): no acknowledgement of a broker is taken for more than its word.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import select
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from typing import Any

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from zhuque.collector.ask import new_id
from zhuque.collector.broker import BrokerAddress
from zhuque.collector.confirm import Confirmations
from zhuque.collector.gaps import Gaps, Loss
from zhuque.collector.line import Line
from zhuque.collector.writer import Delivery, Done, Writer
from zhuque.errors import ZhuqueError
from zhuque.store.items import Lost
from zhuque.store.telemetry import Ages
from zhuque.store.write import Store
from zhuque.wire import messages, topics

_KEEPALIVE_S = 30
_RECEIVE_MAXIMUM = 1000
_PACKET_MAXIMUM = 1 << 20
_SESSION_KEPT_S = 7 * 86400
_RETRY_MIN_S = 0.5
_RETRY_MAX_S = 30.0
_CONNACK_S = 10.0
_FINISH_S = 10.0
_FLUSH_S = 2.0
# Telemetry is not worth memory while the database is stuck.
_WAITING_MAX = 20_000
# A missing record may still be on its way for so long.
GAP_AGE_S = 60.0


class Collector:
    """Collects until `stop()`. `say` takes a line for a person whenever something changes for worse or better."""

    def __init__(
        self,
        broker: BrokerAddress,
        store: Store,
        sites: Sequence[str],
        say: Callable[[str], None],
        gap_age_s: float = GAP_AGE_S,
        ages: Ages | None = None,
    ) -> None:
        self._broker = broker
        self._say = say
        self._sites = tuple(sites)
        self._confirmations = Confirmations()
        self._gaps = Gaps(gap_age_s, random.random)
        now = time.monotonic()
        for journal, present, first_seq, standing in store.standings(self._sites):
            point = journal[:2]
            self._gaps.standing(journal, standing, now)
            if present:
                self._confirmations.stored(point, (journal[2], standing.stored), now)
                self._gaps.told(point, journal[2], first_seq, online=False)
        self._read_end, self._write_end = os.pipe()
        os.set_blocking(self._read_end, False)
        os.set_blocking(self._write_end, False)
        self._writer = Writer(store, say, self._wake, self._sites, ages)
        self._client = self._make_client(store)
        self._connection = 0
        self._connected = False
        self._reads = 0
        self._stopping = False
        self._greeting: str | None = None  # to be said once the broker took the subscription
        self._trouble: str | None = None
        self._retry_s = _RETRY_MIN_S
        self._retry_at = 0.0
        self._misc_at = 0.0
        self._connack_by = 0.0

    @property
    def records(self) -> int:
        """Records stored so far, duplicates included."""
        return self._writer.records

    def stop(self) -> None:
        """End cleanly; may be called from a signal handler or another thread."""
        self._stopping = True
        self._wake()

    def run(self) -> None:
        """Collects until `stop()`. Raises ZhuqueError when it cannot go on."""
        self._writer.start()
        try:
            while not self._stopping:
                if self._client.socket() is None:
                    self._connect()
                self._serve(min(self._gaps.wait(), self._confirmations.wait(time.monotonic())))
                self._check_writer()
        finally:
            self._finish()

    # The connection -------------------------------------------------------------------------------------------------

    def _make_client(self, store: Store) -> Line:
        """The client's id belongs to the database and the sites: two collectors do not push each other out."""
        text = "|".join([socket.gethostname(), str(store.where), *sorted(self._sites)])
        client_id = "zhuque-collector-" + hashlib.sha256(text.encode()).hexdigest()[:12]
        client = self._broker.prepare(
            Line(
                CallbackAPIVersion.VERSION2,
                client_id,
                protocol=MQTTProtocolVersion.MQTTv5,
                manual_ack=True,
            )
        )
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_publish_in = self._on_publish
        client.on_subscribe = self._on_subscribe
        client.on_socket_register_write = _nothing  # queue packets; `_serve` writes them
        return client

    def _connect(self) -> None:
        """One attempt when it is due; otherwise waits a little of the time until then."""
        wait_s = self._retry_at - time.monotonic()
        if wait_s > 0:
            self._wait(None, wait_s)
            return
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = _SESSION_KEPT_S
        properties.ReceiveMaximum = _RECEIVE_MAXIMUM
        properties.MaximumPacketSize = _PACKET_MAXIMUM
        self._put_off()
        self._connack_by = time.monotonic() + _CONNACK_S
        try:
            self._client.connect(
                self._broker.host, self._broker.port, _KEEPALIVE_S, clean_start=False, properties=properties
            )
        except (OSError, ssl.SSLError) as error:
            self._complain(f"the broker {self._broker} does not answer: {error}; trying again until it does")

    def _put_off(self) -> None:
        self._retry_at = time.monotonic() + self._retry_s
        self._retry_s = min(2 * self._retry_s, _RETRY_MAX_S)

    def _complain(self, text: str) -> None:
        if self._trouble is None and not self._stopping:
            self._say(text)
        self._trouble = text

    def _on_connect(
        self, client: Client, userdata: Any, flags: Any, reason: ReasonCode, properties: Properties | None
    ) -> None:
        if reason.is_failure:
            self._complain(
                f"the broker {self._broker} refuses us: {reason}; check user, password and its log"
            )
            return
        self._connection += 1
        self._connected = True
        self._retry_s = _RETRY_MIN_S
        client.subscribe(self._filters())
        self._confirmations.connected(time.monotonic())
        self._gaps.hold(time.monotonic())
        self._greeting = f"connected to {self._broker}" + (" again" if self._trouble else "")

    def _on_disconnect(
        self, client: Client, userdata: Any, flags: Any, reason: ReasonCode, properties: Properties | None
    ) -> None:
        self._connection += 1
        self._connected = False
        self._gaps.disconnected()
        if reason.value == 0x8E:
            self._stopping = True
            self._writer.failure = ZhuqueError(
                "another collector with the same database and sites is connected: only one may run"
            )
        else:
            self._complain(
                f"the connection to {self._broker} is gone: {reason}; trying again until it is back"
            )

    def _on_subscribe(
        self,
        client: Client,
        userdata: Any,
        mid: int,
        reasons: list[ReasonCode],
        properties: Properties | None,
    ) -> None:
        """Only now does the broker keep for us what is published: who waits for "connected to" may publish."""
        for reason in reasons:
            if reason.is_failure:
                self._complain(f"the broker does not let us read: {reason}; its ACL must allow zq/#")
                return
        if self._greeting is not None:
            self._say(self._greeting)
            self._greeting = self._trouble = None

    def _on_publish(self, topic: str, payload: bytes, qos: int, retain: bool, id: int) -> None:
        self._reads += 1
        if qos == 0 and self._writer.inbox.qsize() > _WAITING_MAX:
            return
        self._writer.inbox.put(Delivery(self._connection, id, qos, topic, payload, retain, int(time.time())))

    def _filters(self) -> list[tuple[str, int]]:
        filters = [] if self._sites else [(topics.ANY_STATUS, 1)]
        for site in self._sites or ("+",):
            filters.append((topics.topic(site, "+", "record"), 1))
            filters.append((topics.topic(site, "+", "reply"), 1))
            filters.append((topics.topic(site, "+", "telemetry"), 0))
            if self._sites:
                filters.append((f"{topics.ROOT}/+/{site}/+/status", 1))
        return filters

    # The loop -------------------------------------------------------------------------------------------------------

    def _wake(self) -> None:
        with contextlib.suppress(OSError):  # full: it will wake anyway
            os.write(self._write_end, b"\0")

    def _wait(self, connection: Any, timeout_s: float) -> bool:
        """Waits for the socket, a stored batch or a signal; True when the socket can be read."""
        reads = [self._read_end] if connection is None else [self._read_end, connection]
        writes = [connection] if connection is not None and self._client.want_write() else []
        if connection is not None and self._client.buffered:
            timeout_s = 0.0
        if connection is not None and isinstance(connection, ssl.SSLSocket) and connection.pending():
            return True  # decrypted already: the socket itself shows nothing
        readable, _, _ = select.select(reads, writes, [], timeout_s)
        if self._read_end in readable:
            with contextlib.suppress(BlockingIOError):
                os.read(self._read_end, 4096)
        return connection in readable or (connection is not None and self._client.buffered)

    def _serve(self, timeout_s: float) -> None:
        """One turn: wait, read what is there, acknowledge what is stored, tell what is due, write."""
        connection: Any = self._client.socket()
        if connection is None:
            return
        if self._wait(connection, timeout_s):
            self._read_all()
        self._acknowledge()
        self._tell()
        if self._client.want_write():
            self._client.loop_write()
        now = time.monotonic()
        if now >= self._misc_at:
            self._misc_at = now + 1.0
            self._client.loop_misc()
            if not self._connected and now > self._connack_by and self._client.socket() is not None:
                self._complain(f"{self._broker} accepts connections but says nothing; is it an MQTT broker?")
                self._client.disconnect()
                self._client.loop_write()

    def _read_all(self) -> None:
        """Packets until none is whole, but not for ever: acknowledgements wait."""
        for _ in range(500):
            before = self._reads
            self._client.loop_read()
            if self._reads == before or self._client.socket() is None:
                return

    def _acknowledge(self) -> None:
        now = time.monotonic()
        while self._writer.done:
            done = self._writer.done.popleft()
            ids = [d.mid for d in done.deliveries if d.qos and d.connection == self._connection]
            if ids and self._connected:
                self._client.ack_all(ids)
            self._hear(done, now)
            for journal, standing in done.standings.items():
                self._gaps.standing(journal, standing, now)
                if self._gaps.is_present(journal):
                    self._confirmations.stored(journal[:2], (journal[2], standing.stored), now)
        if self._writer.stuck and self._connected:
            self._gaps.hold(now)

    def _hear(self, done: Done, now: float) -> None:
        """What points said in a batch: how they are, and answers."""
        if done.behind and self._connected:
            self._gaps.behind(now)
        for status in done.statuses:
            body = status.body if status.online else {}
            self._gaps.told(
                (status.site, status.point), body.get("epoch"), body.get("first_seq"), status.online
            )
        for reply in done.replies:
            body = reply.body
            point = (reply.site, reply.point)
            said = self._gaps.reply(
                point, body.get("id"), body.get("ok") is True, body.get("error"), body.get("first_seq"), now
            )
            if said:
                self._say(f"{reply.site}/{reply.point} {said}; upgrade its firmware if it is older than this")

    def _tell(self) -> None:
        if not self._connected:
            return
        now = time.monotonic()
        for (site, point), (epoch, seq) in self._confirmations.take(now):
            payload = messages.dump({"epoch": epoch, "seq": seq})
            self._client.publish(topics.topic(site, point, "stored"), payload, qos=1, retain=True)
        for due in self._gaps.take(now):
            site, point, epoch = due.journal
            if isinstance(due, Loss):
                self._writer.inbox.put(Lost(site, point, epoch, due.begin, due.why, int(time.time())))
                continue
            id = new_id()
            command = {"id": id, "op": "resend", "epoch": epoch, "from": due.first, "to": due.last}
            command["actor"] = (
                "collector"  # and no `expires`: a point whose clock is ahead must send all the same
            )
            self._client.publish(topics.topic(site, point, "command"), messages.dump(command), qos=1)
            self._gaps.asked(due, id, now)

    def _check_writer(self) -> None:
        if self._writer.failure is not None:
            raise self._writer.failure

    def _finish(self) -> None:
        """Store what is in hand, acknowledge it, say goodbye."""
        if not self._writer.finish(_FINISH_S):
            self._say(
                "stopped while the database takes nothing: the broker and the points still hold the rest"
            )
        self._acknowledge()
        if self._connected:
            self._client.disconnect()
        until = time.monotonic() + _FLUSH_S
        while self._client.socket() is not None and self._client.want_write() and time.monotonic() < until:
            self._client.loop_write()
            time.sleep(0.001)
        os.close(self._read_end)
        os.close(self._write_end)


def _nothing(client: Client, userdata: Any, connection: Any) -> None:
    """Having this callback keeps paho from writing at once."""
