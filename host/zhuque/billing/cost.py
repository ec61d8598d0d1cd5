"""What a session costs. Integer fen; every step is exact, and each of the two columns is rounded once, half up.

1. Electricity: the energy of each half hour times the price of its period.
2. Service: energy and charge time times the fee of the tier of the session's peak power.
3. Each is rounded to whole fen. A session charged no longer than `free_minutes`, or with no energy, costs nothing.
4. Below the minimum the service fee is raised. Above the cap the service fee is lowered, then the electricity.

The version in force on the local day of the start prices the whole session.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import floor
from zoneinfo import ZoneInfo

from zhuque.billing.tariff import Tariff

_MWH = 1_000_000  # in a kWh
_HALF = Fraction(1, 2)


@dataclass(frozen=True, slots=True)
class Cost:
    """Whole fen."""

    electricity_fen: int
    service_fen: int

    @property
    def fen(self) -> int:
        """What the resident pays."""
        return self.electricity_fen + self.service_fen


def by_period(tariff: Tariff, halves: Mapping[int, int], zone: ZoneInfo) -> dict[str, int]:
    """mWh by the name of the period, in the tariff's order."""
    out = dict.fromkeys(tariff.prices, 0)
    for unix, energy_mwh in halves.items():
        out[tariff.period(unix, zone)] += energy_mwh
    return out


def cost(tariff: Tariff, halves: Mapping[int, int], duration_s: int, peak_mw: int, zone: ZoneInfo) -> Cost:
    """The cost of a session: its energy by half hours, its charge time and its peak power."""
    energy_mwh = sum(halves.values())
    if duration_s <= tariff.free_s or not energy_mwh:
        return Cost(0, 0)
    periods = by_period(tariff, halves, zone)
    electricity = _fen(sum((tariff.prices[name] * mwh for name, mwh in periods.items()), Fraction(0)) / _MWH)
    tier = tariff.tier(peak_mw)
    service = _fen(tier.fen_per_kwh * energy_mwh / _MWH + tier.fen_per_hour * duration_s / 3600)
    service += max(0, tariff.minimum_fen - electricity - service)
    if tariff.cap_fen is not None:
        electricity = min(electricity, tariff.cap_fen)
        service = min(service, tariff.cap_fen - electricity)
    return Cost(electricity, service)


def _fen(exact: Fraction) -> int:
    return floor(exact + _HALF)
