"""SLIP, RFC 1055, as the ROM of an ESP32 speaks it: frames between C0, in them DB DC for C0 and DB DD for DB."""

from __future__ import annotations

from collections.abc import Iterator

END, ESCAPE = 0xC0, 0xDB
_ESCAPED = {0xDC: END, 0xDD: ESCAPE}
_LONGEST = 1 << 16  # longer than any frame of the protocol: whoever sends more lost its end


def encode(frame: bytes) -> bytes:
    """The frame as it goes over the line."""
    return b"\xc0" + frame.replace(b"\xdb", b"\xdb\xdd").replace(b"\xc0", b"\xdb\xdc") + b"\xc0"


class Decoder:
    """Finds frames in bytes that come in pieces of any length; what is between frames, or broken, is dropped."""

    def __init__(self) -> None:
        self._held = bytearray()
        self._broken = False

    @property
    def in_frame(self) -> bool:
        """A frame has begun and not ended."""
        return bool(self._held)

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The frames that end in these bytes."""
        pieces = data.split(b"\xc0")
        for piece in pieces[:-1]:
            self._take(piece)
            frame = None if self._broken else _unescape(bytes(self._held))
            self._held.clear()
            self._broken = False
            if frame:
                yield frame
        self._take(pieces[-1])

    def _take(self, piece: bytes) -> None:
        if len(self._held) + len(piece) > _LONGEST:
            self._broken = True
            self._held.clear()
        if not self._broken:
            self._held += piece


def _unescape(data: bytes) -> bytes | None:
    """The frame, None where an escape is none."""
    first, *rest = data.split(b"\xdb")
    frame = bytearray(first)
    for piece in rest:
        if not piece or piece[0] not in _ESCAPED:
            return None
        frame.append(_ESCAPED[piece[0]])
        frame += piece[1:]
    return bytes(frame)
