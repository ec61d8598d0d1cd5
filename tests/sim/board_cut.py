"""The meter chip's own over-current outputs: they cut a relay while the processor does nothing at all."""

import machine
from chips.bl0910 import BL0910Chip
from chips.bl0910_outputs import NEVER, BL0910Outputs
from clock import clock
from wiring import wire
from world import World

SOCKETS = 10
METER = {
    "driver": "bl0910",
    "fast_trip_ma": 40000,
    "shunt_uohm": 1000,
    "divider_high_ohm": 1000000,
    "divider_low_ohm": 430,
    "spi": {"sck": 18, "mosi": 23, "miso": 19, "cs": 21},
}
RELAY = {"driver": "hc595", "latch": 27, "pump": 33, "spi": {"sck": 25, "mosi": 26, "miso": 35}}
BOARD = {"sockets": SOCKETS, "meter": METER, "relay": RELAY}
# Unlocked: gain 8, high pass, 40 A within 20 ms, each output 0.1 ms later and staying.
SET_UP = (
    (0x9E, 0x5555),
    (0x60, 0x222220),
    (0x61, 0x22222),
    (0x96, 1 << 22),
    (0x8B, 0x23F09C),
    (0x91, 0x7FF),
)


class Load:
    def __init__(self):
        self.amps = [0.0] * SOCKETS

    def voltage_v(self):
        return 230.0

    def current_a(self, ch):
        return self.amps[ch]

    def power_w(self, ch):
        return 0.0

    def energy_j(self, ch):
        return 0.0


def _world():
    """A wired board whose chip is set up and whose relays are all closed; who tells what is kept."""
    told = []
    world = World(SOCKETS, 1, 0, lambda event, unix, keys: told.append((event, keys, clock.now_us)), None)
    wire(BOARD, world)
    clock.world = world.advance
    for address, value in SET_UP:
        world.meter.write_register(address, value)
    spi = machine.SPI(1, polarity=0, phase=0, sck=machine.Pin(25), mosi=machine.Pin(26), miso=machine.Pin(35))
    latch, pump = machine.Pin(27, machine.Pin.OUT), machine.Pin(33, machine.Pin.OUT)
    spi.write_readinto(b"\xff\xff", bytearray(2))
    latch(0)
    latch(1)
    pump(1)
    return world, told


def _opened(told):
    return [(keys["socket"], at) for event, keys, at in told if event == "relay" and not keys["closed"]]


def test_the_short_is_cut_and_nothing_else_while_the_processor_hangs(_folder):
    world, told = _world()
    clock.sleep_us(10000)
    world.do({"do": "short", "socket": 3})
    at_us = clock.now_us
    clock.sleep_us(100000)  # nobody ticks, reads or writes
    opened = _opened(told)
    assert [socket for socket, _ in opened] == [3], opened
    assert 20000 <= opened[0][1] - at_us <= 25000, opened[0][1] - at_us
    assert not world.physics.sockets[2].closed and world.physics.sockets[1].closed
    clock.sleep_us(300000)
    assert len(_opened(told)) == SOCKETS, "and the charge pump drops the others"


def test_what_was_cut_stays_cut_until_the_chip_is_told(_folder):
    world, told = _world()
    world.do({"do": "short", "socket": 3})
    clock.sleep_us(50000)
    world.physics.short(2, False)
    clock.sleep_us(50000)
    assert not world.physics.sockets[2].closed and world.meter.read_register(0x56) == 4
    assert world.meter.read_register(0x48) > 2065633, "the value is held"
    world.meter.write_register(0x92, 4)
    clock.sleep_us(20000)
    assert world.meter.read_register(0x56) == 0 and world.physics.sockets[2].closed
    world.meter.write_register(0x92, 0)
    assert world.meter.read_register(0x48) == 0
    assert len(_opened(told)) == 1


def test_it_lives_through_a_restart_of_the_processor_and_not_of_the_supply(_folder):
    world, _told = _world()
    world.do({"do": "short", "socket": 3})
    clock.sleep_us(50000)
    saved = world.meters.save()
    for cold, flags in ((False, 4), (True, 0)):
        again, _told = _world()
        again.meters.load([dict(saved[0])], cold)
        assert again.meter.read_register(0x56) == flags


def test_what_stays_below_the_threshold_or_is_too_short_raises_nothing(_folder):
    load = Load()
    chip = BL0910Chip(load, METER)
    words = []
    BL0910Outputs(chip, words.append)
    for address, value in SET_UP:
        chip.write_register(address, value)
    load.amps = [39.9] * SOCKETS
    assert chip.watch(0) == NEVER and chip.watch(1000000) == NEVER
    load.amps[0] = 65.0
    assert chip.watch(1000000) == 1020100
    assert chip.watch(1019999) == 1020100
    load.amps[0] = 5.0  # an inrush is over
    assert chip.watch(1020000) == NEVER and words == [0]
    load.amps[9] = 40.1
    chip.watch(2000000)
    chip.watch(2020100)
    assert words == [0, 1 << 9]


def test_as_the_chip_comes_its_outputs_follow_the_current(_folder):
    """The default threshold of 0FFFF is 10 A here; FLAG_CTRL1 is 0: an output falls with the current."""
    load = Load()
    chip = BL0910Chip(load, METER)
    words = []
    BL0910Outputs(chip, words.append)
    chip.write_register(0x9E, 0x5555)
    chip.write_register(0x60, 0x222220)
    load.amps[1] = 10.3
    chip.watch(0)
    chip.watch(20000)
    load.amps[1] = 10.0
    chip.watch(40000)
    assert words == [0, 2, 0], words
    chip.write_register(0x90, 1 << 12 | 1)
    chip.watch(60000)
    assert words[-1] == 1, "FLAG_CTRL overrides"
