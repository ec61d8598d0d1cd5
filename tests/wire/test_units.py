"""Integer scaling: exact enough, and never outside a small integer. Runs on both runtimes."""

from both import raises

from wire.units import SMALL_INT_MAX, scale, scale_factor


def test_scale_is_within_the_promised_error():
    for ratio in (1 / 8192, 0.0009, 0.01065, 0.5, 0.9999, 1.0, 8.561, 31.9, 63.99):
        k, shift = scale_factor(ratio)
        for raw in (0, 1, 4095, 4096, 58_682, 1 << 20, (1 << 24) - 1):
            exact = raw * ratio
            assert abs(scale(raw, k, shift) - exact) <= exact / 131_072 + 2, (ratio, raw)


def test_scale_stays_a_small_integer():
    k, shift = scale_factor(63.999999)
    raw = (1 << 24) - 1
    assert (raw >> 12) * k + (((raw & 4095) * k) >> 12) <= SMALL_INT_MAX
    assert k < 1 << 18 and 0 <= scale(raw, k, shift) <= SMALL_INT_MAX


def test_ratios_out_of_range_are_refused():
    for ratio in (0, -1, 1 / 8193, 64, 1e9):
        raises(ValueError, scale_factor, ratio)
