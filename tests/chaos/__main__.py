"""`make chaos`: a garage under every fault at once, judged against its ground truth; ARGS="--seed 7 --points 4".

Thirty points of the real firmware, three hundred sockets with bikes that come and go. Their supply fails, half of the
times in the middle of a flash operation, their network is cut, their clocks jump by hours; at the office the collector
and the broker are killed and the database goes away. In the end every session that a bike lived through is in the
database exactly once, with its energy, no record is missing, doubled or altered. Exit code 1 otherwise. The seed is
printed: it gives the same day again.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

from tests.chaos import day, judge
from tests.chaos.office import Office
from tests.chaos.siege import Siege, SiegeError
from tests.fakes.postgres import Postgres
from zhuque.sim import truth


def play(
    folder: Path, db: str, seed: int, points: int, duration_s: int, server: Postgres | None
) -> list[str]:
    """One day; prints what it survived, returns what is wrong."""
    planned = day.draw(seed, points, duration_s)
    with Office(folder, db, seed, server) as office:
        siege = Siege(folder, planned, seed, office)
        siege.run()
    truth.write(siege.truth, folder / "truth.jsonl")
    report, wrong = judge.problems(db, siege.truth, siege.journals)
    print("survived: " + ", ".join(f"{count} x {what}" for what, count in sorted(siege.survived.items())))
    records = sum(len(journal.records) for journal in siege.journals.values())
    print(
        f"{points} points, {points * day.SOCKETS} sockets, {records} records; {report.text().splitlines()[-1]}"
    )
    (folder / "report.txt").write_text(report.text() + "\n")
    return wrong


def main() -> int:
    """0 when nothing was lost, doubled or altered."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(3), "big"))
    parser.add_argument("--duration", type=int, default=7200, metavar="S", help="simulated seconds")
    parser.add_argument("--points", type=int, default=30)
    parser.add_argument("--db", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--keep", type=Path, help="a new folder for truth, logs, flash, report and database")
    chosen = parser.parse_args()
    if chosen.duration < day.SHORTEST_S or not 1 <= chosen.points <= 30:
        parser.error(f"--duration is at least {day.SHORTEST_S}, --points 1 to 30")
    print(f"chaos: seed {chosen.seed}, {chosen.points} points, {chosen.duration} s, {chosen.db}", flush=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that everything it started ends with it
    begun = time.monotonic()
    server = Postgres().start() if chosen.db == "postgresql" else None
    folder = Path(chosen.keep or tempfile.mkdtemp(prefix="zhuque-chaos-"))
    folder.mkdir(parents=True, exist_ok=chosen.keep is None)
    try:
        db = server.new_database() if server else str(folder / "site.db")
        wrong = play(folder, db, chosen.seed, chosen.points, chosen.duration, server)
    except SiegeError as error:
        wrong = [str(error)]
    finally:
        if server:
            server.close()
        if not chosen.keep:
            shutil.rmtree(folder, ignore_errors=True)
    print(
        "\n".join(f"WRONG  {problem}" for problem in wrong)
        or "nothing lost, nothing doubled, nothing altered"
    )
    print(f"seed {chosen.seed}; {time.monotonic() - begun:.0f} s")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
