"""Points: which board is which, what it is given to be it, and how that is taken from it again.

A point is never renamed: its board may be replaced, its label and its sockets' tokens stay. What a board needs to be a
point is an `Identity`; it is issued, written to the board and kept nowhere, for the broker needs only its hash. Issuing
anew is revoking what was issued before, so an interrupted provisioning is simply begun again.

`by` is who does it, `now` Unix seconds. Everything here is for one site, and refused with another one's database.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

from zhuque.boards import BoardError, load
from zhuque.errors import NotFoundError, RefusedError, UsageError
from zhuque.site import access, authority, broker, database
from zhuque.site.settings import Settings, SiteError
from zhuque.store import inventory
from zhuque.store.inventory import Event, Point
from zhuque.wire.config import check_config
from zhuque.wire.topics import is_name
from zhuque.wire.version import RELEASED, WIRE

LIMITS = ("rated_ma", "max_power_mw", "point_current_ma")
LABEL_LONGEST = 60
_PROVEN = "prove"
_MAC = re.compile(r"([0-9a-f]{2}:){5}[0-9a-f]{2}")


@dataclass(frozen=True)
class Hardware:
    """A board as it was found on a cable: `mac` is its station address, `board` the name of its board.toml."""

    mac: str
    chip: str
    board: str
    firmware: str


@dataclass(frozen=True)
class Identity:
    """What makes a board this point: config.json, and files that lie beside it, by name. Both hold secrets."""

    site: str
    point: str
    board: str
    fingerprint: str
    config: dict[str, Any] = field(repr=False)
    files: dict[str, bytes] = field(repr=False)

    def board_files(self) -> dict[str, bytes]:
        """Everything as it lies on the board, config.json among it."""
        return {"config.json": json.dumps(self.config).encode(), **self.files}


def listed(site: Settings) -> list[Point]:
    """Every point of the site, by name."""
    with database.reading(site) as db:
        return inventory.points(db, site.name)


def shown(site: Settings, name: str) -> tuple[Point, list[Event]]:
    """A point and what was done to it. Raises NotFoundError."""
    with database.reading(site) as db:
        return _need(db, site, name), inventory.events(db, site.name, name)


def add(site: Settings, names: list[str], board: str, now: int, by: str) -> list[str]:
    """Points without a board yet; those that are there already are left alone. Returns the new ones."""
    for name in names:
        if not is_name(name):
            raise UsageError(f"{name!r} is no name of a point: 1 to 32 of a-z, 0-9 and '-'")
    load(board)
    with database.changing(site) as db:
        known = {point.point for point in inventory.points(db, site.name)}
        new = [name for name in names if name not in known]
        inventory.add_points(db, site.name, [Point(name, board) for name in new])
        for name in new:
            inventory.note(db, site.name, name, now, by, "add", board)
    if new and access.refresh(site):
        broker.reload(site)
    return new


def claim(site: Settings, name: str, found: Hardware, now: int, by: str) -> None:
    """This board is that point from now on. The same one again only tells its firmware.

    Raises RefusedError where the point is another board already, or the board another point; NotFoundError.
    """
    mac = _mac(found.mac)
    board = load(found.board).name
    with database.changing(site) as db:
        point = _need(db, site, name)
        _need_in_use(site, point)
        holder = inventory.holder(db, mac)
        if holder is not None and holder != (site.name, name):
            raise RefusedError(
                f"the board {mac} is {'/'.join(holder)} already: take another board, or"
                f" `zhuque point replace {holder[1]}` first if it was taken down there"
            )
        if point.mac not in (None, mac):
            raise RefusedError(
                f"{site.name}/{name} is the board {point.mac} already:"
                f" `zhuque point replace {name}` if that one is dead, or take another name"
            )
        check_limits(site, board)
        values = {"mac": mac, "chip": found.chip, "board": board, "firmware": found.firmware}
        if point.mac is None:
            values |= {"installed_at": now, "installed_by": by}  # type: ignore[dict-item]
        inventory.change_point(db, site.name, name, **values)
        what = "install" if point.mac is None else "update"
        inventory.note(db, site.name, name, now, by, what, f"{mac} {found.chip} {board} {found.firmware}")


def identity(site: Settings, name: str, now: int, by: str) -> Identity:
    """Issue what makes a board this point. What was issued before is worth nothing from now on.

    Raises NotFoundError, RefusedError for a point that is retired or a clock that cannot be right, SiteError where
    site.toml or the secrets do not make a config.json.
    """
    authority.need_clock(now)
    password = broker.new_password()
    trusted = authority.trusted(site)
    with database.changing(site) as db:
        point = _need(db, site, name)
        _need_in_use(site, point)
        made = Identity(
            site.name,
            name,
            point.board,
            broker.fingerprint(password),
            _config(site, point, password, now),
            {"ca.der": b"".join(authority.der(one) for one in trusted)},
        )
        trusts = ",".join(str(authority.number(one)) for one in trusted)
        inventory.change_point(
            db, site.name, name, fingerprint=made.fingerprint, trusts=trusts, issued_at=now
        )
        inventory.note(db, site.name, name, now, by, "issue", f"{made.fingerprint}, trusts {trusts}")
        broker.set_password(site, _user(site, name), password)
    broker.reload(site)
    return made


def prove(site: Settings, name: str, what: str, now: int, by: str) -> None:
    """The board of this point holds what it was given, and runs: `what` tells one state of it from another."""
    with database.changing(site) as db:
        _need(db, site, name)
        inventory.note(db, site.name, name, now, by, _PROVEN, what)


def proofs(site: Settings) -> dict[str, str]:
    """What was proven last of each point."""
    with database.reading(site) as db:
        return inventory.last_details(db, site.name, _PROVEN)


def profile(site: Settings, board: str) -> dict[str, Any]:
    """What a config.json holds for every point of that board alike; never a password. Raises SiteError."""
    from hashlib import scrypt

    config = _config(site, Point("p", board), "0" * 16, RELEASED)
    del config["point"], config["provisioned"], config["broker"]["password"]
    password = config["wifi"].pop("password").encode()
    config["wifi"]["proof"] = scrypt(password, salt=site.id.encode(), n=1 << 14, r=8, p=1, dklen=16).hex()
    return config | {"trusts": [authority.number(one) for one in authority.trusted(site)]}


def replace(site: Settings, name: str, now: int, by: str) -> Point:
    """The board is dead or gone: its password is worth nothing at once, and the point waits for another board.

    Label, places and tokens stay with the point. Returns the point as it was. Raises NotFoundError.
    """
    return _take_away(site, name, now, by, "replace")


def retire(site: Settings, name: str, now: int, by: str) -> Point:
    """The point is no more; its name is never used again. Returns it as it was. Raises NotFoundError."""
    return _take_away(site, name, now, by, "retire", retired_at=now)


def label(site: Settings, name: str, text: str | None, now: int, by: str) -> None:
    """What people call the point, such as where it hangs; None for nothing. Raises NotFoundError, UsageError."""
    if text is not None and (not 1 <= len(text) <= LABEL_LONGEST or not text.isprintable()):
        raise UsageError(f"a label has 1 to {LABEL_LONGEST} printable characters")
    with database.changing(site) as db:
        _need(db, site, name)
        inventory.change_point(db, site.name, name, label=text)
        inventory.note(db, site.name, name, now, by, "label", text)


def left_behind(site: Settings, number: int) -> list[str]:
    """The points that do not trust this authority: they would be cut off if it signed."""
    return [
        point.point
        for point in listed(site)
        if point.trusts and not point.retired_at and str(number) not in point.trusts.split(",")
    ]


def check_limits(site: Settings, board: str) -> None:
    """Raises SiteError where a limit of site.toml is above the board's: a site lowers limits, it never raises them."""
    wrong = above_board(site, board)
    if wrong:
        raise SiteError("site.toml: " + "; ".join(wrong), wrong)


def above_board(site: Settings, board: str) -> list[str]:
    """The limits that are above the board's, a sentence each."""
    try:
        own: Any = load(board).data["limits"]
    except BoardError as error:
        return [str(error)]
    return [
        f"limits.{key} is {site.limits[key]}, above the {own[key]} of the board {board}: lower it or take it out"
        for key in LIMITS
        if site.limits.get(key, 0) > own[key]
    ]


def _config(site: Settings, point: Point, password: str, now: int) -> dict[str, Any]:
    from zhuque.site.secrets import wifi_password

    check_limits(site, point.board)
    config: dict[str, Any] = {
        "wire": WIRE,
        "site": site.name,
        "point": point.point,
        "provisioned": now,
        "wifi": {"ssid": site.wifi_ssid, "password": wifi_password(site)},
        "broker": {"host": site.broker_host, "port": site.broker_port, "tls": True, "password": password},
        "time": {"host": site.time_host or site.broker_host},
    }
    for name, section in (("limits", site.limits), ("session", site.session)):
        if section:
            config[name] = dict(section)
    problems = check_config(config)
    if problems:
        text = f"site.toml does not make a config.json for {point.point}: " + "; ".join(problems)
        raise SiteError(text + "; mend site.toml, `zhuque site check` helps", problems)
    return config


def _take_away(site: Settings, name: str, now: int, by: str, what: str, **more: Any) -> Point:
    # The password goes first: whatever happens after it, the old board is locked out.
    broker.set_password(site, _user(site, name), None)
    try:
        with database.changing(site) as db:
            point = _need(db, site, name)
            gone = dict.fromkeys(
                (
                    "mac",
                    "chip",
                    "firmware",
                    "installed_at",
                    "installed_by",
                    "fingerprint",
                    "trusts",
                    "issued_at",
                )
            )
            inventory.change_point(db, site.name, name, **gone, **more)
            inventory.note(db, site.name, name, now, by, what, point.mac)
        access.refresh(site)
    finally:
        broker.reload(site)
    return point


def _need(db: Any, site: Settings, name: str) -> Point:
    point = inventory.point(db, site.name, name)
    if point is None:
        raise NotFoundError(f"{site.name} has no point {name}: `zhuque point list` tells which there are")
    return point


def _need_in_use(site: Settings, point: Point) -> None:
    if point.retired_at is not None:
        raise RefusedError(f"{site.name}/{point.point} is retired: its name is not used again, take another")


def _mac(text: str) -> str:
    mac = text.lower().replace("-", ":")
    if not _MAC.fullmatch(mac):
        raise UsageError(f"{text!r} is no MAC; it looks like 24:6f:28:aa:bb:cc")
    return mac


def _user(site: Settings, name: str) -> str:
    return f"{site.name}/{name}"
