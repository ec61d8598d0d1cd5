"""The busy line against real packets: whole, in pieces, side by side, and malformed."""

from __future__ import annotations

import socket
import time
from typing import Any

import pytest
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from zhuque.collector.line import Line
from zhuque.sim.broker import Broker


def packet(first: int, body: bytes) -> bytes:
    length, out = len(body), bytearray([first])
    while True:
        length, byte = divmod(length, 128)
        out.append(byte | (128 if length else 0))
        if not length:
            return bytes(out) + body


def publish(id: int, payload: bytes, properties: bytes = b"", qos: int = 1, retain: bool = False) -> bytes:
    body = b"\0\x03a/b" + (id.to_bytes(2, "big") if qos else b"")
    return packet(0x30 | qos << 1 | retain, body + bytes([len(properties)]) + properties + payload)


class Peer:
    """A line, and the broker's end of its socket."""

    def __init__(self) -> None:
        server = socket.create_server(("127.0.0.1", 0))
        self.got: list[tuple[Any, ...]] = []
        self.line = Line(
            CallbackAPIVersion.VERSION2, "x", protocol=MQTTProtocolVersion.MQTTv5, manual_ack=True
        )
        self.line.on_publish_in = lambda *message: self.got.append(message)
        self.line.connect("127.0.0.1", server.getsockname()[1])
        self.socket, _ = server.accept()
        server.close()
        self.socket.settimeout(5)
        self.socket.recv(4096)
        self.send(b"\x20\x03\0\0\0")

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)
        until = time.monotonic() + 0.05
        while time.monotonic() < until and self.line.socket() is not None:
            self.line.loop_read()

    def close(self) -> None:
        self.socket.close()
        self.line.disconnect()


@pytest.fixture
def peer() -> Any:
    made = Peer()
    yield made
    made.close()


def test_packets_side_by_side_and_in_pieces(peer: Peer) -> None:
    big = b"z" * 70_000
    data = (
        publish(7, b"one")
        + publish(8, b"", b"\x23\0\x01")
        + publish(0, b"t", qos=0, retain=True)
        + publish(9, big)
    )
    peer.send(data[:11])
    assert peer.got == []
    assert not peer.line.buffered
    peer.send(data[11:60_000])
    peer.send(data[60_000:] + b"\xd0\0")
    expected = [("a/b", b"one", 1, False, 7), ("a/b", b"", 1, False, 8), ("a/b", b"t", 0, True, 0)]
    assert peer.got == [*expected, ("a/b", big, 1, False, 9)]


def test_many_acknowledgements_are_one_write(peer: Peer) -> None:
    peer.line.ack_all([1, 258])
    peer.line.loop_write()
    assert peer.socket.recv(100) == b"\x40\x02\x00\x01\x40\x02\x01\x02"


@pytest.mark.parametrize(
    "bad",
    [
        b"\x32\x02\x00\x09",  # a topic longer than the packet
        b"\x32\x04\x00\x01\xff\x00",  # a topic that is not UTF-8
        b"\x36\x06\x00\x01a\x00\x01\x00",  # QoS 3
        b"\x32\x07\x00\x01a\x00\x01\x7f\x00",  # properties longer than the packet
        b"\x32\xff\xff\xff\xff\x7f",  # a length that is none
    ],
    ids=["topic", "utf8", "qos", "properties", "length"],
)
def test_a_malformed_publish_ends_the_connection(peer: Peer, bad: bytes) -> None:
    peer.send(bad + b"\0" * 3_000_000)
    until = time.monotonic() + 10
    while peer.line.socket() is not None and time.monotonic() < until:
        peer.line.loop_read()
    assert peer.line.socket() is None


def test_paho_and_the_broker_go_along(broker: Broker) -> None:
    """Connect, subscribe, messages of all sizes, acknowledgements and pings with a real broker."""
    line = Line(CallbackAPIVersion.VERSION2, "x", protocol=MQTTProtocolVersion.MQTTv5, manual_ack=True)
    got: list[int] = []

    def on_publish_in(topic: str, payload: bytes, qos: int, retain: bool, id: int) -> None:
        got.append(len(payload))
        line.ack_all([id])

    line.on_publish_in = on_publish_in
    line.connect(broker.host, broker.port, keepalive=1)
    line.on_connect = lambda *_: line.subscribe("t", 1)
    line.on_subscribe = lambda *_: [line.publish("t", b"x" * size, 1) for size in range(0, 100_000, 999)]
    until = time.monotonic() + 20
    while len(got) < 101 and time.monotonic() < until:
        line.loop(0.1)
    assert got == list(range(0, 100_000, 999))
    until = time.monotonic() + 2.5  # pings are answered, or paho would have ended it
    while time.monotonic() < until:
        line.loop(0.1)
    assert line.is_connected()
    line.disconnect()
