"""How the journal wears a board's flash once it is full: erases a record, years until a block is worn out."""

from __future__ import annotations

from collections.abc import Iterator

from tests.fakes.flash import Flash
from zhuque import board_code

BLOCKS = 384
STANDS = 100_000  # erases, of a NOR flash as ESP32 modules have it
SESSIONS_A_DAY = 40
SESSION_MIN = 240
EPOCH = "9f3ac2d15b7e0c44"
_TOTALS = {"duration_s": 10123, "suspended_s": 0, "energy_mwh": 402113, "peak_ma": 1020, "peak_mw": 188000}


def _records(at: int) -> list[dict[str, object]]:
    """Of one session: the command, the start, half-hourly totals, the end."""
    head = {"boot": 17, "uptime_ms": 81234000 + at, "time": 1764000123 + at}
    place = {"socket": 3, "session": f"{EPOCH}-{at + 1}"}
    start = {"account": "r-0412", "source": "remote", "max_duration_s": 14400}
    end = {"reason": "full", "account": "r-0412", "source": "remote", "started": 1763990000}
    command = {"kind": "command", "id": "01J0123456789ABCDEFGHJKMN", "op": "start", "actor": "operator:li"}
    kinds = [{**command, "socket": 3}, {"kind": "session_start", **place, **start}]
    kinds += [{"kind": "session_checkpoint", **place, **_TOTALS}] * (SESSION_MIN // 30)
    kinds.append({"kind": "session_end", **place, **_TOTALS, **end})
    return [{**head, **kind} for kind in kinds]


def run(quick: bool) -> Iterator[str]:
    """Lines for people."""
    flash = Flash(BLOCKS)
    journal = board_code.load("core.journal").Journal(flash, lambda: EPOCH)
    journal.recover()
    at = 0
    while journal.first_seq == 1:  # until the ring has gone round once
        at = _session(journal, at)
        while not journal.write_checkpoint(b""):
            journal.prepare()
    kept = journal.last_seq - journal.first_seq + 1
    blocks = max(2, BLOCKS // 16)
    before, wrote = list(flash.most_erases), journal.last_seq
    days = 2 if quick else 20
    open_at_once = round(SESSIONS_A_DAY * SESSION_MIN / 1440)
    for _ in range(days):
        for _ in range(SESSIONS_A_DAY):
            at = _session(journal, at)
        for _ in range(1440):
            while not journal.write_checkpoint(bytes(150 + 130 * open_at_once)):
                journal.prepare()
    wore = [now - was for now, was in zip(flash.most_erases, before, strict=True)]
    records, ring, points = journal.last_seq - wrote, wore[blocks:], wore[:blocks]
    yield f"full journal: {kept} records kept, {sum(ring) / records:.4f} erases a record"
    for name, erases in (("a block of records", ring), ("a block of checkpoints", points)):
        a_year = sum(erases) / len(erases) * 365 / days  # they take turns
        yield (
            f"{SESSIONS_A_DAY} sessions of {SESSION_MIN} min a day, {records // days} records: {name} is erased "
            f"{a_year:.1f} times a year, {STANDS / a_year:.0f} years until {STANDS}"
        )


def _session(journal: object, at: int) -> int:
    for record in _records(at):
        while not journal.ready(1):  # type: ignore[attr-defined]
            journal.prepare()  # type: ignore[attr-defined]
        journal.enter(record)  # type: ignore[attr-defined]
    return at + 1
