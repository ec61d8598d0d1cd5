"""Run on MicroPython by test_on_board_runtime.py: no poll of a meter on a serial line takes heap, whatever comes.

As heap_drivers.py: with the heap locked nothing may be kept, and the count of all bytes ever taken may not move.
"""

from both import raises, vectors
from fakes.heap import locked
from fakes.serial_bench import BL0910, BL0942, HLW8032, PZEM004T, Reading, unhex

from drivers.meter_bl0910_uart import BL0910Uart
from drivers.meter_bl0942 import BL0942 as DriverBL0942
from drivers.meter_hlw8032 import HLW8032 as DriverHLW8032
from drivers.meter_pzem004t import PZEM004T as DriverPZEM004T

POLLS = 120  # of each step: several frames of each kind


class Feed:
    """A UART on which bytes come from a fixed store, `step` a poll, over and over; takes no heap itself."""

    def __init__(self, store):
        self.store = store
        self.step = 0
        self.at = 0
        self.waiting = 0

    def come(self):
        self.waiting += self.step

    def any(self):
        return self.waiting

    def readinto(self, into, most=None):
        n = min(len(into) if most is None else most, self.waiting)
        for i in range(n):
            into[i] = self.store[self.at]
            self.at = self.at + 1 if self.at + 1 < len(self.store) else 0
        self.waiting -= n
        return n or None

    def write(self, out):
        return len(out)


def _polls(bench):
    for step in (0, 1, 9, 23, 24, 25, 60, 200):
        bench[2].step = step
        _some(bench[0], bench[1], bench[2])


def _some(driver, reading, feed):
    for _ in range(POLLS):
        feed.come()
        driver.poll(reading)


def _stores(name):
    """Good frames over and over, bad ones, all of them mixed, and the extremes of a byte."""
    rows = vectors(name)
    good = b"".join([unhex(row["hex"]) for row in rows["frames"]])
    bad = b"".join([unhex(row["hex"]) for row in rows["bad"]])
    stores = [unhex(row["hex"]) for row in rows["frames"]]
    stores.extend([good, bad, good + b"\x55" + bad, b"\x55", b"\x5a\x55", b"\x01\x04\x14", b"\xff", b"\x00"])
    return stores


def _check(driver_class, section, name, present=None):
    for store in _stores(name):
        feed = Feed(store)
        driver = driver_class(feed, section)
        if present:
            for i in range(driver.channels):
                driver._present[i] = present
        reading = Reading(driver.channels)
        reading.polls = reading.errors = reading.frames = driver.wrong = (
            0xFFFF00  # so that they wrap on the way
        )
        locked(_polls, (driver, reading, feed))
        assert reading.polls == (0xFFFF00 + 2 * 8 * POLLS) & 0xFFFFFF
        driver._busy = True
        locked(driver.poll, reading)


def test_an_allocation_is_seen():
    raises(MemoryError, locked, bytearray, 100)


class Chip:
    """A BL0910's UART that answers every question at once, with one value; takes no heap."""

    def __init__(self):
        self.value = self.error = self.address = 0
        self.waiting = 0

    def any(self):
        return self.waiting

    def readinto(self, into, most=None):
        n = self.waiting
        if n:
            into[0] = self.value & 255
            into[1] = self.value >> 8 & 255
            into[2] = self.value >> 16
            into[3] = ~(self.address + into[0] + into[1] + into[2]) + self.error & 255
        self.waiting = 0
        return n or None

    def write(self, out):
        if len(out) == 2:
            self.address = out[1]
            self.waiting = 4
        return len(out)


def _bl0910_polls(bench):
    for value in (0, 5, 0x7FFFFF, 0x800000, 0xABCDEF, 0xFFFFFF):
        bench[2].value = value
        bench[2].error = 0
        _answered(bench)
        bench[2].error = 1
        _answered(bench)


def _answered(bench):
    for _ in range(400):
        bench[0].poll(bench[1])


def test_bl0910():
    for sockets in (1, 10):
        section = dict(BL0910)
        section["sockets"] = sockets
        chip = Chip()
        driver = BL0910Uart(chip, section)
        reading = Reading(sockets)
        reading.polls = reading.errors = reading.frames = driver.wrong = 0xFFFF00
        locked(_bl0910_polls, (driver, reading, chip))
        assert reading.errors != 0xFFFF00 and reading.fast_ma[0]
    for store in (b"\xff", b"\x00", b"\x55\x00\x12"):
        feed = Feed(store)
        locked(_polls, (BL0910Uart(feed, BL0910), Reading(10), feed))


def test_bl0942():
    for addresses in ([0], [0, 1, 2, 3]):
        section = dict(BL0942)
        section["addresses"] = addresses
        _check(DriverBL0942, section, "bl0942", 1)
        _check(DriverBL0942, section, "bl0942")


def test_hlw8032():
    _check(DriverHLW8032, HLW8032, "hlw8032")


def test_pzem004t():
    for addresses in ([1], [1, 2, 3, 247]):
        section = dict(PZEM004T)
        section["addresses"] = addresses
        _check(DriverPZEM004T, section, "pzem004t")


def test_readings_did_come():
    """So that the above is not the silence of a driver that never saw a frame."""
    for driver_class, section, name, present in (
        (DriverBL0942, BL0942, "bl0942", 1),
        (DriverHLW8032, HLW8032, "hlw8032", 0),
        (DriverPZEM004T, PZEM004T, "pzem004t", 0),
    ):
        section = dict(section)
        if "addresses" in section:
            section["addresses"] = [vectors(name)["frames"][0]["address"]]
        feed = Feed(unhex(vectors(name)["frames"][0]["hex"]))
        driver = driver_class(feed, section)
        if present:
            driver._present[0] = 1
        reading = Reading(1)
        feed.step = len(feed.store)
        good = 0
        for _ in range(100):
            feed.come()
            driver.poll(reading)
            good += reading.fast_ok[0]
        assert good >= 5, (name, good)
