"""Run on MicroPython by test_on_board_runtime.py: no poll of a meter on a serial line takes heap, whatever comes.

As heap_drivers.py: with the heap locked nothing may be kept, and the count of all bytes ever taken may not move.
"""

from both import raises, vectors
from fakes.heap import locked
from fakes.serial_bench import BL0942, HLW8032, PZEM004T, Reading, unhex

from drivers.meter_bl0942 import BL0942 as DriverBL0942
from drivers.meter_hlw8032 import HLW8032 as DriverHLW8032
from drivers.meter_pzem004t import PZEM004T as DriverPZEM004T


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
    for _ in range(300):
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
        assert reading.polls == (0xFFFF00 + 2 * 8 * 300) & 0xFFFFFF
        driver._busy = True
        locked(driver.poll, reading)


def test_an_allocation_is_seen():
    raises(MemoryError, locked, bytearray, 100)


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
