"""What was tested at the wall, kept in the site's own database."""

from __future__ import annotations

from zhuque.site import database
from zhuque.site.settings import Settings
from zhuque.store import point_tests
from zhuque.store.point_tests import PointTest


def keep(site: Settings, test: PointTest) -> None:
    """Put a test on record."""
    with database.changing(site) as db:
        point_tests.keep(db, site.name, test)


def newest(site: Settings) -> dict[str, PointTest]:
    """The last test of each point that was ever tested."""
    with database.reading(site) as db:
        return point_tests.newest(db, site.name)
