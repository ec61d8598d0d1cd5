"""The one place where the board's integers become what people read: kWh, W, A, V, and times.

Exact: a Decimal is the integer with its point moved, never a float. Only `kwh_text` and its like round, for the eye.
None stays None, and is shown as a dash.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, tzinfo
from decimal import Decimal

DASH = "-"
# How a point tells a time in a sentence.
_SINCE = re.compile(r"\bsince (\d{1,12})\b")


def milli(value: int | None) -> Decimal | None:
    """mWh to Wh, mW to W, mA to A, mV to V: exact, with three decimals."""
    return None if value is None else Decimal(value).scaleb(-3)


def deci(value: int | None) -> Decimal | None:
    """0.1 °C to °C: exact, with one decimal."""
    return None if value is None else Decimal(value).scaleb(-1)


def kwh_text(energy_mwh: int | None) -> str:
    """kWh with three decimals, rounded half to even."""
    return DASH if energy_mwh is None else f"{Decimal(energy_mwh).scaleb(-6):.3f}"


def wh_text(energy_mwh: int | None) -> str:
    """Wh with one decimal."""
    return DASH if energy_mwh is None else f"{Decimal(energy_mwh).scaleb(-3):.1f}"


def watt_text(power_mw: int | None) -> str:
    """W with one decimal."""
    return DASH if power_mw is None else f"{Decimal(power_mw).scaleb(-3):.1f}"


def yuan_text(fen: int | None) -> str:
    """Yuan with two decimals: exact."""
    return DASH if fen is None else f"{Decimal(fen).scaleb(-2):.2f}"


def duration_text(duration_s: int | None) -> str:
    """H:MM:SS."""
    if duration_s is None:
        return DASH
    minutes, seconds = divmod(duration_s, 60)
    return f"{minutes // 60}:{minutes % 60:02}:{seconds:02}"


def utc_iso(unix: int | None) -> str | None:
    """UTC ISO 8601 with Z, for programs. A time beyond the year 9999 is nobody's: None."""
    moment = _moment(unix)
    return None if moment is None else moment.isoformat()[:19] + "Z"


def local_text(unix: int | None, zone: tzinfo | None = None) -> str:
    """Time with its offset, for people: in the zone, else in this computer's."""
    moment = _moment(unix)
    return DASH if moment is None else moment.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S%z")


def with_local_times(text: str, zone: tzinfo | None = None) -> str:
    """A sentence of a point, which says `since` with Unix seconds, with that time for people."""
    return _SINCE.sub(lambda found: "since " + local_text(int(found[1]), zone), text)


def _moment(unix: int | None) -> datetime | None:
    try:
        return None if unix is None else datetime.fromtimestamp(unix, UTC)
    except (ValueError, OverflowError, OSError):
        return None
