"""Run on MicroPython by test_on_board_runtime.py: nothing of the tick takes heap, whatever the chip answers.

Two measures: with the heap locked nothing may be kept, and the count of all bytes ever taken may not move. On 32 bits
a number of 2**30 would be an allocation too, as on the board.
"""

from both import raises
from fakes.heap import kept, locked
from fakes.meter_bench import SECTION

from core.reading import Reading
from drivers.meter_bl0910_spi import BL0910Spi
from drivers.relay_hc595 import RelayHC595

VALUES = (0, 1, 0xFFF, 0x1000, 0x7FFFFF, 0x800000, 0xABCDEF, 0xFFFFFE, 0xFFFFFF)


class Echo:
    """Answers every read with one value and a sum that is right plus `error`, and itself takes no heap."""

    def __init__(self):
        self.value = 0
        self.error = 0

    def write_readinto(self, out, into):
        at = 0
        while at < len(out):
            self._answer(into, at, out[at + 1])
            at += 6

    def _answer(self, into, at, address):
        into[at + 2] = self.value >> 16
        into[at + 3] = self.value >> 8 & 255
        into[at + 4] = self.value & 255
        into[at + 5] = (~(0x82 + address + into[at + 2] + into[at + 3] + into[at + 4]) + self.error) & 255


def _pin(level):
    pass


def _polls(bench):
    for value in VALUES:
        bench[2].value = value
        bench[2].error = 0
        _rounds(bench)
        bench[2].error = 1
        _rounds(bench)


def _rounds(bench):
    for _ in range(240):
        bench[0].poll(bench[1])


def _borrows(a):
    b = c = d = e = f = g = h = i = j = k = m = n = a
    return b + c + d + e + f + g + h + i + j + k + m + n


def test_an_allocation_is_seen():
    raises(MemoryError, locked, bytearray, 100)
    assert "took" in str(raises(AssertionError, locked, _borrows, 1))


def test_poll_takes_no_heap():
    for burst in (0, 1):
        section = dict(SECTION)
        section["burst"] = burst
        echo = Echo()
        driver = BL0910Spi(echo, _pin, section)
        reading = Reading(10)
        reading.polls = reading.errors = driver.wrong = 0xFFFF00  # so that they wrap on the way
        kept(_polls, (driver, reading, echo))  # the loop over ten channels has a large frame
        assert reading.polls == (0xFFFF00 + 240 * 2 * len(VALUES)) & 0xFFFFFF
        # A register that reads FFFFFF is an error with a good checksum, too: nobody wrote that.
        assert reading.errors == (0xFFFF00 + 15 * 240 * len(VALUES) + 240) & 0xFFFFFF


def test_poll_during_configure_takes_no_heap():
    driver = BL0910Spi(Echo(), _pin, SECTION)
    driver._busy = True
    locked(driver.poll, Reading(10))


class Loop:
    """A chain of two bytes."""

    def __init__(self):
        self.held = bytearray(2)

    def write_readinto(self, out, into):
        for i in range(2):
            into[i] = self.held[i]
            self.held[i] = out[i]


def _writes(relays):
    for i in range(16):
        relays.write(1 << i)
        relays.write(0xFFFF)
        relays.off()


def test_write_takes_no_heap():
    relays = RelayHC595(Loop(), _pin, _pin, 16)
    locked(_writes, relays)
    assert relays.readback_ok
