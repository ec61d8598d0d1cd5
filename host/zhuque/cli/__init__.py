"""The command `zhuque`: a noun a file, imported only when it is asked for.

Each file offers a click command or group called `command`. A noun is listed when its file is there. Errors of
errors.py end as one line on stderr and their exit code.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import click

from zhuque.errors import ZhuqueError
from zhuque.wire.version import VERSION, WIRE

# noun -> what `zhuque --help` says of it, so that it need not import it
NOUNS = {
    "account": "Whom sessions are for.",
    "bill": "What sessions cost.",
    "board": "The boards that firmware runs on.",
    "collect": "Store what the charge points send.",
    "db": "Migrate, thin and check the database.",
    "firmware": "MicroPython images for boards.",
    "flash": "Write boards on USB.",
    "label": "Labels of sockets.",
    "log": "The journals of the charge points.",
    "meter": "Meters and their bytes.",
    "point": "Charge points and the boards that they are.",
    "provision": "Boards on USB become points of a site.",
    "report": "Figures for the office.",
    "session": "Charging sessions.",
    "sim": "Charge points that are simulated.",
    "site": "A garage: its settings, keys, people and broker.",
    "socket": "Start, stop and reset a socket.",
    "status": "How the charge points are.",
}


class _Shown(click.ClickException):
    def __init__(self, error: ZhuqueError) -> None:
        super().__init__(str(error))
        self.exit_code = error.exit_code  # type: ignore[misc]


class LazyGroup(click.Group):
    """A group whose commands are modules of this package."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The nouns whose file is there."""
        return [noun for noun in NOUNS if Path(__file__).with_name(noun + ".py").is_file()]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the noun."""
        if cmd_name not in self.list_commands(ctx):
            return None
        command: click.Command = import_module("zhuque.cli." + cmd_name).command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The table, without importing anything."""
        with formatter.section("Commands"):
            formatter.write_dl([(noun, NOUNS[noun]) for noun in self.list_commands(ctx)])

    def invoke(self, ctx: click.Context) -> Any:
        """Errors of ours become click's, with their own exit code."""
        try:
            return super().invoke(ctx)
        except ZhuqueError as error:
            raise _Shown(error) from error


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(VERSION, message=f"zhuque %(version)s, wire {WIRE}")
def main() -> None:
    """Runs the shared e-bike garages of old housing estates.

    \b
    Example:
      zhuque collect --db site.db --broker mqtt://127.0.0.1:1883
      zhuque session list --db site.db --since 2026-11-01
    """
