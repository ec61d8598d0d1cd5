"""How far this computer's clock is off, by the time server that the points use (SNTP, RFC 4330)."""

from __future__ import annotations

import contextlib
import socket
import struct
import time

_PORT = 123
_TIMEOUT_S = 1.0
_NTP_EPOCH = 2_208_988_800  # Unix seconds begin so many seconds after 1900
_REQUEST = b"\x23" + bytes(47)  # version 4, client


def offset(host: str, port: int = _PORT) -> float | None:
    """Seconds by which the server is ahead of this computer, None where none answers."""
    with contextlib.suppress(OSError):
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, kind, protocol) as line:
            line.settimeout(_TIMEOUT_S)
            line.connect(address)
            sent = time.time()
            line.send(_REQUEST)
            answer = line.recv(512)
            back = time.time()
        return _judge(answer, (sent + back) / 2)
    return None


def _judge(answer: bytes, middle: float) -> float | None:
    """None for what is no answer of a server that knows the time."""
    if len(answer) < 48 or answer[0] & 7 != 4 or not 1 <= answer[1] <= 15 or answer[0] >> 6 == 3:
        return None
    seconds, fraction = struct.unpack(">II", answer[40:48])
    if not seconds:
        return None
    era = 1 << 32 if seconds < _NTP_EPOCH else 0  # after 2036 it counts from 0 again
    return float(seconds + era - _NTP_EPOCH + fraction / 2**32 - middle)
