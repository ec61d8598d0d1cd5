"""`zhuque socket`: start, limit, stop, reset. A socket is SITE/POINT/SOCKET, as on its label."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from zhuque.cli.options import broker_options, db_option, json_option, json_text, need_broker, our_actor
from zhuque.cli.quantities import DURATION, ENERGY
from zhuque.cli.targets import Target, TargetType
from zhuque.cli.versions import tell_other
from zhuque.errors import NotFoundError, RefusedError, UsageError, ZhuqueError
from zhuque.wire.messages import MAX_ACCOUNT

F = TypeVar("F", bound=Callable[..., Any])

# What a refusal of the point means to whoever asked, and what to do next.
_REFUSED = {
    "socket_locked": "find the cause and remove it, then `zhuque socket reset`",
    "cause_present": "the cause is still there: remove it first",
    "local_only": "this lockout is reset only at the point, by its button or with --port at its USB port",
    "too_many_resets": "it has been reset too often today: have somebody look at it",
    "not_ready": "look at `zhuque status` for what the point says of itself",
}
_FAILED = {
    "socket_busy": "stop the session first, or take another socket",
    "no_session": "no session is open there",
    "not_locked": "there is nothing to reset",
    "expired": "the clocks of this computer and of the point differ: set them",
    "journal": "try again in a few seconds",
    "unknown_op": "its firmware is too old for this: update it",
}


def order_options(parts: int) -> Callable[[F], F]:
    """The socket (3 parts) or point (2), the broker or the USB port, and how long to wait."""

    def with_options(command: F) -> F:
        for option in _options(parts):
            command = option(command)
        return command

    return with_options


def _options(parts: int) -> tuple[Callable[[Any], Any], ...]:
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
        click.argument("place", type=TargetType(least=parts, most=parts)),
    )


_common = order_options(3)


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
@_common
def reset(place: Target, **rest: Any) -> None:
    """Clear a lockout, after its cause was removed; some only at the point, with --port.

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
        answer = _at_port(port, place, known, timeout_s)
    else:
        address = need_broker(broker, insecure, ca)

        from zhuque.collector import ask

        known["actor"] = our_actor(broker)
        known["expires"] = int(time.time() + max(timeout_s, 60))
        answer = ask.command(address, str(place.site), str(place.point), known, timeout_s)
    if as_json:
        click.echo(json_text(answer))
    if not answer["ok"]:
        raise refusal(place, op, str(answer.get("error")), answer.get("detail"))
    if not as_json:
        click.echo(f"{place} {done}")
    return answer


def _at_port(port: str, place: Target, known: dict[str, Any], timeout_s: float) -> dict[str, Any]:
    """The reply of the board at a USB port, which must be that point."""
    from zhuque.collector.ask import new_id
    from zhuque.collector.pull_console import ConsoleSource
    from zhuque.device.console_link import ConsoleLink

    actor = our_actor(None)
    known.pop("source", None)  # the board knows that it is here
    with ConsoleLink(port, timeout_s) as link:
        ConsoleSource(link, str(place.site), str(place.point), actor)
        tell_other(f"{place.site}/{place.point}", link.firmware)
        return link.ask({"id": new_id(), **known, "actor": actor})


def refusal(place: Target, op: str, code: str, detail: Any) -> ZhuqueError:
    """The error that a point's refusal is, with what to do next."""
    said = f"{place} did not {op}: {code}" + (f" ({detail})" if detail else "")
    if code == "no_such_socket":
        return NotFoundError(said)
    if code in _REFUSED:
        return RefusedError(f"{said}; {_REFUSED[code]}")
    return ZhuqueError(said + (f"; {_FAILED[code]}" if code in _FAILED else ""))
