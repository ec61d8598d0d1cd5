"""The MQTT client on MicroPython: against mosquitto, and against brokers that lie, stammer, refuse or fall silent."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.drivers.board import BoardScript
from tests.host.test_broker import client
from zhuque.sim.broker import Broker

SCRIPT = "tests/drivers/on_board/mqtt_client.py"
COMMAND = "zq/1/g/p/command"
ACCEPTED = b"\x20\x02\x00\x00"
SUBACK = b"\x90\x03\x00\x01\x01"


def board(micropython: Path, case: str, port: int, *arguments: object) -> BoardScript:
    return BoardScript(micropython, SCRIPT, case, port, *arguments)


def publish(topic: bytes, payload: bytes, first: int = 0x30, pid: bytes = b"") -> bytes:
    body = len(topic).to_bytes(2, "big") + topic + pid + payload
    length, out = len(body), bytearray([first])
    while length > 127:
        out.append(length & 127 | 128)
        length >>= 7
    return bytes(out) + bytes([length]) + body


@contextmanager
def hostile(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """A broker on loopback that does to its first client what `serve` says; gives its port."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(10)

    def run() -> None:
        try:
            peer, _ = listener.accept()
        except OSError:
            return
        with peer:
            peer.settimeout(10)
            with suppress(OSError):  # the board may hang up in the middle
                serve(peer)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.close()
        thread.join(15)
        assert not thread.is_alive()


def until_closed(peer: socket.socket) -> bytes:
    heard = b""
    while chunk := peer.recv(4096):
        heard += chunk
    return heard


def after_subscribe(*chunks: bytes) -> Callable[[socket.socket], None]:
    """Accepts, waits for the SUBSCRIBE, sends the chunks, and listens until the board hangs up."""

    def serve(peer: socket.socket) -> None:
        peer.recv(4096)
        peer.sendall(ACCEPTED)
        peer.recv(4096)
        for chunk in chunks:
            peer.sendall(chunk)
        until_closed(peer)

    return serve


def test_messages_come_and_the_will_goes(mpy: Path, broker: Broker) -> None:
    client(broker, "mosquitto_pub", "-t", COMMAND, "-m", "kept", "-r", "-q", "1")
    with board(mpy, "listen", broker.port) as script:
        assert script.wait("message") == [COMMAND, 4, "kept", True]
        client(broker, "mosquitto_pub", "-t", COMMAND, "-m", "now", "-q", "1")
        assert script.wait("message") == [COMMAND, 3, "now", False]
        client(broker, "mosquitto_pub", "-t", COMMAND, "-m", "", "-q", "0")
        assert script.wait("message") == [COMMAND, 0, "", False]
    assert (
        client(broker, "mosquitto_sub", "-t", "zq/1/g/p/status", "-C", "1", "-W", "5") == '{"online":false}\n'
    )


def test_a_message_too_large_is_passed_over_and_the_next_one_arrives(mpy: Path, broker: Broker) -> None:
    with board(mpy, "listen", broker.port) as script:
        script.wait("ready")
        for size, event in ((4096, "message"), (4225, "oversize"), (100_000, "oversize"), (4096, "message")):
            client(broker, "mosquitto_pub", "-t", COMMAND, "-m", "x" * size, "-q", "1")
            assert script.wait(event)[:2] == [COMMAND, size]


def test_records_with_a_window_over_two_connections(mpy: Path, broker: Broker) -> None:
    with board(mpy, "records", broker.port) as script:
        for _ in range(2):
            in_order, took_ms, lost = script.wait("sent")
            assert in_order
            assert took_ms < 10_000
            assert lost < 12_000  # the list of 300 packet ids, and nothing that grows with the messages
            assert script.wait("ended") == ["enough"]


def test_a_broker_that_goes_away_ends_the_connection(mpy: Path, broker: Broker) -> None:
    with board(mpy, "listen", broker.port) as script:
        script.wait("ready")
        broker.kill()
        assert "hung up" in script.wait("ended")[0] or "receiving failed" in script.output[-1]


def test_no_broker(mpy: Path, free_port: int) -> None:
    with board(mpy, "listen", free_port) as script:
        assert "no connection" in script.wait("refused")[0]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"\x20\x02\x00\x01", "does not speak MQTT 3.1.1"),
        (b"\x20\x02\x00\x02", "client id"),
        (b"\x20\x02\x00\x03", "not available"),
        (b"\x20\x02\x00\x04", "password"),
        (b"\x20\x02\x00\x05", "not authorised"),
        (b"\x20\x02\x00\x77", "119"),
        (b"\x20\x02\x01\x00", "session is present"),
        (b"HTTP/1.1 400", "no MQTT broker"),
        (b"\x20\x02", "hung up before"),
        (b"", "hung up before"),
    ],
)
def test_refusals_are_told_in_words(micropython: Path, answer: bytes, reason: str) -> None:
    def serve(peer: socket.socket) -> None:
        peer.recv(4096)
        peer.sendall(answer)
        peer.shutdown(socket.SHUT_WR)
        until_closed(peer)

    with hostile(serve) as port, board(micropython, "listen", port) as script:
        assert reason in script.wait("refused")[0]


def test_a_silent_listener_is_given_up(mpy: Path) -> None:
    with hostile(until_closed) as port, board(mpy, "listen", port) as script:
        assert "did not accept us within 1000 ms" in script.wait("refused", 5)[0]


TOPIC = COMMAND.encode()
MALFORMED = {
    "type 0": b"\x00\x00",
    "CONNECT": b"\x10\x00",
    "CONNACK again": ACCEPTED,
    "PUBREC": b"\x50\x02\x00\x01",
    "PUBREL": b"\x62\x02\x00\x01",
    "PUBCOMP": b"\x70\x02\x00\x01",
    "SUBSCRIBE": b"\x82\x06\x00\x01\x00\x01a\x00",
    "UNSUBACK": b"\xb0\x02\x00\x01",
    "PINGREQ": b"\xc0\x00",
    "DISCONNECT": b"\xe0\x00",
    "type 15": b"\xf0\x00",
    "PUBACK flags": b"\x42\x02\x00\x01",
    "PUBACK short": b"\x40\x01\x00",
    "PUBACK long": b"\x40\x03\x00\x01\x00",
    "PUBACK 0": b"\x40\x02\x00\x00",
    "PINGRESP long": b"\xd0\x01\x00",
    "length of five bytes": b"\x30\x80\x80\x80\x80\x01",
    "SUBACK refused": b"\x90\x03\x00\x01\x80",
    "SUBACK QoS 2": b"\x90\x03\x00\x01\x02",
    "SUBACK other id": b"\x90\x03\x00\x02\x01",
    "SUBACK for two": b"\x90\x04\x00\x01\x01\x01",
    "SUBACK twice": SUBACK + SUBACK,
    "PUBLISH empty": b"\x30\x00",
    "PUBLISH topic beyond the end": b"\x30\x04\x00\x09ab",
    "PUBLISH topic empty": b"\x30\x03\x00\x00x",
    "PUBLISH QoS 2": publish(TOPIC, b"x", 0x34, b"\x00\x01"),
    "PUBLISH QoS 3": publish(TOPIC, b"x", 0x36, b"\x00\x01"),
    "PUBLISH duplicate of QoS 0": publish(TOPIC, b"x", 0x38),
    "PUBLISH without its id": b"\x32\x04\x00\x02ab",
    "PUBLISH id 0": publish(TOPIC, b"x", 0x32, b"\x00\x00"),
    "PUBLISH wildcard": publish(b"zq/#", b"x"),
    "PUBLISH zero in the topic": publish(b"zq\0", b"x"),
    "PUBLISH topic not UTF-8": publish(b"zq\xff\xfe", b"x"),
    "PUBLISH topic too long": publish(b"t" * 121, b"x"),
    "PUBLISH large with a topic too long": publish(b"t" * 60_000, b"x" * 60_000),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_packets_end_the_connection(micropython: Path, name: str) -> None:
    with hostile(after_subscribe(MALFORMED[name])) as port, board(micropython, "listen", port) as script:
        assert "broke the protocol" in script.wait("ended", 5)[0]
        assert not [line for line in script.output if line.startswith('["message"')]


def test_bytes_that_come_one_by_one(mpy: Path) -> None:
    """Small and oversized packets, cut anywhere: each message comes once, and each QoS 1 is acknowledged."""
    stream = SUBACK + publish(TOPIC, b"slow", 0x32, b"\x12\x34") + publish(TOPIC, b"y" * 200) + b"\xd0\x00"
    large = publish(TOPIC, b"z" * 5000, 0x32, b"\x00\x07")
    heard = []

    def serve(peer: socket.socket) -> None:
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        peer.recv(4096)
        for i in range(4):
            peer.sendall(ACCEPTED[i : i + 1])
            time.sleep(0.005)
        peer.recv(4096)
        for byte in stream + large[:60]:
            peer.sendall(bytes([byte]))
            time.sleep(0.001)
        peer.sendall(large[60:] + publish(TOPIC, b"last"))
        time.sleep(0.3)
        heard.append(peer.recv(4096))

    with hostile(serve) as port, board(mpy, "listen", port) as script:
        assert script.wait("message")[1:3] == [4, "slow"]
        assert script.wait("message")[1] == 200
        assert script.wait("oversize") == [COMMAND, 5000]
        assert script.wait("message")[1:3] == [4, "last"]
        assert "hung up" in script.wait("ended")[0]
    assert heard == [b"\x40\x02\x12\x34\x40\x02\x00\x07"]


def test_a_half_open_connection_is_noticed(mpy: Path) -> None:
    """A keep-alive of 2 s: a ping every second, and the end within 3 s of the last word."""
    heard = []

    def serve(peer: socket.socket) -> None:
        peer.recv(4096)
        peer.sendall(ACCEPTED)
        heard.append(until_closed(peer))

    with hostile(serve) as port, board(mpy, "listen", port, 2) as script:
        assert "keep-alive missed" in script.wait("ended", 10)[0]
        assert 1900 <= script.wait("after_ms")[0] <= 3300
    assert heard[0].endswith(b"\xc0\x00")


def test_pings_keep_a_connection_alive(micropython: Path, broker: Broker) -> None:
    with board(micropython, "listen", broker.port, 1) as script:
        script.wait("ready")
        time.sleep(3)
        client(broker, "mosquitto_pub", "-t", COMMAND, "-m", "still there", "-q", "1")
        assert script.wait("message", 5)[2] == "still there"


def test_publish_always_returns(mpy: Path) -> None:
    """The peer takes nothing: what does not fit is refused, no call waits, and the connection ends by itself."""
    done = threading.Event()

    def serve(peer: socket.socket) -> None:
        peer.recv(4096)
        peer.sendall(ACCEPTED)
        done.wait(20)

    with hostile(serve) as port, board(mpy, "full", port, 2) as script:
        try:
            full = script.wait("full")
            assert full[0] and "free" in full[1]
            assert script.wait("longest_us")[0] < 100_000
            assert script.wait("ended", 10)[0]
        finally:
            done.set()


def test_a_cancelled_task_closes_the_connection(mpy: Path, broker: Broker) -> None:
    with board(mpy, "cancelled", broker.port) as script:
        assert script.wait("cancelled") == [False]
        assert script.wait("refused") == ["not connected"]
