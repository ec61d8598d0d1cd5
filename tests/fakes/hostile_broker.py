"""A broker on loopback that does whatever a broken or a hostile one may do, drawn from a seed, a connection at a time.

Every packet type of MQTT 3.1.1 with right and wrong flags, bits flipped in right packets, lengths that lie (too short,
too long, 256 MiB), packet ids of nobody, refusals of every code, greetings that never come; all of it cut into pieces
of any size, ended by a close, a reset, or silence.
"""

from __future__ import annotations

import random
import socket
import struct
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType

COMMAND = b"zq/1/g/p/command"
ACCEPTED = b"\x20\x02\x00\x00"
MOST_BYTES = 70_000  # of one connection


def packet(first: int, body: bytes, length: int | None = None) -> bytes:
    """A packet whose remaining length says `length`, or the truth."""
    length = len(body) if length is None else length
    out = bytearray([first])
    while length > 127:
        out.append(length & 127 | 128)
        length >>= 7
    return bytes(out) + bytes([length]) + body


def publish(topic: bytes, payload: bytes, first: int = 0x30, pid: bytes = b"") -> bytes:
    """A PUBLISH; `pid` where its QoS has one."""
    return packet(first, len(topic).to_bytes(2, "big") + topic + pid + payload)


class HostileBroker:
    """Use it as a context manager; `port` is its own, `connections` how many came."""

    def __init__(self, seed: int) -> None:
        self.connections = 0
        self.said: list[str] = []
        self._chance = random.Random(seed)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(0.1)
        self.port: int = self._listener.getsockname()[1]
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> HostileBroker:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join(10)
        self._listener.close()

    def _serve(self) -> None:
        while not self._over.is_set():
            try:
                peer, _ = self._listener.accept()
            except TimeoutError:
                continue
            self.connections += 1
            with peer, suppress(OSError):  # the board may hang up in the middle
                peer.settimeout(0.5)
                peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._abuse(peer)

    def _abuse(self, peer: socket.socket) -> None:
        chance = self._chance
        peer.recv(4096)
        self._send(peer, self._greeting())
        with suppress(TimeoutError):
            peer.recv(4096)
        names = [name for name in WAYS if chance.random() < 0.3] or [chance.choice(list(WAYS))]
        chance.shuffle(names)
        self.said.append(" ".join(names))
        stream = b"".join(WAYS[name](chance) for name in names)[:MOST_BYTES]
        self._send(peer, stream)
        end = chance.choice(("close", "close", "reset", "half", "silence"))
        if end == "reset":
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        elif end == "half":
            peer.shutdown(socket.SHUT_WR)
            self._listen(peer, 0.2)
        elif end == "silence":
            self._listen(peer, 2.5)

    def _greeting(self) -> bytes:
        kind = self._chance.randrange(10)
        if kind == 0:
            return b"\x20\x02\x00" + bytes([self._chance.randrange(256)])
        if kind == 1:
            return self._chance.randbytes(self._chance.randint(0, 8))
        return ACCEPTED

    def _send(self, peer: socket.socket, data: bytes) -> None:
        """In pieces of any size; of a small stream sometimes byte by byte."""
        most = self._chance.choice((1, 3, 50, 4000)) if len(data) < 600 else 4000
        at = 0
        while at < len(data) and not self._over.is_set():
            size = self._chance.randint(1, most)
            peer.sendall(data[at : at + size])
            at += size
            if most < 50 and self._chance.random() < 0.2:
                time.sleep(0.001)

    def _listen(self, peer: socket.socket, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until and not self._over.is_set():
            with suppress(TimeoutError):
                if not peer.recv(4096):
                    return


# Ways to be wrong, and right ones between them ----------------------------------------------------------------------


def _good(chance: random.Random) -> bytes:
    pid = chance.randint(1, 65535).to_bytes(2, "big")
    return chance.choice(
        (
            b"\x90\x03\x00\x01\x01",
            b"\xd0\x00",
            publish(COMMAND, chance.randbytes(chance.randint(0, 300))),
            publish(COMMAND, b"x" * chance.randint(0, 4096), 0x32, pid),
            publish(COMMAND, b"kept", 0x33, pid),
        )
    )


def _any_type(chance: random.Random) -> bytes:
    return packet(chance.randrange(256), chance.randbytes(chance.choice((0, 1, 2, 3, 4, 9))))


def _flipped(chance: random.Random) -> bytes:
    out = bytearray(_good(chance))
    for _ in range(chance.randint(1, 4)):
        out[chance.randrange(len(out))] ^= 1 << chance.randrange(8)
    return bytes(out)


def _lies(chance: random.Random) -> bytes:
    body = len(COMMAND).to_bytes(2, "big") + COMMAND + b"x" * chance.randint(0, 50)
    lie = max(0, len(body) + chance.choice((-len(body), -3, -1, 1, 3, 100, 5000)))
    return packet(chance.choice((0x30, 0x32, 0x40, 0x90, 0xD0)), body, lie)


def _giant(chance: random.Random) -> bytes:
    length = chance.choice((268_435_455, 1_000_000, 65_536))
    return packet(0x32, publish(COMMAND, b"y" * chance.randint(0, 30_000))[3:], length)


def _oversize(chance: random.Random) -> bytes:
    return publish(COMMAND, b"z" * chance.randint(4100, 20_000), 0x32, b"\x00\x09")


WAYS: dict[str, Callable[[random.Random], bytes]] = {
    "good": _good,
    "any type": _any_type,
    "flipped": _flipped,
    "lies": _lies,
    "giant": _giant,
    "oversize": _oversize,
    "acknowledges nobody": lambda chance: b"\x40\x02" + chance.randint(1, 65535).to_bytes(2, "big"),
    "SUBACK": lambda chance: b"\x90\x03\x00" + chance.randbytes(2),
    "QoS 2 or 3": lambda chance: publish(COMMAND, b"x", chance.choice((0x34, 0x36)), b"\x00\x01"),
    "endless length": lambda chance: bytes([chance.randrange(256)]) + b"\xff" * 8,
    "noise": lambda chance: chance.randbytes(chance.randint(1, 200)),
}
