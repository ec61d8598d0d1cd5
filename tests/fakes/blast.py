"""Publishes many QoS 1 messages as fast as a broker takes them: MQTT 3.1.1 on a bare socket, for benchmarks."""

from __future__ import annotations

import socket
from collections.abc import Iterable

_AT_ONCE = 500


def blast(host: str, port: int, messages: Iterable[tuple[str, bytes]], client_id: str = "blast") -> int:
    """Publishes (topic, payload) pairs and returns their number once the broker has acknowledged them all."""
    with socket.create_connection((host, port), timeout=60) as line:
        name = client_id.encode()
        line.sendall(_packet(0x10, b"\0\4MQTT\4\2\0\x3c" + len(name).to_bytes(2, "big") + name))
        if _exactly(line, 4)[3] != 0:
            raise ConnectionError("the broker refuses us")
        count, piece = 0, []
        for topic, payload in messages:
            text = topic.encode()
            id = count % _AT_ONCE + 1
            body = len(text).to_bytes(2, "big") + text + id.to_bytes(2, "big") + payload
            piece.append(_packet(0x32, body))
            count += 1
            if len(piece) == _AT_ONCE:
                line.sendall(b"".join(piece))
                _exactly(line, 4 * len(piece))
                piece.clear()
        line.sendall(b"".join(piece))
        _exactly(line, 4 * len(piece))
        line.sendall(b"\xe0\0")
    return count


def _packet(first: int, body: bytes) -> bytes:
    length, out = len(body), bytearray([first])
    while True:
        length, byte = divmod(length, 128)
        out.append(byte | 128 if length else byte)
        if not length:
            return bytes(out) + body


def _exactly(line: socket.socket, size: int) -> bytes:
    out = b""
    while len(out) < size:
        piece = line.recv(size - len(out))
        if not piece:
            raise ConnectionError("the broker closed the connection")
        out += piece
    return out
