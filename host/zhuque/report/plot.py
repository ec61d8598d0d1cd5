"""The picture of a session as PNG or SVG: power, energy, and when it was suspended or tripped.

matplotlib, of the extra `plot`, is imported only when a picture is drawn.
"""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Any

from zhuque.errors import UsageError
from zhuque.files import whole_file
from zhuque.report import curve, figures
from zhuque.report.story import suspensions, trips
from zhuque.store.dossier import Dossier

FORMATS = ("png", "svg")
_POWER, _ENERGY, _TRIP, _SUSPENDED = "#0a6e8a", "#3d7d3a", "#c1272d", "#999999"
_INCHES, _DPI = (8.4, 4.2), 130


def draw(found: Dossier, path: Path, zone: tzinfo | None) -> None:
    """Writes the picture, whole or not at all. Raises UsageError for want of matplotlib or of a format's name."""
    form = path.suffix.lstrip(".").lower()
    if form not in FORMATS:
        raise UsageError(f"{path}: end the name in .png or .svg")
    try:
        import matplotlib
    except ImportError as error:
        raise UsageError("pictures need matplotlib: `pip install 'zhuque[plot]'`") from error
    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, panel = pyplot.subplots(figsize=_INCHES, layout="constrained")
    try:
        _power(panel, found)
        _energy(panel.twinx(), found)
        _marks(panel, found)
        _words(panel, found, zone)
        with whole_file(path) as file:
            figure.savefig(file, format=form, dpi=_DPI)
    finally:
        pyplot.close(figure)


def _power(panel: Any, found: Dossier) -> None:
    shown = curve.power(found)
    watts = [float("nan") if value is None else value / 1000 for _, value in shown.points]
    times = [_time(at) for at, _ in shown.points]
    panel.plot(times, watts, color=_POWER, linewidth=1.3)
    panel.fill_between(times, 0, watts, color=_POWER, alpha=0.12, linewidth=0)
    panel.set_ylim(bottom=0)
    panel.set_ylabel(f"power, W ({shown.source})", color=_POWER)


def _energy(panel: Any, found: Dossier) -> None:
    """As the records say it: what is paid for."""
    told = [
        (_time(entry.at), entry.body["energy_mwh"] / 1e6)
        for entry in found.entries
        if entry.own and entry.at is not None and type(entry.body.get("energy_mwh")) is int
    ]
    if found.session["started_at"] is not None:
        told.insert(0, (_time(found.session["started_at"]), 0.0))
    panel.plot(
        [at for at, _ in told], [kwh for _, kwh in told], "o-", color=_ENERGY, markersize=3, linewidth=1
    )
    panel.set_ylim(bottom=0)
    panel.set_ylabel("energy, kWh (records)", color=_ENERGY)


def _marks(panel: Any, found: Dossier) -> None:
    for begin, end, cause in suspensions(found):
        if begin is not None:
            panel.axvspan(_time(begin), _time(end or begin), color=_SUSPENDED, alpha=0.3, label=cause)
    for at, cause in trips(found):
        if at is not None:
            panel.axvline(_time(at), color=_TRIP, linewidth=1.5, label=f"trip: {cause}")
    if panel.get_legend_handles_labels()[0]:
        panel.legend(loc="best", fontsize=8)


def _words(panel: Any, found: Dossier, zone: tzinfo | None) -> None:
    from matplotlib import dates

    row = found.session
    place = f"{row['site']}/{row['point']}/{row['socket']}"
    energy = figures.kwh_text(row["energy_mwh"])
    panel.set_title(
        f"{place}  {figures.local_text(row['started_at'], zone)}  {energy} kWh, {row['end_reason'] or 'open'}\n"
        f"{row['session']}",
        loc="left",
        fontsize=9,
    )
    local = zone or datetime.now().astimezone().tzinfo
    panel.xaxis.set_major_formatter(dates.DateFormatter("%H:%M", tz=local))  # type: ignore[no-untyped-call]


def _time(unix: int) -> datetime:
    return datetime.fromtimestamp(unix, UTC)
