"""The BL0942's driver against the simulated chip, and both against frames worked out by hand and owners' captures.

Runs on CPython and, by test_on_board_runtime.py, on both MicroPythons.
"""

from both import raises, vectors
from fakes.serial_bench import BL0942, Player, Reading, Recorder, bl0942, captures, close, unhex

from drivers import meter_frame
from drivers.bl0942_frame import board_scales, decode, energy_of_count, scales
from drivers.meter_bl0942 import BL0942 as Driver
from drivers.meter_bl0942 import from_board
from drivers.meter_error import MeterError
from drivers.meter_frame import UNKNOWN

V = vectors("bl0942")
FRAME = unhex(V["frames"][0]["hex"])


def _decode(frame, command=0x58, scale=None):
    got = meter_frame.values()
    return decode(frame, command, scale or board_scales(BL0942), got), got


def _ready(**changed):
    bench = bl0942(**changed)
    bench.configure()
    return bench


def _present(data, section=None):
    """A driver with one chip that is set up, on a line where these bytes come."""
    section = dict(BL0942)
    section["addresses"] = [0]
    uart = Player(data, 64)
    driver = Driver(uart, section)
    driver._present[0] = 1
    return driver, uart, Reading(1)


def test_frames_worked_out_by_hand():
    for row in V["frames"]:
        code, got = _decode(unhex(row["hex"]), 0x58 | row["address"])
        assert code == 0, row
        expected = row["expect"]
        for key, place in (
            ("voltage_mv", 0),
            ("current_ma", 1),
            ("power_mw", 2),
            ("count", 3),
            ("frequency_mhz", 4),
        ):
            value = None if got[place] == UNKNOWN else got[place]
            assert value == expected[key], (row, key, value)
        assert got[5] == expected["fast_ma"], (row, got[5])


def test_bad_frames_worked_out_by_hand():
    for row in V["bad"]:
        code, got = _decode(unhex(row["hex"]), 0x58 | row["address"])
        assert code == row["code"], (row, code)
        assert list(got) == [UNKNOWN] * 7


def test_every_single_wrong_byte_is_seen():
    for i in range(23):
        for bit in range(8):
            frame = bytearray(FRAME)
            frame[i] ^= 1 << bit
            assert _decode(frame)[0] != 0, (i, bit)


def test_an_answer_of_another_address_is_none():
    for address in (1, 2, 3):
        assert _decode(FRAME, 0x58 | address)[0] == meter_frame.BAD_SUM


def test_captures_come_out_right_or_are_refused():
    rows = captures("BL0942")
    for row in rows:
        frame = unhex(row["hex"])
        if row["kind"] == "good-22":
            assert _decode(frame)[0] == meter_frame.BAD_LENGTH
            frame += bytes([row["expect"]["checksum_computed"]])
        cal = row["cal"]
        scale = scales(1000 / cal["uref"], 1000 / cal["iref"], 1, 1000 / cal["pref"])
        if row["kind"] == "stream":
            continue
        code, got = _decode(frame, 0x58, scale)
        if row["kind"] == "bad":
            assert code, row
            continue
        assert code == 0, row
        for key, place in (("voltage", 0), ("current", 1), ("power", 2), ("frequency", 4)):
            assert close(row, key, got[place]), (row["id"], key, got[place])
        assert got[3] == row["expect"]["cf_cnt"] and got[5] == row["expect"]["i_fast_raw"]


def test_captured_streams_resynchronise():
    for row in captures("BL0942"):
        if row["kind"] != "stream":
            continue
        driver, uart, reading = _present(unhex(row["hex"]))
        driver.poll(reading)
        good = 0
        for n in [24, 24, 24]:
            uart.give(n)
            driver.poll(reading)
            good += reading.fast_ok[0]
        assert good == len(row["expect"]["frames"])


def test_the_capture_that_is_one_byte_late():
    for row in captures("BL0942"):
        if "resync_at" in row["expect"]:
            late = unhex(row["hex"]) + bytes([0x33])
            driver, uart, reading = _present(late)
            driver.poll(reading)
            uart.give()
            driver.poll(reading)
            assert reading.fast_ok[0] == 1 and reading.errors == 0


def test_the_chip_answers_what_was_worked_out_by_hand():
    row = V["frames"][0]
    bench = bl0942(addresses=[0])
    load = row["load"]
    bench.load.volts = load["voltage_v"]
    bench.set(0, load["current_a"], load["power_w"])
    chip = bench.chips[0]
    chip.poke(0x1A, 1)
    chip.poke(0x19, 0x397)
    said = []
    chip.speak = lambda frame, start_us: said.append(bytes(frame))
    chip._joules = row["expect"]["count"] + 0.5
    chip.hear(bytes([0x58, 0xAA]), 0)
    assert said == [FRAME], (said, FRAME)


def test_configure_finds_four_chips_and_sets_them():
    bench = _ready()
    for chip in bench.chips:
        assert chip.baud == 38400
        assert [chip._registers[r] for r in (0x15, 0x16, 0x18, 0x19, 0x1A, 0x1D)] == [
            0xFFFF,
            1,
            0x24,
            0x397,
            1,
            0,
        ]
    assert bench.waiting(bench.driver.verify) and bench.driver.wrong == 0
    bench.configure()  # chips that are at 38400 already
    assert bench.waiting(bench.driver.verify)
    assert bench.now_us < 2000000, bench.now_us


def test_configure_of_a_dead_line_says_what_is_wrong():
    bench = bl0942()
    for chip in bench.chips:
        chip.silent = True
    error = raises(MeterError, bench.configure)
    assert isinstance(error, OSError) and "does not answer" in str(error)
    for chip in bench.chips:
        chip.silent = False
    bench.configure()


def test_a_dead_chip_leaves_the_others_alone():
    bench = bl0942()
    bench.chips[2].silent = True
    bench.configure()
    bench.run(200)
    assert bench.fresh[2] == 0 and bench.reading.slow_ok[2] == 0
    assert min(bench.fresh[0], bench.fresh[1], bench.fresh[3]) >= 35, bench.fresh
    assert bench.driver.wrong == 0 and bench.reading.voltage_ok == 1


def test_a_chip_that_wakes_up_later_is_set_up_before_it_counts():
    bench = bl0942()
    bench.chips[2].silent = True
    bench.configure()
    bench.chips[2].silent = False
    bench.chips[2].poke(0x19, 0x397)  # the baud rate is right, the gain is not
    bench.run(50)
    assert bench.fresh[2] == 0 and bench.driver.wrong == 1
    bench.configure()
    bench.run(50)
    assert bench.fresh[2] >= 10


def test_each_chip_is_heard_every_window():
    for n in (1, 2, 3, 4):
        bench = _ready(addresses=[0, 1, 2, 3][:n])
        assert bench.driver.window_ms == 20 * n and bench.driver.instant
        bench.run(10).fresh = [0] * n
        bench.run(500)
        # One poll in fifty asks for a register.
        for fresh in bench.fresh:
            assert fresh * n >= 485, (n, bench.fresh)
        assert bench.reading.errors == 0 and bench.reading.frames == 510 and bench.reading.polls == 510


def test_readings_are_right():
    bench = _ready()
    for amps, watts in ((0.05, 10.0), (0.5, 115.0), (2.5, 560.0), (5.0, 1150.0), (60.0, 13000.0)):
        for ch in range(4):
            bench.set(ch, amps + ch / 100, watts + ch)
        bench.run(12)
        for ch in range(4):
            ma, mw = 1000 * amps + 10 * ch, 1000 * (watts + ch)
            assert abs(bench.reading.current_ma[ch] - ma) <= ma / 1000 + 1, (ma, bench.reading.current_ma[ch])
            assert abs(bench.reading.fast_ma[ch] - ma) <= ma / 1000 + 1, (ma, bench.reading.fast_ma[ch])
            assert abs(bench.reading.power_mw[ch] - mw) <= mw / 1000 + 10, (mw, bench.reading.power_mw[ch])
        assert abs(bench.reading.voltage_mv - 230000) < 50


def test_a_short_is_above_every_threshold():
    bench = _ready()
    assert bench.driver.full_scale_ma >= 100000
    bench.set(1, 200.0, 40000.0)
    bench.run(12)
    assert bench.reading.fast_ma[1] == 1 << 29 and bench.reading.fast_ma[0] == 0


def test_the_worst_case_from_the_register_to_two_windows():
    """The chip's value at the question decides: two windows and the poll that fetches the second."""
    for n in (1, 2, 3, 4):
        worst = 0
        for phase in range(4 * n):
            bench = _ready(addresses=[0, 1, 2, 3][:n])
            bench.run(60 + phase)
            bench.set(0, 20.0, 4000.0)
            polls = over = 0
            while over < 2:
                bench.run(1)
                polls += 1
                over += 1 if bench.reading.fast_ok[0] and bench.reading.fast_ma[0] > 15000 else 0
            worst = max(worst, polls * 20)
        assert worst <= 2 * 20 * n + 40, (n, worst)


def test_a_reversed_shunt_is_a_load_all_the_same():
    bench = _ready()
    bench.set(0, 2.0, -450.0)
    bench.run(12)
    bench.load.joules[0] += 1000000.0
    bench.run(12)
    assert abs(bench.reading.power_mw[0] - 450000) < 500
    mws = bench.reading.count[0] * bench.driver.energy_mws_num / bench.driver.energy_mws_den
    assert abs(mws - 1000000000) < 3000000, mws


def test_energy():
    bench = _ready()
    bench.set(3, 4.0, 900.0)
    bench.run(12)
    first = bench.reading.count[3]
    bench.load.joules[3] += 3600000
    bench.run(12)
    mws = (bench.reading.count[3] - first) * bench.driver.energy_mws_num / bench.driver.energy_mws_den
    assert abs(mws - 3600000000) < 4000000, mws
    num, den = energy_of_count(BL0942)
    assert num < 1 << 30 and 2690000 < num / den < 2695000  # at gain 4: 419430.4 J / 155.8 counts a watt


def test_a_counter_that_falls_is_given_as_it_is():
    """core/energy decides what that means."""
    bench = _ready()
    bench.set(0, 4.0, 900.0)
    bench.load.joules[0] = 1000000.0
    bench.run(12)
    before = bench.reading.count[0]
    bench.chips[0]._joules = 0.0
    bench.run(12)
    assert bench.reading.count[0] < before


def test_a_silent_chip_makes_its_own_socket_unread():
    bench = _ready()
    bench.set(1, 3.0, 600.0)
    bench.run(12)
    bench.chips[1].silent = True
    bench.run(12).fresh = [0] * 4
    bench.run(100)
    assert bench.fresh[1] == 0 and bench.reading.slow_ok[1] == 0 and min(bench.fresh[0], bench.fresh[2]) >= 18
    assert bench.reading.slow_ok[0] == 1
    assert bench.reading.errors <= 1, (
        "of one that is silent: what is counted is how good the others' answers are"
    )
    assert bench.reading.voltage_ok == 1  # the others measure the same mains
    assert bench.driver.wrong == 0
    bench.run(200)
    assert bench.driver.wrong == 1  # it may have fallen back to its own baud rate: set up again


def test_a_dead_line_makes_everything_unread():
    bench = _ready()
    bench.run(12)
    for chip in bench.chips:
        chip.silent = True
    bench.run(60)
    assert bench.reading.slow_ok == bytearray(4) and bench.reading.voltage_ok == 0


def test_a_damaged_answer_costs_one_window():
    bench = _ready()
    bench.run(12)
    bench.chips[0].corrupt_next(1)
    before = bench.reading.errors
    bench.run(12)
    assert bench.reading.errors == before + 1 and bench.reading.slow_ok[0] == 1


def test_a_chip_that_reset_itself_is_noticed():
    bench = _ready()
    bench.run(12)
    bench.chips[2].power_on()
    bench.run(250)
    assert bench.driver.wrong >= 1
    bench.now_us += 500000
    bench.configure()
    bench.run(12)
    assert bench.reading.slow_ok == bytearray([1] * 4)


def test_zeros_of_a_chip_that_just_woke_up_are_no_reading():
    bench = _ready()
    bench.set(2, 4.0, 900.0)
    bench.run(12)
    chip = bench.chips[2]
    chip.power_on()
    chip.poke(0x19, 0x397)
    bench.run(8)
    assert bench.reading.slow_ok[2] == 0 and bench.reading.errors >= 1


def test_a_changed_register_is_noticed_within_a_minute():
    for register, value in ((0x1A, 2), (0x15, 0x100), (0x16, 3), (0x18, 0), (0x19, 0x387)):
        bench = _ready()
        bench.chips[3].poke(register, value)
        bench.run(1100)
        assert bench.driver.wrong >= 1, register
        assert not bench.waiting(bench.driver.verify)
        bench.configure()
        assert bench.waiting(bench.driver.verify)


def test_while_it_is_set_up_nothing_is_read():
    bench = _ready()
    bench.run(12)
    bench.driver._busy = True
    bench.run(1)
    assert bench.reading.fast_ok == bytearray(4) and bench.reading.slow_ok == bytearray(4)
    assert bench.reading.voltage_ok == 0


def test_late_bytes_and_stalls():
    """A poll before the answer is there waits one more; bytes that waited through a stall are not read twice."""
    bench = _ready(addresses=[0])
    bench.set(0, 1.0, 230.0)
    bench.run(10)
    bench.run(20, 4000)
    assert bench.reading.slow_ok[0] == 1 or bench.reading.errors
    bench.run(3)
    assert bench.reading.slow_ok[0] == 1
    bench.now_us += 7000000
    bench.run(3)
    assert bench.reading.slow_ok[0] == 1 and 990 <= bench.reading.current_ma[0] <= 1001


def test_noise_gives_no_reading():
    state = 1
    noise = bytearray()
    for _ in range(20000):
        state = (state * 75 + 74) % 65537
        noise.append(0x55 if state % 11 == 0 else state & 255)
    driver, uart, reading = _present(noise)
    good = 0
    for _ in range(300):
        uart.give()
        driver.poll(reading)
        good += reading.fast_ok[0]
    assert good == 0 and (reading.frames, reading.errors) == (1, 1), "noise alone is silence"


def test_what_a_board_may_say():
    for changed in ({"addresses": []}, {"addresses": [0, 0]}, {"addresses": [4]}, {"current_gain": 2}):
        section = dict(BL0942)
        section.update(changed)
        assert "meter." in str(raises(ValueError, Driver, Player(), section))
    section = dict(BL0942)
    section["shunt_uohm"] = 1
    assert "absurd" in str(raises(ValueError, Driver, Player(), section))


def test_from_board():
    machine = Recorder()
    driver = from_board(BL0942, machine)
    assert driver.channels == 4
    number, options = machine.made
    assert number == 2 and options["timeout"] == 0 and options["tx"] == 17 and options["rx"] == 16
