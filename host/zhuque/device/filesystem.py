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

from collections.abc import Callable, Mapping

from littlefs import LFSConfig, LittleFS, LittleFSError, UserContext

from zhuque.device import layout
from zhuque.errors import ZhuqueError

BLOCKS = layout.VFS.size // layout.BLOCK
# So many blocks are fetched at a time to find a file: those with the directories of an image that was never changed,
# then what lies elsewhere, and at last all of it.
_FETCHED = (20, 4, 4, BLOCKS)


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


class _Part(_Flash):
    """Flash of which a part is known; `missing` is the first block that was read and is not."""

    def __init__(self) -> None:
        super().__init__()
        self.missing: int | None = 0
        self._known: set[int] = set()

    def read(self, cfg: LFSConfig, block: int, off: int, size: int) -> bytearray:
        """littlefs reads; a block that is not known looks blank."""
        if block not in self._known and self.missing is None:
            self.missing = block
        return bytearray(super().read(cfg, block, off, size))

    def put(self, first: int, data: bytes) -> None:
        """These blocks are known now."""
        self.buffer[first * layout.BLOCK : first * layout.BLOCK + len(data)] = data
        self._known.update(range(first, first + len(data) // layout.BLOCK))
        self.missing = None


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
        raise _no_image(error) from error
    return found


def find(path: str, fetch: Callable[[int, int], bytes]) -> bytes | None:
    """A file of an image that is elsewhere, None where there is none: `fetch(at, size)` gives what of it is needed.

    Raises FilesystemError where it is no image, and what `fetch` raises.
    """
    flash = _Part()
    found: bytes | Exception = b""
    for blocks in _FETCHED:
        first = min(flash.missing or 0, BLOCKS - blocks)
        flash.put(first, fetch(first * layout.BLOCK, blocks * layout.BLOCK))
        found = _tried(flash, path)
        if flash.missing is None:
            break
    if isinstance(found, FileNotFoundError):
        return None
    if isinstance(found, Exception):
        raise _no_image(found) from found
    return found


def _tried(flash: _Flash, path: str) -> bytes | Exception:
    try:
        fs = _littlefs(flash)
        fs.mount()
        with fs.open(path, "rb") as file:
            return bytes(file.read())
    except (LittleFSError, OSError) as error:
        return error


def _no_image(error: Exception) -> FilesystemError:
    return FilesystemError(f"this is no file system of a board: {error}; flash the board again")


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
