"""Calibration: computed from a known load, refused where absurd, applied in integers. Runs on both runtimes."""

from both import raises

from core import calibration
from core.calibration import (
    NEUTRAL,
    CalibrationError,
    apply,
    compute,
    resistive_ma,
    steady,
    table,
    undo,
    verify,
)
from core.energy import Energy
from wire import config
from wire.units import SMALL_INT_MAX, correct, gain_delta


def test_nothing_given_is_no_correction():
    assert table({}, 3) == {"current": [NEUTRAL] * 3, "power": [NEUTRAL] * 3, "voltage": [NEUTRAL] * 3}
    given = table({"power": [[1_010_000, 5]]}, 2)
    assert given["power"] == [(1_010_000, 5), NEUTRAL] and given["current"] == [NEUTRAL] * 2
    assert table({"power": [[1_010_000, 5]] * 9}, 1)["power"] == [(1_010_000, 5)]


def test_what_is_computed_makes_the_meter_show_the_reference():
    for gain_off in (-90_000, -15_000, -300, 0, 12, 4000, 95_000):
        for zero in (0, 7, 90):
            reference = 4321
            shown = reference * 1_000_000 // (1_000_000 + gain_off) + zero
            pair = compute("current", reference, shown, zero)
            assert abs(apply(shown, pair) - reference) <= 1
            assert apply(zero, pair) == 0
            assert abs(verify("current", reference, apply(shown, pair))) < 500


def test_a_second_calibration_starts_from_the_first():
    first = compute("power", 1_000_000, 1_030_000)
    shown = apply(1_030_000, first)
    second = compute("power", 995_000, shown, 0, first)
    assert abs(apply(1_030_000, second) - 995_000) <= 2
    assert second != first
    for value in (0, 17, 230_000, 4_000_000):
        for pair in ((900_000, -90), (1_000_000, 0), (1_100_000, 100)):
            if value > pair[1]:
                assert abs(undo(apply(value, pair), pair) - value) <= 2


def test_ten_percent_and_not_more():
    for shown, good in (
        (909_091, True),
        (909_000, False),
        (1_111_111, True),
        (1_111_200, False),
        (500_000, False),
    ):
        if good:
            gain_ppm, _ = compute("power", 1_000_000, shown)
            assert config.GAIN_LOWEST_PPM <= gain_ppm <= config.GAIN_HIGHEST_PPM
        else:
            said = str(raises(CalibrationError, compute, "power", 1_000_000, shown))
            assert "more than 10 %" in said and "check the reference" in said


def test_absurd_values_are_refused_with_what_to_do():
    for arguments, said in (
        (("power", 39_999, 40_000), "too small"),
        (("current", 199, 200), "too small"),
        (("voltage", 99_000, 99_000), "too small"),
        (("current", 4000, 0), "is the load on"),
        (("current", 4000, 50, 50), "is the load on"),
        (("current", 4000, 4101, 101), "something still draws"),
        (("power", 1_000_000, 1_006_000, 5001), "something still draws"),
    ):
        assert said in str(raises(CalibrationError, compute, *arguments)), arguments


def test_a_load_that_is_not_steady_is_refused():
    assert steady("power", [1000, 1001, 1002]) == 1001
    assert steady("power", [100_000, 100_500, 101_000]) == 100_500
    assert "no steady load" in str(raises(CalibrationError, steady, "power", [100_000, 100_500, 101_100]))
    assert "three are needed" in str(raises(CalibrationError, steady, "power", [1000, 1000]))
    assert "no steady load" in str(raises(CalibrationError, steady, "current", [0, 0, 1]))


def test_verification():
    assert verify("power", 1_000_000, 1_000_000) == 0
    assert verify("power", 1_000_000, 1_010_000) == 10_000
    assert "nothing is kept" in str(raises(CalibrationError, verify, "power", 1_000_000, 1_010_001))
    assert "nothing is kept" in str(raises(CalibrationError, verify, "power", 1_000_000, 989_999))


def test_the_current_of_a_resistive_load():
    assert resistive_ma(1_150_000, 230_000) == 5000
    assert "no mains" in str(raises(CalibrationError, resistive_ma, 1_000_000, 1200))


def test_what_is_computed_passes_the_check_of_config_json():
    for quantity, reference in (("current", 4000), ("power", 900_000), ("voltage", 230_000)):
        for percent in range(92, 110):
            zero = config.CALIBRATION_OFFSETS[quantity]
            pair = compute(quantity, reference, reference * percent // 100 + zero, zero)
            data = {"calibration": {quantity: [list(pair)]}}
            assert not [p for p in config.check_config(data) if "calibration" in p], pair


def test_correct_is_apply_without_big_numbers():
    for gain_ppm in (900_000, 987_654, 1_000_000, 1_000_001, 1_050_000, 1_100_000):
        delta = gain_delta(gain_ppm)
        assert abs(delta) * 4095 <= SMALL_INT_MAX and abs(delta) << 12 <= SMALL_INT_MAX
        for offset in (-100, 0, 100, 5000):
            for value in (0, 1, 99, 100, 101, 4095, 4096, 61_000, 230_000, 1_000_000, 16_777_215):
                exact = apply(value, (gain_ppm, offset))
                assert abs(correct(value, delta, offset) - exact) <= 2 + (exact >> 20), (
                    gain_ppm,
                    offset,
                    value,
                )
    assert correct(12_345, 0, 0) == 12_345
    assert correct(1 << 29, gain_delta(900_000), 100) == 1 << 29, "over range stays over range"


def test_energy_follows_the_gain_of_the_power_and_loses_nothing():
    energy = Energy(2, 3600, 1, [1_100_000, 1_000_000])
    for socket in (0, 1):
        energy.take(socket, 0)
    total = [0, 0]
    for count in range(1, 1001):
        for socket in (0, 1):
            total[socket] += energy.take(socket, count)
    assert total == [1100, 1000]
    assert calibration.ONE_PPM == 1_000_000
