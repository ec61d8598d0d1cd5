"""A chain of 74HC595 shift registers whose output enable a charge pump holds.

Strategy: the bits in shift, the bits that were latched, and whether the pump still holds the enable; the outputs follow
from these, and `on_change(word)` is called whenever they do change. Bit 0 is output QA of the chip next to the
processor; the first byte sent ends farthest away. Time is given from outside: `on_time(now_ms)` at every step.

The pump holds for 200 ms after its pin last changed: what boards/zq10 promises.
"""

_HOLD_MS = 200


class HC595Chip:
    """`count` chips in a row. `outputs` is the word on the output pins, 0 while they are not enabled.

    Faults: `corrupt_next(n)` flips a bit of the next n answers; `broken_at` = chip number: nothing shifts past it.
    """

    def __init__(self, count, on_change):
        self._bytes = count
        self._mask = (1 << 8 * count) - 1
        self._on_change = on_change
        self._shift = 0xA5A5A5A5 & self._mask  # as after power-up: anything
        self._latched = self._shift
        self._latch_level = 0
        self._pump_level = 0
        self._pumped_at = None
        self._now_ms = 0
        self._corrupt = 0
        self.broken_at = None
        self.enabled = False
        self.outputs = 0

    def exchange(self, out, into):
        """Shifts the bytes in, and gives back in `into`, unless None, what falls out at the far end."""
        top = 8 * (self._bytes - 1)
        for i in range(len(out)):
            if into is not None:
                into[i] = self._shift >> top
                if self._corrupt:
                    self._corrupt -= 1
                    into[i] ^= 1
            self._shift = (self._shift << 8 | out[i]) & self._mask
            if self.broken_at is not None:
                self._shift &= (1 << 8 * self.broken_at) - 1

    def latch(self, level):
        """The storage clock: a rising edge takes the shifted bits to the outputs."""
        if level and not self._latch_level:
            self._latched = self._shift
            self._update()
        self._latch_level = level

    def pump(self, level):
        """The charge pump's pin: any change holds the output enable for another 200 ms."""
        if level != self._pump_level:
            self._pump_level = level
            self._pumped_at = self._now_ms
            if not self.enabled:
                self.enabled = True
                self._update()

    def on_time(self, now_ms):
        """The time now, in milliseconds that only grow."""
        self._now_ms = now_ms
        if self.enabled and now_ms - self._pumped_at >= _HOLD_MS:
            self.enabled = False
            self._update()

    def fresh(self, now_ms):
        """The pump was moved a moment ago, as far as `on_time` told: a tick is alive."""
        return self.enabled and now_ms - self._pumped_at < _HOLD_MS

    def held(self, now_ms):
        """Ticks that were left out have moved the pump until now."""
        self._pumped_at = self._now_ms = now_ms

    def corrupt_next(self, n):
        """The next n bytes that come back have a bit wrong."""
        self._corrupt = n

    def _update(self):
        outputs = self._latched if self.enabled else 0
        if outputs != self.outputs:
            self.outputs = outputs
            self._on_change(outputs)
