"""`zhuque point`: what concerns a charge point as a whole, or the parts it was built from."""

from __future__ import annotations

import click

from zhuque.cli.point_calibrate import calibrate


@click.group(name="point")
def command() -> None:
    """Charge points: calibrate their meters.

    \b
    Example:
      zhuque point calibrate riverside/p01 --socket 3 --reference-w 1000 --broker mqtt://127.0.0.1:1883
    """


command.add_command(calibrate)
