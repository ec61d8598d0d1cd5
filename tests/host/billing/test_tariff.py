"""Tariffs as an operator writes them: read exactly, or refused with every fault and what to do."""

from __future__ import annotations

import tomllib
from datetime import date, datetime
from fractions import Fraction
from zoneinfo import ZoneInfo

import pytest

from zhuque.billing.tariff import TariffError, at, parse

SHANGHAI = ZoneInfo("Asia/Shanghai")
GOOD = """
[[tariff]]
version = "2026-10"
from = 2026-10-01
free_minutes = 5
minimum_fen = 50
cap_fen = 1000
[tariff.periods.peak]
fen_per_kwh = 104.32
hours = ["08:00-11:00", "17:00-22:00"]
[tariff.periods.valley]
fen_per_kwh = 30.71
hours = ["22:00-08:00"]
[tariff.periods.shoulder]
fen_per_kwh = 63.2
hours = ["11:00-17:00"]
[[tariff.service]]
up_to_w = 200
fen_per_kwh = 30
[[tariff.service]]
fen_per_kwh = 40
fen_per_hour = 5
"""


def unix(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=SHANGHAI).timestamp())


def read(text: str) -> object:
    return tomllib.loads(text)["tariff"]


def faults(text: str) -> list[str]:
    with pytest.raises(TariffError) as caught:
        parse(read(text))
    return caught.value.problems


def test_a_good_one_is_read_to_the_digit() -> None:
    (tariff,) = parse(read(GOOD))
    assert (tariff.version, tariff.begins) == ("2026-10", date(2026, 10, 1))
    assert tariff.prices["peak"] == Fraction(10432, 100)
    assert (tariff.free_s, tariff.minimum_fen, tariff.cap_fen) == (300, 50, 1000)
    assert [tariff.day.count(name) for name in ("peak", "shoulder", "valley")] == [16, 12, 20]


@pytest.mark.parametrize(
    ("moment", "period"),
    [
        ("2026-10-01T00:00", "valley"),
        ("2026-10-01T07:59:59", "valley"),
        ("2026-10-01T08:00", "peak"),
        ("2026-10-01T10:59:59", "peak"),
        ("2026-10-01T11:00", "shoulder"),
        ("2026-10-01T21:59:59", "peak"),
        ("2026-10-01T22:00", "valley"),
    ],
)
def test_a_half_hour_belongs_to_one_period(moment: str, period: str) -> None:
    (tariff,) = parse(read(GOOD))
    assert tariff.period(unix(moment), SHANGHAI) == period


@pytest.mark.parametrize(("peak_mw", "fen"), [(0, 30), (200_000, 30), (200_001, 40), (10**9, 40)])
def test_the_tier_follows_the_peak(peak_mw: int, fen: int) -> None:
    (tariff,) = parse(read(GOOD))
    assert tariff.tier(peak_mw).fen_per_kwh == fen


def test_the_version_in_force_is_that_of_the_local_day() -> None:
    later = GOOD.replace("2026-10-01", "2026-11-01").replace('"2026-10"', '"2026-11"')
    tariffs = parse(read(later + GOOD))
    assert [tariff.version for tariff in tariffs] == ["2026-10", "2026-11"]
    assert at(tariffs, unix("2026-09-30T23:59:59"), SHANGHAI) is None
    for moment, version in (("2026-10-01T00:00", "2026-10"), ("2026-10-31T23:59:59", "2026-10")):
        found = at(tariffs, unix(moment), SHANGHAI)
        assert found is not None and found.version == version
    found = at(tariffs, unix("2026-11-01T00:00"), SHANGHAI)
    assert found is not None and found.version == "2026-11"


def test_an_edited_version_has_another_digest() -> None:
    (tariff,), (edited,) = parse(read(GOOD)), parse(read(GOOD.replace("30.71", "30.72")))
    assert tariff.digest != edited.digest
    assert tariff.digest == parse(read("# a comment\n" + GOOD))[0].digest


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('"11:00-17:00"', '"11:30-17:00"', "no period holds 11:00-11:30"),
        ('"22:00-08:00"', '"22:00-07:00"', "no period holds 07:00-08:00"),
        ('"11:00-17:00"', '"10:00-17:30"', "more than one period holds 10:00-11:00"),
        ('"11:00-17:00"', '"10:00-17:30"', "more than one period holds 17:00-17:30"),
        ('"11:00-17:00"', '"11:15-17:00"', "no span from half hour to half hour"),
        ('"11:00-17:00"', '"11:00-11:00"', "no span"),
        ('"11:00-17:00"', '"11:00-25:00"', "no span"),
        ('["11:00-17:00"]', '"11:00-17:00"', "periods.shoulder.hours must be a list"),
        ("fen_per_kwh = 63.2", "", "periods.shoulder.fen_per_kwh must be a price"),
        ("63.2", "-1", "must be a price"),
        ("63.2", "nan", "must be a price"),
        ("63.2", "true", "must be a price"),
        ("free_minutes = 5", "free_minutes = 5.5", "free_minutes must be a whole number"),
        ("free_minutes = 5", "free_minuts = 5", "'free_minuts' is no key of a tariff"),
        ("cap_fen = 1000", "cap_fen = 40", "cap_fen 40 is below minimum_fen 50"),
        ("from = 2026-10-01", "from = 2026-10-01T00:00:00", "from must be a day"),
        ("from = 2026-10-01", "", "from must be a day"),
        ('version = "2026-10"', 'version = "October 26"', "version must be"),
        ("up_to_w = 200\n", "", "rising order"),
        ("fen_per_hour = 5", "up_to_w = 300", "the last tier of the service fee has up_to_w"),
        ("fen_per_hour = 5", "per_hour = 5", "'per_hour' is none of"),
        ("up_to_w = 200", "up_to_w = 0.5", "up_to_w must be whole watts"),
    ],
)
def test_a_fault_is_named(old: str, new: str, words: str) -> None:
    assert old in GOOD
    assert any(words in problem for problem in faults(GOOD.replace(old, new)))


def test_every_fault_is_named_at_once() -> None:
    text = GOOD.replace("63.2", "-1").replace("free_minutes = 5", "free_minutes = -5")
    assert len(faults(text)) == 2
    assert len(faults(GOOD + GOOD)) == 2  # the version and the day


def test_what_is_no_table_is_refused() -> None:
    for tables in ({}, "free", [1]):
        with pytest.raises(TariffError):
            parse(tables)
    with pytest.raises(TariffError, match="at least one"):
        parse([{"version": "1", "from": date(2026, 1, 1)}])
