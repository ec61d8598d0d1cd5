"""site.toml: what a garage is. A person writes it, `load` reads it, and no secret is ever in it.

Rules: a key that is not in the table below is refused, for a typing mistake must not read as a default; every problem
is told at once, each with its line and what to do. Limits are held against the board's in check.py, which knows boards.
A folder with nothing but a name, a broker and a login is a site too: that of a person's own computer.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from zhuque.billing import tariff as tariffs
from zhuque.billing.tariff import Tariff, TariffError
from zhuque.errors import NotFoundError, ZhuqueError
from zhuque.wire.topics import is_name

FILE = "site.toml"

# path -> (type, lowest, highest, required); of text the bounds are lengths
KEYS: dict[str, tuple[type, int, int, bool]] = {
    "name": (str, 1, 32, True),
    "id": (str, 16, 16, True),
    "time_zone": (str, 1, 64, True),
    "database": (str, 1, 400, False),
    "wifi.ssid": (str, 1, 32, False),
    "broker.host": (str, 1, 120, True),
    "broker.port": (int, 1, 65535, False),
    "broker.people_port": (int, 1, 65535, False),
    "time.host": (str, 1, 120, False),
    "board.name": (str, 1, 32, False),
    "limits.rated_ma": (int, 500, 16_000, False),
    "limits.max_power_mw": (int, 50_000, 4_000_000, False),
    "limits.point_current_ma": (int, 2500, 80_000, False),
    "session.resume_after_outage_s": (int, 0, 86_400, False),
    "session.max_duration_s": (int, 60, 86_400, False),
    "labels.host": (str, 1, 120, False),
}
# Read by whoever they are for.
OPEN_TABLES = ("places",)
_TABLES = {path.split(".")[0] for path in KEYS if "." in path} | set(OPEN_TABLES)
PLACE_LONGEST = 20
SOCKETS_MOST = 16


class SiteError(ZhuqueError):
    """The site's folder cannot be used as it is; `problems` has every one, a line each."""

    def __init__(self, text: str, problems: list[str] | None = None) -> None:
        super().__init__(text)
        self.problems = problems or [text]


@dataclass(frozen=True)
class Settings:
    """A checked site.toml. `places` maps a parking place to (point, socket); `database` is a path or a URL."""

    folder: Path
    name: str
    id: str
    time_zone: str
    broker_host: str
    broker_port: int = 8883
    people_port: int = 8884
    database: str | None = None
    wifi_ssid: str | None = None
    time_host: str | None = None
    board: str | None = None
    label_host: str | None = None
    limits: dict[str, int] = field(default_factory=dict)
    session: dict[str, int] = field(default_factory=dict)
    places: dict[str, tuple[str, int]] = field(default_factory=dict)
    tariffs: tuple[Tariff, ...] = ()

    @property
    def broker_url(self) -> str:
        """As --broker takes it: that of people and the collector."""
        host = f"[{self.broker_host}]" if ":" in self.broker_host else self.broker_host
        return f"mqtts://{host}:{self.people_port}"

    @property
    def ca(self) -> Path:
        """The authorities that may have signed the broker's certificate, in PEM."""
        return self.folder / "ca.pem"

    @property
    def logins(self) -> Path:
        """The folder with a file a person and service: user and password."""
        return self.folder / "logins"

    @property
    def points(self) -> list[str]:
        """The points that the map of places names, in order."""
        return sorted({point for point, _ in self.places.values()})


def load(folder: Path) -> Settings:
    """The settings of the site in this folder. Raises NotFoundError where there is none, SiteError."""
    path = folder / FILE
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise NotFoundError(f"no site in {folder}: `zhuque site init {folder}` makes one") from error
    except (OSError, UnicodeDecodeError) as error:
        raise SiteError(f"{path} cannot be read: {error}; mend it or its mode") from error
    return parse(text, folder)


def parse(text: str, folder: Path) -> Settings:
    """The settings in a site.toml's text. Raises SiteError."""
    path = folder / FILE
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SiteError(
            f"{path} is not TOML: {error}; texts stand in quotes, and `key = value` on a line of its own"
        ) from error
    problems = [f"{path.name} line {_line(text, at)}: {what}" for at, what in _problems(data)]
    if problems:
        raise SiteError(f"{path} cannot be used:\n  " + "\n  ".join(problems), problems)
    return _settings(data, folder.absolute())


def _settings(data: dict[str, Any], folder: Path) -> Settings:
    def get(path: str, default: Any = None) -> Any:
        table, _, key = path.rpartition(".")
        return (data.get(table, {}) if table else data).get(key, default)

    database = get("database")
    if database is not None and "://" not in database:
        database = str(folder / database)
    return Settings(
        folder,
        get("name"),
        get("id"),
        get("time_zone"),
        get("broker.host"),
        get("broker.port", 8883),
        get("broker.people_port", 8884),
        database,
        get("wifi.ssid"),
        get("time.host"),
        get("board.name"),
        get("labels.host"),
        dict(data.get("limits", {})),
        dict(data.get("session", {})),
        {place: _socket(where) for place, where in data.get("places", {}).items()},
        tariffs.parse(data["tariff"]) if "tariff" in data else (),
    )


def _socket(text: str) -> tuple[str, int]:
    point, _, socket = text.partition("/")
    return point, int(socket)


# --- what can be wrong, as (path of the key, sentence) ---------------------------------------------------------------


def _problems(data: dict[str, Any]) -> Iterator[tuple[str, str]]:
    known = {path.split(".")[0] for path in KEYS} | _TABLES | {"tariff"}
    for key, value in data.items():
        if key not in known:
            yield key, f"{key} is unknown{_like(key, known)}; take it out or mend its name"
        elif key in _TABLES and not isinstance(value, dict):
            yield key, f"{key} is a table: write [{key}] on a line of its own and its keys below"
        elif key in _TABLES and key not in OPEN_TABLES:
            own = {path.split(".")[1] for path in KEYS if path.startswith(key + ".")}
            for unknown in value.keys() - own:
                path = f"{key}.{unknown}"
                yield path, f"{path} is unknown{_like(unknown, own)}; take it out or mend its name"
    for path in KEYS:
        yield from _judge(path, data)
    places = data.get("places", {})
    if isinstance(places, dict):
        yield from _judge_places(places)
    if "tariff" in data:
        yield from _judge_tariffs(data["tariff"], data.get("time_zone"))


def _judge(path: str, data: dict[str, Any]) -> Iterator[tuple[str, str]]:
    kind, low, high, required = KEYS[path]
    table, _, key = path.rpartition(".")
    section = data.get(table, {}) if table else data
    if not isinstance(section, dict):
        return  # that has been said
    value: Any = section.get(key)
    if value is None:
        if required:
            yield path, f'{path} is missing; add {key} = "..."' + (f" below [{table}]" if table else "")
    elif not _is(value, kind):
        wanted = "a whole number without quotes" if kind is int else "a text in quotes"
        yield path, f"{path} must be {wanted}, is {value!r}"
    elif kind is int and not low <= value <= high:
        yield path, f"{path} must be {low} to {high}, is {value}"
    elif kind is str and not low <= len(value) <= high:
        yield path, f"{path} must have {low} to {high} characters, has {len(value)}"
    else:
        wrong = _WORDS[path](value) if path in _WORDS else ""
        if wrong:
            shown = "not shown" if "@" in value else repr(value)  # it may be a password
            yield path, f"{path} is {shown}: {wrong}"


def _is(value: object, kind: type) -> bool:
    """True is no number here."""
    return type(value) is kind


def _judge_places(places: dict[str, Any]) -> Iterator[tuple[str, str]]:
    taken: dict[str, str] = {}
    for place, where in places.items():
        path = f"places.{place}"
        point, slash, socket = where.partition("/") if isinstance(where, str) else ("", "", "")
        number = int(socket) if socket.isascii() and socket.isdecimal() else 0
        if not slash or not is_name(point) or not 1 <= number <= SOCKETS_MOST:
            yield (
                path,
                f'place {place!r} must lead to POINT/SOCKET, such as "p01/3", sockets 1 to {SOCKETS_MOST};'
                f" is {where!r}",
            )
        elif not 1 <= len(place) <= PLACE_LONGEST or not place.isprintable():
            yield path, f"place {place!r} must have 1 to {PLACE_LONGEST} printable characters"
        elif f"{point}/{number}" in taken:
            other = taken[f"{point}/{number}"]
            yield path, f"place {place!r} leads to {where}, as place {other!r} does: take one of them out"
        taken.setdefault(f"{point}/{number}", place)


def _judge_tariffs(tables: object, time_zone: object) -> Iterator[tuple[str, str]]:
    from zoneinfo import ZoneInfo

    try:
        found = tariffs.parse(tables)
    except TariffError as error:
        for number, problem in zip(error.tables, error.problems, strict=True):
            yield f"tariff.{number}", problem
        return
    if not isinstance(time_zone, str) or _zone(time_zone):
        return  # that has been said
    if not all(tariffs.fits(tariff, ZoneInfo(time_zone)) for tariff in found):
        yield (
            "tariff",
            f"the clocks of {time_zone} are not whole half hours from UTC, as a tariff by half hours needs it",
        )


def _name(value: str) -> str:
    return "" if is_name(value) else "1 to 32 of a-z, 0-9 and '-'"


def _id(value: str) -> str:
    wrong = set(value) - set("0123456789abcdef")
    return "16 hexadecimal digits that `zhuque site init` chose; put back what was there" if wrong else ""


def _zone(value: str) -> str:
    from zoneinfo import ZoneInfo

    try:
        ZoneInfo(value)
    except (ValueError, OSError, LookupError):
        return 'no time zone of this computer; it looks like "Asia/Shanghai"'
    return ""


def _database(value: str) -> str:
    if "://" not in value:
        return ""
    try:
        parts = urlsplit(value)
    except ValueError as error:
        return f"no URL: {error}"
    if parts.password is not None:
        return "a password has no place here; put it into ~/.pgpass, mode 0600"
    return "" if parts.scheme in ("postgresql", "postgres") else 'a path, or "postgresql://HOST/NAME"'


def _host(value: str) -> str:
    if re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|[0-9a-fA-F:]+", value):
        return ""
    return "a host's name or address alone, without mqtts://, port or blanks"


_WORDS = {
    "name": _name,
    "id": _id,
    "time_zone": _zone,
    "database": _database,
    "broker.host": _host,
    "time.host": _host,
    "labels.host": _host,
    "board.name": _name,
}


def _like(name: str, known: set[str]) -> str:
    near = get_close_matches(name, sorted(known), 1)
    return f" (is {near[0]} meant?)" if near else ""


def _line(text: str, path: str) -> int:
    """The line of a key; that of its table, or the first, where it is not in the text.

    `tariff.N` is the table [[tariff]] with that number, from 0.
    """
    if path.startswith("tariff."):
        heads = [
            n for n, line in enumerate(text.splitlines(), 1) if re.match(r"\s*\[\[\s*tariff\s*\]\]", line)
        ]
        return heads[int(path[7:])] if heads else _line(text, "tariff")
    table, _, key = path.partition(".") if path.split(".")[0] in _TABLES else ("", "", path)
    here, found = "", 0
    for number, line in enumerate(text.splitlines(), 1):
        head = re.match(r"\s*\[+\s*([\w-]+)", line)
        if head:
            here = head[1]
            if here in (table, path) and not found:
                found = number
        said = re.match(r"""\s*(?:([\w-]+)|"([^"]*)"|'([^']*)')\s*=""", line)
        if said and here == table and key in said.groups():
            return number
        if said and not here and table in said.groups():
            return number
    return found or 1
