"""Records on flash: the form of a ring block, and how to read one that was half written or has rotted.

    block   header 24 bytes | frame | frame | ... | erased
    header  "ZR" | version 1 | 0 | epoch 8 | serial 4 | first seq 4 | CRC-32 of these 20
    frame   length 1 | mark 5A | low 16 bits of seq | CRC-32 | payload of 1 to 120 bytes | FF to a multiple of 4

Numbers are little endian. `serial` counts the blocks opened since the ring began, so the newest is known whatever was
lost. The CRC of a frame covers epoch, seq and length too: remains of an older block never pass for a record, and a
frame tells its own seq, so those after a rotten one keep theirs. A reader that meets no good frame looks again four
bytes on: where lengths have rotted that is the only way forward, and it is what steps over a torn frame.

All reading goes through one window of 768 bytes: a whole block is six reads of the flash, and a record read in turn is
at most one.
"""

import struct
from binascii import crc32

from wire.records import MAX_ENCODED
from wire.units import const

HEADER = const(24)
FRAME = const(8)
FRAME_MAX = const(128)  # FRAME + MAX_ENCODED, already a multiple of 4
_MARK = const(0x5A)
MAGIC = b"ZR\x01\x00"
# How far ahead of the expected seq a frame may be: more than fit in a block, whatever has rotted between.
_AHEAD = const(512)
_WINDOW = const(768)

_ERASED = b"\xff" * 64


def header(epoch, serial, first_seq):
    """The header of a ring block; epoch as 8 bytes, serial and first_seq below 2**32."""
    raw = MAGIC + epoch + struct.pack("<II", serial, first_seq)
    return raw + struct.pack("<I", crc32(raw))


def frame(epoch, seq, payload):
    """The frame of a record: at most FRAME_MAX bytes, a multiple of 4."""
    length = len(payload)
    raw = struct.pack("<BBHI", length, _MARK, seq & 0xFFFF, _check(epoch, seq, length, payload)) + payload
    return raw + b"\xff" * (-len(raw) & 3)


def frame_size(length):
    """Bytes that a frame with a payload of that length takes on flash."""
    return (FRAME + length + 3) & ~3


def _check(epoch, seq, length, payload):
    return crc32(payload, crc32(struct.pack("<IB", seq, length), crc32(epoch)))


class Window:
    """The flash, read through one buffer. `reads` counts reads of the store, `errors` those that failed."""

    def __init__(self, store):
        self.store = store
        self.size = store.block_size
        self.data = bytearray(_WINDOW)
        self.view = memoryview(self.data)
        self.reads = 0
        self.errors = 0
        self._block = -1
        self._from = 0
        self._to = 0

    def forget(self, block):
        """The block was programmed or erased: read it anew."""
        if block == self._block:
            self._block = -1

    def at(self, block, offset, need, wide=True):
        """Where in `data` the bytes from `offset` are: `need` of them, or as many as the block still has."""
        end = min(offset + need, self.size)
        if block != self._block or offset < self._from or end > self._to:
            self._load(block, offset, min(offset + _WINDOW, self.size) if wide else end)
        return offset - self._from

    def _load(self, block, start, end):
        view = self.view[: end - start]
        self.reads += 1
        try:
            self.store.read(block, start, view)
            self._block, self._from, self._to = block, start, end
        except OSError:  # neither erased nor a frame: whoever asked finds nothing there
            self.errors += 1
            for i in range(len(view)):
                view[i] = 0
            self._block, self._from, self._to = block, start, end

    def last_used(self, block, offset=0):
        """The offset after the last byte from `offset` on that is not erased; `offset` where all are."""
        end = offset
        while offset < self.size:
            at = self.at(block, offset, 64)
            piece = self.view[at : at + min(64, self.size - offset)]
            if piece != _ERASED:
                for i in range(len(piece)):
                    if piece[i] != 255:
                        end = offset + i + 1
            offset += 64
        return end

    def is_erased(self, block):
        """True when every byte of the block reads FF."""
        return self.last_used(block) == 0

    def find(self, block, offset, end, epoch, expected):
        """(offset, seq) of the first good frame from `offset` on with seq >= `expected`; None before `end`."""
        while offset + FRAME < end:
            at = self.at(block, offset, FRAME_MAX)
            data = self.data
            length = data[at]
            if data[at + 1] == _MARK and 0 < length <= MAX_ENCODED and offset + FRAME + length <= end:
                ahead = ((data[at + 2] | data[at + 3] << 8) - expected) & 0xFFFF
                if ahead < _AHEAD and self._is_good(at, length, epoch, expected + ahead):
                    return offset, expected + ahead
            offset += 4
        return None

    def _is_good(self, at, length, epoch, seq):
        payload = self.view[at + FRAME : at + FRAME + length]
        return struct.unpack_from("<I", self.data, at + 4)[0] == _check(epoch, seq, length, payload)

    def payload(self, block, offset):
        """The payload of the good frame at `offset`, as bytes."""
        at = self.at(block, offset, FRAME_MAX)
        return bytes(self.view[at + FRAME : at + FRAME + self.data[at]])

    def after(self, block, offset):
        """The offset after the good frame at `offset`."""
        return offset + frame_size(self.data[self.at(block, offset, FRAME_MAX)])

    def put_checked(self, block, offset, raw):
        """Program, then read back: True when the flash holds it."""
        self.forget(block)
        try:
            self.store.program(block, offset, raw)
        except OSError:
            self.errors += 1
            return False
        done = 0
        while done < len(raw):
            n = min(len(raw) - done, _WINDOW)
            at = self.at(block, offset + done, n, False)
            if self.view[at : at + n] != memoryview(raw)[done : done + n]:
                return False
            done += n
        return True

    def clear_block(self, block):
        """Erase, then read back: True when every byte reads FF."""
        self.forget(block)
        try:
            self.store.erase(block)
        except OSError:
            self.errors += 1
            return False
        return self.is_erased(block)
