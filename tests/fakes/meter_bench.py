"""What the driver tests share on both runtimes: the simulated chips, a load, a bus between chip and driver."""

import sys

from core.reading import Reading
from drivers.meter_bl0910_spi import BL0910Spi

# The chips are files of the simulator's board, imported as it imports them; nothing else of that folder is wanted here.
_ROOT = __file__.rsplit("/", 3)[0] if __file__.count("/") > 2 else "."
sys.path.append(_ROOT + "/host/zhuque/sim/board")
from chips.bl0910 import BL0910Chip  # noqa: E402
from chips.bl0910_outputs import BL0910Outputs  # noqa: E402
from chips.hc595 import HC595Chip  # noqa: E402

sys.path.remove(_ROOT + "/host/zhuque/sim/board")

__all__ = ["SECTION", "BL0910Chip", "BL0910Outputs", "Bus", "HC595Chip", "Load", "Pin", "Reading", "meter"]

# The meter of boards/zq10: a test in tests/boards holds them together.
SECTION = {
    "driver": "bl0910",
    "sockets": 10,
    "shunt_uohm": 1000,
    "current_gain": 8,
    "voltage_gain": 1,
    "divider_high_ohm": 1000000,
    "divider_low_ohm": 430,
    "vref_uv": 1097000,
    "fast_ratio_ppm": 550000,
    "fast_floor_ma": 50,
    "fast_trip_ma": 40000,
    "cfdiv": 256,
    "power_creep": 25,
    "rms_creep": 512,
    "burst": 0,
    "spi": {"id": 2, "baud": 1000000, "sck": 18, "mosi": 23, "miso": 19, "cs": 21},
}


class Load:
    """Ten loads whose truth the test sets."""

    def __init__(self):
        self.volts = 230.0
        self.amps = [0.0] * 10
        self.watts = [0.0] * 10
        self.joules = [0.0] * 10

    def voltage_v(self):
        return self.volts

    def current_a(self, ch):
        return self.amps[ch]

    def power_w(self, ch):
        return self.watts[ch]

    def energy_j(self, ch):
        return self.joules[ch]


class Bus:
    """Between driver and chip; keeps what was sent, as hex, while `log` is a list."""

    def __init__(self, chip):
        self.chip = chip
        self.log = None

    def write_readinto(self, out, into):
        if self.log is not None:
            self.log.append("".join(f"{byte:02x}" for byte in out))
        self.chip.exchange(out, into)


class Pin:
    """A pin that remembers its levels, and may tell somebody."""

    OUT = 1

    def __init__(self, number=0, mode=None, value=None, told=None):
        self.number = number
        self.levels = [] if value is None else [value]
        self._told = told

    def __call__(self, level):
        self.levels.append(level)
        if self._told:
            self._told(level)


def meter(**changed):
    """(driver, chip, load, bus) with parts of the section changed; nothing is configured yet."""
    section = dict(SECTION)
    section.update(changed)
    load = Load()
    chip = BL0910Chip(load, section)
    bus = Bus(chip)
    return BL0910Spi(bus, chip.select, section), chip, load, bus


class Machine:
    """The classes of the module `machine` that a driver's `from_board` asks for."""

    def __init__(self, pin, spi):
        self.Pin = pin
        self.SPI = spi
