"""The over-current outputs M1 to M10 of a BL0910, as its data sheet has them in 3.5 and 4.6.9, in time.

Modelled: the threshold of FAST_RMS_CTRL against an eighth of each fast value; a flag one accumulation time after the
value rose above it; at once (FLAG_CTRL1 bit clear: the output follows the flag) or delayed and staying (bit set: it
rises after the delay of FLAG_CTRL1, and stays until a 1 in FLAG_CTRL2 lets it fall after that register's delay);
STATUS3; the held values; FLAG_CTRL, which overrides all. Not stated there and taken so: an output that was let go while
the value is still above the threshold rises again after another window.

Time comes from outside: `watch(now_us)` whenever something may have changed; it says when to come again.
"""

NEVER = 1 << 60
_WINDOWS_US = (10000, 20000, 40000, 80000, 160000, 320000, 320000, 320000)
_DELAY_US = 100
_HOLD = (0x46, 0x47, 0x48, 0x49, 0x57, 0x58, 0x59, 0x5A, 0x5B, 0x5C)


class BL0910Outputs:
    """Of `chip`; `on_change(word)` is called with the levels, bit 0 for M1, whenever they change.

    `wake()` is called when a register was written: somebody should `watch` soon.
    """

    wake = staticmethod(lambda: None)

    def __init__(self, chip, on_change):
        self._chip = chip
        self._on_change = on_change
        chip.outputs = self
        self.reset()

    def reset(self):
        """As after a power cut or a reset of the registers."""
        self.flags = 0
        self._let_go = 0
        self._let_go_us = NEVER
        self._over_us = [-1] * 10  # since when the value has been above the threshold
        self._held = [0] * 10
        self._word = -1
        self._seen = None

    def state(self):
        """What lives through a restart of the processor, as JSON can hold it."""
        return [self.flags, self._held]

    def restore(self, state):
        """What `state` gave."""
        self.flags, self._held = state
        self._word = -1

    def value(self, address):
        """Of STATUS3 and the registers that hold; None for any other."""
        if address == 0x56:
            return self.flags
        return self._held[_HOLD.index(address)] if address in _HOLD else None

    def written(self, address, before, now_us):
        """A register was written: FLAG_CTRL2 lets outputs go, and then clears what is held."""
        self._seen = None
        self.wake()
        if address != 0x92:
            return
        value = self._chip._registers[0x92]
        if value & 0x3FF:
            self._let_go |= value & 0x3FF
            self._let_go_us = now_us + (value >> 10) * _DELAY_US
            self._release(now_us)
        for ch in range(10):
            if before >> ch & 1 and not value >> ch & 1:
                self._held[ch] = 0

    def watch(self, now_us, version=None):
        """The levels at `now_us`; returns when they may change by themselves. `version`: of the world, if any."""
        if version is not None and self._seen == version and self._word >= 0:
            return NEVER
        registers = self._chip._registers
        self._release(now_us)
        due = self._let_go_us
        for ch in range(10):
            due = min(due, self._judge(ch, now_us, registers))
        direct = registers[0x90] >> 12
        word = self.flags & ~direct | registers[0x90] & direct & 0x3FF
        self._seen = version if due == NEVER else None
        if word != self._word:
            self._word = word
            self._on_change(word)
        return due

    def _release(self, now_us):
        if now_us < self._let_go_us:
            return
        self.flags &= ~self._let_go
        for ch in range(10):
            if self._let_go >> ch & 1 and self._over_us[ch] >= 0:
                self._over_us[ch] = now_us
        self._let_go = 0
        self._let_go_us = NEVER

    def _judge(self, ch, now_us, registers):
        """When the channel's flag rises, NEVER where it does not."""
        mask = 1 << ch
        stays = registers[0x91] & mask
        fast = self._chip._fast(ch)
        if fast >> 3 <= registers[0x8B] & 0x1FFFFF:
            self._over_us[ch] = -1
            if not stays:
                self.flags &= ~mask
            return NEVER
        if self._over_us[ch] < 0:
            self._over_us[ch] = now_us
        if self.flags & mask:
            return NEVER
        rise_us = self._over_us[ch] + _WINDOWS_US[registers[0x8B] >> 21]
        if stays:
            rise_us += (registers[0x91] >> 10) * _DELAY_US
        if now_us < rise_us:
            return rise_us
        self.flags |= mask
        self._held[ch] = max(self._held[ch], fast)
        return NEVER
