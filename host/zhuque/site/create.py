"""A new garage's folder, and a second garage made after the first.

    site.toml       what the garage is; a person edits it, then `zhuque site apply`
    ca.pem          the authorities that may have signed the broker's certificate
    secrets.toml    the Wi-Fi password
    logins/         user and password of the collector, and of people until they are handed out
    authority/      the keys that sign
    broker/         mosquitto's configuration, hashes of passwords, its certificate, its log and what it keeps
    site.db         the database

Rules: an existing site is never overwritten; a folder that could not be finished is taken away again, and site.toml is
written last. A copy takes layout, limits and tariffs, and nothing that is secret or that names the first garage.
"""

from __future__ import annotations

import json
import re
import secrets
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from zhuque.boards import load as load_board
from zhuque.errors import RefusedError
from zhuque.site import access, authority, broker, database, files, points
from zhuque.site import secrets as site_secrets
from zhuque.site.login import Login, keep
from zhuque.site.settings import FILE, Settings, SiteError, load, parse

_HEADER = re.compile(r"\s*\[\[?([\w. -]+)\]\]?\s*(?:#.*)?$")


@dataclass(frozen=True)
class Wish:
    """What a new garage shall be. `points` p01, p02 .. are made where no `layout` names them."""

    name: str
    time_zone: str
    wifi_ssid: str
    broker_host: str
    broker_port: int = 8883
    people_port: int = 8884
    time_host: str | None = None
    board: str = "zq10"
    label_host: str | None = None
    database: str = "site.db"
    points: int = 1
    limits: dict[str, int] | None = None
    session: dict[str, int] | None = None
    layout: dict[str, tuple[str, int]] | None = None
    tariffs: str = ""  # TOML


def create(folder: Path, wish: Wish, wifi_password: str, by: str) -> Settings:
    """Make the folder and all in it. Raises RefusedError where there is a site already, SiteError."""
    if (folder / FILE).exists():
        raise RefusedError(
            f"{folder} is a site already: `zhuque site show --site {folder}`, or name another folder"
        )
    now = time.time()
    authority.need_clock(now)
    sockets = load_board(wish.board).data["sockets"]
    assert isinstance(sockets, int)
    layout = wish.layout if wish.layout is not None else _numbered(wish.points, sockets)
    text = site_toml(replace(wish, layout=layout), secrets.token_hex(8))
    site = parse(text, folder)
    points.check_limits(site, wish.board)
    fresh = not folder.exists()
    try:
        _fill(site, wish, text, wifi_password, int(now), by)
    except BaseException:
        if fresh:
            shutil.rmtree(folder, ignore_errors=True)
        raise
    return load(folder)


def _fill(site: Settings, wish: Wish, text: str, wifi_password: str, now: int, by: str) -> None:
    folder = site.folder
    files.make_folder(folder)
    site_secrets.keep_wifi_password(site, wifi_password)
    authority.create(site, now)
    database.found(site, now)
    access.refresh(site)
    login = Login(site.name, broker.COLLECTOR, broker.new_password())
    keep(site, login, authority.person(site, login.user))
    broker.set_password(site, login.user, login.password)
    points.add(site, site.points, wish.board, now, by)
    files.write(folder / FILE, text, files.PUBLIC)


def copy(first: Settings, folder: Path, wish: Wish, wifi_password: str, by: str) -> Settings:
    """A second garage with the layout, limits and tariffs of the first; keys, passwords, people, tokens are its own.

    Raises SiteError where the tariffs are written in a form that cannot be copied.
    """
    text = _tariffs_of((first.folder / FILE).read_text(encoding="utf-8"))
    like = replace(wish, limits=first.limits, session=first.session, layout=first.places, tariffs=text)
    if parse(site_toml(like, "0" * 16), folder).tariffs != first.tariffs:
        raise SiteError(
            f"the tariffs in {first.folder / FILE} are not written as [[tariff]] tables, so nothing was made: write "
            "them so, and repeat the command"
        )
    return create(folder, like, wifi_password, by)


def _tariffs_of(text: str) -> str:
    """The [[tariff]] tables of a site.toml, word for word."""
    kept: list[str] = []
    inside = False
    for line in text.splitlines():
        if header := _HEADER.match(line):
            inside = header[1].split(".")[0].strip() == "tariff"
        if inside:
            kept.append(line)
    while kept and (not kept[-1].strip() or kept[-1].startswith("#")):  # these belong to the table after it
        kept.pop()
    return "\n".join(kept)


def apply(site: Settings, by: str) -> list[str]:
    """Bring everything into line with site.toml and tell the broker; returns what was changed, a line each."""
    now = time.time()
    done = []
    board = site.board or "zq10"
    points.check_limits(site, board)
    new = points.add(site, site.points, board, int(now), by)
    if new:
        done.append(f"new points: {', '.join(new)}")
    certificate = authority.server(site)
    left_s = certificate.not_valid_after_utc.timestamp() - now
    renewed = left_s < authority.RENEW_DAYS * 86400 or not authority.serves(certificate, site.broker_host)
    if renewed:
        authority.renew_server(site, now)
        done.append(f"a new certificate for {site.broker_host}")
    if access.refresh(site):
        done.append("the broker's configuration; ports and paths hold after its next start")
    if done and broker.reload(site):
        done.append("the broker was told")
    return done


def site_toml(wish: Wish, id: str) -> str:
    """The text of a site.toml."""
    lines = [
        "# What this garage is. After a change: `zhuque site check`, then `zhuque site apply`. No secret belongs here.",
        "",
        f"name = {_text(wish.name)}  # never changes: topics and labels carry it",
        f"id = {_text(id)}  # never changes: the database is this garage's by it",
        f"time_zone = {_text(wish.time_zone)}",
        f"database = {_text(wish.database)}  # a path from here, or postgresql://HOST/NAME",
        "",
        "[wifi]",
        f"ssid = {_text(wish.wifi_ssid)}  # its password is in secrets.toml",
        "",
        "[broker]",
        f"host = {_text(wish.broker_host)}  # as the points reach it",
        f"port = {wish.broker_port}  # for points",
        f"people_port = {wish.people_port}  # for people and the collector",
        "",
        "[time]",
        f"host = {_text(wish.time_host or wish.broker_host)}  # a server of the time (SNTP) that the points reach",
        "",
        "[board]",
        f"name = {_text(wish.board)}",
        "",
        "# Limits may be lower than the board's, never higher: rated_ma, max_power_mw, point_current_ma.",
        "[limits]",
        *(f"{key} = {value}" for key, value in (wish.limits or {}).items()),
        "",
        "[session]",
        *(f"{key} = {value}" for key, value in (wish.session or {}).items()),
        "",
    ]
    if wish.label_host:
        lines += ["[labels]", f"host = {_text(wish.label_host)}", ""]
    lines += ["# Parking places and their sockets.", "[places]"]
    layout = wish.layout or {}
    lines += [f'{_text(place)} = "{point}/{socket}"' for place, (point, socket) in layout.items()]
    if wish.tariffs:
        lines += ["", wish.tariffs]
    return "\n".join(lines) + "\n"


def _numbered(count: int, sockets: int) -> dict[str, tuple[str, int]]:
    """Places 1, 2 .. along the points."""
    pairs: Sequence[tuple[str, int]] = [
        (f"p{number:02}", socket) for number in range(1, count + 1) for socket in range(1, sockets + 1)
    ]
    return {str(place): pair for place, pair in enumerate(pairs, 1)}


def _text(value: str) -> str:
    """A basic string of TOML: JSON's escapes are among its own."""
    return json.dumps(value, ensure_ascii=False)
