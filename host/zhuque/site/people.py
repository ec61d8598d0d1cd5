"""People's accounts at the broker, by role. What a person gets is a folder: name, broker, authorities and a login.

| role | may, at the broker |
|---|---|
| viewer | read status and telemetry |
| operator | read everything, and send commands |
| installer | the same; what needs a cable needs the site's folder too |
"""

from __future__ import annotations

from pathlib import Path

from zhuque.errors import NotFoundError, RefusedError, UsageError
from zhuque.site import access, authority, broker, database, files
from zhuque.site.login import Login, keep
from zhuque.site.settings import FILE, Settings
from zhuque.store import inventory
from zhuque.store.inventory import Person
from zhuque.wire.topics import is_name

# "installer:" and the name must fit into a command's actor.
NAME_LONGEST = 30
_FILES = (".toml", ".pem")


def names(site: Settings) -> list[Person]:
    """Everybody, by name."""
    with database.reading(site) as db:
        return inventory.accounts(db, site.name)


def add(site: Settings, name: str, role: str, now: int, by: str) -> Path:
    """A new account; returns the file with its password. Raises RefusedError where the name is taken, UsageError."""
    if not is_name(name) or len(name) > NAME_LONGEST:
        raise UsageError(f"{name!r} is no name of a person: 1 to {NAME_LONGEST} of a-z, 0-9 and '-'")
    if name in (broker.COLLECTOR, site.name):
        raise RefusedError(f"{name} is the collector's own account: take another name")
    if role not in broker.ROLES:
        raise UsageError(f"{role!r} is no role: {', '.join(broker.ROLES)} are")
    with database.changing(site) as db:
        if any(person.name == name for person in inventory.accounts(db, site.name)):
            raise RefusedError(
                f"{name} has an account already: `zhuque site people renew {name}` gives a new password"
            )
        inventory.add_person(db, site.name, Person(name, role, now, by))
    return _admit(site, name, role)


def renew(site: Settings, name: str) -> Path:
    """A new password; the old one is worth nothing at once. Returns its file. `collector` is one of them.

    Raises NotFoundError.
    """
    if name == broker.COLLECTOR:
        return _admit(site, site.name, name)
    for person in names(site):
        if person.name == name:
            return _admit(site, name, person.role)
    raise NotFoundError(f"nobody is called {name}: `zhuque site people list` tells who there is")


def remove(site: Settings, name: str) -> None:
    """The account is no more, at once. Raises NotFoundError."""
    broker.set_password(site, name, None)
    with database.changing(site) as db:
        there = inventory.remove_person(db, site.name, name)
    access.refresh(site)
    for suffix in _FILES:
        (site.logins / (name + suffix)).unlink(missing_ok=True)
    broker.reload(site)
    if not there:
        raise NotFoundError(f"nobody is called {name}: `zhuque site people list` tells who there is")


def hand_out(site: Settings, name: str, folder: Path) -> None:
    """Make the folder that this person's own computer needs, and take the password off this one.

    Raises NotFoundError without a login here, RefusedError where there is something in the folder already.
    """
    login = site.logins / f"{name}.toml"
    if not login.is_file():
        raise NotFoundError(
            f"the password of {name} is not here any more: `zhuque site people renew {name}` first"
        )
    if folder.exists() and any(folder.iterdir()):
        raise RefusedError(f"{folder} is not empty: name a new folder")
    files.make_folder(folder)
    files.make_folder(folder / "logins")
    files.write(folder / FILE, _client_toml(site), files.PUBLIC)
    files.write(folder / "ca.pem", site.ca.read_bytes(), files.PUBLIC)
    for suffix in _FILES:
        place = login.with_suffix(suffix)
        files.write(folder / "logins" / place.name, place.read_bytes())
    for suffix in _FILES:
        login.with_suffix(suffix).unlink()


def _admit(site: Settings, name: str, role: str) -> Path:
    login = Login(name, role, broker.new_password())
    access.refresh(site)
    place = keep(site, login, authority.person(site, name))
    broker.set_password(site, name, login.password)
    broker.reload(site)
    return place


def _client_toml(site: Settings) -> str:
    return (
        "# For `zhuque --site` on a person's own computer; the password is in logins/.\n"
        f'name = "{site.name}"\nid = "{site.id}"\ntime_zone = "{site.time_zone}"\n\n'
        f'[broker]\nhost = "{site.broker_host}"\nport = {site.broker_port}\npeople_port = {site.people_port}\n'
    )
