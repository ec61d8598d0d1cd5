"""A littlefs image that MicroPython mounts on the `vfs` partition.

The values are those with which MicroPython mounts (extmod/vfs_lfsx.c and the ESP32 port); the number of blocks must
be the partition's, or it does not mount at all. Files go in by sorted names into an empty file system that was
mounted once, so the same files give the same bytes.

Rule of the cut: what comes behind the last block in use need not be written. "In use" is not "not blank": directories
live in pairs of blocks, of which the second one may be blank yet, and whatever an older image left there must not be
taken for the newer half. The second one is allocated right behind the first, so one block more than the last erased
one is kept.
"""

from __future__ import annotations

from collections.abc import Mapping

from littlefs import LFSConfig, LittleFS, LittleFSError, UserContext

from zhuque.device import layout
from zhuque.errors import ZhuqueError

BLOCKS = layout.VFS.size // layout.BLOCK


class FilesystemError(ZhuqueError):
    """The files do not fit."""


class _Flash(UserContext):
    """Blank flash that remembers how far it was used."""

    def __init__(self, image: bytes = b"") -> None:
        super().__init__(buffer=bytearray(image.ljust(layout.VFS.size, b"\xff")))
        self.last_erased = 0

    def erase(self, cfg: LFSConfig, block: int) -> int:
        """littlefs erases a block before it uses it."""
        self.last_erased = max(self.last_erased, block)
        return int(super().erase(cfg, block))


def build(files: Mapping[str, bytes]) -> bytes:
    """The image with these files by path, cut behind its last block. Raises FilesystemError where they do not fit."""
    flash = _Flash()
    fs = _littlefs(flash)
    fs.format()
    fs.mount()
    try:
        for path in sorted(files):
            if "/" in path:
                fs.makedirs(path.rpartition("/")[0], exist_ok=True)
            with fs.open(path, "wb") as file:
                file.write(files[path])
    except (LittleFSError, OSError) as error:
        size = sum(map(len, files.values()))
        raise FilesystemError(
            f"{len(files)} files of {size} bytes do not fit into the {layout.VFS.size} of the board's file system: "
            f"{error}; the application must become smaller"
        ) from error
    fs.unmount()
    end = min(flash.last_erased + 2, BLOCKS) * layout.BLOCK
    return bytes(flash.buffer[:end])


def read(image: bytes) -> dict[str, bytes]:
    """Every file of an image, by path. Raises FilesystemError where it is none."""
    fs = _littlefs(_Flash(image))
    try:
        fs.mount()
        found = {}
        for folder, _, names in fs.walk("/"):
            for name in names:
                path = f"{folder.rstrip('/')}/{name}"
                with fs.open(path, "rb") as file:
                    found[path.lstrip("/")] = file.read()
    except (LittleFSError, OSError) as error:
        raise FilesystemError(f"this is no file system of a board: {error}; flash the board again") from error
    return found


def _littlefs(flash: _Flash) -> LittleFS:
    return LittleFS(
        context=flash,
        mount=False,
        block_size=layout.BLOCK,
        block_count=BLOCKS,
        read_size=32,
        prog_size=32,
        lookahead_size=32,
        cache_size=128,
        block_cycles=100,
        name_max=255,
        disk_version=0x0002_0001,
    )
