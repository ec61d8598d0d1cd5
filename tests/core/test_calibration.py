"""Calibration: from config.json to every channel, applied in integers. Runs on both runtimes."""

from both import raises

from core.calibration import NEUTRAL, merge, table
from core.energy import Energy
from wire.units import SMALL_INT_MAX, correct, gain_delta


def test_nothing_given_is_no_correction():
    assert table({}, 3) == {"current": [NEUTRAL] * 3, "power": [NEUTRAL] * 3, "voltage": [NEUTRAL] * 3}
    given = table({"power": [[1_010_000, 5]]}, 2)
    assert given["power"] == [(1_010_000, 5), NEUTRAL] and given["current"] == [NEUTRAL] * 2
    assert table({"power": [[1_010_000, 5]] * 9}, 1)["power"] == [(1_010_000, 5)]


def test_correct_is_apply_without_big_numbers():
    for gain_ppm in (900_000, 987_654, 1_000_000, 1_000_001, 1_050_000, 1_100_000):
        delta = gain_delta(gain_ppm)
        assert abs(delta) * 4095 <= SMALL_INT_MAX and abs(delta) << 12 <= SMALL_INT_MAX
        for offset in (-100, 0, 100, 5000):
            for value in (0, 1, 99, 100, 101, 4095, 4096, 61_000, 230_000, 1_000_000, 16_777_215):
                exact = max(0, (value - offset) * gain_ppm // 1_000_000)
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
    energy.set_gains([1_000_000, 1_100_000])
    assert sum([energy.take(0, count) for count in range(1001, 2001)]) == 1000


def test_a_change_touches_only_the_channels_that_it_names():
    old = {"power": [[1_010_000, 5]], "voltage": [[1_000_500, 0]]}
    new = merge(old, {"power": [None, None, [990_000, -3]], "current": [[1_000_100, 1]]}, 3)
    assert new == {
        "power": [[1_010_000, 5], [1_000_000, 0], [990_000, -3]],
        "current": [[1_000_100, 1]],
        "voltage": [[1_000_500, 0]],
    }
    assert old["power"] == [[1_010_000, 5]], "the old one is as it was"
    assert merge(new, {"power": [[1_000_000, 0]]}, 3)["power"][2] == [990_000, -3]
    for wrong in ([[1_000_000, 0]] * 4, {"1": [1_000_000, 0]}, 7):
        assert "at most 3" in str(raises(ValueError, merge, old, {"power": wrong}, 3))
