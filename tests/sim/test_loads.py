"""The parametric model held against the measured curves, where they are there; and curves that are replayed."""

from __future__ import annotations

import csv
import importlib
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from zhuque.sim import scenario

loads: Any = importlib.import_module("zhuque.sim.board.loads")
load_keys: Any = importlib.import_module("zhuque.sim.board.load_keys")

CURVES = Path(__file__).resolve().parents[3] / "shared" / "curves"
MEASURED = CURVES / "hilo_full_charge_2023-06-24.csv"
measured = pytest.mark.skipif(not MEASURED.is_file(), reason="the measured curves are not there")


def _energy(points: list[tuple[float, float]]) -> float:
    return sum((t1 - t0) * (w0 + w1) / 2 for (t0, w0), (t1, w1) in pairwise(points))


@measured
@pytest.mark.parametrize("plug", sorted(load_keys.FITTED))
def test_the_model_has_the_shape_of_the_measurement(plug: str) -> None:
    """RMS within 1.5 % of the peak, no point further off than 3.5 %, the energy of the whole charge within 0.5 %."""
    points = scenario.curve(MEASURED, plug)
    load = loads.make({**load_keys.FITTED[plug], "ramp_s": 0.0})
    model = [(t, load.settled(t - points[0][0])) for t, _ in points]
    peak = max(watts for _, watts in points)
    errors = [got - watts for (_, got), (_, watts) in zip(model, points, strict=True)]
    assert (sum(error * error for error in errors) / len(errors)) ** 0.5 < 0.015 * peak
    assert max(map(abs, errors)) < 0.035 * peak
    assert abs(_energy(model) / _energy([(t, w) for t, w in points]) - 1) < 0.005


@measured
def test_the_measured_chargers_are_within_the_ranges() -> None:
    """What a scenario may draw from is what was seen; the fits themselves are among it."""
    for fitted in load_keys.FITTED.values():
        for key, value in fitted.items():
            seen = load_keys.keys_of("li_ion")[key][3]
            if seen is not None and key not in ("peak_w", "constant_s"):
                assert seen[0] * 0.98 <= value <= seen[2] * 1.02, (key, value)


@measured
@pytest.mark.parametrize("plug", ["rad_battery_1", "lectric_battery_2"])
def test_a_replay_is_the_measurement(tmp_path: Path, plug: str) -> None:
    """Through a scenario that names the file: at every measured moment what was measured."""
    file = tmp_path / "replay.toml"
    file.write_text(
        '[[event]]\nat_s = 1\ndo = "plug"\nsocket = 1\n'
        f'load = {{ file = "{MEASURED}", plug = "{plug}", ramp_s = 0 }}\n'
    )
    (event,) = scenario.load(file, 10)
    load = loads.make(event["load"])
    with MEASURED.open(newline="") as rows:
        points = [row for row in csv.DictReader(rows) if row["plug"] == plug]
    first = float(points[0]["t_s"])
    for row in points[:-1]:
        assert load.settled(float(row["t_s"]) - first) == pytest.approx(float(row["power_w"]))


@pytest.mark.parametrize(
    ("load", "pf"),
    [({}, 0.55), ({"corrected": True}, 0.97)],
)
def test_the_power_factor_at_full_load(load: dict[str, Any], pf: float) -> None:
    made = loads.make(load)
    assert made.power_factor(made.full_w) == pytest.approx(pf)


def test_inrush_of_the_ranges_is_what_sources_say() -> None:
    """i2t of 0.2 to 2.2 A2s for 32 to 65 A peak: within a factor of two of the time-step model."""
    for peak_a, pulse_ms in ((32, 1.0), (40, 1.7), (65, 1.0)):
        made = loads.make({"inrush_peak_a": peak_a, "inrush_pulse_ms": pulse_ms})
        amps, _, _ = made.draw(230.0, 0.0, 0.001)
        assert 0.2 <= amps * amps * 0.02 <= 2.2


def test_a_long_inrush_stays_for_as_long_as_it_says() -> None:
    """15 A for 100 ms: at the limit of the instantaneous stage, and gone after."""
    made = loads.make({"inrush_a": 15.0, "inrush_ms": 100})
    assert made.draw(230.0, 0.0, 0.099)[0] == 15.0
    assert made.draw(230.0, 0.0, 0.101)[0] < 1.0


@pytest.mark.parametrize("name", sorted(load_keys.FITTED))
def test_a_scenario_may_say_like(tmp_path: Path, name: str) -> None:
    file = tmp_path / "like.toml"
    file.write_text(
        f'[[event]]\nat_s = 1\ndo = "plug"\nsocket = 1\nload = {{ like = "{name}", standby_w = 3 }}\n'
    )
    (event,) = scenario.load(file, 1)
    assert event["load"] == {**load_keys.FITTED[name], "standby_w": 3}


def test_a_curve_of_ones_own_is_replayed(tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text("t_s,power_w\n0,100\n60,50\n120,20\n")
    file = tmp_path / "day.toml"
    file.write_text(
        '[[event]]\nat_s = 1\ndo = "plug"\nsocket = 1\nload = { file = "mine.csv", ramp_s = 0 }\n'
    )
    (event,) = scenario.load(file, 1)
    assert loads.make(event["load"]).settled(30.0) == pytest.approx(75.0)
