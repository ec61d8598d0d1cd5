"""The BL0910 driver against the simulated chip, and both against frames worked out by hand (tests/vectors/bl0910.json).

Runs on CPython and, by test_on_board_runtime.py, on both MicroPythons.
"""

from both import raises, vectors
from fakes.meter_bench import SECTION, BL0910Chip, BL0910Outputs, Bus, Load, Machine, Pin, Reading, meter

from drivers.meter_bl0910 import SATURATED, from_board
from drivers.meter_bl0910_spi import BL0910Spi
from drivers.meter_error import MeterError
from wire.units import scale

FRAMES = vectors("bl0910")


def _unhex(text):
    return bytes([int(text[i : i + 2], 16) for i in range(0, len(text), 2)])


def _ask(chip, frame):
    into = bytearray(len(frame))
    chip.select(0)
    chip.exchange(frame, into)
    chip.select(1)
    return into


def _configured(**changed):
    driver, chip, load, bus = meter(**changed)
    driver.configure()
    return driver, chip, load, bus


def _round(driver, reading):
    for _ in range(driver.channels):
        driver.poll(reading)


def _set(load, known):
    load.volts = known["voltage_v"]
    load.amps[0] = known["current_a"]
    load.watts[0] = known["power_w"]
    load.joules[0] = known["energy_j"]


class Scripted:
    """A bus that answers each register as the vectors say, and everything else with zero: no chip model in it."""

    def __init__(self, answers):
        self.answers = answers

    def write_readinto(self, out, into):
        for at in range(0, len(out), 6):
            answer = self.answers.get(out[at + 1], bytes([0, 0, 0, ~(0x82 + out[at + 1]) & 255]))
            into[at + 2 : at + 6] = answer


def test_the_chip_answers_the_frames_worked_out_by_hand():
    _, chip, load, _ = _configured()
    _ask(chip, bytes([0x82, 0x2F, 0, 0, 0, 0]))
    load.watts[0] = 1150.0
    _set(load, FRAMES["load"])
    for row in FRAMES["reads"]:
        got = _ask(chip, bytes([0x82, int(row["register"], 16), 0, 0, 0, 0]))
        assert bytes(got)[2:] == _unhex(row["answer"]), (row, got)
    load.watts[0] = FRAMES["negative"]["power_w"]
    assert bytes(_ask(chip, bytes([0x82, 0x22, 0, 0, 0, 0])))[2:] == _unhex(FRAMES["negative"]["answer"])


def test_the_driver_reads_the_frames_worked_out_by_hand():
    answers = {int(row["register"], 16): _unhex(row["answer"]) for row in FRAMES["reads"]}
    driver = BL0910Spi(Scripted(answers), Pin(), SECTION)
    reading = Reading(10)
    driver.poll(reading)
    expected = FRAMES["reading"]
    assert abs(reading.fast_ma[0] - expected["fast_ma"]) <= 1
    assert abs(reading.current_ma[0] - expected["current_ma"]) <= 1
    assert abs(reading.voltage_mv - expected["voltage_mv"]) <= 2
    assert abs(reading.power_mw[0] - expected["power_mw"]) <= 20
    assert reading.count[0] == expected["count"]
    assert reading.fast_ok == bytearray([1] * 10) and reading.slow_ok == bytearray([1] + [0] * 9)
    assert reading.voltage_ok == 1 and reading.errors == 0 and reading.polls == 1


def test_the_driver_clips_negative_power():
    answers = {0x22: _unhex(FRAMES["negative"]["answer"])}
    reading = Reading(10)
    BL0910Spi(Scripted(answers), Pin(), SECTION).poll(reading)
    assert reading.power_mw[0] == 0 and reading.slow_ok[0] == 1


def test_configure_sends_the_frames_worked_out_by_hand():
    driver, chip, _, bus = meter()
    bus.log = []
    driver.configure()
    sent = [frame for frame in bus.log if not frame.startswith("82")]
    expected = [row["frame"] for row in FRAMES["writes"]]
    assert sent == expected[:3] + expected[:2] + expected[3:], sent
    assert chip.rejected == 0 and driver.verify()


def test_every_current_is_right_from_20_ma_to_60_a():
    driver, _, load, _ = _configured()
    reading = Reading(10)
    ma = 20
    while ma <= 60000:
        for ch in range(10):
            load.amps[ch] = (ma + ch) / 1000 if ma < 59990 else ma / 1000
        _round(driver, reading)
        for ch in range(10):
            true = load.amps[ch] * 1000
            assert abs(reading.fast_ma[ch] - true) <= true * 0.005 + 2, (ch, true, reading.fast_ma[ch])
            assert abs(reading.current_ma[ch] - true) <= true * 0.005 + 2, (ch, true, reading.current_ma[ch])
        ma = ma * 9 // 8
    assert reading.errors == 0


def test_voltage_and_power():
    driver, _, load, _ = _configured()
    reading = Reading(10)
    for volts, watts in ((90.0, 1.0), (176.0, 35.5), (230.0, 1000.0), (264.0, 3500.0), (400.0, 13800.0)):
        load.volts = volts
        load.watts[7] = watts
        _round(driver, reading)
        assert abs(reading.voltage_mv - volts * 1000) <= volts * 2, reading.voltage_mv
        assert abs(reading.power_mw[7] - watts * 1000) <= watts * 2 + 10, (watts, reading.power_mw[7])


def test_energy_is_right_within_a_count():
    driver, _, load, _ = _configured()
    reading = Reading(10)
    _round(driver, reading)
    assert list(reading.count) == [0] * 10
    for _ in range(60):
        for ch in range(10):
            load.watts[ch] = 35.0 * ch + 5.0
            load.joules[ch] += load.watts[ch] * 60
        _round(driver, reading)
    for ch in range(10):
        mws = reading.count[ch] * driver.energy_mws_num // driver.energy_mws_den
        true = load.joules[ch] * 1000
        count = driver.energy_mws_num / driver.energy_mws_den
        assert abs(mws - true) <= true * 0.001 + count, (ch, mws, true)
    assert driver.energy_mws_num < 1 << 30


def test_the_counter_is_24_bits():
    driver, _, load, _ = _configured()
    reading = Reading(10)
    _round(driver, reading)
    load.watts[2] = 1000.0
    load.joules[2] = 0x1000005 * driver.energy_mws_num / driver.energy_mws_den / 1000 + 1
    _round(driver, reading)
    assert 4 <= reading.count[2] <= 6, reading.count[2]


def test_a_reading_at_full_scale_is_above_every_threshold():
    driver, _, load, _ = _configured()
    reading = Reading(10)
    assert 10 * 5000 <= driver.full_scale_ma <= 62000
    for amps in (62.0, 70.0, 500.0, 5000.0):
        load.amps[3] = amps
        driver.poll(reading)
        assert reading.fast_ma[3] == SATURATED and reading.fast_ok[3] == 1, (amps, reading.fast_ma[3])
    assert reading.fast_ma[2] == 0


def test_a_peaky_current_reads_low_in_the_fast_value_only():
    """What the data sheet says of the chip; protection has to know, so the model and the driver must not hide it."""
    driver, chip, load, _ = _configured()
    reading = Reading(10)
    load.amps[0] = 4.5
    chip.peakiness[0] = 0.65
    _round(driver, reading)
    assert 2900 <= reading.fast_ma[0] <= 2930 and 4490 <= reading.current_ma[0] <= 4500


def test_a_bad_checksum_marks_that_value_and_no_other():
    driver, chip, load, _ = _configured()
    reading = Reading(10)
    for ch in range(10):
        load.amps[ch] = 1.0
    _round(driver, reading)
    original = chip.exchange
    for bad in range(15):
        turn = driver._turn

        def exchange(out, into, at=6 * bad):
            original(out, into)
            into[at + 3] ^= 1

        driver._transfer = exchange
        before = reading.errors
        driver.poll(reading)
        assert reading.errors == before + 1
        assert [i for i in range(10) if not reading.fast_ok[i]] == ([bad] if bad < 10 else [])
        assert reading.voltage_ok == (bad != 10)
        assert reading.slow_ok[turn] == (bad not in (11, 12, 13))
        assert driver.wrong == 0
        driver._transfer = original
        _round(driver, reading)
    assert reading.slow_ok == bytearray([1] * 10)


def test_a_silent_chip_gives_no_reading_and_no_exception():
    driver, chip, load, _ = _configured()
    reading = Reading(10)
    load.amps[0] = 4.0
    _round(driver, reading)
    chip.silent = True
    _round(driver, reading)
    assert reading.fast_ok == bytearray(10) and reading.slow_ok == bytearray(10) and reading.voltage_ok == 0
    assert reading.errors == 150 and reading.polls == 20
    assert not driver.verify()
    error = raises(MeterError, driver.configure)
    assert isinstance(error, OSError) and "does not answer" in str(error)
    chip.silent = False
    driver.configure()
    _round(driver, reading)
    assert reading.fast_ok == bytearray([1] * 10) and 3990 <= reading.fast_ma[0] <= 4000


def test_a_line_stuck_low_is_silence_too():
    reading = Reading(10)

    class Low:
        def write_readinto(self, out, into):
            for i in range(len(into)):
                into[i] = 0

    driver = BL0910Spi(Low(), Pin(), SECTION)
    _round(driver, reading)
    assert reading.fast_ok == bytearray(10) and reading.slow_ok == bytearray(10) and reading.voltage_ok == 0


def test_corrupted_answers_are_counted():
    driver, chip, _, _ = _configured()
    reading = Reading(10)
    chip.corrupt_next(4)
    driver.poll(reading)
    assert reading.errors == 4 and reading.fast_ok == bytearray([0] * 4 + [1] * 6)


def test_a_changed_register_is_noticed_within_three_seconds():
    for register, polls in (
        (0x60, 25),
        (0x61, 25),
        (0x96, 25),
        (0xCE, 25),
        (0x98, 25),
        (0x70, 130),
        (0xB6, 130),
    ):
        driver, chip, _, _ = _configured()
        reading = Reading(10)
        chip.poke(register, 0x000010)
        for _ in range(polls):
            driver.poll(reading)
        assert driver.wrong >= 1, register
        assert reading.errors == 0 and not driver.verify()
        driver.configure()
        assert driver.verify()


def test_a_chip_that_lost_its_supply_is_noticed():
    driver, chip, load, _ = _configured()
    reading = Reading(10)
    load.amps[0] = 8.0
    chip.power_on()
    for _ in range(25):
        driver.poll(reading)
    assert driver.wrong > 5


def test_configure_falls_back_to_the_full_reset_and_names_what_stays_wrong():
    driver, chip, _, _ = meter()
    chip.poke(0x96, 0x123456)
    driver.configure()
    assert driver.verify()
    original = chip.exchange

    def stuck(out, into):
        original(out, into)
        chip.poke(0xCE, 0x010)

    driver._transfer = stuck
    error = raises(MeterError, driver.configure)
    assert "000010 in register ce instead of 000100" in str(error), error


def test_the_counters_live_through_a_restart_of_the_processor():
    driver, chip, load, bus = _configured()
    reading = Reading(10)
    load.watts[0] = 500.0
    load.joules[0] = 100000.0
    _round(driver, reading)
    before = reading.count[0]
    again = BL0910Spi(bus, chip.select, SECTION)
    again.configure()
    _round(again, reading)
    assert before > 1000 and reading.count[0] == before


def test_the_chip_is_locked_after_configure():
    driver, chip, _, _ = _configured()
    rejected = chip.rejected
    _ask(chip, _unhex(FRAMES["writes"][3]["frame"]))
    assert chip.rejected == rejected + 1
    _ask(chip, _unhex("819e00555537"))  # a wrong sum does not unlock
    _ask(chip, _unhex("8160000000" + "1e"))
    assert driver.verify()


def test_while_the_chip_is_configured_nothing_counts_as_read():
    driver, chip, _, _ = _configured()
    reading = Reading(10)
    _round(driver, reading)
    seen = []
    original = chip.exchange

    def interrupted(out, into):
        driver._transfer = original
        driver.poll(reading)
        seen.append((bytes(reading.fast_ok), bytes(reading.slow_ok), reading.voltage_ok))
        original(out, into)

    driver._transfer = interrupted
    assert driver.verify()
    assert seen == [(bytes(10), bytes(10), 0)]
    driver.poll(reading)
    assert reading.fast_ok == bytearray([1] * 10)


def test_one_frame_a_transaction_reads_the_same():
    driver, _, load, bus = _configured(burst=1)
    load.amps[9] = 2.0
    reading = Reading(10)
    bus.log = []
    driver.poll(reading)
    assert len(bus.log) == 15 and all(len(frame) == 12 for frame in bus.log)
    assert 1995 <= reading.fast_ma[9] <= 2000 and reading.errors == 0


def test_fewer_sockets_than_channels():
    driver, _, load, _ = _configured(sockets=3)
    load.amps[2] = 1.0
    reading = Reading(3)
    for _ in range(60):
        driver.poll(reading)
    assert 995 <= reading.fast_ma[2] <= 1000 and reading.errors == 0 and driver.wrong == 0
    assert reading.slow_ok == bytearray([1] * 3)


def test_an_error_of_the_chip_shows_in_the_reading():
    driver, chip, load, _ = _configured()
    chip.gain_error[4] = 0.02
    load.amps[4] = load.amps[5] = 5.0
    load.watts[4] = 1000.0
    reading = Reading(10)
    _round(driver, reading)
    assert 5095 <= reading.fast_ma[4] <= 5105 and 4995 <= reading.fast_ma[5] <= 5005
    assert 1019000 <= reading.power_mw[4] <= 1021000


def test_currents_and_powers_below_the_creep_thresholds_are_nothing():
    driver, _, load, _ = _configured()
    reading = Reading(10)
    load.amps[0], load.watts[0] = 0.010, 0.4
    load.amps[1], load.watts[1] = 0.012, 0.5
    _round(driver, reading)
    load.joules[0] = load.joules[1] = 5000.0
    _round(driver, reading)
    assert (reading.current_ma[0], reading.power_mw[0], reading.count[0]) == (0, 0, 0)
    assert reading.current_ma[1] >= 11 and reading.power_mw[1] > 480 and reading.count[1] > 60


def test_without_its_high_pass_filter_the_chip_adds_the_offset():
    driver, chip, _, _ = _configured()
    reading = Reading(10)
    driver.poll(reading)
    assert reading.fast_ma[0] == 0
    chip.poke(0x96, 0)
    driver.poll(reading)
    assert 45 <= reading.fast_ma[0] <= 50


def test_a_frozen_chip_repeats_itself():
    driver, chip, load, _ = _configured()
    reading = Reading(10)
    load.amps[0] = 1.0
    _round(driver, reading)
    chip.frozen = True
    load.amps[0] = 50.0
    _round(driver, reading)
    assert reading.fast_ma[0] < 1001 and reading.errors == 0
    chip.frozen = False
    driver.poll(reading)
    assert reading.fast_ma[0] > 49000


def test_the_line_conversion_is_the_one_of_wire():
    driver, _, load, _ = _configured()
    reading = Reading(10)
    load.amps[6] = 12.345
    driver.poll(reading)
    raw = int(12.345 * 12875 * 8 / 1.097 * 0.55)
    assert reading.fast_ma[6] == scale(raw, driver._fast_k[6], driver._fast_shift[6])


def test_values_that_no_chip_has_are_refused():
    for changed in (
        {"current_gain": 4},
        {"voltage_gain": 0},
        {"cfdiv": 100},
        {"sockets": 11},
        {"shunt_uohm": 90000},
    ):
        section = dict(SECTION)
        section.update(changed)
        raises(ValueError, BL0910Spi, Scripted({}), Pin(), section)


def test_from_board_names_the_pins_and_the_mode():
    made = []

    class SPI(Scripted):
        def __init__(self, number, **settings):
            made.append((number, settings))

    driver = from_board(SECTION, Machine(Pin, SPI))
    number, settings = made[0]
    assert number == 2 and settings["baudrate"] == 1000000
    assert (settings["polarity"], settings["phase"]) == (0, 1)
    assert [settings[key].number for key in ("sck", "mosi", "miso")] == [18, 23, 19]
    assert driver._cs.number == 21 and driver._cs.levels == [1]


def test_the_chip_ignores_what_is_not_addressed_to_it():
    chip = BL0910Chip(Load(), SECTION)
    into = bytearray(6)
    chip.exchange(bytes([0x82, 0x8B, 0, 0, 0, 0]), into)
    assert into == bytearray([0xFF] * 6)
    assert bytes(_ask(chip, bytes([0x82, 0x8B, 0, 0, 0, 0])))[2:5] == bytes([0x20, 0xFF, 0xFF])
    _ask(chip, bytes([0x55] * 6))
    assert chip.rejected == 1


def test_calibration_corrects_each_channel_by_itself():
    driver, _, load, _ = _configured()
    load.volts = 230.0
    for i in range(10):
        load.amps[i], load.watts[i] = 4.0, 900.0
    plain, corrected = Reading(10), Reading(10)
    _round(driver, plain)
    current = [(1_000_000 + 10_000 * i, 20) for i in range(10)]
    power = [(1_000_000 - 10_000 * i, 1000) for i in range(10)]
    driver.calibrate({"current": current, "power": power, "voltage": [(1_050_000, 500)] * 10})
    _round(driver, corrected)
    assert abs(corrected.voltage_mv - (plain.voltage_mv - 500) * 105 // 100) <= 2
    for i in range(10):
        assert abs(corrected.fast_ma[i] - plain.fast_ma[i] * (100 + i) // 100) <= 2
        assert abs(corrected.current_ma[i] - (plain.current_ma[i] - 20) * (100 + i) // 100) <= 2
        assert abs(corrected.power_mw[i] - (plain.power_mw[i] - 1000) * (100 - i) // 100) <= 4
    driver.calibrate({})
    again = Reading(10)
    _round(driver, again)
    assert list(again.fast_ma) == list(plain.fast_ma) and list(again.power_mw) == list(plain.power_mw)


def test_calibration_never_hides_that_a_reading_is_over_range():
    driver, _, load, _ = _configured()
    driver.calibrate({"current": [(900_000, 100)] * 10})
    load.amps[3] = 100.0
    reading = Reading(10)
    _round(driver, reading)
    assert reading.fast_ma[3] == SATURATED


def test_a_silent_line_is_never_a_changed_register():
    driver, chip, _load, _bus = _configured()
    reading = Reading(driver.channels)
    chip.silent = True
    for _ in range(200):
        driver.poll(reading)
    assert driver.wrong == 0 and reading.errors == 200 * (driver.channels + 5)


def _cut(driver, chip, load):
    """A short on channel 5 that the chip's own output cuts; returns the list of its levels."""
    levels = []
    BL0910Outputs(chip, levels.append)
    driver.configure()
    load.amps[4] = 45.0
    chip.watch(1000000)
    chip.watch(1025000)
    assert levels[-1] == 1 << 4
    load.amps[4] = 0.0  # the relay dropped
    return levels


def _told(driver, reading, polls):
    """In how many of so many polls the reading says that the chip has cut channel 5, and never that it cut another."""
    seen = 0
    for _ in range(polls):
        driver.poll(reading)
        seen += reading.cut >> 4 & 1
        assert reading.cut in (0, 1 << 4) and reading.fast_ma[4] == 0
    return seen


def test_what_the_chip_has_cut_is_told_for_some_polls_and_is_let_go():
    driver, chip, load, _ = meter()
    levels = _cut(driver, chip, load)
    reading = Reading(10)
    assert 2 <= _told(driver, reading, 40) <= 10
    chip.watch(2000000)
    assert levels[-1] == 0 and chip.read_register(0x56) == 0
    assert driver.wrong == 0 and driver.verify(), "and the chip is locked again, as it was"
    assert _told(driver, reading, 100) == 0 and reading.errors == 0


def test_what_the_chip_cut_while_the_processor_hung_is_told_after_the_restart():
    driver, chip, load, bus = meter()
    _cut(driver, chip, load)
    again = BL0910Spi(bus, chip.select, SECTION)
    again.configure()
    reading = Reading(10)
    assert _told(again, reading, 20) >= 2
    assert again.wrong == 0 and again.verify()


def test_one_bad_answer_hides_nothing_that_the_chip_cut_while_the_processor_hung():
    for bad in range(6):
        driver, chip, load, bus = meter()
        _cut(driver, chip, load)
        again = BL0910Spi(bus, chip.select, SECTION)
        chip.corrupt_next(bad)
        again.configure()
        assert _told(again, Reading(10), 20) >= 2, bad


def test_a_board_that_does_not_wire_the_outputs_leaves_them_down():
    section = dict(SECTION)
    del section["fast_trip_ma"]
    load = Load()
    chip = BL0910Chip(load, section)
    driver = BL0910Spi(Bus(chip), chip.select, section)
    levels = []
    BL0910Outputs(chip, levels.append)
    driver.configure()
    load.amps = [5000.0] * 10
    chip.watch(1000000)
    chip.watch(2000000)
    assert levels == [0] and driver.verify()
    section["fast_trip_ma"] = 60635
    assert "at most the full scale of 60634" in str(
        raises(ValueError, BL0910Spi, Bus(chip), chip.select, section)
    )
