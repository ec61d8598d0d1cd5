"""`zhuque firmware`: the MicroPython images that were downloaded; add, list, show, remove."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from zhuque.cli.options import json_option, print_json, print_table

if TYPE_CHECKING:
    from zhuque.device.stock import StockImage


@click.group(name="firmware")
def command() -> None:
    """The stock MicroPython images that boards get; each is kept once, by its hash.

    Zhuque downloads nothing. Get the newest ".bin" of "Firmware" (not a preview, not an .app-bin) from
    https://micropython.org/download/ESP32_GENERIC/ : version 1.23 or later, for the ESP32.

    \b
    Example:
      zhuque firmware add ~/Downloads/ESP32_GENERIC-20250911-v1.26.1.bin
      zhuque firmware list
    """


@command.command()
@click.argument("file", type=click.Path(path_type=Path))
@json_option
def add(file: Path, as_json: bool) -> None:
    """Check a downloaded image and keep a copy of it.

    It comes from https://micropython.org/download/ESP32_GENERIC/ . Chip, version, size and checksums are read from the
    file itself; one that no board can use is refused.

    \b
    Example:
      zhuque firmware add ~/Downloads/ESP32_GENERIC-20250911-v1.26.1.bin
    """
    from zhuque.device import shelf

    image = shelf.Shelf().add(file)
    if as_json:
        print_json([_row(image)])
    else:
        click.echo(f"{shelf.short(image)}: {image.title}")


@command.command(name="list")
@json_option
def list_images(as_json: bool) -> None:
    """The images that were added, the newest version first.

    \b
    Example:
      zhuque firmware list --json
    """
    from zhuque.device import shelf

    images = shelf.Shelf().images()
    if as_json:
        print_json(_row(image) for image in images)
        return
    rows = [[shelf.short(i), i.release, i.chip, i.date, i.machine] for i in images]
    print_table(("hash", "version", "chip", "date", "machine"), rows)
    if not images:
        click.echo("none was added yet; `zhuque firmware --help` says where they come from", err=True)


@command.command()
@click.argument("name", metavar="HASH|VERSION|FILE")
@json_option
def show(name: str, as_json: bool) -> None:
    """What an image is, and which boards can have it.

    \b
    Example:
      zhuque firmware show 1.26.1
    """
    from zhuque.device import shelf

    row = _row(shelf.load(name, shelf.Shelf()))
    if as_json:
        print_json([row])
        return
    for key, value in row.items():
        shown = ", ".join(map(str, value)) if isinstance(value, list) else value
        click.echo(f"{key.replace('_', ' '):<18}{shown}")


@command.command()
@click.argument("name", metavar="HASH|VERSION")
def remove(name: str) -> None:
    """Take a kept image away; the boards that have it keep it. Nothing is removed where several could be meant.

    \b
    Example:
      zhuque firmware remove 1.23.0
      zhuque firmware remove 4f2a9c
    """
    from zhuque.device import shelf

    click.echo(f"removed {shelf.Shelf().remove(name)}")


def _row(image: StockImage) -> dict[str, object]:
    from zhuque import boards
    from zhuque.device.image import chip_of

    return {
        "sha256": image.sha256,
        "version": image.release,
        "date": image.date,
        "machine": image.machine,
        "chip": image.chip,
        "flash_size": image.flash_size,
        "bootloader_size": len(image.bootloader),
        "application_size": len(image.application),
        "boards": [name for name in boards.list_boards() if chip_of(boards.load(name)) == image.chip],
    }
