"""The ring of blocks, and how to find a record on it by its seq; core/ring_recovery finds it after a start.

In RAM there are four bytes a block, its first seq, and a cursor: records read in turn are not searched for.
"""

from array import array

from wire.units import const

from .checkpoints import Checkpoints
from .frames import HEADER, Window

NONE = const(-1)


class Ring:
    """The reading half of core/journal.Journal, which says what the attributes mean that are there for all.

    For core/ring_recovery and the journal: `head` is the newest block (NONE before the first record), `offset` where
    its next frame goes, `ahead` the erased block that follows, `erase_next` the one to erase when there is none
    (NONE until `recover` came through: what nobody has read is neither written over nor erased, locks are in it),
    `firsts` the first seq of each block (0: not a block of this journal), `seen_damage` a bit each: damage was told.
    """

    def __init__(self, store, new_epoch):
        self.window = Window(store)
        self._new_epoch = new_epoch
        self._base = max(2, store.blocks // 16)
        self.count = store.blocks - self._base
        if self.count < 4:
            raise ValueError("journal of {} blocks; at least 6 are needed".format(store.blocks))
        self.checkpoints = Checkpoints(self.window, self._base)
        self.size = store.block_size
        self.firsts = array("I", [0] * self.count)
        self.seen_damage = bytearray((self.count + 7) // 8)
        self.epoch = None
        self.raw_epoch = b""
        self.serial = 0
        self.head = self.ahead = NONE
        self.offset = self.size
        self.erase_next = NONE
        self.first_seq = 1
        self.last_seq = 0
        self.stored_seq = 0
        self.checkpoint = None
        self.checkpoint_seq = 0
        self.damaged = 0
        self.lost_unstored = 0
        self._at = (NONE, 0, 0)  # cursor: block, offset, and the lowest seq that can follow there

    # Blocks ----------------------------------------------------------------------------------------------------------

    def recover(self):
        """Find the journal's state on flash; returns problems as (alarm, text), empty when all is well."""
        from .ring_recovery import recover

        return recover(self, self._new_epoch)

    def block(self, ring):
        """The flash block of a place in the ring."""
        return self._base + ring

    def forget_block(self, ring):
        """The block's records are given up: move first_seq on, and count what the collector has not."""
        if self._at[0] == ring:
            self._at = (NONE, 0, 0)
        had = self.firsts[ring]
        self.firsts[ring] = 0
        oldest = self.oldest(ring)
        if not had or oldest <= self.first_seq:
            return
        self.lost_unstored += max(0, oldest - max(self.first_seq, self.stored_seq + 1))
        self.first_seq = oldest

    def oldest(self, ring):
        """The first seq of the oldest block in the ring after this one; that of the next record where there is none."""
        for i in range(1, self.count):
            first = self.firsts[(ring + i) % self.count]
            if first:
                return first
        return self.last_seq + 1

    def jump(self, seq):
        """Go on after seq, in a new block."""
        self.last_seq = seq
        self.offset = self.size

    # Reading --------------------------------------------------------------------------------------------------------

    def read(self, seq):
        """The record, or None where it is not (or no longer, or not yet) on flash or is unreadable."""
        if not self.first_seq <= seq <= self.last_seq:
            return None
        found, record = self.read_from(seq)
        return record if found == seq else None

    def read_from(self, seq):
        """(its seq, the first readable record from seq on); (a later seq to ask from, None) where none is near.

        The later seq is above last_seq when there is nothing more. At most 14 reads of the flash.
        """
        seq = max(seq, self.first_seq)
        if seq > self.last_seq:
            return seq, None
        ring, offset, expected = self._place(seq)
        begun = ring
        found = self._find(ring, offset, expected, seq)
        if not found and ring != self.head:
            # A block without a header is searched from where this one ended; one that a later block replaced, not.
            ring = (ring + 1) % self.count
            while self._next_known(ring) <= seq:
                ring = (ring + 1) % self.count
            found = self._find(ring, HEADER, self.firsts[ring] or max(seq, self._at[2]), seq)
        if 0 < found <= self.last_seq:
            if found > seq:
                self._saw_damage(begun)
            record = self._decode(found)
            return (found + 1, None) if record is None else (found, record)
        self._saw_damage(begun)
        # Beyond last_seq: half written, and to be written again elsewhere.
        return max(seq + 1, self.last_seq + 1 if found else self._next_known(ring)), None

    def replay(self):
        """Every readable record after the checkpoint, oldest first."""
        seq = self.checkpoint_seq + 1
        while seq <= self.last_seq:
            seq, record = self.read_from(seq)
            if record is not None:
                yield record
                seq += 1

    def _place(self, seq):
        """(ring, offset, seq expected there): where to begin to look for seq."""
        if self._at[2] == seq:
            return self._at
        ring = self.head
        for _ in range(self.count):
            if self.firsts[ring] and self.firsts[ring] <= seq:
                break
            ring = (ring - 1) % self.count
        if self._at[0] == ring and self._at[2] <= seq:
            return self._at
        return ring, HEADER, self.firsts[ring]

    def _find(self, ring, offset, expected, seq):
        """The first seq from `seq` on in this block, 0 where there is none; the cursor is left at its frame."""
        block = self.block(ring)
        end = self.offset if ring == self.head else self.size
        while True:
            place = self.window.find(block, offset, end, self.raw_epoch, expected)
            if place is None:
                self._at = (ring, end, expected)
                return 0
            offset, found = place
            if found >= seq:
                self._at = (ring, offset, found)
                return found
            expected = found + 1
            offset = self.window.after(block, offset)

    def _decode(self, seq):
        """The record at the cursor, which moves on; None where the payload is none that this version knows."""
        ring, offset, _ = self._at
        payload = self.window.payload(self.block(ring), offset)
        self._at = (ring, self.window.after(self.block(ring), offset), seq + 1)
        from wire.records import decode  # some KB, for a moment

        try:
            return decode(payload, self.epoch, seq)
        except ValueError:
            self._saw_damage(ring)
            return None

    def _next_known(self, ring):
        """The first seq of the next block after this one whose header is known."""
        while ring != self.head:
            ring = (ring + 1) % self.count
            if self.firsts[ring]:
                return self.firsts[ring]
        return self.last_seq + 1

    def _saw_damage(self, ring):
        if not self.seen_damage[ring >> 3] >> (ring & 7) & 1:
            self.seen_damage[ring >> 3] |= 1 << (ring & 7)
            self.damaged += 1
