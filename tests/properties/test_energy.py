"""Energy of any trace is within its quantisation: a load of the simulator, its chip, the counters, core/energy."""

from __future__ import annotations

import importlib
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from core.energy import Energy
from zhuque import boards

bl0910: Any = importlib.import_module("zhuque.sim.board.chips.bl0910")
loads: Any = importlib.import_module("zhuque.sim.board.loads")

METER: Any = boards.load("zq10").data["meter"]
CFDIV = METER["cfdiv"]

li_ion = st.fixed_dictionaries(
    {
        "peak_w": st.floats(20, 1000),
        "start_over_peak": st.floats(0.83, 1.0),
        "constant_s": st.floats(0, 7200),
        "taper_pct_min": st.floats(0.7, 1.8),
        "taper_until": st.floats(0.3, 0.6),
        "tau_min": st.floats(27, 50),
        "cutoff_w": st.floats(3.6, 25),
        "standby_w": st.sampled_from((0.0, 0.7, 6.0, 15.5)),
    }
)
lead_acid = st.fixed_dictionaries(
    {"kind": st.just("lead_acid"), "cc_a": st.floats(1.8, 3), "cc_s": st.floats(0, 9000)}
)
looks = st.lists(st.floats(0.02, 900), min_size=1, max_size=40)


class Source:
    """One socket of which the test says what flows; energy in double precision."""

    def __init__(self) -> None:
        self.watts = 0.0
        self.joules = 0.0

    def voltage_v(self) -> float:
        return 230.0

    def current_a(self, ch: int) -> float:
        return self.watts / 230.0 if ch == 1 else 0.0

    def power_w(self, ch: int) -> float:
        return self.watts if ch == 1 else 0.0

    def energy_j(self, ch: int) -> float:
        return self.joules if ch == 1 else 0.0

    def flow(self, watts: float, seconds: float) -> None:
        self.watts = watts
        self.joules += watts * seconds


def _chip(source: Source) -> Any:
    chip = bl0910.BL0910Chip(source, METER)
    for address, value in ((0x9E, 0x5555), (0x60, 0x222220), (0x61, 0x22222), (0xCE, CFDIV), (0x88, 0)):
        chip._registers[address] = value
    chip._configured()
    return chip


def _count_of(chip: Any) -> int:
    return int(chip._count(1))


def _fraction(chip: Any) -> tuple[int, int]:
    """Milliwatt-seconds a count, as a fraction of integers below 2**30."""
    return round(1000 / chip._joule_counts[1] * 1000), 1000


@settings(max_examples=150, deadline=None)
@given(st.one_of(li_ion, lead_acid), looks)
def test_any_trace_of_a_charger(keys: dict[str, Any], times: list[float]) -> None:
    """However seldom somebody looks, the sum is the truth to within one count, one mWh and the last digit of num."""
    source = Source()
    chip = _chip(source)
    num, den = _fraction(chip)
    energy = Energy(1, num, den)
    load = loads.make(keys)
    assert energy.take(0, _count_of(chip)) == 0
    total, charged = 0, 0.0
    for seconds in times:
        source.flow(load.watts(charged, charged), seconds)
        charged += seconds
        total += energy.take(0, _count_of(chip))
    lived = source.joules / 3.6
    quantum = num / den / 3600
    assert lived - quantum - 1 - 1e-4 * lived <= total <= lived * (1 + 1e-4) + 1


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 4000), st.floats(0.02, 300), st.booleans()), max_size=30))
def test_a_chip_that_resets_invents_nothing(steps: list[tuple[float, float, bool]]) -> None:
    """Whatever is lost at a reset of the chip, what is counted was drawn."""
    source = Source()
    chip = _chip(source)
    num, den = _fraction(chip)
    energy = Energy(1, num, den)
    energy.take(0, _count_of(chip))
    total = 0
    for watts, seconds, resets in steps:
        source.flow(watts, seconds)
        total += energy.take(0, _count_of(chip))
        if resets:
            chip._reset_counters()
    assert total <= source.joules / 3.6 * (1 + 1e-4) + 1


@settings(max_examples=200, deadline=None)
@given(
    st.integers(1, 2**29),
    st.integers(1, 2**20),
    st.lists(st.integers(0, 60000), min_size=1, max_size=60),
    st.integers(0, 2**24 - 1),
)
def test_no_fraction_is_lost_over_any_number_of_looks(
    num: int, den: int, steps: list[int], first: int
) -> None:
    """Exactly: the sum of what was given is the whole part of the sum, over the counter's end too."""
    energy = Energy(1, num, den)
    count = first
    energy.take(0, count)
    total = 0
    for step in steps:
        count = (count + step) % 2**24
        total += energy.take(0, count)
    assert total == sum(steps) * num // (den * 3600)
