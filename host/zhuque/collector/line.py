"""paho's client with two changes for a busy line: it reads from the socket in large pieces, and writes many
acknowledgements at once.

paho reads a packet byte by byte and makes a packet of each acknowledgement: four system calls a message, more than all
the rest of a message costs. The three methods that are replaced are paho's own inner ones, of the releases that
pyproject.toml allows; where a later one is without them, nothing but speed is lost (test_line.py says so).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from paho.mqtt.client import Client
from paho.mqtt.enums import MQTTErrorCode

_PIECE = 1 << 16
_PUBLISH_QOS1 = b"\x40\x02"

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
        """True while bytes that were read wait to be taken: the socket itself shows nothing of them."""
        return self._at < len(self._piece)

    def ack_all(self, ids: Iterable[int]) -> None:
        """Acknowledge QoS 1 messages, all in one write."""
        packets = b"".join([_PUBLISH_QOS1 + id.to_bytes(2, "big") for id in ids])
        if packets:
            self._packet_queue(0x40, packets, 0, 0)

    # What paho does otherwise ---------------------------------------------------------------------------------------

    def _sock_recv(self, bufsize: int) -> bytes:
        if self._at >= len(self._piece):
            self._piece = super()._sock_recv(_PIECE)
            self._at = 0
        taken = self._piece[self._at : self._at + bufsize]
        self._at += len(taken)
        return taken

    def _sock_close(self) -> None:
        self._piece, self._at = b"", 0
        super()._sock_close()

    def _handle_publish(self) -> MQTTErrorCode:
        """A PUBLISH of MQTT 5: topic, packet id, properties (passed over), payload."""
        handler = self.on_publish_in
        first: int = self._in_packet["command"]
        qos = first >> 1 & 3
        packet = bytes(self._in_packet["packet"])
        if handler is None or qos > 1:
            return super()._handle_publish()
        end = 2 + (packet[0] << 8 | packet[1])
        try:
            topic = packet[2:end].decode()
            id = 0
            if qos:
                id = packet[end] << 8 | packet[end + 1]
                end += 2
            length, end = _length(packet, end)
        except (IndexError, UnicodeError):
            return MQTTErrorCode.MQTT_ERR_PROTOCOL
        handler(topic, packet[end + length :], qos, bool(first & 1), id)
        return MQTTErrorCode.MQTT_ERR_SUCCESS


def _length(packet: bytes, at: int) -> tuple[int, int]:
    """A length of MQTT (7 bits a byte), and the place after it."""
    length = shift = 0
    while True:
        byte = packet[at]
        at += 1
        length |= (byte & 127) << shift
        if byte < 128:
            return length, at
        shift += 7
