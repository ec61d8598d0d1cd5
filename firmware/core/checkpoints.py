"""Checkpoints: the newest of a few blobs, in the first blocks of the partition.

    head 36 bytes  "ZC" | version 1 | 0 | epoch 8 | serial 4 | last seq 4 | stored seq 4 | length 2 | 0 0
                   | CRC-32 of the payload | CRC-32 of these 32
    then the payload, FF to a multiple of 4

Written one after the other; when a block is full the next one, erased ahead, is begun. A flash block stands about
100,000 erases: one a minute would wear two blocks out in half a year, so a block takes as many as fit and the blocks
take turns. The block before is erased only when the new one holds a checkpoint that was read back: at every moment
one good checkpoint is there, and recovery takes the newest whose CRC holds.
"""

import struct
from binascii import crc32

from wire.units import const

MAX_PAYLOAD = const(3800)  # sixteen sessions, each account as long as can be; a block still holds one
_HEAD = const(36)
_MAGIC = b"ZC\x01\x00"


class Checkpoints:
    """The first `count` blocks, at least 2. `recover` finds payload (None without any), epoch, last_seq, stored_seq."""

    def __init__(self, window, count):
        self._window = window
        self._count = count
        self.payload = None
        self.epoch = None
        self.last_seq = self.stored_seq = 0
        self._block = count - 1
        self._offset = window.size  # where the next one goes; the size when the block takes no more
        self._serial = 0
        self._ahead = False  # the next block is erased

    @property
    def wants_erase(self):
        """True while no erased block is ready to follow this one."""
        return not self._ahead

    def prepare(self):
        """Erase the next block."""
        self._ahead = self._window.erase(self._next())

    def _next(self):
        return (self._block + 1) % self._count

    def write(self, payload, epoch, last_seq, stored_seq):
        """True when it is on flash; False when it must be tried again after `prepare`. ValueError above MAX_PAYLOAD."""
        if len(payload) > MAX_PAYLOAD:
            raise ValueError("checkpoint of {} bytes, at most {}".format(len(payload), MAX_PAYLOAD))
        size = (_HEAD + len(payload) + 3) & ~3
        if self._offset + size > self._window.size:
            if not self._ahead:
                return False
            self._block = self._next()
            self._offset = 0
            self._ahead = False
        self._serial += 1
        numbers = struct.pack("<IIIHH", self._serial, last_seq, stored_seq, len(payload), 0)
        head = _MAGIC + epoch + numbers + struct.pack("<I", crc32(payload))
        raw = head + struct.pack("<I", crc32(head)) + payload
        if not self._window.program(self._block, self._offset, raw):
            self._offset = self._window.size
            return False
        self._offset += size
        return True

    def recover(self):
        """Find the newest good checkpoint, and where the next one goes."""
        found = []
        for block in range(self._count):
            head = self._head(block, 0, False)
            if head:
                found.append((head[1], block))
        found.sort()
        for _, block in reversed(found):
            if self._recover_from(block):
                break
        self._ahead = self._window.is_erased(self._next())

    def _recover_from(self, block):
        """Take the newest good checkpoint of this block; False when it has none."""
        heads = []
        offset = 0
        head = self._head(block, 0)
        while head:
            heads.append((offset, head))
            self._serial = max(self._serial, head[1])
            offset += (_HEAD + head[4] + 3) & ~3
            head = self._head(block, offset) if offset + _HEAD <= self._window.size else None
        for start, head in reversed(heads):
            payload = self._payload(block, start + _HEAD, head[4])
            if crc32(payload) == head[5]:
                self.payload = payload
                self.epoch, _, self.last_seq, self.stored_seq = head[:4]
                self._block = block
                # What a torn program may have touched is not programmed again.
                is_clean = self._window.last_used(block, offset) == offset
                self._offset = offset if is_clean else self._window.size
                return True
        return False

    def _head(self, block, offset, wide=True):
        """(epoch, serial, last_seq, stored_seq, length, CRC of the payload), or None."""
        at = self._window.at(block, offset, _HEAD, wide)
        raw = self._window.view[at : at + _HEAD]
        if bytes(raw[:4]) != _MAGIC or struct.unpack_from("<I", raw, 32)[0] != crc32(raw[:32]):
            return None
        serial, last_seq, stored_seq, length = struct.unpack_from("<IIIH", raw, 12)
        return bytes(raw[4:12]), serial, last_seq, stored_seq, length, struct.unpack_from("<I", raw, 28)[0]

    def _payload(self, block, offset, length):
        out = b""
        while len(out) < length:
            n = min(length - len(out), 512)
            at = self._window.at(block, offset + len(out), n)
            out += bytes(self._window.view[at : at + n])
        return out
