"""paho's client with two changes for a busy line: it reads from the socket in large pieces, and writes many
acknowledgements at once.

paho reads a packet byte by byte, makes a few objects of each message and a packet of each acknowledgement; that costs
more than decoding and storing a record. So here whole PUBLISH packets are taken from the piece that was read, and all
other packets go paho's way. The methods that are replaced or called are paho's own inner ones, of the releases that
pyproject.toml allows; tests/host/test_line.py holds them against a real broker.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

from paho.mqtt.client import Client
from paho.mqtt.enums import MQTTErrorCode

_PIECE = 1 << 16
_PACKET_MAX = 1 << 21
_PUBACK = b"\x40\x02"

# topic, payload, qos, retain, packet id
OnPublish = Callable[[str, bytes, int, bool, int], None]


class Line(Client):
    """A client whose messages go to `on_publish_in`; acknowledge them with `ack_all`."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._piece = b""
        self._at = 0
        self.on_publish_in: OnPublish | None = None

    @property
    def buffered(self) -> bool:
        """True while a whole packet that was read waits to be taken: the socket itself shows nothing of it."""
        return self._whole() > 0

    def ack_all(self, ids: Iterable[int]) -> None:
        """Acknowledge QoS 1 messages, all in one write."""
        packets = b"".join([_PUBACK + id.to_bytes(2, "big") for id in ids])
        if packets:
            self._packet_queue(0x40, packets, 0, 0)

    # What paho does otherwise ---------------------------------------------------------------------------------------

    def _packet_read(self) -> MQTTErrorCode:
        """One packet, as paho's does; AGAIN where there is no whole one."""
        end = self._whole()
        if not end:
            try:
                more = super()._sock_recv(_PIECE)
            except BlockingIOError:
                return MQTTErrorCode.MQTT_ERR_AGAIN
            except OSError:
                return MQTTErrorCode.MQTT_ERR_CONN_LOST
            if not more:
                return MQTTErrorCode.MQTT_ERR_CONN_LOST
            self._piece, self._at = self._piece[self._at :] + more, 0
            self._last_bytes_received = time.monotonic()
            end = self._whole()
            if not end:
                too_long = len(self._piece) > _PACKET_MAX
                return MQTTErrorCode.MQTT_ERR_PROTOCOL if too_long else MQTTErrorCode.MQTT_ERR_AGAIN
        if self._piece[self._at] >> 4 != 3:
            return super()._packet_read()
        packet, begin, self._at = self._piece, self._at, end
        try:
            return self._take_publish(packet, begin, end)
        except (IndexError, UnicodeError):
            return MQTTErrorCode.MQTT_ERR_PROTOCOL

    def _sock_recv(self, bufsize: int) -> bytes:
        taken = self._piece[self._at : self._at + bufsize]
        self._at += len(taken)
        return taken

    def _sock_close(self) -> None:
        self._piece, self._at = b"", 0
        super()._sock_close()

    def _whole(self) -> int:
        """Where the packet ends that the piece begins with; 0 where it is not whole."""
        try:
            length, begin = _length(self._piece, self._at + 1)
        except IndexError:
            return 0
        end = begin + length
        return end if end <= len(self._piece) else 0

    def _take_publish(self, packet: bytes, at: int, end: int) -> MQTTErrorCode:
        """A PUBLISH of MQTT 5: topic, packet id, properties (passed over), payload."""
        first = packet[at]
        at = _length(packet, at + 1)[1]
        begin, at = at + 2, at + 2 + (packet[at] << 8 | packet[at + 1])
        topic = packet[begin:at].decode()
        qos, id = first >> 1 & 3, 0
        if qos:
            id = packet[at] << 8 | packet[at + 1]
            at += 2
        length, at = _length(packet, at)
        if qos > 1 or at + length > end:
            return MQTTErrorCode.MQTT_ERR_PROTOCOL
        if self.on_publish_in is not None:
            self.on_publish_in(topic, packet[at + length : end], qos, first & 1 == 1, id)
        return MQTTErrorCode.MQTT_ERR_SUCCESS


def _length(packet: bytes, at: int) -> tuple[int, int]:
    """A length of MQTT (7 bits a byte), and the place after it. Raises IndexError where it is not whole."""
    byte = packet[at]
    if byte < 128:
        return byte, at + 1
    length, shift = byte & 127, 7
    while True:
        at += 1
        byte = packet[at]
        length |= (byte & 127) << shift
        if byte < 128 or shift > 14:
            return length, at + 1
        shift += 7
