"""The ring of blocks: what is on it after a start, and how to find a record by its seq.

Recovery reads the headers, the newest block, and the block after it. That one may be the next block with its header
torn (nothing in it was ever acknowledged) or rotted (its frames still tell), or half erased (it is erased again). A
seq that anybody may have seen is not given out twice: the journal goes on after the last frame or the last checkpoint,
whichever is more.

In RAM there are four bytes a block, its first seq, and a cursor: records read in turn are not searched for.
"""

from array import array

from wire.records import decode
from wire.units import const

from .checkpoints import Checkpoints
from .frames import FRAME_MAX, HEADER, Window

NONE = const(-1)


class Ring:
    """The reading half of core/journal.Journal, which says what the attributes mean."""

    def __init__(self, store, new_epoch):
        self._window = Window(store)
        self._new_epoch = new_epoch
        self._base = max(2, store.blocks // 16)
        self._count = store.blocks - self._base
        if self._count < 4:
            raise ValueError("journal of {} blocks; at least 6 are needed".format(store.blocks))
        self._checkpoints = Checkpoints(self._window, self._base)
        self._size = store.block_size
        self._first = array("I", [0] * self._count)  # first seq of each block; 0: not a block of this journal
        self._seen_damage = bytearray(self._count)
        self.epoch = None
        self._raw_epoch = b""
        self._serial = 0
        self._head = NONE  # the newest block; NONE before the first record
        self._offset = self._size  # where its next frame goes
        self._ahead = NONE  # the erased block that follows
        self._erase_next = 0  # the block to erase when there is none
        self.first_seq = 1
        self.last_seq = 0
        self.stored_seq = 0
        self.checkpoint = None
        self.checkpoint_seq = 0
        self.damaged = 0
        self.lost_unstored = 0
        self._at = (NONE, 0, 0)  # cursor: block, offset, and the lowest seq that can follow there

    # Recovery -------------------------------------------------------------------------------------------------------

    def recover(self):
        """Find the journal's state on flash; returns problems as (alarm, text), empty when all is well."""
        problems = []
        self._checkpoints.recover()
        newest = self._read_headers() or self._read_headers()
        if newest is None:
            self._begin(problems)
        else:
            self._raw_epoch, self._serial, self._head = newest
            self.epoch = self._raw_epoch.hex()
            self._find_end(problems)
        self._take_checkpoint(problems)
        self._look_ahead()
        return problems

    def _read_headers(self):
        """(epoch, serial, ring) of the newest block, None without any; fills the index with the blocks of its epoch."""
        newest = None
        epochs = []
        for ring in range(self._count):
            found = self._window.header(self._block(ring))
            self._first[ring] = found[2] if found else 0
            if found and found[0] not in epochs:
                epochs.append(found[0])
            if found and (newest is None or found[1] > newest[1]):
                newest = found[0], found[1], ring
        if len(epochs) > 1:
            for ring in range(self._count):
                found = self._window.header(self._block(ring))
                if found and found[0] != newest[0]:
                    self._first[ring] = 0
        return newest

    def _begin(self, problems):
        """A new epoch: on an empty flash, or because nothing on it can be read."""
        self.epoch = self._new_epoch()
        self._raw_epoch = bytes.fromhex(self.epoch)
        if self._checkpoints.last_seq or self._holds_remains():
            text = "no block of the journal can be read: records not yet sent are lost, it begins anew"
            problems.append(("journal_unreadable", text))

    def _holds_remains(self):
        """True when a block holds more than the torn opening of a first block."""
        for ring in range(self._count):
            at = self._window.at(self._block(ring), 0, HEADER, False)
            if (
                self._window.data[at] != 255
                and self._window.last_used(self._block(ring)) > HEADER + FRAME_MAX
            ):
                return True
        return False

    def _find_end(self, problems):
        """The last record, and where the next one goes."""
        first = self._first[self._head]
        offset, expected, missing = self._scan(self._head, first)
        used = self._window.last_used(self._block(self._head), offset)
        # Past what a torn program may have touched, seen or not: a whole frame for each that was torn.
        self._offset = offset + (used - offset + FRAME_MAX - 1) // FRAME_MAX * FRAME_MAX
        ring = (self._head + 1) % self._count
        if not self._first[ring]:
            # The newest block with its header rotten is read, but not written to. With one record it is an opening
            # that was torn, and that record was never acknowledged.
            _, end, gap = self._scan(ring, expected)
            is_longer = self._window.last_used(self._block(ring)) > HEADER + FRAME_MAX
            if end > expected + 1 or (end > expected and is_longer):
                self._head, self._serial, self._offset = ring, self._serial + 1, self._size
                self._first[ring], expected, missing = expected, end, missing + gap + 1
        self.last_seq = expected - 1
        self.first_seq = min(first, self._oldest(self._head))
        if missing:
            self._report_damage(problems, "the newest block has unreadable records")

    def _scan(self, ring, expected):
        """(offset after the last good frame, the seq after it, how many before it are missing) of a block."""
        offset = HEADER
        missing = 0
        while True:
            place = self._window.find(self._block(ring), offset, self._size, self._raw_epoch, expected)
            if place is None:
                return offset, expected, missing
            missing += place[1] - expected
            expected = place[1] + 1
            offset = self._window.after(self._block(ring), place[0])

    def _take_checkpoint(self, problems):
        """A checkpoint of another epoch still tells of sessions and lockouts; every record comes after it."""
        found = self._checkpoints
        self.checkpoint = found.payload
        if found.epoch != self._raw_epoch:
            return
        self.checkpoint_seq = found.last_seq
        self.stored_seq = found.stored_seq
        if found.last_seq > self.last_seq:
            self._report_damage(problems, "records up to {} are unreadable".format(found.last_seq))
            self._jump(found.last_seq)

    def _report_damage(self, problems, text):
        self._seen_damage[self._head] = 1
        problems.append(("journal_damaged", text + ": they are lost here if they were not sent"))

    def _look_ahead(self):
        """Is the next block erased? One that was half erased, the oldest, is given up."""
        ring = (self._head + 1) % self._count
        self._erase_next = ring
        if self._window.is_erased(self._block(ring)):
            self._ahead = ring
            return
        first, following = self._first[ring], self._first[(ring + 1) % self._count]
        if first and following:
            _, expected, missing = self._scan(ring, first)
            if missing or expected != following:
                self._forget_block(ring)

    def _block(self, ring):
        return self._base + ring

    def _forget_block(self, ring):
        """The block's records are given up: move first_seq on, and count what the collector has not."""
        if self._at[0] == ring:
            self._at = (NONE, 0, 0)
        had = self._first[ring]
        self._first[ring] = 0
        oldest = self._oldest(ring)
        if not had or oldest <= self.first_seq:
            return
        self.lost_unstored += max(0, oldest - max(self.first_seq, self.stored_seq + 1))
        self.first_seq = oldest

    def _oldest(self, ring):
        """The first seq of the oldest block in the ring after this one; that of the next record where there is none."""
        for i in range(1, self._count):
            first = self._first[(ring + i) % self._count]
            if first:
                return first
        return self.last_seq + 1

    def _jump(self, seq):
        self.last_seq = seq
        self._offset = self._size

    # Reading --------------------------------------------------------------------------------------------------------

    def read(self, seq):
        """The record, or None where it is not (or no longer, or not yet) on flash or is unreadable."""
        if not self.first_seq <= seq <= self.last_seq:
            return None
        found, record = self.read_from(seq)
        return record if found == seq else None

    def read_from(self, seq):
        """(its seq, the first readable record from seq on); (a later seq to ask from, None) where none is near.

        The later seq is above last_seq when there is nothing more. At most seven reads of the flash.
        """
        seq = max(seq, self.first_seq)
        if seq > self.last_seq:
            return seq, None
        ring, offset, expected = self._place(seq)
        begun = ring
        found = self._find(ring, offset, expected, seq)
        if not found and ring != self._head:
            # A block without a header is searched from where this one ended; one that a later block replaced, not.
            ring = (ring + 1) % self._count
            while self._next_known(ring) <= seq:
                ring = (ring + 1) % self._count
            found = self._find(ring, HEADER, self._first[ring] or max(seq, self._at[2]), seq)
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
        ring = self._head
        for _ in range(self._count):
            if self._first[ring] and self._first[ring] <= seq:
                break
            ring = (ring - 1) % self._count
        if self._at[0] == ring and self._at[2] <= seq:
            return self._at
        return ring, HEADER, self._first[ring]

    def _find(self, ring, offset, expected, seq):
        """The first seq from `seq` on in this block, 0 where there is none; the cursor is left at its frame."""
        block = self._block(ring)
        end = self._offset if ring == self._head else self._size
        while True:
            place = self._window.find(block, offset, end, self._raw_epoch, expected)
            if place is None:
                self._at = (ring, end, expected)
                return 0
            offset, found = place
            if found >= seq:
                self._at = (ring, offset, found)
                return found
            expected = found + 1
            offset = self._window.after(block, offset)

    def _decode(self, seq):
        """The record at the cursor, which moves on; None where the payload is none that this version knows."""
        ring, offset, _ = self._at
        payload = self._window.payload(self._block(ring), offset)
        self._at = (ring, self._window.after(self._block(ring), offset), seq + 1)
        try:
            return decode(payload, self.epoch, seq)
        except ValueError:
            self._saw_damage(ring)
            return None

    def _next_known(self, ring):
        """The first seq of the next block after this one whose header is known."""
        while ring != self._head:
            ring = (ring + 1) % self._count
            if self._first[ring]:
                return self._first[ring]
        return self.last_seq + 1

    def _saw_damage(self, ring):
        if not self._seen_damage[ring]:
            self._seen_damage[ring] = 1
            self.damaged += 1
