"""Which causes lock, and what a person types to reset a socket or a whole point. Pure.

As firmware/core/causes.py and protection.py have it; a test holds the two together. No cause tells what it locked:
what opens a socket that has closed again too often locks that socket alone, were it the box's temperature.
"""

from __future__ import annotations

import re

from zhuque.wire.codes import CAUSES

LOCKING = frozenset(CAUSES[CAUSES.index("emergency_stop") : CAUSES.index("overtemperature") + 1])
AT_THE_POINT = frozenset(("emergency_stop", "smoke", "residual_current", "relay_welded"))


def cause_in(text: object) -> str | None:
    """The first cause that a text of the point names, None where it names none that is known."""
    return next((word for word in re.findall(r"\w+", str(text)) if word in CAUSES), None)


def locked_place(socket: int | None, detail: object) -> int | None:
    """What is locked where a point refuses `socket` as locked: that socket, or with None the whole point.

    Only the detail of the refusal tells (firmware/core/commands.py).
    """
    return None if str(detail).startswith("the whole point: ") else socket


def reset_command(point: str, socket: int | str | None, port: str | None = None) -> str:
    """What resets a socket of `point` (SITE/POINT), or with None the whole point; `port` is where its cable is."""
    words = f"zhuque point reset {point}" if socket is None else f"zhuque socket reset {point}/{socket}"
    return f"`{words} --port {port}`" if port else f"`{words}`"


def way_out(point: str, socket: int | None, cause: str | None, port: str | None = None) -> str:
    """The next right step where a socket, or with None the whole point, is locked for that cause."""
    if cause in AT_THE_POINT and not port:
        step = f"find the cause and remove it, then, at the point, {reset_command(point, socket, 'PORT')}"
    else:
        step = f"find the cause and remove it, then {reset_command(point, socket, port)}"
    return step if socket is not None else f"the whole point is locked: {step}"
