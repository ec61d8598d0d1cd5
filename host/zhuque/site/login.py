"""Who we are at the broker: a user and a password from a file of mode 0600, and never from a command line.

A file of `logins/` in the site's folder is named after its user and holds `user`, `role` and `password` as TOML; the
certificate that the broker's door for people asks for lies beside it, with its key, as .pem.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from pathlib import Path

from zhuque.errors import NotFoundError, RefusedError, UsageError
from zhuque.site import files
from zhuque.site.settings import Settings, SiteError

_ROLE_FALLBACK = "operator"


@dataclass(frozen=True)
class Login:
    """An account at the broker; the password is in no text form of it."""

    user: str
    role: str
    password: str = field(repr=False)
    certificate: Path | None = None

    @property
    def actor(self) -> str:
        """As commands and the journal name whoever asked."""
        return f"{self.role}:{self.user}"


def path(site: Settings, user: str) -> Path:
    """Where a login is kept."""
    return site.logins / f"{user}.toml"


def keep(site: Settings, login: Login, certificate: bytes) -> Path:
    """Write a login's files, for its owner alone; returns the place of the first."""
    files.make_folder(site.logins)
    place = path(site, login.user)
    files.write(place.with_suffix(".pem"), certificate)
    files.write(place, f'user = "{login.user}"\nrole = "{login.role}"\npassword = "{login.password}"\n')
    return place


def read(place: Path) -> Login:
    """The login in a file. Raises NotFoundError, RefusedError where others can read it, SiteError."""
    if not place.is_file():
        raise NotFoundError(
            f"no login in {place}: `zhuque site people add` makes one, or ZHUQUE_USER is wrong"
        )
    if files.open_to_others(place):
        raise RefusedError(
            f"others can read {place}: `chmod 600 {place}`, and give that account a new password"
        )
    try:
        data = tomllib.loads(place.read_text())
    except (OSError, ValueError) as error:  # the text itself may be a password: it is not repeated
        raise SiteError(f"{place} cannot be read as TOML ({type(error).__name__}); get it anew") from error
    user, password = data.get("user"), data.get("password")
    if not isinstance(user, str) or not isinstance(password, str):
        raise SiteError(f'{place} must hold user = "..." and password = "..."; get it anew')
    certificate = place.with_suffix(".pem")
    if files.open_to_others(certificate):
        raise RefusedError(
            f"others can read {certificate}: `chmod 600 {certificate}`, and renew that account"
        )
    role = str(data.get("role", _ROLE_FALLBACK))
    return Login(user, role, password, certificate if certificate.is_file() else None)


def choose(site: Settings, user: str | None) -> Login:
    """The login to use here: the named one, or the only one. Raises NotFoundError, UsageError."""
    if user is not None:
        if "/" in user:
            raise UsageError(f"ZHUQUE_USER is {user!r}, which is no person's name")
        return read(path(site, user))
    here = sorted(site.logins.glob("*.toml"))
    people = [place for place in here if place.stem != site.name] or here
    if len(people) != 1:
        names = ", ".join(place.stem for place in people) or "none"
        raise UsageError(f"who are you? Set ZHUQUE_USER to one of the logins in {site.logins}: {names}")
    return read(people[0])
