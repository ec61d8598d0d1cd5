"""Local times, and those that there never were."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from zhuque.cli.moments import unix
from zhuque.errors import UsageError

BERLIN, SHANGHAI, HAVANA, BEIRUT = map(
    ZoneInfo, ("Europe/Berlin", "Asia/Shanghai", "America/Havana", "Asia/Beirut")
)


@pytest.mark.parametrize(
    ("text", "zone", "utc"),
    [
        ("2026-11-01", SHANGHAI, "2026-10-31T16:00:00+00:00"),
        ("2026-11-01T08:00", SHANGHAI, "2026-11-01T00:00:00+00:00"),
        ("2026-11-01T08:00Z", SHANGHAI, "2026-11-01T08:00:00+00:00"),
        ("2026-03-29T01:59", BERLIN, "2026-03-29T00:59:00+00:00"),
        ("2026-03-29T03:00", BERLIN, "2026-03-29T01:00:00+00:00"),
        ("2026-10-25T02:30+01:00", BERLIN, "2026-10-25T01:30:00+00:00"),
        ("2026-10-25T03:00", BERLIN, "2026-10-25T02:00:00+00:00"),
        # A midnight that came twice, and one that the clocks skipped: a date is its first moment.
        ("2026-11-01", HAVANA, "2026-11-01T04:00:00+00:00"),
        ("2026-03-29", BEIRUT, "2026-03-28T22:00:00+00:00"),
    ],
)
def test_a_time_in_a_zone(text: str, zone: ZoneInfo, utc: str) -> None:
    assert unix(text, zone) == datetime.fromisoformat(utc).timestamp()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("2026-03-29T02:30", "does not exist in Europe/Berlin.*2026-03-29T03:00:00\\+02:00"),
        ("2026-03-29T02:00", "does not exist"),
        ("2026-10-25T02:30", "came twice.*02:30:00\\+02:00 or 2026-10-25T02:30:00\\+01:00"),
        ("yesterday", "ISO 8601"),
        ("2026-13-01", "ISO 8601"),
        ("0001-01-01", "ISO 8601"),
    ],
)
def test_what_is_no_time(text: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        unix(text, BERLIN)


def test_without_a_zone_it_is_the_computers(monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    with monkeypatch.context() as context:
        context.setenv("TZ", "Europe/Berlin")
        time.tzset()
        assert unix("2026-07-01", None) == datetime.fromisoformat("2026-06-30T22:00Z").timestamp()
        with pytest.raises(UsageError, match="does not exist in Europe/Berlin"):
            unix("2026-03-29T02:30", None)
    time.tzset()
