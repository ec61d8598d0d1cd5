"""`zhuque sim board`: the virtual ESP32."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click

from zhuque.cli.options import ParamType

_DEFAULT_MAC = "24:0a:c4:7a:68:75"


class Mac(ParamType):
    """Six bytes in hexadecimal, with colons."""

    name = "mac"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The bytes."""
        if isinstance(value, bytes):
            return value
        if not re.fullmatch(r"([0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2}", str(value)):
            self.fail(f"{value!r} is no MAC address such as {_DEFAULT_MAC}", param, ctx)
        return bytes.fromhex(str(value).replace(":", ""))


@click.command(name="board")
@click.option(
    "--link",
    type=click.Path(path_type=Path),
    help="A symbolic link to the port, so that its name is known beforehand; removed at the end.",
)
@click.option(
    "--flash",
    type=click.Path(dir_okay=False, path_type=Path),
    default="esp32.flash",
    show_default=True,
    help="The file that is its flash; made, blank, where it is not there.",
)
@click.option(
    "--size", type=click.Choice(["1MB", "2MB", "4MB", "8MB", "16MB"]), help="Of a new flash.  [default: 4MB]"
)
@click.option("--mac", type=Mac(), default=_DEFAULT_MAC, show_default=True, help="Its address.")
@click.option(
    "--chip",
    type=click.Choice(["esp32", "esp32s3", "esp32c3"]),
    default="esp32",
    show_default=True,
    help="What it says it is.",
)
@click.option(
    "--fault", "faults", multiple=True, metavar="WORDS", help="What goes wrong, as typed; more than once."
)
@click.option("--paced", is_flag=True, help="Bytes take the time that they take at the port's baud rate.")
def command(size: str | None, faults: tuple[str, ...], **wanted: Any) -> None:
    """Run a virtual ESP32 until Ctrl-C: a port that the stock esptool and mpremote take for a real board's.

    Blank at first; flash it with esptool or `zhuque flash`. While it runs, faults and buttons are typed as words:
    `unplug at=40`, `unplug for_s=5`, `plug`, `reset`, `download`, `mute for_s=3`, `deaf`, `max_baud baud=460800`,
    `corrupt count=3 every=5000`, `in_use for_s=10`.

    \b
    Example:
      zhuque sim board --link /tmp/esp32 --flash esp32.flash
      esptool --port /tmp/esp32 flash-id
    """
    from zhuque.sim.esp32.console import run
    from zhuque.sim.esp32.flash import SIZES

    run(SIZES[size] if size else None, faults, **wanted)
