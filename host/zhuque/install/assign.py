"""Which board becomes which point: points are handed out as boards come, and what is done is known after a restart.

Strategy: the inventory is the only memory. A board's MAC is put beside its point before the first byte is written, so
a board that was pulled half-way is that point again when it comes back. What was proven is kept as the fingerprint of
the credential and a digest of all that a board gets; another application, limit or Wi-Fi is another digest, and the
board is provisioned again.

Rules: safe from any thread, and beside another installer with the same database: whoever comes first has the point.
"""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from zhuque.device.image import Image
from zhuque.errors import NotFoundError, RefusedError, UsageError
from zhuque.site import broker, points
from zhuque.site.points import Hardware, Identity
from zhuque.site.settings import Settings
from zhuque.store.inventory import Point
from zhuque.wire.messages import MAX_ACTOR


@dataclass(frozen=True)
class Assignment:
    """A board is this point; `is_done` where it was provisioned with the very same and proven before."""

    point: str
    is_done: bool


class Assigner:
    """Hands out `wanted`, names of points in their order, to boards that get `image`; `by` is who does it."""

    def __init__(self, site: Settings, wanted: Sequence[str], image: Image, by: str) -> None:
        """Raises NotFoundError, RefusedError for a name that cannot be handed out, SiteError."""
        self.site = site
        self.wanted = list(dict.fromkeys(wanted))
        self._by = by
        self.actor = f"installer:{by}"[:MAX_ACTOR]
        self._lock = threading.Lock()
        self._digest = digest(site, image)
        known = {point.point: point for point in points.listed(site)}
        for name in self.wanted:
            _need_fit(site, name, known.get(name))

    def take(self, board: Hardware) -> Assignment:
        """The point that this board is, or becomes. Raises RefusedError, NotFoundError when none is left."""
        with self._lock:
            known = {point.point: point for point in points.listed(self.site)}
            own = next((point for point in known.values() if point.mac == board.mac), None)
            if own is not None:
                return self._again(own, board)
            free = [name for name in self.wanted if known[name].mac is None]
            for name in free:
                if self._claimed(name, board):
                    return Assignment(name, False)
        raise NotFoundError(
            f"no point is left for the board {board.mac}: {listed(self.wanted)} have their boards; name more with "
            "--points, or `zhuque point add`"
        )

    def is_done(self, mac: str) -> bool:
        """True where the board with this MAC needs nothing."""
        own = next((point for point in points.listed(self.site) if point.mac == mac), None)
        return own is not None and self._is_done(own, points.proofs(self.site))

    def is_held(self, mac: str, config: dict[str, Any]) -> bool:
        """True where this config.json is the one that was issued last for the board with this MAC."""
        own = next((point for point in points.listed(self.site) if point.mac == mac), None)
        password = config.get("broker", {}).get("password")
        return own is not None and bool(password) and own.fingerprint == broker.fingerprint(str(password))

    def issue(self, point: str) -> Identity:
        """What the board needs to be that point; what it had before is worth nothing from now on."""
        return points.identity(self.site, point, int(time.time()), self._by)

    def prove(self, identity: Identity) -> None:
        """The board was read back and runs."""
        proof = _proof(identity.fingerprint, self._digest)
        points.prove(self.site, identity.point, proof, int(time.time()), self._by)

    def left(self) -> list[str]:
        """The points whose board is not done."""
        proofs = points.proofs(self.site)
        known = {point.point: point for point in points.listed(self.site)}
        return [name for name in self.wanted if not self._is_done(known[name], proofs)]

    def _again(self, own: Point, board: Hardware) -> Assignment:
        if own.point not in self.wanted:
            raise RefusedError(
                f"the board {board.mac} is {self.site.name}/{own.point} already, which is not among "
                f"{listed(self.wanted)}; nothing was written. Give --points {own.point}, or "
                f"`zhuque point replace {own.point}` if it is to be another point"
            )
        is_done = self._is_done(own, points.proofs(self.site))
        if not is_done:
            points.claim(self.site, own.point, board, int(time.time()), self._by)
        return Assignment(own.point, is_done)

    def _claimed(self, name: str, board: Hardware) -> bool:
        """False where another installer had it first."""
        try:
            points.claim(self.site, name, board, int(time.time()), self._by)
        except RefusedError:
            if points.shown(self.site, name)[0].mac in (None, board.mac):
                raise
            return False
        return True

    def _is_done(self, point: Point, proofs: dict[str, str]) -> bool:
        if point.mac is None or point.fingerprint is None:
            return False
        return proofs.get(point.point) == _proof(point.fingerprint, self._digest)


def digest(site: Settings, image: Image) -> str:
    """16 characters that change with anything that all boards get alike: application, profile, site's settings."""
    of = hashlib.sha256(json.dumps(points.profile(site, image.board), sort_keys=True).encode())
    of.update(image.stock.sha256.encode())
    for path, data in sorted(image.files.items()):
        of.update(path.encode() + b"\0" + hashlib.sha256(data).digest())
    return of.hexdigest()[:16]


def board_of(site: Settings, wanted: Sequence[str]) -> str:
    """The board that all of these points are. Raises UsageError where they differ, NotFoundError."""
    known = {point.point: point for point in points.listed(site)}
    boards: dict[str, list[str]] = {}
    for name in wanted:
        _need_fit(site, name, known.get(name))
        boards.setdefault(known[name].board, []).append(name)
    if len(boards) != 1:
        told = "; ".join(f"{listed(names)} are {board}" for board, names in boards.items())
        raise UsageError(
            f"these points are not of one board: {told}; provision them board by board, with --points"
        )
    return next(iter(boards))


def listed(names: Sequence[str]) -> str:
    """Names for a person: the first and the last of many."""
    return ", ".join(names) if len(names) < 4 else f"{names[0]} .. {names[-1]}"


def _need_fit(site: Settings, name: str, point: Point | None) -> None:
    if point is None:
        raise NotFoundError(
            f"{site.name} has no point {name}: `zhuque point list` tells which there are, `zhuque point add {name}` "
            "makes it"
        )
    if point.retired_at is not None:
        raise RefusedError(f"{site.name}/{name} is retired: its name is not used again, take another")


def _proof(fingerprint: str, digest: str) -> str:
    return f"{fingerprint} {digest}"
