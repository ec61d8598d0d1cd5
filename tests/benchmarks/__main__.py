"""`make bench`: the host's budgets, measured. `--quick` is a small form; a name or more runs those alone."""

from __future__ import annotations

import argparse
import os
import platform
import tempfile

from tests.benchmarks import (
    flash,
    garage,
    heap,
    memory,
    provision,
    sessions,
    startup,
    storm,
    throughput,
    trip,
    wear,
)
from tests.fakes.postgres import Postgres, PostgresMissingError
from zhuque.store.engine import open_writer

NAMES = (
    "startup",
    "throughput",
    "memory",
    "sessions",
    "garage",
    "trip",
    "storm",
    "wear",
    "flash",
    "heap",
    "provision",
)


def bench_startup(quick: bool) -> None:
    """Start-up of the commands."""
    with tempfile.TemporaryDirectory() as folder:
        open_writer(f"{folder}/site.db").dispose()
        for name, took in startup.run(f"{folder}/site.db").items():
            print(f"zhuque {name}: {took:.2f} s")


def bench_throughput(quick: bool) -> None:
    """Records a second, and the ratio to a bare subscriber."""
    rates = throughput.run(*((5_000, 1) if quick else ()))
    for name, rate in rates.items():
        print(f"{name}: {rate:.0f} records/s, {rate / rates['bare']:.2f} of bare")


def bench_memory(quick: bool) -> None:
    """The collector's memory on the way."""
    for count, kib in memory.run(50_000 if quick else 1_000_000):
        print(f"collector after {count} records: {kib / 1024:.0f} MiB")


def bench_sessions(quick: bool) -> None:
    """Lists and exports over millions, on both databases."""
    count = 100_000 if quick else sessions.COUNT
    with tempfile.TemporaryDirectory() as folder:
        print("on SQLite:")
        for line in sessions.run(f"{folder}/site.db", count):
            print(line, flush=True)
    try:
        server = Postgres().start()
    except PostgresMissingError as error:
        print(f"PostgreSQL left out: {error}")
        return
    try:
        print("on PostgreSQL:")
        for line in sessions.run(server.new_database(), count):
            print(line, flush=True)
    finally:
        server.close()


def bench_garage(quick: bool) -> None:
    """What a tick, a point and a garage cost."""
    for line in garage.run(quick):
        print(line, flush=True)


def bench_trip(quick: bool) -> None:
    """From the meter's register to the relay's pin, and what a tick costs on both MicroPythons."""
    for line in trip.run(quick):
        print(line, flush=True)


def bench_storm(quick: bool) -> None:
    """How the points of a garage come back after one outage."""
    for line in storm.run(quick):
        print(line, flush=True)


def bench_wear(quick: bool) -> None:
    """How long the flash lasts."""
    for line in wear.run(quick):
        print(line, flush=True)


def bench_flash(quick: bool) -> None:
    """Boards on USB: seconds each, against those that the bytes need on the line."""
    for line in flash.run(quick):
        print(line, flush=True)


def bench_provision(quick: bool) -> None:
    """Thirty boards in one run, one of them pulled half-way."""
    for line in provision.run(quick):
        print(line, flush=True)


def bench_heap(quick: bool) -> None:
    """What the firmware weighs on a board."""
    for line in heap.run(quick):
        print(line, flush=True)


def main() -> None:
    """Prints what it measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)}")
    parser.add_argument("--quick", action="store_true")
    chosen = parser.parse_args()
    if unknown := set(chosen.names) - set(NAMES):
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    print(f"Python {platform.python_version()}, {os.cpu_count()} processors", flush=True)
    for name in chosen.names or NAMES:
        print(f"--- {name}", flush=True)
        globals()[f"bench_{name}"](chosen.quick)


if __name__ == "__main__":
    main()
