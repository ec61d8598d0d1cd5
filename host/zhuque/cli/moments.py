"""Times as people give them: local to a zone, and refused where its clocks never showed them, or showed them twice.

The zone is that of --zone (ZHUQUE_ZONE), else that of --site, which is this process's then, else this computer's.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import date, datetime, tzinfo
from typing import Any, TypeVar

import click

from zhuque.cli.options import ParamType
from zhuque.errors import UsageError

F = TypeVar("F", bound=Callable[..., Any])

_EXAMPLE = "such as 2026-11-01 or 2026-11-01T08:00+08:00"


class Zone(ParamType):
    """The name of a time zone; gives its tzinfo."""

    name = "zone"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The zone from the computer's time zone data."""
        if isinstance(value, tzinfo):
            return value
        from zoneinfo import ZoneInfo

        try:
            return ZoneInfo(value)
        except (ValueError, OSError, LookupError):
            self.fail(
                f"{value!r} is no time zone that is known here; it looks like Asia/Shanghai", param, ctx
            )


def zone_option(command: F) -> F:
    """--zone, also from ZHUQUE_ZONE."""
    return click.option(
        "--zone",
        type=Zone(),
        envvar="ZHUQUE_ZONE",
        help="Of times given and shown; also ZHUQUE_ZONE. Default: that of --site, else this computer's.",
    )(command)


def unix(text: str | None, zone: tzinfo | None) -> int | None:
    """Unix seconds of an ISO 8601 date or time; a date is its first moment; None stays None.

    Raises UsageError for what is no time, and for a local time that the zone's clocks skipped or showed twice.
    """
    if text is None:
        return None
    try:
        given = datetime.fromisoformat(text)
        if given.tzinfo is not None:
            return int(given.timestamp())
        if _is_date(text):
            return int(_first_moment(given, zone).timestamp())
        found = _readings(given, zone)
    except (ValueError, OverflowError, OSError):
        raise UsageError(f"{text!r} is no ISO 8601 time {_EXAMPLE}") from None
    where = zone or os.environ.get("TZ") or "this computer's zone"
    if not found:
        raise UsageError(
            f"{text} does not exist in {where}: its clocks were put forward then;"
            f" the moment after the change is {_first_moment(given, zone).isoformat()}"
        )
    if len(found) > 1:
        both = " or ".join(moment.isoformat() for moment in found)
        raise UsageError(f"{text} came twice in {where}, whose clocks were put back then: say {both}")
    return int(found[0].timestamp())


def _is_date(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _at(unix: float, zone: tzinfo | None) -> datetime:
    return datetime.fromtimestamp(unix, zone) if zone else datetime.fromtimestamp(unix).astimezone()


def _readings(naive: datetime, zone: tzinfo | None) -> list[datetime]:
    """The moments, in order, at which the zone's clocks show this: none, one or two."""
    stamps = sorted({naive.replace(tzinfo=zone, fold=fold).timestamp() for fold in (0, 1)})
    return [moment for at in stamps if (moment := _at(at, zone)).replace(tzinfo=None, fold=0) == naive]


def _first_moment(naive: datetime, zone: tzinfo | None) -> datetime:
    """The first moment at which the clocks show this or, where they skip it, the end of what they skip."""
    found = _readings(naive, zone)
    if found:
        return found[0]
    # Read with the offset from before the change, a skipped time lies after it by as much as it lies in the gap.
    after = _at(max(naive.replace(tzinfo=zone, fold=fold).timestamp() for fold in (0, 1)), zone)
    low, high = int(after.timestamp()) - 86400, int(after.timestamp())
    before_change = _at(low, zone).utcoffset()
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if _at(middle, zone).utcoffset() == before_change else (low, middle)
    return _at(high, zone)
