"""Calibration on the board: the pairs of config.json, one for every channel. They are computed on the host.

A quantity of a channel has a gain in parts per million and an offset in its milli-unit: true = (shown - offset) x gain.
They stand in config.json under `calibration`, beside the identity, since they belong to this one board:

    "calibration": {"current": [[1003100, 4], ...], "power": [[998000, 0], ...], "voltage": [[1000500, 0]]}

a pair a channel, in the order of the sockets; what is missing is not corrected. The meter drivers apply them
(`meter.calibrate`), `core/energy` applies the gain of the power to the energy, which comes from the chip's own counter.
"""

from wire.config import CALIBRATION_OFFSETS

NEUTRAL = (1_000_000, 0)


def table(section, channels):
    """{quantity: a (gain_ppm, offset) for each channel} of the section `calibration` of a checked config.json."""
    full = {}
    for quantity in CALIBRATION_OFFSETS:
        pairs = [tuple(pair) for pair in section.get(quantity, ())][:channels]
        full[quantity] = pairs + [NEUTRAL] * (channels - len(pairs))
    return full


def apply(section, meter, energy):
    """Give the meter and the energy their corrections; only while every relay is open."""
    full = table(section, meter.channels)
    meter.calibrate(full)
    energy.set_gains([gain for gain, _ in full["power"]])


def merge(section, change, channels):
    """The section with the pairs of `change` in it; a null there leaves that channel's pair as it is.

    Raises ValueError for more channels than there are.
    """
    merged = dict(section)
    for quantity, pairs in change.items():
        if not isinstance(pairs, list) or len(pairs) > channels:
            raise ValueError("calibration.{} must be a list of at most {}".format(quantity, channels))
        row = [list(pair) for pair in section.get(quantity, ())]
        row += [list(NEUTRAL) for _ in range(len(pairs) - len(row))]
        for i, pair in enumerate(pairs):
            row[i] = row[i] if pair is None else pair
        merged[quantity] = row
    return merged
