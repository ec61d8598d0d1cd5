"""Labels for sockets: a PDF of QR codes with place and number in large type, for A4 sheets of stickers.

The code of a socket is the same for its whole life (its token is kept), so a lost label is printed again, and nothing
has to be stuck twice. Codes have error correction M and their quiet zone of four modules; everything is drawn, so that
it is sharp on any printer. Print at 100 %, not "fit to page".
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import segno
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfgen.canvas import Canvas

_A4 = (210 * mm, 297 * mm)
_QUIET = 4  # modules of white around a code, that readers ask for
_MARGIN = 2 * mm
_FONT = "Helvetica"
_BOLD = "Helvetica-Bold"
_CJK = "STSong-Light"  # every PDF reader brings it along


@dataclass(frozen=True)
class Sheet:
    """A sheet of stickers, in mm: the first one's corner, their size, and from one to the next."""

    columns: int
    rows: int
    left: float
    top: float
    width: float
    height: float
    pitch_x: float
    pitch_y: float

    @property
    def stickers(self) -> int:
        """How many are on a sheet."""
        return self.columns * self.rows


# As the makers of stickers publish them; COLUMNSxROWS.
SHEETS = {
    "3x7": Sheet(3, 7, 7.2, 15.1, 63.5, 38.1, 66.0, 38.1),
    "2x7": Sheet(2, 7, 4.7, 15.1, 99.1, 38.1, 101.6, 38.1),
    "2x4": Sheet(2, 4, 4.7, 13.1, 99.1, 67.7, 101.6, 67.7),
    "3x8": Sheet(3, 8, 0.0, 0.5, 70.0, 37.0, 70.0, 37.0),
}


@dataclass(frozen=True)
class Label:
    """One socket: `place` and `socket` are for people, `url` is what the code says."""

    url: str
    place: str | None
    point: str
    socket: int
    note: str


def url(host: str, site: str, point: str, socket: int, token: str) -> str:
    """What a socket's code says (section 8 of the design)."""
    return f"https://{host}/s/{site}/{point}/{socket}?k={token}"


def write(path: Path, labels: Iterable[Label], sheet: Sheet, skip: int = 0) -> int:
    """Draw the labels; the first `skip` stickers of the first sheet are used already. Returns the number of sheets."""
    canvas = Canvas(str(path), pagesize=_A4, invariant=True)
    canvas.setTitle("zhuque: labels of sockets")
    at = skip
    for at, label in enumerate(labels, skip):
        if at > skip and at % sheet.stickers == 0:
            canvas.showPage()
        _draw(canvas, label, sheet, at % sheet.stickers)
    canvas.save()
    return at // sheet.stickers + 1


def _draw(canvas: Canvas, label: Label, sheet: Sheet, at: int) -> None:
    row, column = divmod(at, sheet.columns)
    left = (sheet.left + column * sheet.pitch_x) * mm
    bottom = _A4[1] - (sheet.top + row * sheet.pitch_y + sheet.height) * mm
    width, height = sheet.width * mm, sheet.height * mm
    code = min(height - 2 * _MARGIN, width / 2)
    _draw_code(canvas, label.url, left + _MARGIN, bottom + (height - code) / 2, code)
    words = left + _MARGIN + code + _MARGIN
    room = left + width - _MARGIN - words
    top = bottom + height - _MARGIN
    _fit(canvas, label.place or f"{label.point}/{label.socket}", words, top, room, height * 0.42)
    _fit(canvas, f"{label.point} / {label.socket}", words, top - height * 0.46, room, height * 0.2)
    _fit(canvas, label.note, words, top - height * 0.70, room, height * 0.1, bold=False)


def _draw_code(canvas: Canvas, text: str, left: float, bottom: float, size: float) -> None:
    """Runs of dark modules as rectangles, a hair longer than they are, so that no seam shows."""
    rows: Sequence[bytearray] = segno.make_qr(text, error="m").matrix
    module = size / (len(rows) + 2 * _QUIET)
    for y, row in enumerate(rows):
        x = 0
        while x < len(row):
            end = x
            while end < len(row) and row[end]:
                end += 1
            if end > x:
                canvas.rect(
                    left + (_QUIET + x) * module,
                    bottom + (_QUIET + len(rows) - 1 - y) * module,
                    (end - x) * module,
                    module * 1.02,
                    stroke=0,
                    fill=1,
                )
            x = end + 1


def _fit(
    canvas: Canvas, text: str, left: float, top: float, room: float, height: float, bold: bool = True
) -> None:
    """The text as large as it fits, its upper edge at `top`."""
    font = _font(text, bold)
    size = min(height, height * room / max(pdfmetrics.stringWidth(text, font, height), 1))
    canvas.setFont(font, size)
    canvas.drawString(left, top - size * 0.8, text)


def _font(text: str, bold: bool) -> str:
    try:
        text.encode("latin-1")
    except UnicodeEncodeError:
        if _CJK not in pdfmetrics.getRegisteredFontNames():
            pdfmetrics.registerFont(UnicodeCIDFont(_CJK))
        return _CJK
    return _BOLD if bold else _FONT
