"""The sheet of a whole site that the installer leaves behind: every point, its board and its test; limits; dates.

A point without a passed test of the board that hangs there now is marked, and named at the top.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

from reportlab.lib import colors
from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Flowable, Table, TableStyle

from zhuque.report import figures, pages
from zhuque.report.pages import BOLD, FONT, text
from zhuque.store.inventory import Point
from zhuque.store.point_tests import PointTest

_RED = "#b03a2e"
_WIDTHS = (18, 26, 15, 31, 17, 20, 47)
_HEAD = ("point", "label", "board", "MAC, installed", "firmware", "places", "test at the wall")


@dataclass(frozen=True)
class Handover:
    """All of a site; `facts` are lines below the table, as (name, text). Times are Unix seconds."""

    site: str
    at: int
    by: str
    points: Sequence[Point]
    tests: Mapping[str, PointTest]
    places: Mapping[str, tuple[str, int]]
    facts: Sequence[tuple[str, str]]

    @property
    def unproven(self) -> list[str]:
        """The points that were not passed as they are now."""
        return [point.point for point in self.points if not is_proven(point, self.tests.get(point.point))]


def is_proven(point: Point, test: PointTest | None) -> bool:
    """True where the board that is this point now has passed its last test."""
    return test is not None and test.passed and point.mac is not None and test.mac == point.mac


def write_pdf(handover: Handover, file: BinaryIO) -> None:
    """The pages, into that file."""
    foot = _foot(handover)
    pages.document(file, f"{handover.site}: handover").build(
        list(_story(handover)), onFirstPage=foot, onLaterPages=foot
    )


def _story(handover: Handover) -> Sequence[Flowable]:
    missing = handover.unproven
    count = len(handover.points)
    told = (
        f"NOT PROVEN, {len(missing)} of {count} points: {', '.join(missing)}"
        if missing
        else f"All {count} points were proven at the wall."
    )
    return [
        text(f"{handover.site}: handover", 18, bold=True),
        text(f"{figures.local_text(handover.at)}, by {handover.by}", 9),
        text(told, 11, bold=bool(missing), before=6, color=_RED if missing else "black"),
        text("Points", 12, bold=True, before=16),
        _points(handover),
        text("The site", 12, bold=True, before=16),
        *(text(f"{name}: {what}", 9) for name, what in handover.facts),
        text("Signed by the installer and by whoever takes over:", 9, before=30),
    ]


def _points(handover: Handover) -> Table:
    rows = [[*map(_cell, _HEAD)], *(_row(handover, point) for point in handover.points)]
    table = Table(rows, [width * mm for width in _WIDTHS], repeatRows=1, hAlign="LEFT")
    marked = [
        ("BACKGROUND", (0, number), (-1, number), colors.HexColor("#fbe9e7"))
        for number, point in enumerate(handover.points, 1)
        if point.point in handover.unproven
    ]
    table.setStyle(
        TableStyle(
            [
                ("FONT", (0, 0), (-1, 0), BOLD, 8),
                ("LINEBELOW", (0, 0), (-1, 0), 0.5, colors.black),
                ("LINEBELOW", (0, 1), (-1, -1), 0.25, colors.lightgrey),
                ("VALIGN", (0, 0), (-1, -1), "TOP"),
                *marked,
            ]
        )
    )
    return table


def _row(handover: Handover, point: Point) -> list[Flowable]:
    test = handover.tests.get(point.point)
    proven = is_proven(point, test)
    installed = f", {figures.local_text(point.installed_at)} by {point.installed_by}" if point.mac else ""
    places = [place for place, (name, _) in handover.places.items() if name == point.point]
    return [
        _cell(point.point, bold=True),
        _cell(point.label or figures.DASH),
        _cell(point.board),
        _cell((point.mac or "no board") + installed),
        _cell((test.firmware if test else None) or point.firmware or figures.DASH),
        _cell(places_text(places)),
        _cell(test_text(point, test), bold=not proven, color="black" if proven else _RED),
    ]


def test_text(point: Point, test: PointTest | None) -> str:
    """What a sheet says of a point's test."""
    if test is None:
        return "NO TEST"
    when = f"{figures.local_text(test.at)} by {test.by}"
    if point.mac != test.mac:
        return f"NO TEST of this board; of {test.mac or 'none'}: {when}"
    if not test.passed:
        return f"FAILED {when}: " + "; ".join(
            f"{line.name}: {figures.with_local_times(line.detail)}" for line in test.failed
        )
    skipped = [line.name for line in test.lines if line.result == "SKIP"]
    return f"PASS {when}" + (f"; not tested: {', '.join(skipped)}" if skipped else "")


def places_text(places: Sequence[str]) -> str:
    """The first and the last of many."""
    return ", ".join(places) if len(places) < 4 else f"{places[0]} .. {places[-1]}"


def _cell(what: Any, bold: bool = False, color: str = "black") -> Flowable:
    return text(str(what), 7.5, bold=bold, color=color)


def _foot(handover: Handover) -> Any:
    def draw(canvas: Canvas, document: Any) -> None:
        canvas.saveState()
        canvas.setFont(FONT, 7)
        canvas.drawString(18 * mm, 10 * mm, f"{handover.site}: handover of {figures.local_text(handover.at)}")
        canvas.drawRightString(192 * mm, 10 * mm, str(document.page))
        canvas.restoreState()

    return draw
