"""Ground truth against what was recorded: every session once, every watt-hour accounted for.

The truth is what the loads drew, from the simulator's physics; the records are what `zhuque session list --json` says.
A session matches where socket and start agree to within two minutes. Energies agree to within 1 % of the truth or 1 Wh,
whichever is larger, each session's and each socket's.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

Row = dict[str, Any]

_START_S = 120
_SHARE = 0.01
_LEAST_MWH = 1000.0


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
    return abs(recorded_mwh - truth_mwh) <= max(_SHARE * truth_mwh, _LEAST_MWH)


def named(truth: Row, site: str, point: str) -> Row:
    """The board's report as truth.json: with the names of site and point, in the order of sockets and times."""
    sockets = [{"site": site, "point": point, **row} for row in truth["sockets"]]
    sessions = [{"site": site, "point": point, **row} for row in truth["sessions"]]
    sessions.sort(key=lambda row: (row["started"], row["socket"]))
    return {"sockets": sockets, "sessions": sessions}


def write(truth: Row, path: Path) -> None:
    """truth.json."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(truth, indent=1) + "\n")


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
            problems.append(f"missing: {_name(lived)}")
            continue
        left.remove(found[0])
        if lived["ended"] is not None and found[0]["ended_at"] is None:
            problems.append(f"still open: {_name(lived)}")
        if not agrees(lived["energy_mwh"], recorded_mwh(found[0])):
            recorded = recorded_mwh(found[0]) / 1000
            problems.append(f"energy: {_name(lived)}: {recorded:.3f} Wh recorded")
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


def _name(lived: Row) -> str:
    when = datetime.fromtimestamp(lived["started"]).astimezone().strftime("%H:%M:%S")
    place = f"{lived['site']}/{lived['point']}/{lived['socket']}"
    return f"the session at {place}, started {when}, {lived['energy_mwh'] / 1000:.3f} Wh drawn"
