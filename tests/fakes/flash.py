"""NOR flash in RAM: a program only clears bits, an erase sets a block to FF, and the power may fail in between.

It refuses what real flash would garble: programming a byte that is not erased. `before(flash, operation)` is called
before every program and erase, so that a test can fork the flash there (`copy`) and let the power fail (`tear`).
"""


class Dice:
    """Random numbers that are the same on CPython and MicroPython."""

    def __init__(self, seed):
        self._state = (seed * 2654435761 + 12345) & 0x3FFFFFFF

    def roll(self, n):
        """0 to n - 1, n up to 65536."""
        self._state = (self._state * 1103515 + 12345) & 0x3FFFFFFF
        return (self._state >> 8) % n


class PowerCut(Exception):
    """The power failed in the middle of an operation."""


class Flash:
    """`blocks` blocks of `block_size` bytes; counts `reads`, `programs` and `erases`."""

    def __init__(self, blocks=12, block_size=4096, fill=255):
        self.blocks = blocks
        self.block_size = block_size
        self.data = [bytearray(bytes([fill]) * block_size) for _ in range(blocks)]
        self.reads = self.programs = self.erases = 0
        self.most_erases = [0] * blocks
        self.before = None
        self.bad_blocks = ()  # a program does not take
        self.stuck_blocks = ()  # an erase leaves a bit behind
        self.bad_programs = 0  # so many of the next programs leave a bit behind
        self.unreadable = ()  # a read raises
        self.unerasable = ()  # an erase raises

    def copy(self):
        """The same bytes, no hook, counters at zero."""
        other = Flash(0, self.block_size)
        other.blocks = self.blocks
        other.data = [bytearray(block) for block in self.data]
        other.most_erases = [0] * self.blocks
        return other

    def read(self, block, offset, buf):
        self._check(block, offset, len(buf))
        self.reads += 1
        if block in self.unreadable:
            raise OSError(5)
        buf[:] = memoryview(self.data[block])[offset : offset + len(buf)]

    def program(self, block, offset, buf):
        self._check(block, offset, len(buf))
        for i in range(len(buf)):
            if self.data[block][offset + i] != 255:
                raise AssertionError("block {} offset {} is programmed already".format(block, offset + i))
        if self.before:
            self.before(self, ("program", block, offset, bytes(buf)))
        self.programs += 1
        if block not in self.bad_blocks:
            self.data[block][offset : offset + len(buf)] = buf
        if self.bad_programs:
            self.bad_programs -= 1
            self.data[block][offset + len(buf) // 2] ^= 1

    def erase(self, block):
        self._check(block, 0, 1)
        if self.before:
            self.before(self, ("erase", block, 0, b""))
        self.erases += 1
        self.most_erases[block] += 1
        if block in self.unerasable:
            raise OSError(5)
        for i in range(self.block_size):
            self.data[block][i] = 255
        if block in self.stuck_blocks:
            self.data[block][self.block_size // 2] = 0xFE

    def tear(self, operation, how, dice):
        """What the flash holds when the power fails in an operation: how = "before", "after", "bits" or "part"."""
        kind, block, offset, buf = operation
        if how == "before":
            return
        data = self.data[block]
        if kind == "erase":
            # In part: from some place to the end, or here and there.
            start = dice.roll(self.block_size) if how == "part" and dice.roll(2) else 0
            for i in range(start, self.block_size):
                if start:
                    data[i] = 255
                    continue
                if how == "after" or (how == "part" and dice.roll(4)):
                    data[i] = 255
                elif how == "bits":
                    data[i] = dice.roll(256)
            return
        cut = dice.roll(len(buf) + 1) if how == "part" else len(buf)
        for i in range(cut):
            data[offset + i] = buf[i] | dice.roll(256) if how == "bits" else buf[i]

    def rot(self, block, offset, bits=0x10):
        """Flip bits of one byte."""
        self.data[block][offset] ^= bits

    def _check(self, block, offset, length):
        if not 0 <= block < self.blocks or offset < 0 or offset + length > self.block_size:
            raise AssertionError("outside of the flash: block {} offset {}".format(block, offset))


class CutAfter:
    """A `before` that lets n operations pass and cuts the power in the next."""

    def __init__(self, n, how, dice):
        self.n = n
        self.how = how
        self.dice = dice

    def __call__(self, flash, operation):
        if self.n == 0:
            flash.before = None
            flash.tear(operation, self.how, self.dice)
            raise PowerCut()
        self.n -= 1
