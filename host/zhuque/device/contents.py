"""What the flash of a board holds before it is written: nothing, Zhuque, or something else; and which point it is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from zhuque.device import layout, stock
from zhuque.wire.topics import is_name

# From the partition table to behind the description of the application that most boards have at 0x10000.
READ_AT = layout.TABLE_AT
READ_SIZE = 0x8200
_OURS = "Zhuque"
_STOCK = tuple(p.label for p in layout.TABLE[:3])


@dataclass(frozen=True)
class Contents:
    """`text` names it for a person; `foreign` is true where it is neither blank nor Zhuque.

    `mac` and `chip` are what the chip says of itself, where it was asked.
    """

    text: str
    foreign: bool
    mac: str = ""
    chip: str = ""

    @property
    def is_ours(self) -> bool:
        """True where it was flashed by Zhuque."""
        return self.text == _OURS


def config_of(data: bytes | None) -> dict[str, Any]:
    """A board's config.json, empty where it has none that can be read."""
    try:
        found = json.loads(data or b"{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def point_of(config: Mapping[str, Any]) -> tuple[str, str] | None:
    """(site, point) that a board's config.json names, None where it names none."""
    site, point = config.get("site", ""), config.get("point", "")
    return (site, point) if is_name(site) and is_name(point) else None


def of(data: bytes) -> Contents:
    """What READ_SIZE bytes from READ_AT say."""
    table = layout.parse(data)
    if table == layout.TABLE:
        return Contents(_OURS, foreign=False)
    if not data.strip(b"\xff"):
        return Contents("nothing", foreign=False)
    app = layout.first_app(table)
    name = stock.application_name(data, app.offset - READ_AT) if app and app.offset >= READ_AT else ""
    if not name:
        return Contents("something that is no program of an ESP32", foreign=True)
    labels = tuple(p.label for p in table)
    # Its releases have called themselves `micropython`, or nothing.
    if labels[:3] == _STOCK and name.startswith(("micropython", stock.NAMELESS)):
        return Contents("MicroPython, perhaps with files of its own", foreign=True)
    return Contents(name, foreign=True)
