"""`zhuque point`: charge points, and which board each of them is."""

from __future__ import annotations

import click

from zhuque.cli.point_inventory import COMMANDS


@click.group(name="point")
def command() -> None:
    """Charge points: which board is which, where it hangs, what was issued to it.

    \b
    Example:
      zhuque point list --site riverside
      zhuque point replace p07 --site riverside
    """


for _command in COMMANDS:
    command.add_command(_command)
