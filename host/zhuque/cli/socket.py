"""`zhuque socket`: start, limit, stop, reset. A socket is SITE/POINT/SOCKET, as on its label.

What is asked of a whole point goes the same way (point_orders.py); what a no means is in refusals.py.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from zhuque.cli.options import broker_options, db_option, json_option, json_text, need_broker, our_actor
from zhuque.cli.quantities import DURATION, ENERGY
from zhuque.cli.refusals import refusal
from zhuque.cli.targets import Target, TargetType
from zhuque.cli.versions import tell_other
from zhuque.errors import NotFoundError, RefusedError, UsageError
from zhuque.lockouts import reset_command
from zhuque.wire.messages import MAX_ACCOUNT

if TYPE_CHECKING:
    from zhuque.collector.broker import BrokerAddress

F = TypeVar("F", bound=Callable[..., Any])


class SocketToReset(TargetType):
    """A socket; who names a point alone is told how that is reset: it must not happen by a forgotten number."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The target."""
        if isinstance(value, str) and value.count("/") == 1:
            self.fail(
                f"{value} is a whole point: {reset_command(value, None)} resets that,"
                f" {reset_command(value, 'SOCKET')} a socket of it",
                param,
                ctx,
            )
        return super().convert(value, param, ctx)


def order_options(place: TargetType) -> Callable[[F], F]:
    """The place, the broker or the USB port, and how long to wait."""

    def with_options(command: F) -> F:
        for option in _options(place):
            command = option(command)
        return command

    return with_options


def _options(place: TargetType) -> tuple[Callable[[Any], Any], ...]:
    return (
        json_option,
        click.option(
            "--timeout",
            "timeout_s",
            type=click.FloatRange(0.1, 600),
            default=10.0,
            show_default=True,
            help="Seconds to wait for the reply.",
        ),
        click.option("--port", help="The USB port that the point is at, instead of a broker."),
        broker_options,
        click.argument("place", type=place),
    )


_common = order_options(TargetType(3, 3))


@click.group(name="socket")
def command() -> None:
    """Start, limit, stop and reset a socket.

    \b
    Example:
      zhuque socket stop riverside/p01/3 --broker mqtt://127.0.0.1:1883
    """


@command.command()
@_common
@db_option
@click.option(
    "--max-duration",
    "max_duration_s",
    type=DURATION,
    help="End it after so long, such as 4h.",
)
@click.option(
    "--max-energy",
    "max_energy_mwh",
    type=ENERGY,
    help="End it after so much, such as 500Wh.",
)
@click.option("--account", help="Whom it is for.")
def start(
    place: Target,
    max_duration_s: int | None,
    max_energy_mwh: int | None,
    account: str | None,
    db: str | None,
    **rest: Any,
) -> None:
    """Start a session. An account that the database has as disabled is refused.

    \b
    Example:
      zhuque socket start riverside/p01/3 --max-duration 4h --account r-0412 --broker mqtt://127.0.0.1:1883
    """
    if account is not None and not 1 <= len(account.encode(errors="replace")) <= MAX_ACCOUNT:
        raise UsageError(f"--account must have 1 to {MAX_ACCOUNT} bytes")
    if account is not None and db:
        _refuse_disabled(db, account)
    limits = {"max_duration_s": max_duration_s, "max_energy_mwh": max_energy_mwh, "account": account}
    send(place, "start", "started", {"source": "remote", **limits}, **rest)


@command.command()
@_common
@click.option("--max-duration", "max_duration_s", type=DURATION, help="End it after so long, such as 4h.")
@click.option("--max-energy", "max_energy_mwh", type=ENERGY, help="End it after so much, such as 500Wh.")
def limit(place: Target, max_duration_s: int | None, max_energy_mwh: int | None, **rest: Any) -> None:
    """Give the session other limits; what is left out stays as it is.

    Both count from the session's start. No session gets longer than the point's own longest.

    \b
    Example:
      zhuque socket limit riverside/p01/3 --max-energy 800Wh --broker mqtt://127.0.0.1:1883
    """
    if max_duration_s is None and max_energy_mwh is None:
        raise UsageError("give --max-duration or --max-energy, or both")
    send(
        place,
        "limit",
        "limited",
        {"max_duration_s": max_duration_s, "max_energy_mwh": max_energy_mwh},
        **rest,
    )


def _refuse_disabled(db: str, account: str) -> None:
    from zhuque.report.figures import utc_iso
    from zhuque.store.accounts import disabled_at
    from zhuque.store.engine import open_reader, translate

    try:
        with translate(db):
            since = disabled_at(open_reader(db), account)
    except NotFoundError:
        return  # there is no database yet, and nobody is disabled
    if since is not None:
        raise RefusedError(
            f"account {account} is disabled since {utc_iso(since)}, nothing was started:"
            f" `zhuque account enable {account}` lets it charge again"
        )


@command.command()
@_common
def stop(place: Target, **rest: Any) -> None:
    """End the session.

    \b
    Example:
      zhuque socket stop riverside/p01/3 --broker mqtt://127.0.0.1:1883
    """
    send(place, "stop", "stopped", {}, **rest)


@command.command()
@order_options(SocketToReset(3, 3))
def reset(place: Target, **rest: Any) -> None:
    """Clear a socket's lockout, after its cause was removed; relay_welded only at the point, with --port.

    What locked the whole point (smoke, emergency_stop, residual_current, overtemperature) is reset by
    `zhuque point reset`.

    \b
    Example:
      zhuque socket reset riverside/p01/3 --broker mqtt://127.0.0.1:1883
      zhuque socket reset riverside/p01/3 --port /dev/ttyUSB0
    """
    send(place, "reset", "reset", {}, **rest)


def send(
    place: Target,
    op: str,
    done: str,
    fields: dict[str, Any],
    *,
    port: str | None,
    broker: str | None,
    insecure: bool,
    ca: Path | None,
    timeout_s: float,
    as_json: bool,
) -> dict[str, Any]:
    """Sends an order to a point and prints that it is done; returns the reply. Raises what `refusal` makes of a no."""
    message = {"op": op, "socket": place.socket, **fields}
    known = {name: value for name, value in message.items() if value is not None}
    if port:
        answer, condition = _at_port(port, place, known, timeout_s)
    else:
        address = need_broker(broker, insecure, ca)
        known["actor"] = our_actor(broker)
        known["expires"] = int(time.time() + max(timeout_s, 60))
        answer, condition = _by_broker(address, place, known, timeout_s)
    if as_json:
        click.echo(json_text(answer))
    if not answer["ok"]:
        raise refusal(place, op, str(answer.get("error")), answer.get("detail"), port, condition)
    if not as_json:
        click.echo(f"{place} {done}")
    return answer


def _by_broker(
    address: BrokerAddress, place: Target, known: dict[str, Any], timeout_s: float
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The reply of the point, and where that is needed to understand it the status that the broker keeps of it."""
    from zhuque.collector import ask

    answer = ask.command(address, str(place.site), str(place.point), known, timeout_s)
    if answer.get("error") != "not_locked":
        return answer, {}
    views = ask.kept_status(address, place.site, place.point)
    return answer, views[0].status if views else {}


def _at_port(
    port: str, place: Target, known: dict[str, Any], timeout_s: float
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The same of the board at a USB port, which must be that point."""
    from zhuque.collector.ask import new_id
    from zhuque.collector.pull_console import ConsoleSource
    from zhuque.device.console_link import ConsoleLink

    actor = our_actor(None)
    known.pop("source", None)  # the board knows that it is here
    with ConsoleLink(port, timeout_s) as link:
        ConsoleSource(link, str(place.site), str(place.point), actor)
        tell_other(f"{place.site}/{place.point}", link.firmware)
        answer = link.ask({"id": new_id(), **known, "actor": actor})
        return answer, link.status() if answer.get("error") == "not_locked" else {}
