"""What holds for every meter: it is calibrated, its bus is reset when it hangs, a counter that falls is no energy.

Runs on CPython and, by test_on_board_runtime.py, on both MicroPythons.
"""

from fakes.meter_bench import meter
from fakes.serial_bench import bl0910, bl0942, hlw8032, pzem004t

from core.energy import Energy
from core.reading import Reading
from drivers.meter_frame import SATURATED

SERIAL = (("bl0910", bl0910), ("bl0942", bl0942), ("hlw8032", hlw8032), ("pzem004t", pzem004t))
ROUNDS = 400  # polls in which the slowest of them has shown every socket


def _ready(make):
    bench = make()
    bench.load.volts = 230.0
    for ch in range(bench.driver.channels):
        bench.set(ch, 4.0, 900.0)
    bench.configure()
    return bench.run(ROUNDS)


def _pairs(channels, gain_ppm, offset):
    return [(gain_ppm + 1000 * ch, offset) for ch in range(channels)]


def test_every_meter_takes_a_calibration_for_each_channel():
    for name, make in SERIAL:
        bench = _ready(make)
        reading, n = bench.reading, bench.driver.channels
        plain = list(reading.fast_ma), list(reading.current_ma), list(reading.power_mw), reading.voltage_mv
        bench.driver.calibrate(
            {
                "current": _pairs(n, 1_020_000, 10),
                "power": _pairs(n, 970_000, 2000),
                "voltage": [(1_010_000, 100)] * n,
            }
        )
        bench.run(ROUNDS)
        for ch in range(n):
            gain, lost = 1_020_000 + 1000 * ch, 970_000 + 1000 * ch
            where = (name, ch)
            assert abs(reading.fast_ma[ch] - plain[0][ch] * gain // 1_000_000) <= 3, where
            assert abs(reading.current_ma[ch] - (plain[1][ch] - 10) * gain // 1_000_000) <= 3, where
            # A meter whose power steps by 0.1 W steps by as much here.
            assert abs(reading.power_mw[ch] - (plain[2][ch] - 2000) * lost // 1_000_000) <= 120, where
        assert abs(reading.voltage_mv - (plain[3] - 100) * 101 // 100) <= 120, name
        bench.driver.calibrate({})
        bench.run(ROUNDS)
        assert abs(reading.current_ma[0] - plain[1][0]) <= 3, name


def test_no_calibration_hides_that_a_reading_is_over_range():
    for name, make in SERIAL:
        bench = _ready(make)
        bench.driver.calibrate({"current": [(900_000, 100)] * bench.driver.channels})
        bench.set(0, 2000.0, 900.0)
        if name == "pzem004t":  # which shows what it measures up to 100 A, and nothing above
            bench.set(0, 100.0, 900.0)
        bench.run(ROUNDS)
        assert bench.reading.fast_ma[0] == SATURATED, (name, bench.reading.fast_ma[0])


def test_a_uart_that_hangs_shows_no_socket_and_works_again_when_it_is_set_up():
    for name, make in SERIAL:
        bench = _ready(make)
        assert all(bench.reading.slow_ok), name
        bench.line.hang()
        bench.run(ROUNDS)
        assert not any(bench.reading.slow_ok), (name, "by which main sees that it is mute")
        bench.fresh = [0] * bench.driver.channels
        bench.run(ROUNDS)
        assert bench.fresh == [0] * bench.driver.channels, (name, "nothing else mends it")
        bench.configure()
        wrong = bench.driver.wrong
        bench.run(ROUNDS)
        assert min(bench.fresh) > 0 and bench.driver.wrong == wrong, name


def test_a_meter_that_is_only_slow_or_damaged_asks_for_nothing():
    for name, make in SERIAL:
        bench = _ready(make)
        wrong = bench.driver.wrong
        chips = [bench.chip] if name == "bl0910" else bench.chips
        for _ in range(6):
            for chip in chips:
                chip.corrupt_next(1 if name == "pzem004t" else 3)
            bench.run(100)
        assert bench.driver.wrong == wrong, name


def test_a_frame_that_went_wrong_on_spi_leaves_nothing_behind():
    """Each exchange ends with the chip select high, which resets the chip's interface."""
    driver, chip, load, _ = meter()
    driver.configure()
    load.amps[0] = 4.0
    reading = Reading(10)
    original, hung = chip.exchange, [True]

    def exchange(out, into):
        if hung[0]:
            into[:] = b"\x00" * len(into)
        else:
            original(out, into)

    def select(level):
        hung[0] = hung[0] and not level
        chip.select(level)

    driver._transfer, driver._cs = exchange, select
    driver.poll(reading)
    assert reading.fast_ok == bytearray(10)
    driver.poll(reading)
    assert reading.fast_ok == bytearray([1] * 10) and 3990 <= reading.fast_ma[0] <= 4010


def _stood_still(bench, watts, seconds, frozen=False):
    """How often socket 1's counter was taken for one that stands still, looked at as the session loop does."""
    driver, reading = bench.driver, bench.reading
    bench.load.volts = 230.0
    bench.set(0, watts / 230, watts)
    if not frozen:
        bench.configure()
    energy = Energy(
        driver.channels,
        driver.energy_mws_num,
        driver.energy_mws_den,
        step=driver.count_step,
        round_ms=driver.round_ms,
    )
    seen = 0
    for _ in range(2 * seconds):
        bench.run(25)
        if reading.slow_ok[0]:
            energy.take(0, 7 if frozen else reading.count[0])
            seen += energy.frozen(0, reading.power_mw[0], 500)
    return seen


def test_a_counter_that_is_read_seldom_or_moves_seldom_does_not_stand_still():
    """From a load just above the creep limit to a whole oven, on a shunt that makes the pulses rare, too."""
    made = [(make, {}) for _, make in SERIAL] + [(bl0910, {"cfdiv": 1024}), (hlw8032, {"shunt_uohm": 250})]
    for make, changed in made:
        for watts in (6, 12, 60, 250, 900, 3500):
            bench = make(**changed)
            assert _stood_still(bench, watts, 60) == 0, (make.__name__, changed, watts)


def test_a_counter_that_does_stand_still_is_found():
    for make, seconds in ((bl0910, 25), (bl0942, 30), (hlw8032, 10)):
        bench = make()
        _stood_still(bench, 900, 5)
        assert _stood_still(bench, 900, seconds, frozen=True) >= 1, make.__name__


def test_a_load_that_comes_and_goes_hides_no_counter_that_stands_still():
    for make, seconds in ((bl0910, 120), (bl0942, 120), (hlw8032, 60)):
        for on_s, off_s in ((1, 1), (2, 1), (5, 1)):
            bench = make()
            _stood_still(bench, 900, 5)
            energy = Energy(bench.driver.channels, 1000, 1, round_ms=bench.driver.round_ms)
            seen = 0
            for n in range(2 * seconds):
                watts = 900 if n // 2 % (on_s + off_s) < on_s else 0
                bench.run(1)
                energy.take(0, 7)
                seen += energy.frozen(0, 1000 * watts, 500)
            assert seen, (make.__name__, on_s, off_s)


def test_a_counter_that_falls_is_a_chip_reset_and_never_energy():
    for name, make in SERIAL[:2]:
        bench = _ready(make)
        driver, reading = bench.driver, bench.reading
        energy = Energy(driver.channels, driver.energy_mws_num, driver.energy_mws_den)
        bench.run(500)
        energy.take(0, reading.count[0])
        high = reading.count[0]
        bench.run(1500)
        counted = energy.take(0, reading.count[0])
        count_mwh = driver.energy_mws_num // driver.energy_mws_den // 3600 + 1
        assert abs(counted - 7500) <= 100 + count_mwh, (name, counted)  # 900 W for 30 s
        for chip in [bench.chip] if name == "bl0910" else bench.chips:
            chip.power_on()
        bench.configure()
        bench.run(ROUNDS)
        assert reading.count[0] < high, name
        assert energy.take(0, reading.count[0]) == 0 and energy.resets == 1, name
        bench.run(1500)
        assert abs(energy.take(0, reading.count[0]) - 7500) <= 100 + count_mwh, name
