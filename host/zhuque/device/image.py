"""Everything that a board gets, as regions of its flash: the same inputs give the same bytes.

`nvs`, `phy_init` and `journal` are no region: what they hold stays. Regions are what esptool compares one by one, so
each of them is what changes together: the stock image hardly ever, the file system with every release or identity.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace

from zhuque.boards import Board
from zhuque.device import application, cache, filesystem, layout
from zhuque.device.stock import StockImage, UnfitImageError
from zhuque.errors import UsageError
from zhuque.wire.config import check_config

_FILES = "application"

CONFIG = "config.json"  # what a board is: its identity, its network, its calibration


@dataclass(frozen=True)
class Region:
    """Bytes and where they go."""

    name: str
    address: int
    data: bytes


@dataclass(frozen=True)
class Image:
    """What a board of that name gets; `files` are those of its file system, by path.

    `module_sizes` are the bytes of each compiled module, by the source that it is made of, or the last of many.
    """

    board: str
    stock: StockImage
    files: dict[str, bytes]
    regions: tuple[Region, ...]
    module_sizes: dict[str, int]
    provisioned: bool

    def explained(self, text: str) -> str:
        """What a board with this image said, with the names of the sources; as it is where they cannot be told."""
        from zhuque.device import traceback

        try:
            return traceback.explained(text, json.loads(self.files["board.json"]))
        except Exception:  # noqa: BLE001 - the board's own words are worth more than why they are not understood
            return text

    def whole(self) -> bytes:
        """One piece from layout.BOOTLOADER_AT on, blank between the regions: for other tools, and for blank boards."""
        end = max(region.address + len(region.data) for region in self.regions)
        flash = bytearray(b"\xff" * (end - layout.BOOTLOADER_AT))
        for region in self.regions:
            at = region.address - layout.BOOTLOADER_AT
            flash[at : at + len(region.data)] = region.data
        return bytes(flash)


def build(board: Board, stock: StockImage, identity: bytes | None = None) -> Image:
    """The image of a board. `identity` is its config.json.

    Raises UnfitImageError, UsageError, FilesystemError, and what application.compiled raises.
    """
    chip = chip_of(board)
    if stock.chip != chip:
        raise UnfitImageError(
            f"{stock.title} is for the {stock.chip}, and the board {board.name} has an {chip}; "
            "choose another with --firmware"
        )
    compiled = cache.compiled(board.data)
    files = application.files(compiled)
    files["board.json"] = json.dumps(board.data, separators=(",", ":")).encode()
    if identity is not None:
        files[CONFIG] = _checked(identity)
    regions = (
        Region("bootloader", layout.BOOTLOADER_AT, stock.bootloader),
        Region("partition table", layout.TABLE_AT, layout.to_bytes()),
        Region("MicroPython", layout.FACTORY.offset, stock.application),
    )
    sizes = {compiled.sources[name]: len(code) for name, code in compiled.modules.items()}
    return _with_files(Image(board.name, stock, files, regions, sizes, identity is not None), files)


def provisioned(blank: Image, identity: Mapping[str, bytes]) -> Image:
    """The image of one board: `identity` are config.json and what lies beside it. Nothing is compiled again.

    Raises UsageError, FilesystemError.
    """
    _checked(identity[CONFIG])
    return _with_files(replace(blank, provisioned=True), {**blank.files, **identity})


def _with_files(image: Image, files: dict[str, bytes]) -> Image:
    region = Region(_FILES, layout.VFS.offset, filesystem.build(files))
    others = tuple(one for one in image.regions if one.name != _FILES)
    return replace(image, files=files, regions=(*others, region))


def chip_of(board: Board) -> str:
    """The chip in a board's module: `ESP32` of `ESP32-WROOM-32E`."""
    module = str(board.data["mcu"])
    return next(
        (module[: module.index(f"-{kind}")] for kind in ("WROOM", "WROVER") if kind in module), module
    )


def _checked(identity: bytes) -> bytes:
    """Refuse on the laptop what the board would refuse on the wall."""
    try:
        data = json.loads(identity)
    except ValueError as error:
        raise UsageError(f"the identity is no JSON ({error}); give a config.json") from error
    problems = check_config(data) if isinstance(data, dict) else ["it is no object"]
    if problems:
        raise UsageError("the identity is no config.json: " + "; ".join(problems))
    return identity
