"""`zhuque socket`: start, stop, reset. A socket is SITE/POINT/SOCKET, as on its label."""

from __future__ import annotations

import getpass
import re
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import click

from zhuque.cli.options import ParamType, broker_options, json_option, json_text, need_broker
from zhuque.errors import NotFoundError, RefusedError, UsageError, ZhuqueError
from zhuque.wire.messages import MAX_ACCOUNT, MAX_ACTOR
from zhuque.wire.topics import is_name

F = TypeVar("F", bound=Callable[..., Any])

_SECONDS = {"": 1, "s": 1, "m": 60, "min": 60, "h": 3600}
_MWH = {"wh": 1000, "kwh": 1_000_000}
# What a refusal of the point means to whoever asked, and what to do next.
_REFUSED = {
    "socket_locked": "find the cause and remove it, then `zhuque socket reset`",
    "cause_present": "the cause is still there: remove it first",
    "local_only": "this lockout is reset only at the point, by its button or over USB",
    "too_many_resets": "it has been reset too often today: have somebody look at it",
    "not_ready": "look at `zhuque status` for what the point says of itself",
}
_FAILED = {
    "socket_busy": "stop the session first, or take another socket",
    "no_session": "there is nothing to stop",
    "not_locked": "there is nothing to reset",
    "expired": "the clocks of this computer and of the point differ: set them",
    "journal": "try again in a few seconds",
    "unknown_op": "its firmware is too old for this: update it",
}


class Place(NamedTuple):
    """One socket of one point of one site."""

    site: str
    point: str
    socket: int

    def __str__(self) -> str:
        return f"{self.site}/{self.point}/{self.socket}"


class _PlaceType(ParamType):
    name = "SITE/POINT/SOCKET"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        parts = value.split("/")
        if len(parts) != 3 or not is_name(parts[0]) or not is_name(parts[1]) or not parts[2].isdecimal():
            self.fail(f"{value!r} is no socket; it looks like riverside/p01/3", param, ctx)
        if not 1 <= int(parts[2]) <= 255:
            self.fail(f"sockets are numbered from 1, not {parts[2]}", param, ctx)
        return Place(parts[0], parts[1], int(parts[2]))


class _Quantity(ParamType):
    """A number with a unit; gives an integer of the smallest."""

    def __init__(self, name: str, units: dict[str, int], example: str) -> None:
        self.name = name
        self._units = units
        self._example = example

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        match = re.fullmatch(r"(\d{1,9}(?:\.\d{1,6})?)\s*([a-z]*)", value.lower(), re.ASCII)
        factor = self._units.get(match[2]) if match else None
        amount = Decimal(match[1]) * factor if match and factor else Decimal(0)
        if amount < 1 or amount != int(amount):
            self.fail(f"{value!r} is no {self.name}; it looks like {self._example}", param, ctx)
        return int(amount)


_PLACE = _PlaceType()


def _common(command: F) -> F:
    """The socket, the broker, and how long to wait."""
    for option in (
        json_option,
        click.option(
            "--timeout",
            "timeout_s",
            type=click.FloatRange(0.1, 600),
            default=10.0,
            show_default=True,
            help="Seconds to wait for the reply.",
        ),
        broker_options,
        click.argument("place", type=_PLACE, metavar="SITE/POINT/SOCKET"),
    ):
        command = option(command)
    return command


@click.group(name="socket")
def command() -> None:
    """Start, stop and reset a socket.

    \b
    Example:
      zhuque socket stop riverside/p01/3 --broker mqtt://127.0.0.1:1883
    """


@command.command()
@_common
@click.option(
    "--max-duration",
    "max_duration_s",
    type=_Quantity("duration", _SECONDS, "4h, 90min or 600s"),
    help="End it after so long, such as 4h.",
)
@click.option(
    "--max-energy",
    "max_energy_mwh",
    type=_Quantity("energy", _MWH, "500Wh or 1.2kWh"),
    help="End it after so much, such as 500Wh.",
)
@click.option("--account", help="Whom it is for.")
def start(
    place: Place, max_duration_s: int | None, max_energy_mwh: int | None, account: str | None, **rest: Any
) -> None:
    """Start a session.

    \b
    Example:
      zhuque socket start riverside/p01/3 --max-duration 4h --account r-0412 --broker mqtt://127.0.0.1:1883
    """
    if account is not None and not 1 <= len(account.encode(errors="replace")) <= MAX_ACCOUNT:
        raise UsageError(f"--account must have 1 to {MAX_ACCOUNT} bytes")
    limits = {"max_duration_s": max_duration_s, "max_energy_mwh": max_energy_mwh, "account": account}
    _send(place, "start", "started", {"source": "remote", **limits}, **rest)


@command.command()
@_common
def stop(place: Place, **rest: Any) -> None:
    """End the session.

    \b
    Example:
      zhuque socket stop riverside/p01/3 --broker mqtt://127.0.0.1:1883
    """
    _send(place, "stop", "stopped", {}, **rest)


@command.command()
@_common
def reset(place: Place, **rest: Any) -> None:
    """Clear a lockout, after its cause was removed.

    \b
    Example:
      zhuque socket reset riverside/p01/3 --broker mqtt://127.0.0.1:1883
    """
    _send(place, "reset", "reset", {}, **rest)


def _send(
    place: Place,
    op: str,
    done: str,
    fields: dict[str, Any],
    *,
    broker: str | None,
    insecure: bool,
    ca: Path | None,
    timeout_s: float,
    as_json: bool,
) -> None:
    address = need_broker(broker, insecure, ca)

    from zhuque.collector import ask

    message = {"op": op, "socket": place.socket, **fields, "actor": actor()}
    message["expires"] = int(time.time() + max(timeout_s, 60))
    known = {name: value for name, value in message.items() if value is not None}
    answer = ask.command(address, place.site, place.point, known, timeout_s)
    if as_json:
        click.echo(json_text(answer))
    if not answer["ok"]:
        raise refusal(place, op, str(answer.get("error")), answer.get("detail"))
    if not as_json:
        click.echo(f"{place} {done}")


def refusal(place: Place, op: str, code: str, detail: Any) -> ZhuqueError:
    """The error that a point's refusal is, with what to do next."""
    said = f"{place} did not {op}: {code}" + (f" ({detail})" if detail else "")
    if code == "no_such_socket":
        return NotFoundError(said)
    if code in _REFUSED:
        return RefusedError(f"{said}; {_REFUSED[code]}")
    return ZhuqueError(said + (f"; {_FAILED[code]}" if code in _FAILED else ""))


def actor() -> str:
    """Who asks: the login name on this computer, until the broker's accounts tell."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        name = "unknown"
    return ("operator:" + name).encode(errors="replace")[:MAX_ACTOR].decode(errors="ignore")
