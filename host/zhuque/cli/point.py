"""`zhuque point`: charge points: which board is which, proof, calibration, what a whole point is asked to do."""

from __future__ import annotations

import click

from zhuque.cli.point_calibrate import calibrate
from zhuque.cli.point_inventory import COMMANDS
from zhuque.cli.point_orders import COMMANDS as ORDERS
from zhuque.cli.point_test import test


@click.group(name="point")
def command() -> None:
    """Charge points: which board is which, where it hangs, what was issued to it; what it is asked to do.

    \b
    Example:
      zhuque point list --site riverside
      zhuque point test p07 --site riverside
      zhuque point replace p07 --site riverside
      zhuque point calibrate riverside/p01 --socket 3 --reference-w 1000 --site riverside
      zhuque point identify riverside/p01 --site riverside
      zhuque point reset riverside/p01 --port /dev/ttyUSB0
    """


for _command in (*COMMANDS, calibrate, test, *ORDERS):
    command.add_command(_command)
