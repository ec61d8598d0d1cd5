"""The token of a socket: ten characters of base32 on its label, chosen once and kept for the socket's life."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Iterable

from zhuque.site import database
from zhuque.site.settings import Settings
from zhuque.store import inventory

LENGTH = 10


def of_sockets(site: Settings, sockets: Iterable[tuple[str, int]]) -> dict[tuple[str, int], str]:
    """The tokens of these (point, socket), made where there are none yet."""
    wanted = list(dict.fromkeys(sockets))
    with database.changing(site) as db:
        known = inventory.known_tokens(db, site.name)
        taken = set(known.values())
        new: list[tuple[str, int, str]] = []
        for point, socket in wanted:
            if (point, socket) not in known:
                token = _token(taken)
                known[point, socket] = token
                new.append((point, socket, token))
        inventory.add_tokens(db, site.name, new)
    return {key: known[key] for key in wanted}


def _token(taken: set[str]) -> str:
    """Fifty random bits that no other socket has; it is added to those that are taken."""
    while True:
        token = base64.b32encode(secrets.token_bytes(7)).decode()[:LENGTH].lower()
        if token not in taken:
            taken.add(token)
            return token
