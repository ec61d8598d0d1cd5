"""What the tests of the meters on a serial line share on both runtimes: a clock, a line, the simulated chips."""

import sys

from fakes.meter_bench import SECTION, BL0910Chip, BL0910Outputs, Load

import drivers.meter_bl0910_uart as _bl0910
import drivers.meter_bl0942 as _bl0942
import drivers.meter_hlw8032 as _hlw8032
import drivers.meter_pzem004t as _pzem004t
import drivers.meter_setup as _setup
from core.reading import Reading

_ROOT = __file__.rsplit("/", 3)[0] if __file__.count("/") > 2 else "."
sys.path.append(_ROOT + "/host/zhuque/sim/board")
from chips.bl0910_uart import BL0910Line  # noqa: E402
from chips.bl0942 import BL0942Chip  # noqa: E402
from chips.hlw8032 import HLW8032Chip  # noqa: E402
from chips.pzem004t import PZEM004TChip  # noqa: E402
from chips.serial_line import SerialLine  # noqa: E402

sys.path.remove(_ROOT + "/host/zhuque/sim/board")

BL0910 = dict(SECTION)
del BL0910["spi"], BL0910["burst"]
BL0910["uart"] = {"id": 2, "tx": 17, "rx": 16}
BL0942 = {
    "driver": "bl0942",
    "addresses": [0, 1, 2, 3],
    "shunt_uohm": 1000,
    "current_gain": 4,
    "divider_high_ohm": 1950000,
    "divider_low_ohm": 510,
    "vref_uv": 1218000,
    "fast_ratio_ppm": 363000,
    "fast_floor_ma": 100,
    "uart": {"id": 2, "tx": 17, "rx": 16},
}
HLW8032 = {
    "driver": "hlw8032",
    "shunt_uohm": 1000,
    "divider_high_ohm": 1880000,
    "divider_low_ohm": 1000,
    "floor_ma": 100,
    "uart": {"id": 2, "rx": 16},
}
PZEM004T = {
    "driver": "pzem004t",
    "addresses": [1, 2, 3, 4],
    "floor_ma": 100,
    "uart": {"id": 2, "tx": 17, "rx": 16},
}

POLL_US = 20000


class Bench:
    """A driver and its chips on a line, on a clock that `run` moves; `reading` is what the last poll left."""

    def __init__(self, module, section, baud, bits, chips):
        self.now_us = 0
        self.load = Load()
        self.line = SerialLine(lambda: self.now_us, baud, bits)
        self.chips = [chip(self.load) for chip in chips]
        for chip in self.chips:
            self.line.attach(chip)
        name = "BL0910Uart" if section["driver"] == "bl0910" else section["driver"].upper()
        self.driver = getattr(module, name)(self.line, section)
        self.reading = Reading(self.driver.channels)
        self.fresh = [0] * self.driver.channels  # how often a new good value came
        self._module = module

    def configure(self):
        """The driver's, with its waits on this clock."""
        return self.waiting(self.driver.configure)

    def waiting(self, function):
        """Calls it, with the driver's waits on this clock."""
        modules = [module for module in (_setup, self._module) if hasattr(module, "sleep_ms")]
        sleep = _setup.sleep_ms
        for module in modules:
            module.sleep_ms = self._sleep
        try:
            return function()
        finally:
            for module in modules:
                module.sleep_ms = sleep

    def _sleep(self, ms):
        self.now_us += ms * 1000

    def run(self, polls, step_us=POLL_US):
        """So many polls; returns the bench."""
        for _ in range(polls):
            self.now_us += step_us
            for ch in range(self.driver.channels):
                self.load.joules[ch] += abs(self.load.watts[ch]) * step_us / 1000000
            self.driver.poll(self.reading)
            for ch in range(self.driver.channels):
                self.fresh[ch] += self.reading.fast_ok[ch]
        return self

    def set(self, ch, amps, watts):
        """The load of a socket."""
        self.load.amps[ch] = amps
        self.load.watts[ch] = watts


def _with(section, changed):
    section = dict(section)
    section.update(changed)
    return section


def bl0910(**changed):
    """One chip on its UART; `bench.chip` is its registers, `bench.cut` the levels of its outputs."""
    section = _with(BL0910, changed)
    baud = section["uart"].get("baud", 19200)
    bench = Bench(_bl0910, section, baud, 10, [lambda load: BL0910Line(BL0910Chip(load, section), baud)])
    bench.chip = bench.chips[0].chip
    bench.cut = []
    BL0910Outputs(bench.chip, bench.cut.append)
    return bench


def bl0942(**changed):
    """Chips at the section's addresses, at the baud rate of their reset."""
    section = _with(BL0942, changed)
    chips = [
        lambda load, ch=ch, address=address: BL0942Chip(load, section, ch, address)
        for ch, address in enumerate(section["addresses"])
    ]
    return Bench(_bl0942, section, 38400, 10, chips)


def hlw8032(**changed):
    """One chip."""
    section = _with(HLW8032, changed)
    return Bench(_hlw8032, section, 4800, 11, [lambda load: HLW8032Chip(load, section)])


def pzem004t(**changed):
    """Meters at the section's addresses."""
    section = _with(PZEM004T, changed)
    chips = [
        lambda load, ch=ch, address=address: PZEM004TChip(load, section, ch, address)
        for ch, address in enumerate(section["addresses"])
    ]
    return Bench(_pzem004t, section, 9600, 10, chips)


class Player:
    """A UART on which given bytes come, so many at a poll; what is written is kept."""

    def __init__(self, data=b"", chunk=9):
        self.data = bytearray(data)
        self.chunk = chunk
        self.sent = []
        self._now = 0

    def give(self, n=None):
        """The next bytes have come."""
        self._now = min(len(self.data), self._now + (self.chunk if n is None else n))

    def any(self):
        return self._now

    def readinto(self, into, most=None):
        n = min(self._now, len(into) if most is None else most)
        into[:n] = self.data[:n]
        self.data = self.data[n:]
        self._now -= n
        return n or None

    def write(self, out):
        self.sent.append(bytes(out))
        return len(out)


class Recorder:
    """The classes of the module `machine` that `from_board` asks for; remembers how the UART was made."""

    def __init__(self):
        self.made = None
        self.Pin = lambda number: number

    def UART(self, number, **options):
        self.made = (number, options)
        return Player()


def unhex(text):
    """Bytes of a hex text with blanks."""
    text = text.replace(" ", "")
    return bytes([int(text[i : i + 2], 16) for i in range(0, len(text), 2)])


def captures(*chips):
    """Owners' captures of these chips, or none where they are not at hand."""
    import json

    try:
        with open(_ROOT + "/../shared/vectors/meter_captures.json") as file:
            return [row for row in json.load(file) if row["chip"] in chips]
    except OSError:
        return []


def close(row, key, milli):
    """True when a capture's `expect` in units is what was decoded in milli-units, within its tolerance."""
    expected = row["expect"].get(key)
    if expected is None:
        return True
    tolerance = row["tolerance"].get(key, row["tolerance"].get("abs", 0))
    # A milli-unit is what can be said at all; the double arithmetic of the expectation costs nothing.
    return milli is not None and abs(milli / 1000 - expected) <= max(tolerance, 0.00101)
