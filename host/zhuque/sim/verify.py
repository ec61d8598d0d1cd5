"""`zhuque sim verify`: a database held against the ground truth, every difference named and, where it can be,
explained.

Sessions are paired by socket and start; what finds no partner within two minutes is paired by overlap or by energy, and
then its times were altered. What is left of the truth is missing; what is left of the records is doubled, when a
session that has its partner already began then, or extra. Paired sessions agree in energy (1 % or 1 Wh, whichever is
larger), start, end, charge time and account; no time is negative.

A fault of the truth excuses what it must lead to and no more (excuses.py): after a power cut at most 60 s of charging
may be lost, a welded relay charges on after the record has ended, a clock that jumped moves times by as much. An
excused difference is told with its reason and is not wrong.

A socket sees no bike: one that is exchanged for another while the session is suspended, or that leaves without one,
is not noticed, and the session goes on. What was lived then is one session too, and its energy must be the sum.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from zhuque.sim.excuses import END_S, START_S, Faults, when
from zhuque.sim.truth import Row, allowed_mwh

_NEAR_S = 120


@dataclass(frozen=True)
class Difference:
    """`kind`: missing, doubled, extra, energy, start, end, duration, open, account, exchange.

    `reason`: what excuses it, or None.
    """

    kind: str
    place: str
    text: str
    reason: str | None = None

    def __str__(self) -> str:
        because = f"; explained by {self.reason}" if self.reason else ""
        return f"{self.kind:<8} {self.place}: {self.text}{because}"


@dataclass
class Report:
    """What a comparison found. `wrong`: the differences that nothing excuses."""

    lived: int = 0
    recorded: int = 0
    drawn_mwh: float = 0.0
    recorded_mwh: float = 0.0
    differences: list[Difference] = field(default_factory=list)

    @property
    def wrong(self) -> list[Difference]:
        """Differences without an excuse."""
        return [difference for difference in self.differences if difference.reason is None]

    def rows(self) -> Iterator[Row]:
        """The differences, as other programs see them."""
        for difference in self.differences:
            yield {
                "kind": difference.kind,
                "place": difference.place,
                "text": difference.text,
                "reason": difference.reason,
            }

    def text(self) -> str:
        """For people: wrong ones first, then what is explained, then the sums."""
        lines = [f"WRONG      {difference}" for difference in self.wrong]
        lines += [f"explained  {difference}" for difference in self.differences if difference.reason]
        lines.append(
            f"{self.lived} sessions lived with {_wh(self.drawn_mwh)}, {self.recorded} recorded with "
            f"{_wh(self.recorded_mwh)}: {len(self.wrong)} wrong, "
            f"{len(self.differences) - len(self.wrong)} explained"
        )
        return "\n".join(lines)


def verify(truth: Row, rows: Iterable[Row]) -> Report:
    """`rows` as store.queries.session_rows gives them; those of points that the truth does not know are left out."""
    known = {(row["site"], row["point"], row["socket"]) for row in truth["sockets"]}
    points = {(site, point) for site, point, _ in known}
    records = [row for row in rows if (row["site"], row["point"]) in points]
    report = Report(len(truth["sessions"]), len(records))
    for place in sorted(known | {_place(row) for row in records}):
        lived = [row for row in truth["sessions"] if _place(row) == place]
        own = [row for row in records if _place(row) == place]
        faults = Faults(
            [_as_felt(row, place) for row in truth["faults"] if _concerns(row, place)], truth["time"]
        )
        report.drawn_mwh += sum(row["energy_mwh"] for row in lived)
        report.recorded_mwh += sum(row["energy_mwh"] or 0 for row in own)
        report.differences += _socket(lived, own, faults)
    return report


def _place(row: Row) -> tuple[str, str, int]:
    return row["site"], row["point"], row["socket"]


def _concerns(fault: Row, place: tuple[str, str, int]) -> bool:
    return (fault["site"], fault["point"]) == place[:2] and (
        fault.get("socket") in (None, place[2]) or fault["fault"] == "relay_stuck"
    )


def _as_felt(fault: Row, place: tuple[str, str, int]) -> Row:
    """The fault as that socket has it: for a neighbour's welded relay the contactor before all of them opens."""
    is_own = fault.get("socket") in (None, place[2])
    return fault if is_own else {**fault, "fault": "contactor"}


# Pairs --------------------------------------------------------------------------------------------------------------


def _socket(lived: list[Row], records: list[Row], faults: Faults) -> Iterator[Difference]:
    """Every difference of one socket."""
    lived, exchanged = _joined(lived, records, faults)
    yield from exchanged
    pairs = _pair(lived, records)
    for truth, record in pairs:
        yield from _judge(truth, record, faults)
    for truth in lived:
        if not any(truth is found for found, _ in pairs):
            yield Difference(
                "missing", _name(truth), f"no record of {_text(truth)}", faults.of_missing(truth)
            )
    for record in records:
        if any(record is found for _, found in pairs):
            continue
        twin = next((found for truth, found in pairs if _apart(truth, record) <= _NEAR_S), None)
        what = (
            f"session {record['session']}, started {when(record['started_at'])}, {_wh(record['energy_mwh'])}"
        )
        if twin is not None:
            yield Difference("doubled", _name(record), f"{what}, is there as {twin['session']} already")
        else:
            yield Difference("extra", _name(record), f"nobody lived {what}", faults.of_extra(record))


def _joined(lived: list[Row], records: list[Row], faults: Faults) -> tuple[list[Row], list[Difference]]:
    """Sessions that nobody could tell apart, because the bike was exchanged in the dark, as one."""
    joined: list[Row] = []
    found: list[Difference] = []
    for truth in sorted(lived, key=lambda row: float(row["started"])):
        reason = faults.of_exchange(joined[-1], truth) if joined else None
        if reason is None or any(_apart(truth, record) <= _NEAR_S for record in records):
            joined.append(truth)
            continue
        found.append(
            Difference("exchange", _name(truth), f"{_text(truth)} goes on with the one before", reason)
        )
        whole = {**joined[-1], "ended": truth["ended"]}
        for key in ("energy_mwh", "closings", "closed_s"):
            whole[key] = joined[-1].get(key, 0) + truth.get(key, 0)
        joined[-1] = whole
    return joined, found


def _pair(lived: list[Row], records: list[Row]) -> list[tuple[Row, Row]]:
    """The closest starts first, up to two minutes apart; then what overlaps or has the same energy."""
    pairs: list[tuple[Row, Row]] = []
    near = [(_apart(t, r), n, m) for n, t in enumerate(lived) for m, r in enumerate(records)]
    # Of two records of one start the one with the right energy is the true one.
    near.sort(
        key=lambda item: (item[0] > _NEAR_S, not _energy_agrees(lived[item[1]], records[item[2]]), item[0])
    )
    taken_t: set[int] = set()
    taken_r: set[int] = set()
    for apart, n, m in near:
        if n in taken_t or m in taken_r:
            continue
        if apart <= _NEAR_S or _overlaps(lived[n], records[m]) or _energy_agrees(lived[n], records[m]):
            taken_t.add(n)
            taken_r.add(m)
            pairs.append((lived[n], records[m]))
    return pairs


def _apart(truth: Row, record: Row) -> float:
    started = record["started_at"]
    return float("inf") if started is None else abs(started - truth["started"])


def _overlaps(truth: Row, record: Row) -> bool:
    if record["started_at"] is None:
        return False
    ends = [row for row in (truth["ended"], record["ended_at"]) if row is not None]
    begins = max(truth["started"], record["started_at"])
    return bool(begins < min(ends, default=begins + 1))


def _energy_agrees(truth: Row, record: Row) -> bool:
    energy = truth["energy_mwh"]
    return bool(abs((record["energy_mwh"] or 0) - energy) <= allowed_mwh(energy) and energy > 2000)


# One pair -----------------------------------------------------------------------------------------------------------


def _judge(truth: Row, record: Row, faults: Faults) -> Iterator[Difference]:
    place = _name(truth)
    shown = f"session {record['session']}"
    apart = _apart(truth, record)
    if apart > START_S:
        text = f"{shown} is recorded to start {when(record['started_at'])}, it did {when(truth['started'])}"
        yield Difference("start", place, text, faults.of_start(truth, apart))
    if truth.get("account") != record.get("account"):
        text = f"{shown} is for {record.get('account')!r}, it was {truth.get('account')!r} who charged"
        yield Difference("account", place, text)
    yield from _judge_end(truth, record, faults, place, shown)
    yield from _judge_durations(truth, record, faults, place, shown)
    yield from _judge_energy(truth, record, faults, place, shown)


def _judge_end(truth: Row, record: Row, faults: Faults, place: str, shown: str) -> Iterator[Difference]:
    is_open = record["ended_at"] is None and record["end_reason"] is None
    if truth["ended"] is None and is_open:
        return
    if is_open:
        if not faults.just_ended(truth):
            text = f"{shown} is still open in the records, it ended {when(truth['ended'])}"
            yield Difference("open", place, text, faults.of_open(truth))
        return
    if record["ended_at"] is None:
        return  # a board whose clock was never set
    if truth["ended"] is None:
        text = f"{shown} is recorded to end {when(record['ended_at'])}, it goes on"
        yield Difference("end", place, text, faults.of_end(truth, record))
    elif abs(record["ended_at"] - truth["ended"]) > END_S:
        text = f"{shown} is recorded to end {when(record['ended_at'])}, it did {when(truth['ended'])}"
        yield Difference("end", place, text, faults.of_end(truth, record))


def _judge_durations(truth: Row, record: Row, faults: Faults, place: str, shown: str) -> Iterator[Difference]:
    charged, suspended = record.get("duration_s"), record.get("suspended_s")
    if min(charged or 0, suspended or 0) < 0:
        yield Difference(
            "duration", place, f"{shown} has a negative time: {charged} s, suspended {suspended} s"
        )
    closed = truth.get("closed_s")
    if charged is None or closed is None or record["end_reason"] is None or truth["ended"] is None:
        return
    if abs(charged - closed) > END_S:
        text = f"{shown} is recorded with {charged} s of charging, its contact was closed for {closed} s"
        yield Difference("duration", place, text, faults.of_duration(truth, charged - closed))
    began, ended = record["started_at"], record["ended_at"]
    if began is not None and ended is not None and suspended is not None:
        off = charged + suspended - (ended - began)
        if abs(off) > END_S:
            text = f"{shown} lasted {ended - began} s, and {charged} s and {suspended} s suspended are in it"
            yield Difference("duration", place, text, faults.of_span(truth, record, off))


def _judge_energy(truth: Row, record: Row, faults: Faults, place: str, shown: str) -> Iterator[Difference]:
    lived, recorded = truth["energy_mwh"], float(record["energy_mwh"] or 0)
    off = recorded - lived
    if abs(off) <= allowed_mwh(lived):
        return
    if record["ended_at"] is None and record["end_reason"] is None and off < 0:
        return  # a session that is open in the records shows what its last checkpoint said
    text = f"{shown} is recorded with {_wh(recorded)}, {_wh(lived)} were drawn ({off / 1000:+.3f} Wh)"
    yield Difference("energy", place, text, faults.of_energy(truth, record, off))


def _name(row: Row) -> str:
    return f"{row['site']}/{row['point']}/{row['socket']}"


def _text(truth: Row) -> str:
    ended = "goes on" if truth["ended"] is None else f"ended {when(truth['ended'])}"
    account = f" of {truth['account']}" if truth.get("account") else ""
    return (
        f"the session{account} that started {when(truth['started'])} and {ended}, {_wh(truth['energy_mwh'])}"
    )


def _wh(mwh: float | None) -> str:
    return f"{(mwh or 0) / 1000:.3f} Wh"
