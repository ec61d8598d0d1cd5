"""A BL0910 whose SEL pin is low: the same registers, on a serial line (data sheet 5.2).

Modelled: questions and answers, `35 addr` -> `L M H sum`, writes `CA addr L M H sum`, sums without the first byte;
noise at another baud rate; a first byte that is none, which is thrown away with all that follows it until the line has
been still, or until a low level of 32 bits resets the interface; a question that comes while the chip speaks, which is
lost (no source says what the chip does then). Fault: `hang()`: deaf until that reset.
"""

from .serial_line import SerialChip

_TURNAROUND_US = 110
_GAP_BITS = 1  # between the bytes of an answer (5.2.3)


class BL0910Line(SerialChip):
    """`chip` is a BL0910Chip; its own faults hold here too."""

    def __init__(self, chip, baud=19200):
        super().__init__()
        self.baud = baud
        self.chip = chip
        self._hung = False
        self._until_us = 0

    def hang(self):
        """Deaf until its interface is reset."""
        self._hung = True

    def hear(self, data, end_us):
        """One or more whole frames."""
        if self.line.baud * 4 <= self.baud:
            self._hung = False  # a zero byte at a quarter of the rate holds the line low for 36 bits
            return
        if self._hung or self.chip.silent or self.line.baud != self.baud or end_us < self._until_us:
            self.chip.rejected += 1
            return
        at = 0
        while at < len(data):
            if data[at] == 0x35 and at + 2 <= len(data):
                self._answer(data[at + 1], end_us)
                at += 2
            elif data[at] == 0xCA and at + 6 <= len(data):
                self._write(data[at + 1 : at + 6])
                at += 6
            else:
                self.chip.rejected += 1
                return

    def _answer(self, address, end_us):
        value = self.chip.read_register(address)
        frame = bytearray((value & 255, value >> 8 & 255, value >> 16))
        frame.append(~(address + sum(frame)) & 255)
        if self.chip._corrupt:
            self.chip._corrupt -= 1
            frame[1] ^= 0x10
        self.chip.frames += 1
        byte_us = (10 + _GAP_BITS) * 1000000 // self.baud
        start_us = end_us + _TURNAROUND_US
        for i in range(4):
            self.line.say(self, frame[i : i + 1], start_us + i * byte_us)
        self._until_us = start_us + 4 * byte_us

    def _write(self, frame):
        if ~sum(frame[:4]) & 255 != frame[4]:
            self.chip.rejected += 1
            return
        self.chip.write_register(frame[0], frame[3] << 16 | frame[2] << 8 | frame[1])
