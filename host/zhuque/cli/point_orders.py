"""`zhuque point identify|maintenance|reset`: what a point is asked to do as a whole."""

from __future__ import annotations

from typing import Any

import click

from zhuque.cli.socket import order_options, send
from zhuque.cli.targets import Target, TargetType

_common = order_options(TargetType(2, 2))


@click.command()
@_common
def identify(place: Target, **rest: Any) -> None:
    """Which box is it? Blink its LED for ten seconds, and say so on its console.

    \b
    Example:
      zhuque point identify riverside/p01 --broker mqtt://127.0.0.1:1883
    """
    answer = send(place, "identify", "says so on its console", {}, **rest)
    if not rest["as_json"]:
        click.echo("its LED blinks for 10 s" if answer.get("led") else "its board has no LED")


@click.command()
@_common
def maintenance(place: Target, **rest: Any) -> None:
    """Restart a point into ten minutes for an upload: relays open, nobody can start, the watchdog waits.

    Refused while anybody charges there. It ends by itself, with another restart.

    \b
    Example:
      zhuque point maintenance riverside/p01 --broker mqtt://127.0.0.1:1883
    """
    send(place, "maintenance", "restarts; its relays stay open for 10 min", {}, **rest)


@click.command()
@_common
def reset(place: Target, **rest: Any) -> None:
    """Clear what locked the whole point, after its cause was removed.

    smoke, emergency_stop and residual_current are reset only at the point, by a cable in its USB port (--port),
    overtemperature by the broker, too. A socket that is locked for a cause of its own stays so: `zhuque socket reset`.

    \b
    Example:
      zhuque point reset riverside/p01 --port /dev/ttyUSB0
      zhuque point reset riverside/p01 --broker mqtt://127.0.0.1:1883
    """
    send(place, "reset", "reset", {}, **rest)


COMMANDS = (identify, maintenance, reset)
