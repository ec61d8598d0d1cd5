"""The HLW8032's driver against the simulated chip, and both against frames worked out by hand and owners' captures.

Runs on CPython and, by test_on_board_runtime.py, on both MicroPythons.
"""

from both import raises, vectors
from fakes.serial_bench import HLW8032, Player, Reading, Recorder, captures, close, hlw8032, unhex

from drivers import meter_frame
from drivers.hlw8032_frame import board_scales, decode, scales
from drivers.meter_error import MeterError
from drivers.meter_frame import UNKNOWN
from drivers.meter_hlw8032 import HLW8032 as Driver
from drivers.meter_hlw8032 import from_board

V = vectors("hlw8032")
FRAME = unhex(V["frames"][0]["hex"])
CHIPS = ("HLW8032", "CSE7766", "CSE7759B")


def _decode(frame, scale=None):
    got = meter_frame.values()
    return decode(frame, scale or board_scales(HLW8032), got), got


def _feed(data, chunk=9):
    """A driver that was given these bytes: how many readings came, the driver, the last reading."""
    uart = Player(data, chunk)
    driver = Driver(uart, HLW8032)
    reading = Reading(1)
    good = 0
    for _ in range(len(data) // chunk + 3):
        uart.give()
        driver.poll(reading)
        good += reading.fast_ok[0]
    return good, driver, reading


def _ready(volts=230.0, amps=0.0, watts=0.0):
    bench = hlw8032()
    bench.load.volts = volts
    bench.set(0, amps, watts)
    bench.configure()
    return bench


def test_frames_worked_out_by_hand():
    for row in V["frames"]:
        code, got = _decode(unhex(row["hex"]))
        assert code == 0, row
        for key, place in (
            ("voltage_mv", 0),
            ("current_ma", 1),
            ("power_mw", 2),
            ("count", 3),
            ("fast_ma", 5),
        ):
            value = None if got[place] == UNKNOWN else got[place]
            expected = row["expect"][key]
            same = value == expected or (
                value is not None and abs(value - expected) <= 1 + expected // 2000000
            )
            assert same, (row, key, value)
        bound = row["expect"]["bound_mw"]
        assert got[6] == UNKNOWN if bound is None else abs(got[6] - bound) <= 2, (row, got[6])


def test_bad_frames_worked_out_by_hand():
    for row in V["bad"]:
        code, got = _decode(unhex(row["hex"]))
        assert code == row["code"], (row, code)
        assert list(got) == [UNKNOWN] * 7


def test_every_single_wrong_bit_is_seen():
    for i in range(24):
        for bit in range(8):
            frame = bytearray(FRAME)
            frame[i] ^= 1 << bit
            assert _decode(frame)[0] != 0, (i, bit)


def test_captures_come_out_right_or_are_refused():
    for row in captures(*CHIPS):
        if row["kind"] == "stream":
            continue
        cal = row["cal"]
        code, got = _decode(unhex(row["hex"]), scales(cal["k_v"], cal["k_i"]))
        if row["kind"] == "bad":
            assert code, row
            continue
        assert code == 0, row
        for key, place in (("voltage", 0), ("current", 1), ("power", 2)):
            value = None if got[place] == UNKNOWN else got[place]
            assert close(row, key, value), (row["id"], key, value)
            if row["expect"].get(key, 0) is None:
                assert value is None, (row["id"], key, value)
        if "voltage_max" in row["expect"]:
            assert 0 <= got[0] <= 1000 * row["expect"]["voltage_max"]
        if "cf" in row["expect"]:
            assert got[3] & 0xFFFF == row["expect"]["cf"]


def test_captured_streams_come_out_whole_however_they_are_cut():
    for row in captures(*CHIPS):
        if row["kind"] == "stream":
            data = unhex(row["hex"])
            for chunk in (1, 7, 9, 24):
                # The first frame tells the coefficients.
                good, _, reading = _feed(data, chunk)
                assert good == row["expect"]["n_frames"] - 1, (chunk, good)
                assert reading.errors == 0 or chunk == 1  # a byte a poll is slower than the chip


def test_captures_out_of_step_come_into_step():
    """The 5A in the data must not hold the driver: after the bytes that were captured two whole frames follow."""
    for row in captures(*CHIPS):
        if "resync_at" in row["expect"]:
            data = unhex(row["hex"])
            at = row["expect"]["resync_at"]
            rest = FRAME[len(data) - at :]
            frame = bytes(data[at:]) + rest
            frame = frame[:23] + bytes([sum(frame[2:23]) & 255])
            good, _, _ = _feed(bytes(data[:at]) + frame * 3)
            assert good == 2, (row["id"], good)


def test_any_start_within_a_frame_costs_no_second_frame():
    for cut in range(24):
        good, _, reading = _feed(FRAME[cut:] + FRAME * 4, 9)
        assert good == (4 if cut == 0 else 3), (cut, good)
        assert reading.errors == 0


def test_bytes_lost_or_added_cost_the_frame_that_they_are_in():
    for at in range(24):
        for broken in (FRAME[:at] + FRAME[at + 1 :], FRAME[:at] + b"\x5a" + FRAME[at:]):
            good, _, _ = _feed(FRAME * 2 + broken + FRAME * 3)
            # A byte before the first or after the last of its bytes costs nothing.
            assert 4 <= good <= 5, (at, good)


def test_a_coefficient_that_changes_must_say_so_twice():
    other = bytearray(FRAME)
    other[8] ^= 1
    other[23] = sum(other[2:23]) & 255
    good, _, _ = _feed(FRAME * 3 + bytes(other) + FRAME * 3)
    assert good == 2 + 2
    good, _, _ = _feed(FRAME * 3 + bytes(other) * 3)
    assert good == 2 + 2


def test_noise_gives_no_reading():
    state = 1
    noise = bytearray()
    for _ in range(30000):
        state = (state * 75 + 74) % 65537
        noise.append((0x55, 0x5A)[state % 2] if state % 7 < 3 else state & 255)
    good, _, reading = _feed(noise)
    assert good == 0 and reading.errors > 50


def test_the_chip_says_what_was_worked_out_by_hand():
    """230.03 V, 5 A and 1150 W: the periods of the formula, within the noise that the chip adds to the current."""
    bench = _ready(230.03, 5.0, 1150.0)
    said = []
    bench.chips[0].speak = lambda frame, start_us: said.append(bytes(frame))
    bench.run(20)
    code, got = _decode(said[-1])
    row = V["frames"][0]["expect"]
    assert code == 0 and abs(got[0] - row["voltage_mv"]) < 150 and abs(got[1] - row["current_ma"]) < 10
    assert abs(got[2] - row["power_mw"]) < 700


def test_configure_waits_for_two_frames():
    bench = hlw8032()
    bench.configure()
    assert bench.now_us <= 400000 and bench.waiting(bench.driver.verify)
    bench.chips[0].silent = True
    assert not bench.waiting(bench.driver.verify)
    error = raises(MeterError, bench.configure)
    assert isinstance(error, OSError) and "even parity" in str(error)


def test_it_is_not_for_the_instantaneous_stage():
    assert not Driver.instant and Driver.window_ms == 110 and Driver.channels == 1


def test_readings_are_right():
    for amps, watts in ((0.6, 130.0), (2.5, 560.0), (5.0, 1150.0), (15.0, 3400.0)):
        bench = _ready(231.0, amps, watts).run(150)
        reading = bench.reading
        assert reading.slow_ok[0] and reading.voltage_ok
        assert abs(reading.voltage_mv - 231000) < 300, reading.voltage_mv
        assert abs(reading.current_ma[0] - 1000 * amps) <= 10 + amps, (amps, reading.current_ma[0])
        assert reading.fast_ma[0] == reading.current_ma[0]
        assert abs(reading.power_mw[0] - 1000 * watts) <= 2 * watts, (watts, reading.power_mw[0])
        assert reading.errors == 0


def test_every_frame_is_a_fresh_value():
    bench = _ready(230.0, 2.0, 460.0)
    bench.fresh = [0]
    bench.run(525)  # 10.5 s of frames every 105 ms
    assert 98 <= bench.fresh[0] <= 101, bench.fresh


def test_a_short_is_above_every_threshold():
    bench = _ready(230.0, 2.0, 460.0).run(50)
    assert bench.driver.full_scale_ma > 30000
    bench.set(0, 300.0, 50000.0)
    bench.run(50)
    assert bench.reading.fast_ma[0] == 1 << 29


def test_no_load_reads_as_none():
    bench = _ready().run(200)
    assert bench.reading.fast_ma[0] == 0 and bench.reading.power_mw[0] == 0
    assert bench.reading.slow_ok[0] == 1 and bench.reading.voltage_ok == 1
    bench.run(800)  # by now the power is over range
    assert bench.reading.fast_ma[0] == 0 and bench.reading.power_mw[0] == 0 and bench.reading.slow_ok[0] == 1


def test_a_current_without_power_counts_from_half_an_ampere():
    """No power need not be no current: what is above the doubt is reported."""
    bench = _ready(230.0, 0.7, 0.0).run(200)
    assert 690 <= bench.reading.fast_ma[0] <= 710 and bench.reading.power_mw[0] == 0


def test_power_that_goes_away_is_not_shown_for_seconds():
    bench = _ready(230.0, 4.0, 900.0).run(100)
    assert bench.reading.power_mw[0] > 890000
    bench.set(0, 0.0, 0.0)
    falls = []
    for _ in range(300):
        bench.run(1)
        falls.append(bench.reading.power_mw[0])
    assert falls == sorted(falls, reverse=True)
    assert falls[50] < 30000 and falls[-1] < 3000 and bench.reading.slow_ok[0] == 1


def test_power_that_comes_is_shown_with_its_first_pulse():
    bench = _ready().run(100)
    bench.set(0, 4.0, 900.0)
    bench.run(60)
    assert abs(bench.reading.power_mw[0] - 900000) < 3000 and bench.reading.fast_ma[0] > 3950


def test_no_mains_is_no_reading_of_power_but_of_a_low_voltage():
    bench = _ready(0.0).run(300)
    assert (
        bench.reading.fast_ma[0] == 0 and bench.reading.voltage_mv < 2000 and bench.reading.power_mw[0] == 0
    )


def test_an_uncalibrated_chip_gives_nothing():
    bench = _ready(230.0, 4.0, 900.0).run(20)
    bench.chips[0].uncalibrated = True
    bench.fresh = [0]
    bench.run(30)
    assert bench.fresh == [1] or bench.fresh == [0]
    assert bench.reading.slow_ok[0] == 0 and bench.reading.voltage_ok == 0


def test_over_range_captures_give_nothing():
    for row in V["frames"]:
        if "nothing measured" in row["how"]:
            good, _, reading = _feed(unhex(row["hex"]) * 4)
            assert good == 0 and reading.slow_ok[0] == 0 and reading.voltage_ok == 0


def test_silence_is_noticed_within_half_a_second():
    bench = _ready(230.0, 4.0, 900.0).run(50)
    bench.chips[0].silent = True
    bench.run(30)
    assert bench.reading.slow_ok[0] == 0 and bench.reading.voltage_ok == 0 and bench.reading.errors >= 1
    bench.chips[0].silent = False
    bench.run(20)
    assert bench.reading.slow_ok[0] == 1


def test_a_state_byte_that_is_damaged_is_never_a_reading():
    """It is not in the sum: any other state that there is could be the true one."""
    for state in range(256):
        if state == FRAME[0]:
            continue
        damaged = bytes([state]) + FRAME[1:]
        good, _, reading = _feed(FRAME * 3 + damaged, 24)
        assert good == 2 and reading.fast_ma[0] == reading.current_ma[0] > 1000, hex(state)
        good, _, _ = _feed(FRAME * 3 + damaged + FRAME * 3, 24)
        assert good == (4 if state in (0x55, 0xAA) or state > 0xF0 else 5), hex(state)


def test_a_damaged_frame_costs_one():
    bench = _ready(230.0, 4.0, 900.0).run(50)
    bench.chips[0].corrupt_next(1)
    bench.fresh = [0]
    bench.run(105)  # 20 frames
    assert 18 <= bench.fresh[0] <= 19 and bench.reading.slow_ok[0] == 1


def test_energy_adds_up():
    bench = _ready(230.0, 4.0, 900.0)
    bench.run(10)
    first, begun = bench.reading.count[0], bench.load.joules[0]
    bench.run(6000)
    mwh = (bench.reading.count[0] - first) * bench.driver.energy_mws_num / bench.driver.energy_mws_den / 3600
    true = (bench.load.joules[0] - begun) / 3.6
    assert abs(mwh - true) <= true / 500 + 3, (mwh, true)


def test_pulses_wrap_with_their_carry():
    bench = _ready(230.0, 4.0, 900.0).run(20)
    chip = bench.chips[0]
    for near in (0xFFFF, 0x1FFFF):
        chip._pulses = near - 20.0
        bench.driver._pulses = -1
        bench.run(20)
        before = bench.reading.count[0]
        bench.run(500)
        gained = bench.reading.count[0] - before
        assert abs(gained - 900 * 10 / 3.6) < 40, gained


def test_a_counter_that_falls_is_never_energy():
    for pulses in (0x300, 0x8000, 0x14000, 0x1F000):
        bench = _ready(230.0, 4.0, 900.0)
        bench.chips[0]._pulses = float(pulses)
        bench.run(20)
        before = bench.reading.count[0]
        bench.chips[0].power_on()
        bench.run(30)
        gained = bench.reading.count[0] - before
        assert 0 <= gained <= 900 * 0.7 / 3.6, (pulses, gained)


def test_a_stall_loses_no_energy_and_no_old_value_is_taken_for_new():
    bench = _ready(230.0, 13.0, 3000.0).run(50)
    before, begun = bench.reading.count[0], bench.load.joules[0]
    bench.now_us += 7000000
    bench.load.joules[0] += 7 * 3000
    bench.set(0, 1.0, 230.0)
    bench.run(1)
    assert bench.reading.fast_ok[0] == 0
    bench.run(60)
    true = (bench.load.joules[0] - begun) / 3.6
    # A frame of 105 ms at 3 kW holds 87 mWh.
    assert abs(bench.reading.count[0] - before - true) < 100, (bench.reading.count[0] - before, true)
    assert bench.reading.current_ma[0] < 1010


def test_halves_from_before_and_after_a_stall_are_no_frame():
    uart = Player(FRAME * 2 + FRAME[:12] + bytes(70) + FRAME[12:] + FRAME)
    driver = Driver(uart, HLW8032)
    reading = Reading(1)
    good = []
    for n in (24, 24, 12, 70, 12, 24):
        uart.give(n)
        driver.poll(reading)
        good.append(reading.fast_ok[0])
    assert good == [0, 1, 0, 0, 0, 1]


def test_without_a_voltage_the_current_counts_and_the_power_does_not():
    for row in V["frames"]:
        if "no mains" in row["how"]:
            good, _, reading = _feed(unhex(row["hex"]) * 4)
            assert good == 3 and reading.slow_ok[0] == 0 and reading.voltage_ok == 0


def test_while_it_is_set_up_nothing_is_read():
    bench = _ready(230.0, 4.0, 900.0).run(50)
    bench.driver._busy = True
    bench.run(1)
    assert bench.reading.fast_ok[0] == 0 and bench.reading.slow_ok[0] == 0 and bench.reading.voltage_ok == 0


def test_from_board():
    machine = Recorder()
    from_board(HLW8032, machine)
    number, options = machine.made
    assert number == 2 and options == {
        "baudrate": 4800,
        "bits": 8,
        "parity": 0,
        "stop": 1,
        "rx": 16,
        "timeout": 0,
    }
