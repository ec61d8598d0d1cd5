"""`zhuque flash`: from a blank board to one that runs Zhuque and says so. The work is done by zhuque.device."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from zhuque.cli.options import baud_option, firmware_option, json_option, print_json

if TYPE_CHECKING:
    from zhuque.boards import Board
    from zhuque.device.contents import Contents
    from zhuque.device.flasher import Flasher, Result, Settings
    from zhuque.device.image import Image
    from zhuque.errors import ZhuqueError


@click.command(name="flash")
@click.argument("ports", metavar="[PORT]...", nargs=-1)
@click.option("--board", metavar="NAME|FILE", required=True, help="What the boards are: `zhuque board list`.")
@firmware_option
@click.option(
    "--identity",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A config.json for the board; `zhuque provision` makes them. It is a secret.",
)
@click.option("--all", "every", is_flag=True, help="Every board that is plugged in.")
@click.option("--yes", is_flag=True, help="Do not ask before something else, or a point, is overwritten.")
@click.option("--everything", is_flag=True, help="Write what is on the board already too.")
@baud_option
@click.option(
    "--wait", type=click.FloatRange(1), default=30, show_default=True, help="Seconds for the board's answer."
)
@click.option(
    "--image-only",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the image to this file instead, for 0x1000 of a blank board: it blanks `nvs` and `phy_init`.",
)
@json_option
def command(
    ports: tuple[str, ...],
    board: str,
    firmware: str | None,
    identity: Path | None,
    every: bool,
    yes: bool,
    everything: bool,
    baud: int,
    wait: float,
    image_only: Path | None,
    as_json: bool,
) -> None:
    """Write MicroPython and the firmware to boards on USB, and wait until each says that it runs.

    Without PORT: the one board that is plugged in. Only what differs is written; the journal and `nvs` are never
    touched. A board that is a point of a garage loses its identity, so that is asked; `zhuque provision --again` keeps
    it. The MicroPython image comes from https://micropython.org/download/ESP32_GENERIC/ by `zhuque firmware add`.

    \b
    Example:
      zhuque flash --board zq10
      zhuque flash --board zq10 --all --yes
      zhuque flash --board zq10 /dev/ttyUSB0 rfc2217://bench.local:4000
      zhuque flash --board zq10 --image-only zq10.bin
    """
    from zhuque.device import esptool
    from zhuque.device import ports as serial_ports
    from zhuque.device.flasher import Result, Settings

    if image_only is not None:
        _write_image(_image(board, firmware, identity), image_only, as_json)
        return
    esptool.check_version()
    names = [port.name for port in serial_ports.choose(ports, every)]
    refused = _unfit(names)
    results = [Result(name, error=error) for name, error in refused.items()]
    usable = [name for name in names if name not in refused]
    if usable:
        made = _image(board, firmware, identity)
        results += _flash(made, usable, Settings(baud, everything, wait), yes)
    sys.exit(_report(results, as_json))


def _image(board: str, firmware: str | None, identity: Path | None) -> Image:
    from zhuque.cli.flash_bars import say_compiling
    from zhuque.device import image
    from zhuque.device.shelf import Shelf, load

    wanted, stock, config = _board(board), load(firmware, Shelf()), _read(identity)
    say_compiling(wanted)
    return image.build(wanted, stock, config)


def _unfit(names: Sequence[str]) -> dict[str, ZhuqueError]:
    """The ports that cannot be used, and why: that is told before anything else takes its time."""
    from zhuque.device import ports
    from zhuque.errors import ZhuqueError

    found: dict[str, ZhuqueError] = {}
    for name in names:
        try:
            ports.check(name)
        except ZhuqueError as error:
            found[name] = error
    return found


def _board(name: str) -> Board:
    from zhuque import boards

    if "/" in name or name.endswith(".toml"):
        return boards.load_file(Path(name))
    return boards.load(name)


def _read(identity: Path | None) -> bytes | None:
    from zhuque.errors import NotFoundError

    try:
        return None if identity is None else identity.read_bytes()
    except OSError as error:
        raise NotFoundError(
            f"{identity} cannot be read: {error.strerror}; give a board's config.json"
        ) from error


def _write_image(image: Image, file: Path, as_json: bool) -> None:
    from zhuque import files
    from zhuque.device import layout

    data = image.whole()
    files.write(file, data)
    if as_json:
        print_json([{**_about(image), "file": str(file), "address": layout.BOOTLOADER_AT, "size": len(data)}])
        return
    click.echo(f"{file}: {len(data)} bytes for a blank {image.board}, from {layout.BOOTLOADER_AT:#x} on")


def _about(image: Image) -> dict[str, object]:
    sizes = image.module_sizes
    return {
        "board": image.board,
        "micropython": image.stock.release,
        "regions": [{"name": r.name, "address": r.address, "size": len(r.data)} for r in image.regions],
        "modules": sizes,
        "modules_size": sum(sizes.values()),
    }


def _flash(image: Image, names: Sequence[str], settings: Settings, yes: bool) -> list[Result]:
    from zhuque.cli.flash_bars import bars, stopped
    from zhuque.device.flasher import Flasher, Result

    with stopped(), Flasher(image, settings) as flasher:
        refused = {} if yes else _ask(flasher, names)
        wanted = [name for name in names if name not in refused]
        with bars(wanted) as flasher.on_progress:
            results = flasher.flash(wanted)
    return results + [Result(name, error=error) for name, error in refused.items()]


def _report(results: Sequence[Result], as_json: bool) -> int:
    """Tells what became of each; the exit code: that of all failures where they agree, else 1."""
    if as_json:
        print_json([_row(result) for result in results])
    for result in results:
        _tell(result, as_json)
    if len(results) > 1:
        click.echo(f"{sum(result.passed for result in results)} of {len(results)} boards passed", err=True)
    codes = {_code(result) for result in results if not result.passed}
    return 0 if not codes else codes.pop() if len(codes) == 1 else 1


def _ask(flasher: Flasher, names: Sequence[str]) -> dict[str, ZhuqueError]:
    """The ports that are not to be written, and why."""
    from zhuque.cli.flash_bars import bars
    from zhuque.errors import ZhuqueError

    refused: dict[str, ZhuqueError] = {}
    with bars(names) as flasher.on_progress:
        looked = flasher.look(names)
        ours = [
            name for name, found in looked.items() if not isinstance(found, ZhuqueError) and found.is_ours
        ]
        points = {} if flasher.image.provisioned else flasher.points(ours)
    for name, found in looked.items():
        error = _why_not(name, found, points.get(name, ""))
        if error is not None:
            refused[name] = error
    flasher.let_go(list(refused))
    return refused


def _why_not(name: str, found: Contents | ZhuqueError, point: str | ZhuqueError) -> ZhuqueError | None:
    from zhuque.errors import RefusedError, ZhuqueError

    if isinstance(found, ZhuqueError):
        return found
    if isinstance(point, ZhuqueError):
        return point
    if point and not _is_wanted(f"{name} is {point}. Take away its identity and its calibration?"):
        return RefusedError(
            f"{name}: it is {point}, and this takes away its identity and its calibration; nothing was written. "
            f"`zhuque provision --points {point.partition('/')[2]} --again` writes new firmware and keeps both; or "
            "give --yes"
        )
    if found.foreign and not _is_wanted(f"{name} runs {found.text}. Overwrite it?"):
        return RefusedError(f"{name}: it runs {found.text}; nothing was written. Give --yes to overwrite it")
    return None


def _is_wanted(question: str) -> bool:
    return sys.stdin.isatty() and click.confirm(question, err=True)


def _code(result: Result) -> int:
    return result.error.exit_code if result.error is not None else 1


def _row(result: Result) -> dict[str, object]:
    hello = result.hello
    return {
        "port": result.port,
        "result": "PASS" if result.passed else "FAIL",
        "mac": result.mac,
        "chip": result.chip,
        "seconds": round(result.seconds, 1),
        "written": result.written,
        "unchanged": result.skipped,
        "firmware": hello.firmware if hello else None,
        "board": hello.board if hello else None,
        "state": hello.state if hello else None,
        "heap_free": hello.heap_free if hello else None,
        "error": str(result.error) if result.error else "; ".join(result.wrong) or None,
    }


def _tell(result: Result, as_json: bool) -> None:
    hello = result.hello
    if hello is not None and result.passed:
        state = "not provisioned yet" if hello.problems else hello.state
        if not as_json:
            click.echo(
                f"PASS  {result.port}  {result.mac}  {hello.board} {hello.firmware}, {state}, "
                f"{hello.heap_free // 1024} KiB free, {result.seconds:.0f} s"
            )
        return
    if result.error is not None:
        click.echo(f"FAIL  {result.error}", err=True)
    for problem in result.wrong:
        click.echo(f"FAIL  {result.port}  {result.mac}  written and running, but: {problem}", err=True)
