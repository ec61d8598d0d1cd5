"""The power of a session over time: from telemetry or, where that is gone, the mean between its checkpoints; and as a
small plot of characters for a terminal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import tzinfo

from zhuque.report import figures
from zhuque.store.dossier import Dossier

_BARS = " ▁▂▃▄▅▆▇█"
_TOTALS = ("session_checkpoint", "session_end")


@dataclass(frozen=True)
class Curve:
    """(Unix seconds, mW, None for not known) in order; `source` says what they are made from.

    With `steps` a value holds until the next.
    """

    source: str
    points: tuple[tuple[int, int | None], ...]
    steps: bool = False


def power(found: Dossier) -> Curve:
    """The curve of a session; without points where nothing is known."""
    samples = tuple((sample.at, sample.power_mw) for sample in found.samples)
    if len(samples) > 1:
        return Curve("telemetry", samples)
    return Curve("the mean between checkpoints", _between_checkpoints(found), steps=True)


def _between_checkpoints(found: Dossier) -> tuple[tuple[int, int | None], ...]:
    at, energy_mwh = found.session["started_at"], 0
    out: list[tuple[int, int | None]] = []
    for entry in found.entries:
        total = entry.body.get("energy_mwh")
        if not entry.own or entry.kind not in _TOTALS or entry.at is None or type(total) is not int:
            continue
        if at is not None and entry.at > at and total >= energy_mwh:
            mean_mw = (total - energy_mwh) * 3600 // (entry.at - at)
            out += [(at, mean_mw), (entry.at - 1, mean_mw)]
        at, energy_mwh = entry.at, total
    return tuple(out)


def text_plot(curve: Curve, zone: tzinfo | None, width: int = 64, height: int = 8) -> list[str]:
    """Lines of a plot: a column is the mean of what was told in its share of the time, blank where nothing was."""
    known = [(at, value) for at, value in curve.points if value is not None]
    if len(known) < 2 or known[-1][0] <= known[0][0]:
        return []
    begin, end = known[0][0], known[-1][0]
    columns = _columns(known, begin, end, width)
    if curve.steps:
        columns = _held(columns)
    top = max(1, max(value for value in columns if value is not None))
    out = []
    for line in reversed(range(height)):
        label = figures.watt_text(top * (line + 1) // height) if line in (height // 2 - 1, height - 1) else ""
        bars = "".join(
            " " if value is None else _bar(value * height * 8 // top - line * 8) for value in columns
        )
        out.append(f"{label:>8} |{bars}".rstrip())
    out.append(f"{'W':>8} +{'-' * width}")
    first, last = figures.local_text(begin, zone)[11:16], figures.local_text(end, zone)[11:16]
    return [*out, f"{'':10}{first}{last:>{width - len(first)}}"]


def _columns(known: Sequence[tuple[int, int]], begin: int, end: int, width: int) -> list[int | None]:
    sums, counts = [0] * width, [0] * width
    for at, value in known:
        column = min(width - 1, (at - begin) * width // (end - begin))
        sums[column] += value
        counts[column] += 1
    return [total // count if count else None for total, count in zip(sums, counts, strict=True)]


def _held(columns: Sequence[int | None]) -> list[int | None]:
    """Each blank as what stands before it."""
    out: list[int | None] = []
    for value in columns:
        out.append(value if value is not None or not out else out[-1])
    return out


def _bar(eighths: int) -> str:
    return _BARS[max(0, min(8, eighths))]
