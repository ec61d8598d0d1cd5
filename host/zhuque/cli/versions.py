"""A board that runs another version than this program: a line on stderr. It changes no exit code and refuses nothing.

What the two say to each other is held together by the wire's own version; this is for whoever looks for a reason.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import click

from zhuque.wire.version import VERSION


def tell_other(name: str, firmware: object) -> None:
    """Of the point SITE/POINT, by what its status says."""
    if not _is_other(firmware):
        return
    remedy = f"`zhuque provision --points {name.partition('/')[2]} --again` brings it up to date"
    if _is_newer(firmware):
        remedy = "use that version here too, for this one may not know all that it says"
    click.echo(f"note: {name} runs Zhuque {_compared(firmware)}; {remedy}", err=True)


def tell_replaced(name: str, firmware: object) -> None:
    """Of a board that has just got this version."""
    if not _is_other(firmware):
        return
    remedy = "; provision it with the newer one" if _is_newer(firmware) else ""
    click.echo(f"note: {name} ran Zhuque {_compared(firmware)}, which it runs now{remedy}", err=True)


def tell_wrong_names(firmwares: Iterable[str]) -> None:
    """Of what boards printed, whose names are explained by the sources of this version."""
    for firmware in filter(_is_other, firmwares):
        click.echo(
            f"note: this is of Zhuque {_compared(firmware)}; names may be wrong: explain it with that version",
            err=True,
        )


def _is_other(firmware: object) -> bool:
    return bool(firmware) and firmware != VERSION


def _is_newer(firmware: object) -> bool:
    return _order(str(firmware)) > _order(VERSION)


def _compared(firmware: object) -> str:
    return f"{firmware}, {'newer' if _is_newer(firmware) else 'older'} than this {VERSION}"


def _order(version: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", version)[:3]]
