"""Collectors and brokers killed at random instants: `python -m tests.chaos.collector [--seed N] [--kills N] …`.

Points live on, the collector (a process) and the broker are killed with -9, PostgreSQL is killed too, and in the end
every record and every session that a point lived through is in the database exactly once, with no gap and no loss.
The seed decides what is killed and when, to the millisecond; how far each process had come then is for the machine to
say. It is printed, for a replay.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from tests.chaos.office import Office
from tests.fakes.collecting import rows
from tests.fakes.journal_point import JournalPoint
from tests.fakes.postgres import Postgres
from zhuque.errors import NotFoundError, StoreError
from zhuque.store import derive
from zhuque.store.items import Record

_POINTS = 6
_SETTLE_S = 90.0


class Chaos:
    """A site under fire, at the wall clock's speed. `server` is struck now and then where it is given."""

    def __init__(
        self, folder: Path, db: str, seed: int, persistence: bool, server: Postgres | None = None
    ) -> None:
        self.db = db
        self.survived: Counter[str] = Counter()
        self._chance = random.Random(seed)
        self._load = random.Random(seed)  # apart, for how often it is asked is for the machine to say
        self._office = Office(folder, db, seed, server, persistence)
        self._has_server = server is not None
        broker = self._office.broker
        self.points = [
            JournalPoint(broker.host, broker.port, f"p{n:02}", seed) for n in range(1, _POINTS + 1)
        ]

    def __enter__(self) -> Chaos:
        self._office.__enter__()
        for point in self.points:
            point.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for point in self.points:
            point.stop()
        self._office.__exit__(kind, error, trace)

    def run(self, kills: int) -> None:
        """As many kills, each some moments after the last."""
        for _ in range(kills):
            until = time.monotonic() + self._chance.uniform(0.2, 1.2)
            while time.monotonic() < until:
                for point in self.points:
                    point.live(self._load.randint(0, 8))
                time.sleep(0.02)
            weights = (6, 2, 2 if self._has_server else 0)
            kinds = ("collector_kill", "broker_kill", "database_away")
            away_s = self._chance.uniform(0, 0.5)
            self._office.strike(self._chance.choices(kinds, weights), away_s)
        self.survived += self._office.survived

    def settle(self) -> None:
        """Until everything is stored, or has had its time."""
        until = time.monotonic() + _SETTLE_S
        expected = [(point.point, len(point.records)) for point in self.points]
        while time.monotonic() < until:
            with suppress(NotFoundError, StoreError):  # no collector has lived long enough to make it
                if rows(self.db, "SELECT point, stored_seq FROM epochs ORDER BY point") == expected:
                    return
            time.sleep(0.2)

    def problems(self) -> list[str]:
        """What is not as it was lived: nothing."""
        out = []
        for point in self.points:
            stored = rows(
                self.db, f"SELECT seq, kind, session FROM records WHERE point = '{point.point}' ORDER BY seq"
            )
            lived = [(body["seq"], body["kind"], body["session"]) for body in point.records]
            if stored != lived:
                out.append(f"{point.point}: {len(stored)} records stored, {len(lived)} lived")
            columns = ", ".join(derive.COLUMNS)
            found = rows(
                self.db, f"SELECT {columns} FROM sessions WHERE point = '{point.point}' ORDER BY session"
            )
            if found != _sessions_of(point):
                out.append(f"{point.point}: {len(found)} sessions, not as they were lived")
            self.survived["records"] += len(lived)
            self.survived["sessions"] += len(found)
            self.survived["resends"] += len(point.asked)
        for table in ("alarms WHERE state = 'raised'", "dead_letters"):
            if count := rows(self.db, f"SELECT count(*) FROM {table}")[0][0]:
                out.append(f"{count} {table}")
        return out


def _sessions_of(point: JournalPoint) -> list[tuple[object, ...]]:
    found: dict[str, derive.Row] = {}
    for body in point.records:
        name = body["session"]
        row = found.setdefault(name, derive.empty(point.site, point.point, name))
        head = (body["epoch"], body["seq"], body["boot"], body["uptime_ms"], body["time"], body["kind"])
        derive.merge(row, Record(point.site, point.point, *head, body["socket"], name, body, "", 0, ""))
    for row in found.values():
        derive.date(row, lambda epoch, boot: None)
    return [tuple(found[name].values()) for name in sorted(found)]


def main() -> int:
    """0 when nothing was lost or doubled."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(3), "big"))
    parser.add_argument("--kills", type=int, default=60)
    parser.add_argument("--db", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--forgetful", action="store_true", help="a broker without persistence")
    chosen = parser.parse_args()
    print(f"seed {chosen.seed}", flush=True)
    server = Postgres().start() if chosen.db == "postgresql" else None
    try:
        with tempfile.TemporaryDirectory() as folder:
            db = server.new_database() if server else f"{folder}/site.db"
            with Chaos(Path(folder), db, chosen.seed, not chosen.forgetful, server) as chaos:
                chaos.run(chosen.kills)
                chaos.settle()
            problems = chaos.problems()
    finally:
        if server:
            server.close()
    print(", ".join(f"{count} {what}" for what, count in sorted(chaos.survived.items())))
    print("\n".join(problems) or "nothing lost, nothing doubled")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
