"""A site's tariffs: what a kilowatt-hour, an hour and a session cost, from which day on.

They stand in `site.toml`, one table a version; one that was used is never edited, its successor begins on a later day:

    [[tariff]]
    version = "2026-10"                 # named on every bill
    from = 2026-10-01                   # the first local day
    free_minutes = 5                    # a session charged no longer than this costs nothing
    minimum_fen = 50                    # any other costs at least this much
    cap_fen = 1000                      # and at most this much

    [tariff.periods.peak]               # electricity, passed through as the grid bills it
    fen_per_kwh = 104.32
    hours = ["08:00-11:00", "17:00-22:00"]
    [tariff.periods.valley]
    fen_per_kwh = 30.71
    hours = ["22:00-08:00"]
    [tariff.periods.shoulder]
    fen_per_kwh = 63.2
    hours = ["11:00-17:00"]

    [[tariff.service]]                  # the operator's fee; the tier is chosen by the session's peak power
    up_to_w = 200
    fen_per_kwh = 30
    [[tariff.service]]                  # the last tier has no end
    fen_per_kwh = 40
    fen_per_hour = 5                    # of charge time

Hours are local, begin and end on half hours, and leave neither a gap nor an overlap in the day. Prices are exact: a
float of TOML counts as the digits it is written with. `parse` tells every fault at once.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

SLOT_S = 1800
SLOTS = 48

_VERSION = re.compile(r"[A-Za-z0-9._-]{1,32}")
_HOURS = re.compile(r"([01]\d|2[0-4]):([03]0)-([01]\d|2[0-4]):([03]0)")
_HIGHEST_FEN = 100_000
_KEYS = {"version", "from", "free_minutes", "minimum_fen", "cap_fen", "periods", "service"}


class TariffError(ValueError):
    """The tariffs cannot be used: `problems` has a sentence for each fault, `tables` the number of its table from 0."""

    def __init__(self, problems: Sequence[tuple[int, str]]) -> None:
        self.problems = [text for _, text in problems]
        self.tables = [number for number, _ in problems]
        super().__init__("; ".join(self.problems))


@dataclass(frozen=True, slots=True)
class Tier:
    """The service fee of sessions whose peak power is at most `up_to_mw` (None: any)."""

    up_to_mw: int | None
    fen_per_kwh: Fraction
    fen_per_hour: Fraction


@dataclass(frozen=True, slots=True)
class Tariff:
    """One version. `day` names the period of each local half hour, `prices` are fen per kWh by period."""

    version: str
    begins: date
    day: tuple[str, ...]
    prices: Mapping[str, Fraction]
    tiers: tuple[Tier, ...]
    free_s: int
    minimum_fen: int
    cap_fen: int | None
    digest: str

    def period(self, unix: int, zone: ZoneInfo) -> str:
        """The period of the half hour in which `unix` lies."""
        local = datetime.fromtimestamp(unix, zone)
        return self.day[(local.hour * 60 + local.minute) * 60 // SLOT_S]

    def tier(self, peak_mw: int) -> Tier:
        """The service fee for a session that drew at most so much."""
        return next(tier for tier in self.tiers if tier.up_to_mw is None or peak_mw <= tier.up_to_mw)


def at(tariffs: Sequence[Tariff], unix: int, zone: ZoneInfo) -> Tariff | None:
    """The version in force on the local day of `unix`; None before the first."""
    day = datetime.fromtimestamp(unix, zone).date()
    return max((tariff for tariff in tariffs if tariff.begins <= day), key=lambda t: t.begins, default=None)


def fits(tariff: Tariff, zone: ZoneInfo) -> bool:
    """True where the zone's half hours are UTC's, in which points count energy; a day with one price fits any zone."""
    midnight = datetime(tariff.begins.year, tariff.begins.month, tariff.begins.day, tzinfo=zone)
    return len(set(tariff.day)) == 1 or int(midnight.timestamp()) % SLOT_S == 0


def parse(tables: object) -> tuple[Tariff, ...]:
    """The `tariff` tables of a site.toml, oldest first. Raises TariffError with every fault."""
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise TariffError([(0, "tariff: write each version as a table of its own, [[tariff]]")])
    problems: list[tuple[int, str]] = []
    found = [_Reader(table, i, problems).tariff() for i, table in enumerate(tables)]
    versions = [table.get("version") for table in tables]
    days = [table.get("from") for table in tables]
    for name, values in (("version", versions), ("from", days)):
        problems += [
            (i, f"tariff: {name} {value} stands twice; each needs its own")
            for i, value in enumerate(values)
            if value is not None and values.index(value) < i
        ]
    if problems:
        raise TariffError(problems)
    return tuple(sorted((tariff for tariff in found if tariff is not None), key=lambda t: t.begins))


class _Reader:
    """Reads one table and notes what is wrong with it."""

    def __init__(self, table: dict[str, Any], number: int, problems: list[tuple[int, str]]) -> None:
        self._table = table
        self._problems = problems
        self._number = number
        version = table.get("version")
        self._name = f"tariff {version!r}" if isinstance(version, str) else f"tariff {number + 1}"

    def tariff(self) -> Tariff | None:
        table, before = self._table, len(self._problems)
        for key in sorted(set(table) - _KEYS):
            self._wrong(f"{key!r} is no key of a tariff; there are {', '.join(sorted(_KEYS))}")
        version, begins = table.get("version"), table.get("from")
        if not isinstance(version, str) or not _VERSION.fullmatch(version):
            self._wrong(f"version must be 1 to 32 letters, digits, '.', '_' or '-', is {version!r}")
        if not isinstance(begins, date) or isinstance(begins, datetime):
            self._wrong(f"from must be a day such as 2026-10-01, is {begins!r}")
        day, prices = self._periods(table.get("periods"))
        tiers = self._tiers(table.get("service", [{}]))
        free = self._whole("free_minutes", 0, 24 * 60)
        minimum = self._whole("minimum_fen", 0, _HIGHEST_FEN)
        cap = self._whole("cap_fen", 0, _HIGHEST_FEN) if "cap_fen" in table else None
        if cap is not None and cap < minimum:
            self._wrong(f"cap_fen {cap} is below minimum_fen {minimum}")
        if len(self._problems) > before:
            return None
        assert isinstance(version, str) and isinstance(begins, date)
        return Tariff(version, begins, day, prices, tiers, free * 60, minimum, cap, _digest(table))

    def _periods(self, periods: object) -> tuple[tuple[str, ...], dict[str, Fraction]]:
        if not isinstance(periods, dict) or not periods:
            self._wrong("at least one [tariff.periods.NAME] with fen_per_kwh and hours is needed")
            return (), {}
        day: list[list[str]] = [[] for _ in range(SLOTS)]
        prices = {}
        for name, period in periods.items():
            period = period if isinstance(period, dict) else {}
            prices[name] = self._price(period, "fen_per_kwh", f"periods.{name}")
            for slot in self._slots(name, period.get("hours")):
                day[slot].append(name)
        for text in _runs(day, lambda names: not names):
            self._wrong(f"no period holds {text}: give these hours to one")
        for text in _runs(day, lambda names: len(names) > 1):
            self._wrong(f"more than one period holds {text}: take these hours from all but one")
        return tuple(names[0] for names in day if names), prices

    def _slots(self, name: str, hours: object) -> Iterator[int]:
        if not isinstance(hours, list) or not hours:
            self._wrong(f'periods.{name}.hours must be a list such as ["08:00-11:00"], is {hours!r}')
            return
        for text in hours:
            match = _HOURS.fullmatch(text) if isinstance(text, str) else None
            begin, end = (_slot(match, 1), _slot(match, 3)) if match else (0, 0)
            if match is None or begin == end or begin >= SLOTS or end > SLOTS:
                self._wrong(
                    f"periods.{name}.hours: {text!r} is no span from half hour to half hour such as 22:00-08:00"
                )
                continue
            yield from range(begin, end) if begin < end else (*range(begin, SLOTS), *range(end))

    def _tiers(self, tiers: object) -> tuple[Tier, ...]:
        if not isinstance(tiers, list) or not tiers or not all(isinstance(tier, dict) for tier in tiers):
            self._wrong("write each tier of the service fee as a table of its own, [[tariff.service]]")
            return ()
        found = []
        for i, tier in enumerate(tiers):
            name = f"service {i + 1}"
            for key in sorted(set(tier) - {"up_to_w", "fen_per_kwh", "fen_per_hour"}):
                self._wrong(f"{name}: {key!r} is none of up_to_w, fen_per_kwh, fen_per_hour")
            up_to_w = tier.get("up_to_w")
            if up_to_w is not None and (type(up_to_w) is not int or not 1 <= up_to_w <= 100_000):
                self._wrong(f"{name}: up_to_w must be whole watts, is {up_to_w!r}")
                up_to_w = 1
            per_kwh = self._price(tier, "fen_per_kwh", name, 0)
            per_hour = self._price(tier, "fen_per_hour", name, 0)
            found.append(Tier(None if up_to_w is None else up_to_w * 1000, per_kwh, per_hour))
        limits = [tier.up_to_mw for tier in found]
        if limits[-1] is not None:
            self._wrong(
                "the last tier of the service fee has up_to_w: leave it out, for some session draws more"
            )
        ascending = [limit for limit in limits[:-1] if limit is not None]
        if len(ascending) < len(limits) - 1 or sorted(set(ascending)) != ascending:
            self._wrong("the tiers of the service fee must have up_to_w in rising order, all but the last")
        return tuple(found)

    def _price(self, table: dict[str, Any], key: str, where: str, default: object = None) -> Fraction:
        value = table.get(key, default)
        try:
            if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
                raise InvalidOperation
            price = Decimal(str(value))  # of a float: the digits it is written with
            if not price.is_finite() or not 0 <= price <= _HIGHEST_FEN:
                raise InvalidOperation
        except InvalidOperation:
            self._wrong(f"{where}.{key} must be a price in fen from 0 to {_HIGHEST_FEN}, is {value!r}")
            return Fraction(0)
        return Fraction(price)

    def _whole(self, key: str, low: int, high: int) -> int:
        value = self._table.get(key, 0)
        if type(value) is not int or not low <= value <= high:
            self._wrong(f"{key} must be a whole number from {low} to {high}, is {value!r}")
            return 0
        return value

    def _wrong(self, problem: str) -> None:
        self._problems.append((self._number, f"{self._name}: {problem}"))


def _slot(match: re.Match[str], group: int) -> int:
    return int(match[group]) * 2 + (match[group + 1] == "30")


def _runs(day: list[list[str]], wrong: Any) -> Iterator[str]:
    """The stretches of the day that are wrong, as text."""
    begin = None
    for slot, names in enumerate([*day, None]):
        if names is not None and wrong(names):
            begin = slot if begin is None else begin
        elif begin is not None:
            yield f"{_clock(begin)}-{_clock(slot)}"
            begin = None


def _clock(slot: int) -> str:
    return f"{slot // 2:02}:{slot % 2 * 30:02}"


def _digest(table: dict[str, Any]) -> str:
    """Names what a version says: a version that was edited after it was used is found by it."""
    text = json.dumps(table, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def spans(tariff: Tariff) -> Iterator[tuple[str, str]]:
    """The day as (hours, period), in order."""
    begin = 0
    for slot in range(1, SLOTS + 1):
        if slot == SLOTS or tariff.day[slot] != tariff.day[begin]:
            yield f"{_clock(begin)}-{_clock(slot)}", tariff.day[begin]
            begin = slot
