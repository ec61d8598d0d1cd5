"""Names that somebody gave: are they known, and which known ones are they most like?"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from sqlalchemy import select
from sqlalchemy.engine import Engine

from zhuque.errors import NotFoundError
from zhuque.store.queries import points_of
from zhuque.store.schema import accounts, sessions

_SHOWN = 3


def nearest(name: str, known: Iterable[str]) -> str:
    """'; the nearest are …' of the known names, or nothing where none is like it."""
    alike = difflib.get_close_matches(name, list(known), n=_SHOWN, cutoff=0.5)
    return f"; the nearest {'is' if len(alike) == 1 else 'are'} {', '.join(alike)}" if alike else ""


def check_known(engine: Engine, site: str | None, point: str | None, account: str | None) -> None:
    """Raises NotFoundError for a site, a point or an account that nothing was ever heard of."""
    if site is not None:
        _check_place(engine, site, point)
    if account is not None:
        check_account(engine, account)


def check_account(engine: Engine, account: str) -> None:
    """Raises NotFoundError for an account that neither was added nor ever charged."""
    with engine.begin() as db:
        for column in (accounts.c.account, sessions.c.account):
            if db.execute(select(column).where(column == account).limit(1)).first():
                return
        known = [*db.scalars(select(accounts.c.account)), *db.scalars(select(sessions.c.account).distinct())]
    names = sorted({name for name in known if name})
    raise NotFoundError(f"no account {account}{nearest(account, names)}; `zhuque account list` shows all")


def _check_place(engine: Engine, site: str, point: str | None) -> None:
    known = points_of(engine)
    if site not in {name for name, _ in known}:
        raise NotFoundError(
            f"no site {site} has been heard of{nearest(site, dict.fromkeys(name for name, _ in known))}"
        )
    if point is not None and (site, point) not in known:
        names = [f"{one}/{other}" for one, other in known]
        raise NotFoundError(f"no point {site}/{point} has been heard of{nearest(f'{site}/{point}', names)}")
