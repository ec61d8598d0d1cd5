"""Who is let in at the broker: its files follow from the points and people in the database, and are written here."""

from __future__ import annotations

from zhuque.site import broker, database
from zhuque.site.settings import Settings
from zhuque.store import inventory


def known(site: Settings) -> tuple[list[str], dict[str, str]]:
    """The points that are in use, and people's roles."""
    with database.reading(site) as db:
        points = [point.point for point in inventory.points(db, site.name) if point.retired_at is None]
        return points, {person.name: person.role for person in inventory.accounts(db, site.name)}


def refresh(site: Settings) -> bool:
    """Write the broker's files where they are not what they should be; True where they were not."""
    return broker.write(site, *known(site))


def texts(site: Settings) -> dict[str, str]:
    """What the broker's files should be."""
    return broker.texts(site, *known(site))
