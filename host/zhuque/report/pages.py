"""What every PDF of ours for A4 paper has: margins, and text whose Chinese is set in a font that each reader brings."""

from __future__ import annotations

import re
from typing import BinaryIO

from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.platypus import Paragraph, SimpleDocTemplate

FONT = "Helvetica"
BOLD = "Helvetica-Bold"
_CHINESE = "STSong-Light"
_BEYOND_ASCII = re.compile(r"[^\x00-\x7f]+")


def document(file: BinaryIO, title: str) -> SimpleDocTemplate:
    """An empty document; the same pages give the same bytes."""
    pdfmetrics.registerFont(UnicodeCIDFont(_CHINESE))
    return SimpleDocTemplate(
        file,
        pagesize=A4,
        leftMargin=18 * mm,
        rightMargin=18 * mm,
        topMargin=18 * mm,
        bottomMargin=18 * mm,
        title=title,
        author="Zhuque",
        invariant=1,
    )


def text(text: str, size: float, bold: bool = False, before: float = 0, color: str = "black") -> Paragraph:
    """A paragraph; `size` and the space `before` it in points."""
    style = ParagraphStyle(
        "text",
        fontName=BOLD if bold else FONT,
        fontSize=size,
        leading=size * 1.35,
        spaceBefore=before,
        textColor=color,
    )
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return Paragraph(_BEYOND_ASCII.sub(rf'<font name="{_CHINESE}">\g<0></font>', escaped), style)
