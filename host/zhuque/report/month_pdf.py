"""The month as pages an office can print: totals, energy by day, end reasons, points and sockets, accounts.

A4, with ReportLab. Names in Chinese are set in a font that every PDF reader brings (a CID font), nothing is embedded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, BinaryIO

from reportlab.graphics.charts.barcharts import HorizontalBarChart, VerticalBarChart
from reportlab.graphics.shapes import Drawing, String
from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Flowable, Spacer, Table, TableStyle

from zhuque.report import pages
from zhuque.report.figures import duration_text, kwh_text, yuan_text
from zhuque.report.month import Line, Month, notes
from zhuque.report.pages import text as _text

_FONT = "Helvetica"
_BOLD = "Helvetica-Bold"
_COLOR = colors.HexColor("#b03a2e")
_GREY = colors.HexColor("#707070")
_WIDTH = A4[0] - 36 * mm
_HEAD = ("sessions", "kWh", "charged", "electricity", "service", "total")


def write_pdf(month: Month, file: BinaryIO, now: int, title: str | None = None) -> None:
    """The pages, into that file."""
    document = pages.document(file, f"{month.site} {month.name}")
    document.build(list(_pages(month, now, title)), onFirstPage=_foot(month), onLaterPages=_foot(month))


def _pages(month: Month, now: int, title: str | None) -> Sequence[Flowable]:
    total = month.total
    story: list[Flowable] = [
        _text(f"{title or month.site}, {month.name}", 18, bold=True),
        _text(
            f"{total.sessions} sessions, {kwh_text(total.energy_mwh)} kWh, {yuan_text(total.fen)} yuan"
            f" (electricity {yuan_text(total.electricity_fen)}, service {yuan_text(total.service_fen)})",
            11,
        ),
        *(_text(note, 9) for note in notes(month)),
        Spacer(1, 4 * mm),
        _days(month),
        _reasons(month),
        _section("Points"),
        _points(month, now),
        _section("Accounts"),
        _table("account", month.accounts, lambda key: _person(month, key), total),
        _section("Sockets"),
        _table("socket", month.sockets, lambda key: f"{key[0]}/{key[1]}", total),
    ]
    return story


def _days(month: Month) -> Drawing:
    last = datetime.fromtimestamp(month.until - 1, month.zone).day
    drawing = Drawing(_WIDTH, 55 * mm)
    chart = VerticalBarChart()
    chart.x, chart.y, chart.width, chart.height = 12 * mm, 10 * mm, _WIDTH - 14 * mm, 36 * mm
    chart.data = [[month.days.get(day, Line()).energy_mwh / 1e6 for day in range(1, last + 1)]]
    chart.categoryAxis.categoryNames = [str(day) for day in range(1, last + 1)]
    chart.categoryAxis.labels.fontSize = 6
    _style(chart)
    drawing.add(
        String(0, 50 * mm, "kWh by the day of the month on which a session ended", fontSize=9, fontName=_FONT)
    )
    drawing.add(chart)
    return drawing


def _reasons(month: Month) -> Drawing:
    reasons = sorted(month.reasons.items(), key=lambda item: item[1].sessions)
    height = (10 + 5 * max(1, len(reasons))) * mm
    drawing = Drawing(_WIDTH, height + 8 * mm)
    if reasons:
        chart = HorizontalBarChart()
        chart.x, chart.y, chart.width, chart.height = 40 * mm, 6 * mm, _WIDTH - 50 * mm, height - 8 * mm
        chart.data = [[line.sessions for _, line in reasons]]
        chart.categoryAxis.categoryNames = [name for name, _ in reasons]
        chart.categoryAxis.labels.fontSize = 7
        chart.barLabelFormat = "%d"
        chart.barLabels.fontSize = 7
        chart.barLabels.nudge = 8
        _style(chart)
        drawing.add(chart)
    drawing.add(String(0, height + 2 * mm, "Sessions by the reason of their end", fontSize=9, fontName=_FONT))
    return drawing


def _style(chart: Any) -> None:
    chart.bars[0].fillColor = _COLOR
    chart.bars[0].strokeColor = None
    chart.valueAxis.valueMin = 0
    chart.valueAxis.labels.fontSize = 7
    chart.valueAxis.gridStrokeColor = colors.lightgrey
    chart.valueAxis.visibleGrid = True
    chart.valueAxis.visibleAxis = False
    chart.valueAxis.visibleTicks = False
    chart.categoryAxis.visibleTicks = False


def _points(month: Month, now: int) -> Table:
    head = ("point", *_HEAD, "heard", "trips", "resets", "alarms")
    rows = []
    for name, line in month.points.items():
        share = month.availability(name, now)
        counts = (
            sum(n for (point, _), n in counter.items() if point == name)
            for counter in (month.events.trips, month.events.resets, month.events.alarms)
        )
        rows.append((name, *_cells(line), "-" if share is None else f"{share:.1%}", *map(str, counts)))
    return _grid(head, rows, ("all", *_cells(month.total), "", "", "", ""))


def _person(month: Month, account: str) -> str:
    """The account's id, and whose it is where that is known and wanted."""
    person = month.people.get(account)
    known = (account, person.name, person.flat) if person else (account,)
    return ", ".join(part for part in known if part)


def _table(name: str, group: Mapping[Any, Line], label: Callable[[Any], str], total: Line) -> Table:
    rows = [(label(key), *_cells(line)) for key, line in group.items()]
    return _grid((name, *_HEAD), rows, ("all", *_cells(total)))


def _cells(line: Line) -> tuple[str, ...]:
    money = (yuan_text(fen) for fen in (line.electricity_fen, line.service_fen, line.fen))
    return (str(line.sessions), kwh_text(line.energy_mwh), duration_text(line.duration_s), *money)


def _grid(head: Sequence[str], rows: Sequence[Sequence[str]], total: Sequence[str]) -> Table:
    first = [[_text(row[0], 8), *row[1:]] for row in rows]
    table = Table([list(head), *first, list(total)], repeatRows=1, hAlign="LEFT")
    table.setStyle(
        TableStyle(
            [
                ("FONT", (0, 0), (-1, -1), _FONT, 8),
                ("FONT", (0, 0), (-1, 0), _BOLD, 8),
                ("FONT", (0, -1), (-1, -1), _BOLD, 8),
                ("ALIGN", (1, 0), (-1, -1), "RIGHT"),
                ("LINEBELOW", (0, 0), (-1, 0), 0.5, _GREY),
                ("LINEABOVE", (0, -1), (-1, -1), 0.5, _GREY),
                ("TOPPADDING", (0, 0), (-1, -1), 1),
                ("BOTTOMPADDING", (0, 0), (-1, -1), 2),
                ("VALIGN", (0, 0), (-1, -1), "MIDDLE"),
            ]
        )
    )
    return table


def _section(title: str) -> Flowable:
    return _text(title, 12, bold=True, before=6 * mm)


def _foot(month: Month) -> Callable[[Canvas, Any], None]:
    def draw(canvas: Canvas, document: Any) -> None:
        canvas.saveState()
        canvas.setFont(_FONT, 7)
        canvas.setFillColor(_GREY)
        canvas.drawString(
            18 * mm, 10 * mm, f"{month.site} {month.name}; times in {month.zone.key}; money in yuan"
        )
        canvas.drawRightString(A4[0] - 18 * mm, 10 * mm, str(document.page))
        canvas.restoreState()

    return draw
