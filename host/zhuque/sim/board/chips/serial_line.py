"""A serial line between the board's UART and the chips on it, byte for byte and in time.

Strategy: every byte takes its time on the wire. What the board writes reaches every chip when its last bit has gone;
what a chip says is waiting for the board when its last bit has come. Two chips that speak at once spoil each other's
bytes, as on a wire that either may pull low. At another baud rate than the chip's there is noise.

The line is what `machine.UART` of the simulated board stands on, and it has the methods of a UART with timeout 0. A
chip has `baud`, `hear(data, end_us)` and `run(now_us)`; it speaks by `say(chip, data, start_us)`.
"""


class SerialLine:
    """`now_us()` is the clock; `bits` a byte has on the wire: 10 for 8N1, 11 for 8E1; `rx_size` the UART's buffer."""

    def __init__(self, now_us, baud, bits=10, rx_size=256):
        self._now_us = now_us
        self.baud = baud
        self._bits = bits
        self._rx_size = rx_size
        self._chips = []
        self._air = []  # [time of the last bit, byte, chip], in order
        self._waiting = bytearray()
        self._free_us = 0
        self._hung = False
        self.lost = 0  # bytes for which the buffer had no room

    def attach(self, chip):
        """The chip is on the line from now on."""
        chip.line = self
        self._chips.append(chip)

    def say(self, chip, data, start_us):
        """The chip sends these bytes, the first bit at start_us."""
        byte_us = self._bits * 1000000 // chip.baud
        for i, byte in enumerate(data):
            self._put(start_us + (i + 1) * byte_us, byte, chip, byte_us)

    def _put(self, at_us, byte, chip, byte_us):
        for other in self._air:
            if other[2] is not chip and -byte_us < other[0] - at_us < byte_us:
                other[1] &= byte
                byte = other[1]
        self._air.append([at_us, byte, chip])

    def _advance(self):
        now = self._now_us()
        for chip in self._chips:
            chip.run(now)
        if not self._air:
            return
        self._air.sort(key=_time)
        while self._air and self._air[0][0] <= now:
            _, byte, chip = self._air.pop(0)
            if self._hung or len(self._waiting) >= self._rx_size:
                self.lost += 1
            else:
                self._waiting.append(byte if chip.baud == self.baud else byte ^ 0x5F)

    # A UART

    def init(self, baudrate=115200, **_options):
        """Another baud rate; whatever the UART hung in is over."""
        self.baud = baudrate
        self._hung = False

    def hang(self):
        """Fault: the board's UART receives nothing more until it is set up anew."""
        self._hung = True

    def any(self):
        """How many bytes wait."""
        self._advance()
        return len(self._waiting)

    def readinto(self, into, most=None):
        """Takes up to `most` waiting bytes; None when there is none."""
        self._advance()
        n = min(len(into) if most is None else min(most, len(into)), len(self._waiting))
        if not n:
            return None
        into[:n] = self._waiting[:n]
        self._waiting = self._waiting[n:]
        return n

    def write(self, data):
        """Sends; returns at once, the bytes follow those that are on their way."""
        self._free_us = max(self._free_us, self._now_us()) + len(data) * self._bits * 1000000 // self.baud
        for chip in self._chips:
            chip.hear(
                data if chip.baud == self.baud else bytes([byte ^ 0x5F for byte in data]), self._free_us
            )
        return len(data)


def _time(item):
    return item[0]


class SerialChip:
    """What the chips of a line share: the faults, and how they speak."""

    baud = 9600

    def __init__(self):
        self.line = None
        self.silent = False
        self.frames = 0  # sent
        self.rejected = 0  # heard, and not understood or refused
        self._corrupt = 0
        self._frozen = None

    def corrupt_next(self, n):
        """The next n frames have a bit wrong."""
        self._corrupt = n

    @property
    def frozen(self):
        """True while the readings are stuck at what they were when it was set."""
        return self._frozen is not None

    @frozen.setter
    def frozen(self, on):
        self._frozen = self.measure() if on else None

    def readings(self):
        """What `measure` gives, or gave when the readings froze."""
        return self.measure() if self._frozen is None else self._frozen

    def speak(self, frame, start_us):
        """Sends a frame, with the faults that were asked for."""
        if self.silent or self.line is None:
            return
        if self._corrupt:
            self._corrupt -= 1
            frame[len(frame) // 2] ^= 0x10
        self.frames += 1
        self.line.say(self, frame, start_us)

    def hear(self, data, end_us):
        """What the board wrote; the last bit came at end_us."""

    def run(self, now_us):
        """What the chip does by itself until now."""
