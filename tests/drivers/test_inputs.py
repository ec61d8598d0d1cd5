"""The safety inputs: everything that is not a loop seen closed is active. Runs on CPython and on both MicroPythons."""

from both import raises
from fakes.io_bench import I2cWires, Level, Machine, PCF8574Chip

from drivers.i2c_bus import I2cBus
from drivers.inputs import NAMES, SAMPLE_MS, Inputs, Loop, Port, from_board

STOP, SMOKE, RESIDUAL = 2, 4, 8
BITS = {"emergency_stop": STOP, "smoke": SMOKE, "residual_current": RESIDUAL}
PINS = {
    "emergency_stop": {"pin": 36, "open_level": 1, "debounce_ms": 40},
    "smoke": {"pin": 39, "open_level": 1, "debounce_ms": 500},
    "residual_current": {"pin": 25, "open_level": 0, "debounce_ms": 40},
}
EXPANDER = {
    "chip": "pcf8574",
    "address": 0x22,
    "i2c": {"scl": 5, "sda": 4, "freq": 100000},
    "emergency_stop": {"bit": 0, "open_level": 1, "debounce_ms": 40},
    "smoke": {"bit": 7, "open_level": 1, "debounce_ms": 100},
}


def one(debounce_ms=40, closed=True):
    """One loop on a pin whose open level is 1."""
    pin = Level(0 if closed else 1)
    return Inputs([Loop(STOP, pin, 0, 1, debounce_ms)]), pin


def poll_for(inputs, ms, dt_ms=20):
    for _ in range(ms // dt_ms):
        inputs.poll(dt_ms)
    return inputs.active


def settled(inputs):
    poll_for(inputs, 2000)
    assert inputs.active == 0 and inputs.unread == 0
    return inputs


def until_active(inputs, limit_ms, dt_ms=20):
    """Milliseconds from the first open sample to the one that made it active; None if none did."""
    for ms in range(0, limit_ms + 1, dt_ms):
        if inputs.poll(dt_ms):
            return ms
    return None


def expander():
    chip = PCF8574Chip()
    chip.held_low = 0xFF  # every loop is closed
    wires = I2cWires({0x22: chip})
    return from_board(EXPANDER, Machine(wires), BITS), chip, wires


def test_what_was_not_read_yet_is_active():
    inputs = Inputs([Loop(bit, Level(0), 0, 1, 40) for bit in (STOP, SMOKE)])
    assert inputs.active == STOP | SMOKE and inputs.unread == STOP | SMOKE
    for _ in range(2):
        assert inputs.poll(20) == STOP | SMOKE, "a closed sample is not a closed loop"
    assert inputs.poll(20) == 0 and inputs.unread == 0


def test_open_from_the_start_is_known_after_the_debounce():
    inputs, _ = one(closed=False)
    inputs.poll(20)
    inputs.poll(20)
    assert inputs.active == STOP and inputs.unread == STOP
    inputs.poll(20)
    assert inputs.active == STOP and inputs.unread == 0


def test_the_debounce_to_the_millisecond():
    for debounce_ms in (10, 20, 40, 100, 500):
        for dt_ms in (10, 20, 40):
            inputs, pin = one(debounce_ms)
            settled(inputs)
            pin(1)
            steps = -(-debounce_ms // dt_ms)
            assert until_active(inputs, 2000, dt_ms) == steps * dt_ms, (debounce_ms, dt_ms)


def test_a_single_open_sample_is_never_enough():
    for dt_ms in (10, 20, 600, 7000):
        inputs, pin = one(10)
        settled(inputs)
        pin(1)
        assert inputs.poll(dt_ms) == 0, "time before the first open sample was not open"
        pin(0)
        assert poll_for(inputs, 200) == 0


def test_a_gap_between_ticks_counts_no_more_than_a_sample():
    inputs, pin = one(100)
    settled(inputs)
    pin(1)
    assert inputs.poll(20) == 0
    assert inputs.poll(7000) == 0 and inputs.poll(7000) == 0, "two samples are 80 ms"
    assert inputs.poll(7000) == STOP
    assert SAMPLE_MS == 40


def test_active_goes_only_after_the_whole_time_closed():
    inputs, pin = one(100)
    settled(inputs)
    pin(1)
    poll_for(inputs, 200)
    assert inputs.active == STOP
    pin(0)
    poll_for(inputs, 100)
    pin(1)
    inputs.poll(20)
    pin(0)
    for _ in range(5):
        assert inputs.poll(20) == STOP
    assert inputs.poll(20) == 0


def test_a_loop_that_chatters_becomes_active():
    inputs, pin = one(100)
    settled(inputs)
    seen = 0
    for i in range(60):
        pin(i & 1)
        seen |= inputs.poll(20)
    assert seen == STOP


def test_short_disturbances_far_apart_do_not_add_up():
    inputs, pin = one(100)
    settled(inputs)
    for i in range(1000):
        pin(1 if i % 10 == 0 else 0)
        assert inputs.poll(20) == 0


def test_each_input_has_its_bit_and_its_level():
    for name in NAMES:
        machine = Machine()
        machine.pins = {36: Level(0), 39: Level(0), 25: Level(1)}
        inputs = settled(from_board(PINS, machine, BITS))
        machine.pins[PINS[name]["pin"]].held = PINS[name]["open_level"]
        assert poll_for(inputs, 1000) == BITS[name]


def test_a_board_without_an_input_never_shows_it():
    machine = Machine()
    machine.pins = {36: Level(0)}
    inputs = from_board({"emergency_stop": PINS["emergency_stop"]}, machine, BITS)
    assert inputs.active == STOP
    assert from_board({}, Machine(), BITS).poll(20) == 0


def test_a_pull_up_is_asked_for_only_where_the_board_says_so():
    for pull_up in (True, False):
        machine = Machine()
        loop = {"pin": 33, "open_level": 1, "debounce_ms": 40, "pull_up": pull_up}
        from_board({"smoke": loop}, machine, BITS)
        pin = machine.pins[33]
        assert pin.mode == machine.Pin.IN and pin.pull == (machine.Pin.PULL_UP if pull_up else None)


def test_on_an_expander():
    inputs, chip, _ = expander()
    assert inputs.active == STOP | SMOKE
    settled(inputs)
    chip.held_low = 0xFE
    assert poll_for(inputs, 200) == STOP
    chip.held_low = 0x7E
    assert poll_for(inputs, 200) == STOP | SMOKE
    chip.held_low = 0xFF
    assert poll_for(inputs, 200) == 0


def test_a_chip_that_does_not_answer_is_every_loop_open():
    inputs, chip, wires = expander()
    settled(inputs)
    chip.silent = True
    assert poll_for(inputs, 200) == STOP | SMOKE
    chip.silent = False
    settled(inputs)
    wires.clock_held = True
    assert poll_for(inputs, 200) == STOP | SMOKE
    wires.clock_held = False
    settled(inputs)


def test_a_single_bus_error_is_no_alarm():
    inputs, chip, _ = expander()
    settled(inputs)
    chip.silent = True
    inputs.poll(20)
    chip.silent = False
    assert poll_for(inputs, 1000) == 0


def test_a_stuck_data_line_does_not_read_as_closed_loops():
    """Zeros are what closed loops read."""
    inputs, _, wires = expander()
    settled(inputs)
    wires.stuck_clocks = -1
    assert poll_for(inputs, 200) == STOP | SMOKE


def test_a_port_bit_that_was_disturbed_to_zero_is_mended_before_it_is_read():
    inputs, chip, _ = expander()
    settled(inputs)
    chip.held_low = 0xFE  # the first loop is cut
    chip.write(b"\x00")
    assert poll_for(inputs, 200) == STOP


def test_a_16_bit_expander():
    chip = PCF8574Chip(2)
    chip.held_low = 0xBFFF
    wires = I2cWires({0x20: chip})
    port = Port(I2cBus(wires, wires.scl, wires.sda), 0x20, 2)
    assert port.read() == 0x4000
    section = dict(
        EXPANDER, chip="pcf8575", address=0x20, smoke={"bit": 14, "open_level": 1, "debounce_ms": 40}
    )
    assert poll_for(from_board(section, Machine(wires), BITS), 200) == SMOKE


def test_a_section_that_lacks_something():
    for key in ("open_level", "debounce_ms"):
        loop = dict(PINS["smoke"])
        del loop[key]
        raises(KeyError, from_board, {"smoke": loop}, Machine(), BITS)
    raises(KeyError, from_board, {"smoke": PINS["smoke"]}, Machine(), {})
