"""The BL0910 on its UART: the driver against the simulated chip, and both against frames worked out by hand.

Runs on CPython and, by test_on_board_runtime.py, on both MicroPythons.
"""

from both import raises
from fakes.serial_bench import BL0910, Bench, Player, Recorder, bl0910

from drivers.meter_bl0910 import from_board
from drivers.meter_bl0910_uart import BL0910Uart
from drivers.meter_error import MeterError

# 5 A: RMS 0729d6, fast RMS 03f09c, 230 V: 12193d (tests/vectors/bl0910.json); sums ~(addr + L + M + H).
ANSWERS = {
    0x0C: b"\xd6\x29\x07\xed",
    0x17: b"\x9c\xf0\x03\x59",
    0x16: b"\x3d\x19\x12\x81",
}


def _configured(**changed):
    bench = bl0910(**changed)
    bench.configure()
    return bench


def test_the_chip_answers_the_frames_worked_out_by_hand():
    bench = _configured()
    bench.load.volts = 230.0
    bench.set(0, 5.0, 1150.0)
    for register, answer in ANSWERS.items():
        bench.line.write(bytes([0x35, register]))
        bench.now_us += 20000
        got = bytearray(8)
        assert bench.line.readinto(got) == 4 and bytes(got[:4]) == answer, (register, got)


def test_the_driver_sends_and_takes_the_frames_worked_out_by_hand():
    player = Player(chunk=4)
    player.init = lambda **options: None
    driver = BL0910Uart(player, BL0910)
    driver.write(0x9E, 0x005555)
    assert player.sent == [b"\xca\x9e\x55\x55\x00\xb7"]
    for register, answer in ANSWERS.items():
        player.sent = []
        driver._question(register)
        assert player.sent == [bytes([0x35, register])]
        player.data = bytearray(answer)
        player.give()
        assert driver._raw(driver._hear()) == answer[2] << 16 | answer[1] << 8 | answer[0]


def test_all_of_the_ten_sockets_come_in_what_the_driver_promises():
    bench = _configured()
    driver, reading = bench.driver, bench.reading
    assert driver.window_ms == 300 and driver.instant is False and driver.stale_windows == 5
    for ch in range(10):
        bench.set(ch, 1.0 + ch / 10, 200.0 + ch)
    bench.run(2)
    polls = 1000
    bench.fresh = [0] * 10
    bench.run(polls)
    for ch in range(10):
        assert bench.fresh[ch] >= polls * 20 // driver.window_ms - 1, (ch, bench.fresh)
        assert abs(reading.fast_ma[ch] - (1000 + 100 * ch)) <= 5
        assert abs(reading.current_ma[ch] - (1000 + 100 * ch)) <= 5
        assert abs(reading.power_mw[ch] - (200 + ch) * 1000) <= 500
        assert reading.count[ch] > 0 and reading.slow_ok[ch]
    assert abs(reading.voltage_mv - 230000) <= 460 and reading.voltage_ok
    assert reading.errors == 0 and driver.wrong == 0


def test_no_window_is_longer_than_promised_for_any_number_of_sockets():
    for sockets in range(1, 11):
        bench = _configured(sockets=sockets)
        for ch in range(sockets):
            bench.set(ch, 1.0, 0.0)
        bench.run(10)
        since = [0] * sockets
        for _ in range(200):
            bench.run(1)
            for ch in range(sockets):
                since[ch] = 0 if bench.reading.fast_ok[ch] else since[ch] + 20
                assert since[ch] < bench.driver.window_ms, (sockets, ch, since[ch])


def test_configure_works_at_every_rate_that_the_pins_set():
    for baud in (9600, 19200, 38400):
        bench = _configured(uart={"id": 2, "tx": 17, "rx": 16, "baud": baud})
        bench.set(3, 4.0, 900.0)
        bench.run(200)
        assert abs(bench.reading.fast_ma[3] - 4000) <= 10 and bench.reading.errors == 0
        assert bench.waiting(bench.driver.verify)


def test_bad_answers_are_marked_and_never_guessed():
    bench = _configured()
    bench.set(0, 1.0, 100.0)
    bench.run(200)
    bench.chip.corrupt_next(30)
    before = bytes(bench.reading.fast_ma)
    errors = bench.reading.errors
    bench.run(31)
    assert bytes(bench.reading.fast_ma) == before and bench.reading.errors >= errors + 29
    bench.run(100)
    assert bench.reading.fast_ok != bytearray(10) or bench.run(1).reading.fast_ok != bytearray(10)


def test_a_byte_too_many_or_too_few_is_no_answer():
    player = Player(chunk=20)
    player.init = lambda **options: None
    driver = BL0910Uart(player, BL0910)
    good = ANSWERS[0x17]
    # The question's own address is in the sum: what another register answered is not taken for this one.
    cases = (good[:3], good + b"\x00", b"\x00" + good, ANSWERS[0x16], b"\xff" * 4, b"\x00" * 4, b"\xff" * 40)
    for data in cases:
        driver._question(0x17)
        player.data = bytearray(data)
        player.give()
        assert driver._raw(driver._hear()) == -1, data
        player.data = bytearray()


def test_an_answer_in_two_pieces_is_one():
    player = Player(chunk=2)
    player.init = lambda **options: None
    driver = BL0910Uart(player, BL0910)
    driver._question(0x17)
    player.data = bytearray(ANSWERS[0x17])
    player.give()
    assert not driver._hear()
    player.give()
    assert driver._hear() and driver._raw(True) == 0x03F09C


def test_silence_is_silence():
    bench = _configured()
    bench.set(0, 4.0, 900.0)
    bench.run(200)
    bench.chip.silent = True
    bench.run(2)  # what was on the line already
    bench.fresh = [0] * 10
    bench.run(60)
    assert bench.fresh == [0] * 10 and bench.reading.voltage_ok == 0
    error = raises(MeterError, bench.configure)
    assert "does not answer" in str(error)
    bench.chip.silent = False
    bench.configure()
    bench.run(60)
    assert min(bench.fresh) > 0


def test_a_bus_that_hangs_is_reset_by_a_set_up():
    bench = _configured()
    bench.run(100)
    bench.chips[0].hang()
    bench.run(400)
    assert not any(bench.reading.slow_ok)
    bench.configure()
    bench.fresh = [0] * 10
    bench.run(40)
    assert min(bench.fresh) > 0


def test_a_changed_register_is_noticed_within_a_minute():
    for register, polls in ((0x60, 400), (0x8B, 400), (0x91, 400), (0x70, 2800), (0xC9, 2800)):
        bench = _configured()
        bench.chip.poke(register, 0x10)
        bench.run(polls)
        assert bench.driver.wrong >= 1, register
        bench.configure()
        assert bench.waiting(bench.driver.verify)


def test_while_the_chip_is_set_up_nothing_counts_as_read():
    bench = _configured()
    bench.run(200)
    bench.driver._busy = True
    bench.run(1)
    assert bench.reading.slow_ok == bytearray(10) and bench.reading.voltage_ok == 0


def test_what_the_chip_has_cut_is_told_and_let_go():
    bench = _configured()
    bench.run(100)
    bench.set(4, 45.0, 0.0)
    bench.chip.watch(bench.now_us)
    bench.chip.watch(bench.now_us + 25000)
    assert bench.cut[-1] == 1 << 4
    bench.set(4, 0.0, 0.0)  # its relay dropped
    seen = 0
    for _ in range(600):
        bench.run(1)
        seen += bench.reading.cut == 1 << 4
        assert bench.reading.cut in (0, 1 << 4)
    bench.chip.watch(bench.now_us)
    assert 2 <= seen <= 10 and bench.cut[-1] == 0
    bench.run(100)
    assert bench.reading.fast_ma[4] == 0 and bench.driver.wrong == 0 and bench.waiting(bench.driver.verify)


def test_from_board_takes_the_bus_that_the_board_has():
    recorder = Recorder()
    driver = from_board(BL0910, recorder)
    assert type(driver).__name__ == "BL0910Uart"
    number, options = recorder.made
    assert number == 2 and options["baudrate"] == 19200 and options["timeout"] == 0
    assert isinstance(bl0910(), Bench)
