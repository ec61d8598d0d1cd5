"""What is wrong with a site, and what is about to be: for `zhuque site check`.

Each part yields problems; none stops the others, and nothing is changed. `serious` is what makes the command fail; the
rest is worth knowing.
"""

from __future__ import annotations

import os
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography import x509

from zhuque.boards import BoardError, load
from zhuque.errors import ZhuqueError
from zhuque.site import access, authority, broker, clock, database, files, points
from zhuque.site.login import read
from zhuque.site.secrets import wifi_password
from zhuque.site.settings import Settings
from zhuque.store import inventory
from zhuque.wire.version import RELEASED

_DISK_LEAST = 200 << 20
_CLOCK_OFF_S = 5
_CONNECT_S = 3.0
_SECRET = ("secrets.toml", "authority", "broker", "logins", "site.db")


@dataclass(frozen=True)
class Problem:
    """`about` is a word, `text` says what it means and what to do."""

    about: str
    text: str
    serious: bool = True


def check(site: Settings, now: float | None = None) -> list[Problem]:
    """Every problem that is found; `now` is this computer's clock, Unix seconds."""
    now = time.time() if now is None else now
    parts: tuple[Callable[[], Iterator[Problem]], ...] = (
        lambda: _clock(site, now),
        lambda: _modes(site),
        lambda: _settings(site),
        lambda: _secrets(site),
        lambda: _certificates(site, now),
        lambda: _database(site, now),
        lambda: _derived(site),
        lambda: _disk(site),
        lambda: _listening(site),
    )
    found: list[Problem] = []
    for part in parts:
        try:
            found += part()
        except ZhuqueError as error:
            problem = Problem("site", str(error))
            if all(problem.text != other.text for other in found):
                found.append(problem)
    return found


def _clock(site: Settings, now: float) -> Iterator[Problem]:
    shown = f"{datetime.fromtimestamp(now, UTC):%Y-%m-%d %H:%M:%S} UTC"
    if now < RELEASED - 86_400:
        yield Problem("clock", f"this computer shows {shown}, before this zhuque was made: set its clock")
        return
    host = site.time_host or site.broker_host
    off = clock.offset(host)
    if off is None:
        yield Problem(
            "clock",
            f"no time server answers at {host}: the points set their clocks by it, and speak no TLS without;"
            " mend [time] host in site.toml, or start one there (such as chrony)",
            serious=False,
        )
    elif abs(off) > _CLOCK_OFF_S:
        yield Problem(
            "clock",
            f"this computer shows {shown}, {abs(off):.0f} s {'ahead of' if off < 0 else 'behind'} {host}:"
            " set it before anything is issued or started",
        )


def _modes(site: Settings) -> Iterator[Problem]:
    for name in _SECRET:
        top = site.folder / name
        inside = sorted(top.rglob("*")) if top.is_dir() else []
        for path in [top, *inside]:
            if not path.is_symlink() and files.open_to_others(path):
                yield Problem(
                    "modes",
                    f"others can read {path}: `chmod go= {path}`, and renew what was in it if anybody else"
                    " works on this computer",
                )
    if not os.access(site.folder, os.W_OK):
        yield Problem("modes", f"{site.folder} belongs to another user: work as that one")


def _settings(site: Settings) -> Iterator[Problem]:
    name = site.board
    if not name or not site.wifi_ssid or not site.places:
        missing = [key for key, value in (("board.name", name), ("wifi.ssid", site.wifi_ssid)) if not value]
        yield Problem(
            "site.toml", f"{', '.join(missing or ['places'])} is missing: no board can be provisioned"
        )
    if not site.label_host:
        yield Problem("site.toml", "labels.host is missing: no label can be printed", serious=False)
    if not name:
        return
    for text in points.above_board(site, name):
        yield Problem("limits", text)
    try:
        sockets = load(name).data["sockets"]
    except BoardError:
        return  # above_board has said so
    assert isinstance(sockets, int)
    for place, (point, number) in site.places.items():
        if number > sockets:
            yield Problem("places", f"place {place} is {point}/{number}, but a {name} has {sockets} sockets")


def _secrets(site: Settings) -> Iterator[Problem]:
    if not wifi_password(site):
        yield Problem(
            "secrets", "the Wi-Fi has no password: anybody near can join its network", serious=False
        )
    read(site.logins / f"{site.name}.toml")


def _certificates(site: Settings, now: float) -> Iterator[Problem]:
    current = authority.load(site, authority.CURRENT)
    waiting = authority.load(site, authority.NEXT)
    server = authority.server(site)
    roll = "`zhuque site roll` lets the next one follow"
    yield from _dates(f"the authority {current.number}", current.certificate, now, roll)
    yield from _dates(
        f"the authority {waiting.number}", waiting.certificate, now, "provision the points again"
    )
    yield from _dates("the broker's certificate", server, now, "`zhuque site renew`")
    if not authority.serves(server, site.broker_host):
        yield Problem(
            "certificates", f"the broker's certificate is not for {site.broker_host}: `zhuque site renew`"
        )
    try:
        server.verify_directly_issued_by(current.certificate)
    except Exception:  # noqa: BLE001 - whatever it is, it was not signed by it
        yield Problem("certificates", "the broker's certificate is another authority's: `zhuque site renew`")
    if {authority.der(one) for one in authority.trusted(site)} != {
        authority.der(one.certificate) for one in (current, waiting)
    }:
        yield Problem(
            "certificates", f"{site.ca} does not hold the site's two authorities: `zhuque site renew`"
        )


def _dates(what: str, certificate: x509.Certificate, now: float, remedy: str) -> Iterator[Problem]:
    until = certificate.not_valid_after_utc
    if now > until.timestamp():
        yield Problem("certificates", f"{what} expired on {until:%Y-%m-%d}: nobody connects; {remedy}")
    elif now > until.timestamp() - authority.RENEW_DAYS * 86400:
        yield Problem("certificates", f"{what} expires on {until:%Y-%m-%d}: {remedy}", serious=False)
    if now < certificate.not_valid_before_utc.timestamp():
        yield Problem(
            "certificates", f"{what} is valid from {certificate.not_valid_before_utc:%Y-%m-%d} on only"
        )


def _database(site: Settings, now: float) -> Iterator[Problem]:
    with database.reading(site) as db:
        known = inventory.points(db, site.name)
        tokens = inventory.known_tokens(db, site.name)
    names = {point.point for point in known}
    for name in sorted(set(site.points) - names):
        yield Problem("inventory", f"{name} is in [places] and not in the inventory: `zhuque site apply`")
    for name in sorted({point.point for point in known if point.retired_at} & set(site.points)):
        yield Problem("places", f"{name} is retired, but [places] still leads to it: mend site.toml")
    issued = {f"{site.name}/{point.point}" for point in known if point.fingerprint}
    for user in sorted({user for user in broker.users(site) if "/" in user} - issued):
        yield Problem(
            "inventory", f"the broker lets {user} in, which the inventory does not know: `zhuque site apply`"
        )
    if len(set(tokens.values())) != len(tokens):
        yield Problem("inventory", "two sockets have the same token: restore the database from a copy")
    newest = max((point.issued_at or 0 for point in known), default=0)
    if newest > now + 86_400:
        yield Problem("clock", "something was issued later than this computer's clock shows: set it")


def _derived(site: Settings) -> Iterator[Problem]:
    for name, text in access.texts(site).items():
        path = site.folder / "broker" / name
        if not path.is_file() or path.read_text() != text:
            yield Problem(
                "broker", f"{path} is not what site.toml and the people ask for: `zhuque site apply`"
            )
    _, roles = access.known(site)
    strangers = {user for user in broker.users(site) if "/" not in user} - set(roles) - {site.name}
    for name in sorted(strangers):
        yield Problem("people", f"{name} has a password and no account: `zhuque site people remove {name}`")


def _disk(site: Settings) -> Iterator[Problem]:
    stats = os.statvfs(site.folder)
    free = stats.f_bavail * stats.f_frsize
    if free < _DISK_LEAST:
        yield Problem(
            "disk", f"{free >> 20} MiB are free: the broker and the database soon take nothing more"
        )


def _listening(site: Settings) -> Iterator[Problem]:
    """Does the broker answer where the points look for it, with a certificate that they accept?"""
    context = ssl.create_default_context(cafile=site.ca)
    context.load_cert_chain(site.logins / f"{site.name}.pem")
    for what, port in (("points", site.broker_port), ("people", site.people_port)):
        where = f"{site.broker_host} port {port} (for {what})"
        try:
            with (
                socket.create_connection((site.broker_host, port), _CONNECT_S) as plain,
                context.wrap_socket(plain, server_hostname=site.broker_host),
            ):
                pass
        except ssl.SSLCertVerificationError as error:
            yield Problem(
                "broker", f"{where} shows a certificate that is not accepted: {error.verify_message};"
                " start it with this site's configuration"
            )  # fmt: skip
        except OSError as error:
            yield Problem(
                "broker",
                f"no broker answers at {where}: {error.strerror or error}; `zhuque site up` or its unit",
            )
