"""`zhuque sim board`: the virtual ESP32."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click

from zhuque.cli.options import ParamType
from zhuque.errors import UsageError

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


class Listen(ParamType):
    """[HOST:]PORT; gives both."""

    name = "listen"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """(host, port)."""
        if isinstance(value, tuple):
            return value
        host, _, port = str(value).rpartition(":")
        if not port.isdecimal() or int(port) > 65535:
            self.fail(f"{value!r} is not PORT or HOST:PORT", param, ctx)
        return host or "127.0.0.1", int(port)


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
    help="The file that is its flash, and no other board's; made, blank, where it is not there.",
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
@click.option("--board", default="zq10", show_default=True, help="The wall it hangs on: the chips around it.")
@click.option(
    "--listen",
    type=Listen(),
    metavar="[HOST:]PORT",
    help="A TCP server, socket:// and rfc2217://, and no device: without --link.",
)
@click.option("--paced", is_flag=True, help="Bytes take the time that they take at the port's baud rate.")
def command(size: str | None, faults: tuple[str, ...], **wanted: Any) -> None:
    """Run a virtual ESP32 until Ctrl-C: a port that the stock esptool and mpremote take for a real board's.

    Blank at first; flash it with esptool or `zhuque flash`. While it runs, faults and buttons are typed as words:
    `unplug at=40 region=0x10000`, `unplug for_s=5`, `plug`, `reset`, `download`, `mute for_s=3`, `deaf`, `max_baud
    baud=460800`, `corrupt count=1 every=5000`, `in_use for_s=10`; and what happens around it, as in `zhuque sim run`:
    `plug 3`. The first pulls the cable while the application is written: after `plug`, `zhuque flash` goes on where it
    stopped. The one of corrupt bytes makes it try a lower baud rate.

    On its port there is no DTR and no RTS: a request of esptool's is taken as the reset into the loader, and the end of
    its connection as the reset out of it. --listen has both, as rfc2217://127.0.0.1:PORT.

    \b
    Example:
      zhuque sim board --link /tmp/esp32 --flash esp32.flash
      esptool --port /tmp/esp32 flash-id
    """
    from zhuque.sim.esp32.console import run
    from zhuque.sim.esp32.flash import SIZES
    from zhuque.sim.tools import ToolMissingError

    if wanted["link"] and wanted["listen"]:
        raise UsageError(
            "--listen is a TCP server without a device, so there is nothing to --link: give one of them"
        )
    try:
        run(SIZES[size] if size else None, faults, **wanted)
    except ToolMissingError as error:
        raise click.ClickException(str(error)) from error
