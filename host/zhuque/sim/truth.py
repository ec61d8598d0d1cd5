"""Ground truth against what was recorded: every session once, every watt-hour accounted for.

The truth is what the loads drew, from the simulator's physics, the sessions as the bikes lived them, and the faults
as they happened: JSON lines, one object a line with its `kind` (`socket`, `session`, `fault`, and last `end`, without
which the
file is not whole). `verify.py` holds a database against it and explains; `compare` here is the short form of that for
`session list --json`: a session matches where socket and start agree to within two minutes, energies agree to within
1 % of the truth or 1 Wh, whichever is larger, each session's and each socket's.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from zhuque.errors import UsageError

Row = dict[str, Any]

_START_S = 120
_SHARE = 0.01
_LEAST_MWH = 1000.0
_PARTS = {"socket": "sockets", "session": "sessions", "fault": "faults"}


@dataclass(frozen=True)
class Balance:
    """A socket's energies in mWh, and whether they agree."""

    socket: int
    sessions: int
    truth_mwh: float
    recorded_mwh: float

    @property
    def difference_mwh(self) -> float:
        """Recorded less truth."""
        return self.recorded_mwh - self.truth_mwh

    @property
    def agrees(self) -> bool:
        """Within what is allowed."""
        return agrees(self.truth_mwh, self.recorded_mwh)


def agrees(truth_mwh: float, recorded_mwh: float) -> bool:
    """Within 1 % or 1 Wh, whichever is larger."""
    return abs(recorded_mwh - truth_mwh) <= allowed_mwh(truth_mwh)


def allowed_mwh(truth_mwh: float) -> float:
    """How much a record may be off: 1 % or 1 Wh, whichever is larger."""
    return max(_SHARE * truth_mwh, _LEAST_MWH)


# The file -----------------------------------------------------------------------------------------------------------


def named(truth: Row, site: str, point: str) -> Row:
    """A board's report with the names of site and point, in the order of sockets and times; other keys are left out."""
    parts = {
        part: [{"site": site, "point": point, **row} for row in truth.get(part, [])]
        for part in _PARTS.values()
    }
    parts["sessions"].sort(key=lambda row: (row["started"], row["socket"]))
    parts["faults"].sort(key=lambda row: row["began"])
    return {**parts, "time": truth.get("time")}


def merged(truths: Iterable[Row]) -> Row:
    """The truth of a garage: that of its points, each `named`."""
    found = list(truths)
    whole: Row = {part: [row for truth in found for row in truth[part]] for part in _PARTS.values()}
    whole["sessions"].sort(key=lambda row: (row["started"], row["point"], row["socket"]))
    whole["faults"].sort(key=lambda row: row["began"])
    whole["time"] = max((truth["time"] for truth in found if truth["time"] is not None), default=None)
    return whole


def write(truth: Row, path: Path) -> None:
    """JSON lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [
        json.dumps({"kind": kind, **row}) for kind, part in _PARTS.items() for row in truth.get(part, [])
    ]
    lines.append(json.dumps({"kind": "end", "time": truth.get("time")}))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def read(path: Path) -> Row:
    """What `write` wrote. Raises UsageError with the line that is none of it."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"the truth {path} cannot be read: {error}") from error
    truth: Row = {"sockets": [], "sessions": [], "faults": [], "time": None}
    ended = False
    for number, line in enumerate(lines, 1):
        row = _line(path, number, line)
        kind = row.pop("kind")
        ended = kind == "end"
        if ended:
            truth["time"] = row.get("time")
        else:
            truth[_PARTS[kind]].append(row)
    if not ended:
        raise UsageError(
            f"the truth {path} is not whole: its last line is not of kind 'end'; was the run broken off?"
        )
    return truth


def _line(path: Path, number: int, line: str) -> Row:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise UsageError(f"{path}:{number}: this is not JSON: {error}") from error
    if not isinstance(row, dict) or row.get("kind") not in (*_PARTS, "end"):
        raise UsageError(f"{path}:{number}: an object of kind {', '.join(_PARTS)} or end is expected")
    needed = {
        "socket": ("energy_mwh",),
        "session": ("socket", "started", "ended", "energy_mwh"),
        "fault": ("fault", "began"),
    }
    missing = [key for key in needed.get(row["kind"], ()) if key not in row]
    if missing:
        raise UsageError(f"{path}:{number}: a {row['kind']} needs {', '.join(missing)}")
    return row


# The short form -----------------------------------------------------------------------------------------------------


def recorded_mwh(session: Row) -> float:
    """The energy of an object of `session list --json`."""
    energy = session["energy_wh"]
    return 0.0 if energy is None else float(Decimal(str(energy)) * 1000)


def compare(truth: Row, sessions: list[Row]) -> tuple[list[Balance], list[str]]:
    """The balance of each socket, and every difference in words: none when the records are right."""
    problems: list[str] = []
    left = list(sessions)
    for lived in truth["sessions"]:
        found = [row for row in left if _same(lived, row)]
        if not found:
            problems.append(f"missing: {name(lived)}")
            continue
        left.remove(found[0])
        if lived["ended"] is not None and found[0]["ended_at"] is None:
            problems.append(f"still open: {name(lived)}")
        if not agrees(lived["energy_mwh"], recorded_mwh(found[0])):
            recorded = recorded_mwh(found[0]) / 1000
            problems.append(f"energy: {name(lived)}: {recorded:.3f} Wh recorded")
    problems += [
        f"invented or doubled: {row['site']}/{row['point']}/{row['socket']} session {row['session']}, "
        f"started {row['started_at']}"
        for row in left
    ]
    balances = [_balance(row, sessions) for row in truth["sockets"]]
    problems += [
        f"energy of socket {balance.socket}: {balance.recorded_mwh / 1000:.3f} Wh recorded, "
        f"{balance.truth_mwh / 1000:.3f} Wh drawn"
        for balance in balances
        if not balance.agrees
    ]
    return balances, problems


def _balance(row: Row, sessions: list[Row]) -> Balance:
    own = [s for s in sessions if all(s[key] == row[key] for key in ("site", "point", "socket"))]
    return Balance(row["socket"], len(own), row["energy_mwh"], sum(map(recorded_mwh, own)))


def _same(lived: Row, row: Row) -> bool:
    if any(lived[key] != row[key] for key in ("site", "point", "socket")) or row["started_at"] is None:
        return False
    started: float = lived["started"]
    return abs(datetime.fromisoformat(row["started_at"]).timestamp() - started) <= _START_S


def name(lived: Row) -> str:
    """A lived session, for people."""
    when = datetime.fromtimestamp(lived["started"]).astimezone().strftime("%H:%M:%S")
    place = f"{lived['site']}/{lived['point']}/{lived['socket']}"
    return f"the session at {place}, started {when}, {lived['energy_mwh'] / 1000:.3f} Wh drawn"
