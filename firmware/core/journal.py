"""The journal: what happened at this point, kept through power cuts at any moment.

A ring of flash blocks (form: core/frames) after a few blocks of checkpoints (core/checkpoints). The rules:

- A record gets its seq at once and is durable when `enter` returns with `pending` 0: it was programmed once and read
  back. Nothing but `prepare` erases, and it erases one block a call. While no erased room is left, records wait in RAM;
  they are in no `last_seq` and nobody is given them, because a power cut would give their seq to others.
- What a torn program may have touched is never programmed again: the next record goes a full frame further on, or into
  the next block. A program that does not read back closes its block, and the record is written again in the next.
- The block after the newest is erased ahead. A ring that is full loses its oldest block; what the collector had not
  confirmed of it is counted in `lost_unstored`.
- What no checkpoint knows yet is never erased, for lockouts and endings are in it: records wait in RAM instead.
- Erases that lead to nothing, for a block is bad, come further and further apart: each stops both CPUs. After
  _MOST_VAIN of them what the collector has not confirmed is spared, too, and the blocks that they emptied tried again.
- A seq that the collector says it holds is not given out again.

Finding and reading records, and what recovery does, is in core/ring.
"""

from wire.units import const

from .checkpoints import MAX_PAUSE
from .frames import FRAME_MAX, HEADER, frame, frame_size, header
from .ring import NONE, Ring

MAX_PENDING = const(64)
# The collector may hold records that rotted here, but only so many: beyond, its word is not believed.
_MAX_JUMP = const(1000)
# A dead 64 KB of the flash, which is sixteen blocks, is stepped over.
_MOST_VAIN = const(20)


class JournalFull(RuntimeError):
    """MAX_PENDING records wait for an erase that protection does not allow: the record was not taken."""


class Journal(Ring):
    """Over a store of at least 6 blocks; new_epoch() gives 16 random hex characters. Call `recover` first.

    `last_seq` is the last durable record, `next_seq` the seq of the next `enter`, `first_seq` the oldest record kept.
    `checkpoint` is the payload found by `recover` or None, `checkpoint_seq` the last record that the newest one knows.
    `stored_seq` is what the collector confirmed. `damaged` counts blocks in which a record was found unreadable, each
    once a boot.
    """

    def __init__(self, store, new_epoch):
        Ring.__init__(self, store, new_epoch)
        self._waiting = []
        self._vain = 0  # erases since a block was last begun
        self._pause = 0  # calls of `prepare` until the next of them

    # Writing --------------------------------------------------------------------------------------------------------

    @property
    def pending(self):
        """Records that wait in RAM for room."""
        return len(self._waiting)

    @property
    def next_seq(self):
        """The seq that the next record gets."""
        return self.last_seq + 1 + len(self._waiting)

    def enter(self, record):
        """Take a record (without epoch and seq) and return its seq; ValueError, JournalFull: it was not taken."""
        if len(self._waiting) >= MAX_PENDING:
            raise JournalFull(
                "{} records wait for room; prepare() must erase a block first".format(MAX_PENDING)
            )
        from wire.records import encode  # some KB, for a moment

        payload = encode(record, self.epoch)
        seq = self.next_seq
        self._waiting.append(payload)
        self._flush()
        return seq

    def ready(self, n):
        """True when n records of any size would be durable at once."""
        room = max(0, self.size - self.offset) // FRAME_MAX
        if self.ahead != NONE:
            room += (self.size - HEADER) // FRAME_MAX
        return not self._waiting and room >= n

    def _flush(self):
        while self._waiting and self._write(self._waiting[0]):
            self._waiting.pop(0)
            self.last_seq += 1

    def _write(self, payload):
        """Program the next record, into a new block where this one is full; False when there is no room."""
        if self.erase_next == NONE:
            return False  # not recovered
        raw = frame(self.raw_epoch, self.last_seq + 1, payload)
        if self.offset + len(raw) <= self.size:
            if self.window.put_checked(self.block(self.head), self.offset, raw):
                self.offset += len(raw)
                return True
            self.offset = self.size
        return self.ahead != NONE and self._open(raw)

    def _open(self, raw):
        """Begin the block ahead with its header and first frame, in one program."""
        ring = self.ahead
        self.ahead = NONE
        self.erase_next = (ring + 1) % self.count
        self.serial += 1
        raw = header(self.raw_epoch, self.serial, self.last_seq + 1) + raw
        if not self.window.put_checked(self.block(ring), 0, raw):
            return False  # a bad block: it is stepped over
        self._vain = self._pause = 0
        self.head = ring
        self.firsts[ring] = self.last_seq + 1
        self.seen_damage[ring >> 3] &= ~(1 << (ring & 7))
        self.offset = len(raw)
        return True

    # Erasing --------------------------------------------------------------------------------------------------------

    @property
    def wants_erase(self):
        """True while `prepare` has something to erase."""
        return self.ahead == NONE or not self.checkpoints.ahead

    def has_work(self):
        """False where `prepare` would only count a pause down: then that is done, and nothing loaded for it."""
        if self.erase_next == NONE:
            return False
        if self._waiting and (
            self.ahead != NONE or self.offset + frame_size(len(self._waiting[0])) <= self.size
        ):
            return True
        checkpoints = self.checkpoints
        if (self.ahead == NONE and not self._pause) or not (checkpoints.ahead or checkpoints.pause):
            return True
        self._pause = max(0, self._pause - 1)
        if not checkpoints.ahead:
            checkpoints.pause -= 1
        return False

    def prepare(self):
        """At most one erase, the ring's before the checkpoints'; then the records that waited are written."""
        if self.erase_next == NONE:
            return
        if self.ahead != NONE or self._pause or not self._erase():
            self._pause = max(0, self._pause - 1)
            self.checkpoints.erase_ahead()
        self._flush()

    def _erase(self):
        """The next block, or the one after the newest again, where what it holds is no longer needed; False: none."""
        needed = self.checkpoint_seq
        if self._vain >= _MOST_VAIN:
            needed = min(needed, self.stored_seq)
        for ring in (self.erase_next, (self.head + 1) % self.count):
            if not self.firsts[ring] or (ring != self.head and self.oldest(ring) <= needed + 1):
                self._pause = min(self._vain, MAX_PAUSE)
                self._vain += 1
                self.forget_block(ring)
                if self.window.clear_block(self.block(ring)):
                    self.ahead = ring
                else:
                    self.erase_next = (ring + 1) % self.count
                return True
        return False

    # Checkpoints and the collector's word ----------------------------------------------------------------------------

    @property
    def takes_checkpoint(self):
        """False where `write_checkpoint` would refuse whatever it is given."""
        if self._waiting or self.erase_next == NONE:
            return False
        return self.checkpoints.ahead or self.checkpoints.offset < self.size

    def write_checkpoint(self, payload):
        """Keep a payload of at most 3800 bytes; False when it could not be kept now: call again after `prepare`.

        It is refused while records wait: it may tell of what they tell, and replay would then miss or repeat it.
        """
        if self._waiting or self.erase_next == NONE:
            return False
        if not self.checkpoints.write_down(payload, self.raw_epoch, self.last_seq, self.stored_seq):
            return False
        self.checkpoint_seq = self.last_seq
        return True

    def confirm(self, epoch, seq):
        """The collector holds every record up to seq. Returns False for another epoch or a seq that cannot be."""
        if epoch != self.epoch or seq < 0 or seq > self.last_seq + _MAX_JUMP:
            return False
        if seq > self.last_seq:
            # It holds records that rotted here. Go on after them, in a new block, so that no seq is given out twice.
            self.jump(seq)
            self.damaged += 1
        self.stored_seq = seq
        return True
