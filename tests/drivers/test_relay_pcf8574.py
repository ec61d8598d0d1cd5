"""Relays on I2C expanders against the simulated chip, on CPython and, by test_on_board_runtime.py, on MicroPython."""

from both import raises
from fakes.io_bench import I2cWires, Level, Machine, PCF8574Chip

from drivers.i2c_bus import I2cBus
from drivers.relay_pcf8574 import ENABLE_TICKS, RelayPCF8574, from_board

SECTION = {
    "driver": "pcf8574",
    "sockets": 8,
    "chip": "pcf8574",
    "addresses": [0x24],
    "active_low": True,
    "i2c": {"scl": 5, "sda": 4, "freq": 100000},
}


class Bench:
    def __init__(self, sockets=8, width=1, chips=1, active_low=True, enable=False):
        self.chips = [PCF8574Chip(width) for _ in range(chips)]
        self.wires = I2cWires({0x24 + i: chip for i, chip in enumerate(self.chips)})
        bus = I2cBus(self.wires, self.wires.scl, self.wires.sda)
        self.enable = Level() if enable else None
        addresses = [0x24 + i for i in range(chips)]
        self.relays = RelayPCF8574(bus, addresses, sockets, width, active_low, self.enable)
        self.active_low = active_low
        self.bits = 8 * width

    def closed(self):
        """The relays that are closed, as a word over all chips."""
        word = 0
        for i, chip in enumerate(self.chips):
            port = ~chip.port if self.active_low else chip.port
            word |= (port & (1 << self.bits) - 1) << i * self.bits
        return word


def section(**changed):
    copy = dict(SECTION)
    copy.update(changed)
    return copy


def test_each_socket_has_its_bit_whatever_the_chips():
    for sockets, width, chips in ((8, 1, 1), (16, 1, 2), (10, 1, 2), (16, 2, 1)):
        for active_low in (True, False):
            bench = Bench(sockets, width, chips, active_low)
            for socket in range(sockets):
                bench.relays.write(1 << socket)
                assert bench.closed() == 1 << socket and bench.relays.readback_ok
            bench.relays.write(0xFFFF)
            assert bench.closed() == (1 << sockets) - 1
            bench.relays.off()
            assert bench.closed() == 0 and bench.relays.readback_ok


def test_every_state_of_the_chip_is_opened_at_boot():
    """The chip keeps what it held when the CPU was reset."""
    for port in range(256):
        chip = PCF8574Chip()
        chip.write(bytes([port]))
        heard = []
        chip._on_change = heard.append
        relays = from_board(SECTION, Machine(I2cWires({0x24: chip})))
        assert chip.port == 0xFF and relays.readback_ok
        assert heard in ([], [0xFF]), "it went through another state"


def test_after_power_up_relays_that_close_at_zero_are_open_before_any_write():
    assert Bench().closed() == 0
    assert Bench(active_low=False).closed() == 0xFF, "why a board with such relays needs an enable pin"


def test_a_reset_in_the_middle_of_a_byte_leaves_a_stuck_bus_that_is_clocked_free():
    for clocks in range(1, 10):
        chip = PCF8574Chip()
        chip.write(b"\x00")
        wires = I2cWires({0x24: chip})
        wires.stuck_clocks = clocks + 1  # building the pin is taken for a clock by the simulated wires
        relays = from_board(SECTION, Machine(wires))
        assert relays.readback_ok and chip.port == 0xFF
        assert relays._bus.errors == 0, "it was free before the first transfer"


def test_a_chip_that_is_silent_at_boot_is_opened_when_it_answers():
    chip = PCF8574Chip()
    chip.write(b"\x0f")
    chip.silent = True
    relays = from_board(SECTION, Machine(I2cWires({0x24: chip})))
    assert not relays.readback_ok and chip.port == 0x0F
    chip.silent = False
    relays.write(0)
    assert relays.readback_ok and chip.port == 0xFF


def test_off_tries_three_times():
    bench = Bench()
    bench.chips[0].corrupt_next(2)
    bench.relays.off()
    assert bench.relays.readback_ok
    bench.chips[0].corrupt_next(3)
    bench.relays.off()
    assert not bench.relays.readback_ok


def test_what_is_not_read_back_is_said_and_nothing_raises():
    bench = Bench(16, 1, 2)
    bench.relays.write(1)
    assert bench.relays.readback_ok
    for chip in bench.chips:
        chip.held_low = 4  # a relay input shorted to ground
        bench.relays.write(1)
        assert not bench.relays.readback_ok
        chip.held_low = 0
        chip.silent = True
        bench.relays.write(1)
        assert not bench.relays.readback_ok
        chip.silent = False
        bench.relays.write(1)
        assert bench.relays.readback_ok
    bench.wires.clock_held = True
    bench.relays.write(0)
    bench.relays.off()
    assert not bench.relays.readback_ok


def test_the_other_chip_is_opened_when_one_is_silent():
    bench = Bench(16, 1, 2)
    bench.relays.write(0xFFFF)
    bench.chips[0].silent = True
    bench.relays.write(0)
    assert bench.closed() == 0x00FF and not bench.relays.readback_ok


def test_a_stuck_data_line_is_not_taken_for_an_answer():
    """It acknowledges every byte and reads zeros: with all relays wanted closed that would be the right answer."""
    bench = Bench()
    bench.wires.stuck_clocks = -1
    bench.relays.write(0xFF)
    assert not bench.relays.readback_ok
    before = bench.wires.transfers
    bench.relays.write(0xFF)
    assert bench.wires.transfers == before, "nothing is sent on a line that is not free"


def test_a_line_that_sticks_between_write_and_read_is_seen():
    wires = I2cWires({0x24: PCF8574Chip()})
    bus = I2cBus(wires, wires.scl, wires.sda)
    into = bytearray(1)
    assert bus.read(0x24, into) and into[0] == 0xFF and bus.errors == 0
    wires.stuck_clocks = -1
    assert not bus.read(0x24, into) and bus.errors == 1
    assert not bus.write(0x24, into) and bus.errors == 2


def test_an_answer_that_never_came_is_no_match():
    bench = Bench()
    bench.relays._bus._readfrom_into = lambda address, into: None
    bench.relays.write(0)
    assert not bench.relays.readback_ok


def test_the_coils_get_no_supply_from_a_chip_that_never_answered():
    bench = Bench(enable=True)
    bench.chips[0].silent = True
    for _ in range(5):
        bench.relays.write(0)
        assert bench.enable() == 0


def test_the_coils_have_no_supply_before_a_word_was_read_back():
    bench = Bench(enable=True, active_low=False)
    bench.relays.off()
    assert bench.enable() == 0
    bench.relays.write(0)
    assert bench.enable() == 1


def test_the_coils_lose_their_supply_when_the_bus_is_dead():
    bench = Bench(enable=True)
    bench.relays.write(3)
    bench.chips[0].silent = True
    for tick in range(1, ENABLE_TICKS + 3):
        bench.relays.write(3)
        assert bench.enable() == (1 if tick < ENABLE_TICKS else 0)
    bench.chips[0].silent = False
    bench.relays.write(0)
    assert bench.enable() == 1


def test_off_takes_the_supply_first():
    bench = Bench(enable=True)
    bench.relays.write(3)
    bench.chips[0].silent = True
    bench.relays.off()
    assert bench.enable() == 0


def test_from_board_asks_for_a_bounded_bus():
    machine = Machine(I2cWires({0x24: PCF8574Chip()}))
    from_board(section(enable=32), machine)
    assert machine.buses == [(100000, 500)]
    assert machine.pins[32].levels[0] == 0
    for key in ("addresses", "sockets", "active_low", "chip", "i2c"):
        broken = section()
        del broken[key]
        raises(KeyError, from_board, broken, machine)


def test_a_16_bit_chip_takes_two_bytes():
    chip = PCF8574Chip(2)
    relays = from_board(section(chip="pcf8575", sockets=16), Machine(I2cWires({0x24: chip})))
    relays.write(0x8001)
    assert chip.port == 0x7FFE and relays.readback_ok


def test_more_sockets_than_the_ports_have():
    raises(ValueError, RelayPCF8574, I2cBus(I2cWires({}), None, None), [0x24], 9)
    raises(ValueError, RelayPCF8574, I2cBus(I2cWires({}), None, None), [0x24], 0)
    raises(ValueError, RelayPCF8574, I2cBus(I2cWires({}), None, None), [1, 2, 3], 17)
