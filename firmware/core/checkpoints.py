"""Checkpoints: the newest of a few blobs, in the first blocks of the partition.

    head 36 bytes  "ZC" | version 1 | 0 | epoch 8 | serial 4 | last seq 4 | stored seq 4 | length 2 | 0 0
                   | CRC-32 of the payload | CRC-32 of these 32
    then the payload, FF to a multiple of 4

Written one after the other; when a block is full the next one, erased ahead, is begun. A flash block stands about
100,000 erases: one a minute would wear two blocks out in half a year, so a block takes as many as fit and the blocks
take turns. One that does not erase, or does not take a checkpoint, is stepped over. The block before is erased only
when the new one holds a checkpoint that was read back: at every moment one good checkpoint is there, and recovery
takes the newest whose CRC holds.
"""

import struct
from binascii import crc32

from wire.units import const

MAX_PAYLOAD = const(3800)  # a block still holds one; core/snapshot leaves out what finds no room
HEAD = const(36)
MAGIC = b"ZC\x01\x00"
# Calls of `erase_ahead`, two a second, that pass at most after an erase that led to nothing.
MAX_PAUSE = const(120)


class Checkpoints:
    """The first `count` blocks, at least 2, as core/checkpoint_recovery finds them.

    `block` holds the newest good one (-1 before the first), `offset` is where the next checkpoint goes there (its size
    when it takes no more), `next` the block that follows, never the same, `ahead` True when that is erased,
    `pause` how many calls of `erase_ahead` pass until the next of them erases.
    """

    def __init__(self, window, count):
        self.window = window
        self.count = count
        self.block = -1
        self.next = 0
        self.offset = window.size
        self.serial = 0
        self.ahead = False
        self._vain = 0  # erases since a block was last begun
        self.pause = 0

    def erase_ahead(self):
        """Erase the next block, where that is due; where it does not erase, the one after it is the next."""
        if self.ahead:
            return
        if self.pause:
            self.pause -= 1
            return
        self.pause = min(self._vain, MAX_PAUSE)
        self._vain += 1
        if self.window.clear_block(self.next):
            self.ahead = True
        else:
            self.pass_on()

    def pass_on(self):
        """On to the block after the next one, but for the one in use."""
        self.ahead = False
        self.next = (self.next + 1) % self.count
        if self.next == self.block:
            self.next = (self.next + 1) % self.count

    def write_down(self, payload, epoch, last_seq, stored_seq):
        """True when it is on flash; False when it must be tried again, after `erase_ahead`.

        ValueError above MAX_PAYLOAD.
        """
        if len(payload) > MAX_PAYLOAD:
            raise ValueError("checkpoint of {} bytes, at most {}".format(len(payload), MAX_PAYLOAD))
        size = (HEAD + len(payload) + 3) & ~3
        block = self.block
        if self.offset + size > self.window.size:
            if not self.ahead:
                return False
            block = self.next
            self.offset = 0
        self.serial += 1
        numbers = struct.pack("<IIIHH", self.serial, last_seq, stored_seq, len(payload), 0)
        head = MAGIC + epoch + numbers + struct.pack("<I", crc32(payload))
        raw = head + struct.pack("<I", crc32(head)) + payload
        kept = self.window.put_checked(block, self.offset, raw)
        self.offset = self.offset + size if kept else self.window.size
        if block == self.next:
            if kept:
                self._vain = self.pause = 0
                self.block = block
            self.pass_on()
        return kept
