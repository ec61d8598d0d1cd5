"""The relay driver against simulated 74HC595s, on CPython and, by test_on_board_runtime.py, on both MicroPythons."""

from both import raises
from fakes.meter_bench import Bus, HC595Chip, Machine, Pin

from drivers.relay_hc595 import RelayHC595, from_board


class Bench:
    def __init__(self, sockets=10):
        self.changes = []
        self.chip = HC595Chip(2, self.changes.append)
        self.bus = Bus(self.chip)
        self.latch = Pin(told=self.chip.latch)
        self.pump = Pin(told=self.chip.pump)
        self.relays = RelayHC595(self.bus, self.latch, self.pump, sockets)
        self.now = 0

    def tick(self, word, ms=20):
        self.now += ms
        self.chip.on_time(self.now)
        self.relays.write(word)


def test_each_socket_has_its_bit():
    bench = Bench()
    for socket in range(10):
        bench.tick(1 << socket)
        assert bench.chip.outputs == 1 << socket and bench.relays.readback_ok
    bench.tick(0x3FF)
    assert bench.chip.outputs == 0x3FF
    bench.tick(0)
    assert bench.chip.outputs == 0


def test_bits_beyond_the_sockets_stay_off():
    bench = Bench(sockets=3)
    bench.tick(0xFFFF)
    assert bench.chip.outputs == 7 and bench.relays.readback_ok
    bench.tick(0)
    assert bench.relays.readback_ok


def test_the_far_byte_is_sent_first():
    bench = Bench()
    bench.bus.log = []
    bench.tick(0x201)
    assert bench.bus.log == ["0201"]


def test_nothing_closes_before_the_pump_toggles():
    bench = Bench()
    assert bench.chip.outputs == 0 and not bench.chip.enabled
    bench.relays.off()
    assert bench.chip.outputs == 0 and not bench.chip.enabled and bench.changes == []


def test_the_relays_drop_when_the_tick_stops():
    bench = Bench()
    for _ in range(20):
        bench.tick(0b101)
    assert bench.chip.outputs == 0b101
    bench.chip.on_time(bench.now + 199)
    assert bench.chip.outputs == 0b101
    bench.chip.on_time(bench.now + 200)
    assert bench.chip.outputs == 0 and bench.changes == [0b101, 0]
    bench.now += 200
    bench.tick(0b101)
    assert bench.chip.outputs == 0b101


def test_a_pump_that_stays_at_one_level_holds_nothing():
    bench = Bench()
    bench.tick(1)
    for _ in range(15):
        bench.now += 20
        bench.chip.on_time(bench.now)
        bench.chip.pump(bench.pump.levels[-1])
    assert bench.chip.outputs == 0


def test_off_opens_at_once_and_lets_the_pump_run_down():
    bench = Bench()
    bench.tick(0x3FF)
    toggles = len(bench.pump.levels)
    bench.relays.off()
    assert bench.chip.outputs == 0 and len(bench.pump.levels) == toggles
    bench.chip.on_time(bench.now + 200)
    assert not bench.chip.enabled


def test_the_first_readback_is_not_judged_and_the_others_are():
    bench = Bench()
    bench.tick(5)
    assert bench.relays.readback_ok  # what the chips held before is nobody's fault
    bench.tick(9)
    assert bench.relays.readback_ok
    bench.chip.corrupt_next(1)
    bench.tick(9)
    assert not bench.relays.readback_ok
    bench.tick(9)
    assert bench.relays.readback_ok


def test_a_broken_wire_between_the_chips_is_seen():
    bench = Bench()
    bench.tick(0x3FF)
    bench.chip.broken_at = 1
    bench.tick(0x3FF)
    bench.tick(0x3FF)
    assert not bench.relays.readback_ok and bench.chip.outputs == 0xFF


def test_from_board_opens_every_relay():
    chip = HC595Chip(2, lambda word: None)
    made = []

    class SPI(Bus):
        def __init__(self, number, **settings):
            Bus.__init__(self, chip)
            self.log = []
            made.append((number, settings, self))

    section = {
        "sockets": 10,
        "latch": 27,
        "pump": 33,
        "spi": {"id": 1, "baud": 1000000, "sck": 25, "mosi": 26, "miso": 35},
    }
    relays = from_board(section, Machine(Pin, SPI))
    number, settings, bus = made[0]
    assert number == 1 and (settings["polarity"], settings["phase"]) == (0, 0)
    assert bus.log == ["0000"]
    assert relays._pump.number == 33 and relays._pump.levels == [0]
    assert relays._latch.number == 27 and relays._latch.levels == [0, 1, 0]


def test_a_board_has_one_to_sixteen_relays():
    for sockets in (0, 17):
        raises(ValueError, RelayHC595, Bus(None), Pin(), Pin(), sockets)
