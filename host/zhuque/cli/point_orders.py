"""`zhuque point identify|maintenance`: what a point is asked to do as a whole."""

from __future__ import annotations

from typing import Any

import click

from zhuque.cli.socket import order_options, send
from zhuque.cli.targets import Target


@click.command()
@order_options(2)
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
@order_options(2)
def maintenance(place: Target, **rest: Any) -> None:
    """Restart a point into ten minutes for an upload: relays open, nobody can start, the watchdog waits.

    Refused while anybody charges there. It ends by itself, with another restart.

    \b
    Example:
      zhuque point maintenance riverside/p01 --broker mqtt://127.0.0.1:1883
    """
    send(place, "maintenance", "restarts; its relays stay open for 10 min", {}, **rest)


COMMANDS = (identify, maintenance)
