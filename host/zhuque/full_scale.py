"""What the inputs of a meter can show, and which values of a reading are there or above: those are no measurements.

An input that is over range reads at full scale or a little above, whatever flows. The firmware takes such a current for
more than every threshold; here it is named, and not given.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from zhuque.boards import traits
from zhuque.report.figures import milli


@dataclass(frozen=True)
class FullScale:
    """Of a meter's two inputs; the voltage's is None where the meter's divider is not known."""

    voltage_mv: int | None
    current_ma: int

    def has_voltage(self, voltage_mv: int | None) -> bool:
        """False of a voltage at full scale or above."""
        return self.voltage_mv is None or voltage_mv is None or voltage_mv < self.voltage_mv

    def has_power(self, power_mw: int) -> bool:
        """False of a power that the two inputs together cannot show."""
        return self.voltage_mv is None or abs(power_mw) * 1000 < self.voltage_mv * self.current_ma


def of_meter(meter: dict[str, Any], volts: float = 1.0, amperes: float = 1.0) -> FullScale:
    """Of board.json's `meter`, times what another scale than its own makes of its volts and amperes."""
    full_mv = traits.full_scale_mv(meter)
    voltage_mv = None if full_mv is None else round(full_mv * volts)
    return FullScale(voltage_mv, round(traits.full_scale_ma(meter) * amperes))


def over_range(values: Mapping[str, int | None], fast_ma: int, full: FullScale) -> dict[str, str]:
    """The keys of the values at full scale or above, and what is to be said of each.

    `fast_ma` is the current that the protection goes by, where the meter gives another than its RMS.
    """
    found = {}
    if not full.has_voltage(values["voltage_mv"]):
        found["voltage_mv"] = (
            f"over range: the voltage is at the meter's full scale of {milli(full.voltage_mv)} V or above"
        )
    if max(values["current_ma"] or 0, fast_ma) >= full.current_ma:
        found["current_ma"] = (
            f"over range: the current is at the meter's full scale of {milli(full.current_ma)} A or above; the "
            "firmware takes it for more than every threshold"
        )
    power_mw = values["power_mw"]
    if power_mw is not None and (found or not full.has_power(power_mw)):
        found["power_mw"] = "over range: the power is not known, with an input that is at its limit"
    return found
