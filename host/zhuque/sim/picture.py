"""The demo's picture: the power of a few sockets over time, as their telemetry told it, with trip and outages marked.

matplotlib, of the extra `plot`, is imported only here and only when a picture is drawn.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from zhuque.errors import ZhuqueError

_COLOURS = ("#c1272d", "#0a6e8a", "#3d7d3a")
_GAP_S = 60  # further apart two samples are not joined: nothing was heard


class PictureError(ZhuqueError):
    """No picture can be drawn here."""


@dataclass(frozen=True)
class Curve:
    """A socket's samples, (Unix seconds, watts), and marks with their words: `trip` a moment, `gap` a span."""

    name: str
    samples: list[tuple[int, float]]
    trip: tuple[float, str] | None = None
    gap: tuple[float, float, str] | None = None


def draw(curves: list[Curve], path: Path) -> None:
    """Writes a PNG, a panel a curve. Raises PictureError without matplotlib."""
    try:
        import matplotlib
    except ImportError as error:
        raise PictureError("no picture without matplotlib: install zhuque with its extra `plot`") from error
    matplotlib.use("Agg")
    from matplotlib import dates, pyplot

    figure, panels = pyplot.subplots(
        len(curves), 1, sharex=True, figsize=(8.4, 1.75 * len(curves)), layout="constrained"
    )
    for panel, curve, colour in zip(panels, curves, _COLOURS, strict=False):
        _panel(panel, curve, colour)
    panels[-1].xaxis.set_major_formatter(dates.DateFormatter("%H:%M"))  # type: ignore[no-untyped-call]
    figure.supylabel("power at the socket, W", fontsize=9, color="#444444")
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def _panel(panel: Any, curve: Curve, colour: str) -> None:
    times, watts = _joined(curve.samples)
    top = max([w for w in sorted(watts) if w < 600] or [100.0]) * 1.35
    panel.plot(times, watts, color=colour, linewidth=1.4)
    panel.fill_between(times, 0, watts, color=colour, alpha=0.12, linewidth=0)
    panel.set_ylim(0, top)
    panel.margins(x=0.01)
    panel.set_title(curve.name, loc="left", fontsize=9, color="#222222")
    panel.tick_params(labelsize=8)
    panel.grid(axis="y", color="#dddddd", linewidth=0.6)
    for side in ("top", "right"):
        panel.spines[side].set_visible(False)
    if curve.trip:
        when, text = curve.trip
        panel.axvline(_when(when), color="#c1272d", linewidth=1, linestyle="--")
        _note(panel, when, top, text, "#c1272d")
    if curve.gap:
        begin, end, text = curve.gap
        panel.axvspan(_when(begin), _when(end), color="#888888", alpha=0.3, linewidth=0)
        _note(panel, end, top, text, "#444444")


def _note(panel: Any, when: float, top: float, text: str, colour: str) -> None:
    panel.annotate(
        text,
        (_when(when), top),
        xytext=(5, -4),
        textcoords="offset points",
        va="top",
        fontsize=8,
        color=colour,
    )


def _joined(samples: list[tuple[int, float]]) -> tuple[list[datetime], list[float]]:
    """As matplotlib takes them; where nothing was heard the line breaks."""
    times: list[datetime] = []
    watts: list[float] = []
    before = None
    for unix, value in sorted(samples):
        if before is not None and unix - before > _GAP_S:
            times.append(_when(before + 1))
            watts.append(float("nan"))
        times.append(_when(unix))
        watts.append(value)
        before = unix
    return times, watts


def _when(unix: float) -> datetime:
    return datetime.fromtimestamp(unix)
