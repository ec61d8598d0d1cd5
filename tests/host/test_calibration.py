"""Calibration: computed from a known load, refused where absurd."""

from __future__ import annotations

from both import raises

from zhuque.calibration import CalibrationError, apply, compute, resistive_ma, steady, undo, verify
from zhuque.wire import config


def test_what_is_computed_makes_the_meter_show_the_reference() -> None:
    for gain_off in (-90_000, -15_000, -300, 0, 12, 4000, 95_000):
        for zero in (0, 7, 90):
            reference = 4321
            shown = reference * 1_000_000 // (1_000_000 + gain_off) + zero
            pair = compute("current", reference, shown, zero)
            assert abs(apply(shown, pair) - reference) <= 1
            assert apply(zero, pair) == 0
            assert abs(verify("current", reference, apply(shown, pair))) < 500


def test_a_second_calibration_starts_from_the_first() -> None:
    first = compute("power", 1_000_000, 1_030_000)
    shown = apply(1_030_000, first)
    second = compute("power", 995_000, shown, 0, first)
    assert abs(apply(1_030_000, second) - 995_000) <= 2
    assert second != first
    for value in (0, 17, 230_000, 4_000_000):
        for pair in ((900_000, -90), (1_000_000, 0), (1_100_000, 100)):
            if value > pair[1]:
                assert abs(undo(apply(value, pair), pair) - value) <= 2


def test_ten_percent_and_not_more() -> None:
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


def test_what_is_refused_is_told_in_the_units_that_were_read() -> None:
    """`measuring: 900.0 W` came just before; where a gain was in force, the meter's own value is another."""
    in_force = (961_541, 0)
    said = str(raises(CalibrationError, compute, "power", 700_000, 900_000, 0, in_force))
    assert "without the gain 0.9615 and the offset 0.0 W that are in force the meter shows 936.0 W" in said
    assert "where the reference says 700.0 W: 33.7 % off" in said
    said = str(raises(CalibrationError, compute, "current", 3000, 4000))
    assert said.startswith("the meter shows 4.000 A where the reference says 3.000 A")
    for error in (
        raises(CalibrationError, steady, "power", [900_000, 905_000, 940_000]),
        raises(CalibrationError, verify, "power", 900_000, 940_000),
    ):
        assert "900.0 W" in str(error) and "940.0 W" in str(error) and "mW" not in str(error)
    assert "is 1.2 V: no mains" in str(raises(CalibrationError, resistive_ma, 1_000_000, 1200))


def test_absurd_values_are_refused_with_what_to_do() -> None:
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


def test_a_load_that_is_not_steady_is_refused() -> None:
    assert steady("power", [1000, 1001, 1002]) == 1001
    assert steady("power", [100_000, 100_500, 101_000]) == 100_500
    assert "no steady load" in str(raises(CalibrationError, steady, "power", [100_000, 100_500, 101_100]))
    assert "three are needed" in str(raises(CalibrationError, steady, "power", [1000, 1000]))
    assert "no steady load" in str(raises(CalibrationError, steady, "current", [0, 0, 1]))


def test_verification() -> None:
    assert verify("power", 1_000_000, 1_000_000) == 0
    assert verify("power", 1_000_000, 1_010_000) == 10_000
    assert "nothing is kept" in str(raises(CalibrationError, verify, "power", 1_000_000, 1_010_001))
    assert "nothing is kept" in str(raises(CalibrationError, verify, "power", 1_000_000, 989_999))


def test_the_current_of_a_resistive_load() -> None:
    assert resistive_ma(1_150_000, 230_000) == 5000
    assert "no mains" in str(raises(CalibrationError, resistive_ma, 1_000_000, 1200))


def test_what_is_computed_passes_the_check_of_config_json() -> None:
    for quantity, reference in (("current", 4000), ("power", 900_000), ("voltage", 230_000)):
        for percent in range(92, 110):
            zero = config.CALIBRATION_OFFSETS[quantity]
            pair = compute(quantity, reference, reference * percent // 100 + zero, zero)
            data = {"calibration": {quantity: [list(pair)]}}
            assert not [p for p in config.check_config(data) if "calibration" in p], pair
