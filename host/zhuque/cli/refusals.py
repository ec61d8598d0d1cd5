"""What a point's no means to whoever asked, and what to do next: every refusal leads on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from zhuque.cli.targets import Target
from zhuque.errors import NotFoundError, RefusedError, ZhuqueError
from zhuque.lockouts import cause_in, locked_place, reset_command, way_out
from zhuque.report import figures


class Refusal(NamedTuple):
    """Where, in which words, asked at which port (None: by the broker), and how the point then said that it is."""

    place: Target
    detail: str
    port: str | None
    condition: dict[str, Any]

    @property
    def point(self) -> str:
        """SITE/POINT."""
        return f"{self.place.site}/{self.place.point}"

    @property
    def cause(self) -> str | None:
        """The cause that its words name."""
        return cause_in(self.detail)


def refusal(
    place: Target,
    op: str,
    code: str,
    detail: Any,
    port: str | None = None,
    condition: dict[str, Any] | None = None,
) -> ZhuqueError:
    """The error that a point's refusal is; `condition` is the point's status, where it is known."""
    said = f"{place} did not {op}: {code}"
    if detail:
        said += f" ({figures.with_local_times(str(detail))})"
    if code == "no_such_socket":
        return NotFoundError(said)
    met = Refusal(place, str(detail or ""), port, condition or {})
    if code in _REFUSED:
        return RefusedError(f"{said}; {_REFUSED[code](met)}")
    return ZhuqueError(said + (f"; {_FAILED[code](met)}" if code in _FAILED else ""))


def _locked(met: Refusal) -> str:
    return way_out(met.point, locked_place(met.place.socket, met.detail), met.cause, met.port)


def _local_only(met: Refusal) -> str:
    command = reset_command(met.point, met.place.socket, "PORT")
    return f"this lockout is reset only at the point, by a cable at its USB port: type {command} there"


def _too_often(met: Refusal) -> str:
    command = reset_command(met.point, met.place.socket, "PORT")
    return f"have somebody look at it; at the point {command} resets it all the same"


def _not_locked(met: Refusal) -> str:
    if met.place.socket is None:
        return (
            "the point as a whole is not locked; a socket that is locked for a cause of its own is reset by"
            f" {reset_command(met.point, 'SOCKET', met.port)}, and `zhuque status {met.point}` tells which is"
        )
    if met.condition.get("state") == "locked":
        cause = cause_in("; ".join(met.condition.get("problems") or ()))
        return f"that socket is not, but {way_out(met.point, None, cause, met.port)}"
    return (
        "there is nothing to reset at that socket; if it starts nothing all the same, the whole point may be locked:"
        f" `zhuque status {met.point}` tells, {reset_command(met.point, None, met.port)} resets that"
    )


# Why a point starts nothing now, for a cause that holds and does not lock.
_HELD = {
    "meter_stale": "its meter gives no valid reading, as in the first seconds after a start; if that lasts, look at the"
    " meter's supply and wiring",
    "meter_implausible": "what its meter says cannot be right; it is set up anew by itself; if that lasts,"
    " have it looked at",
    "undervoltage": "the mains are too low; it starts again a minute after they are well",
    "overvoltage": "the mains are too high; it starts again a minute after they are well",
    "overtemperature": "its box is too warm for another start; let it cool",
    "point_overload": "the point gives all that it may; start when another socket has ended",
    "internal": "its firmware found a fault of its own and restarts; try again in a minute",
}


def _not_ready(met: Refusal) -> str:
    status = f"`zhuque status {met.point}` tells, within a minute, what the point says of itself"
    return f"{_HELD[met.cause]}; {status}" if met.cause in _HELD else status


_REFUSED: dict[str, Callable[[Refusal], str]] = {
    "socket_locked": _locked,
    "cause_present": lambda met: (
        "the cause is still there: remove it, or let it cool, then type the same again"
    ),
    "local_only": _local_only,
    "too_many_resets": _too_often,
    "not_ready": _not_ready,
}
_FAILED: dict[str, Callable[[Refusal], str]] = {
    "socket_busy": lambda met: "stop the session first, or take another socket",
    "no_session": lambda met: "no session is open there",
    "not_locked": _not_locked,
    "expired": lambda met: "the clocks of this computer and of the point differ: set them",
    "journal": lambda met: "try again in a few seconds",
    "unknown_op": lambda met: "its firmware is too old for this: update it",
}
