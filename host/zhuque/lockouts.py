"""Which causes lock, what they lock, and what a person types to reset them. Pure.

As firmware/core/causes.py and protection.py have it; a test holds the two together.
"""

from __future__ import annotations

import re

from zhuque.wire.codes import CAUSES

LOCKING = frozenset(CAUSES[CAUSES.index("emergency_stop") : CAUSES.index("overtemperature") + 1])
OF_THE_POINT = frozenset(("emergency_stop", "smoke", "residual_current", "overtemperature"))
AT_THE_POINT = frozenset(("emergency_stop", "smoke", "residual_current", "relay_welded"))


def cause_in(text: object) -> str | None:
    """The first cause that a text of the point names, None where it names none that is known."""
    return next((word for word in re.findall(r"\w+", str(text)) if word in CAUSES), None)


def reset_command(point: str, socket: int | str | None, port: str | None = None) -> str:
    """What resets a socket of `point` (SITE/POINT), or with None the whole point; `port` is where its cable is."""
    words = f"zhuque point reset {point}" if socket is None else f"zhuque socket reset {point}/{socket}"
    return f"`{words} --port {port}`" if port else f"`{words}`"


def way_out(point: str, socket: int | None, cause: str | None, port: str | None = None) -> str:
    """The next right step where a socket, or with None the whole point, is locked for that cause.

    A socket is locked for a cause of its own or for one of the whole point, and the cause tells which.
    """
    if cause in OF_THE_POINT:
        socket = None
    if cause in AT_THE_POINT and not port:
        step = f"find the cause and remove it, then, at the point, {reset_command(point, socket, 'PORT')}"
    else:
        step = f"find the cause and remove it, then {reset_command(point, socket, port)}"
    return step if socket is not None else f"the whole point is locked: {step}"
