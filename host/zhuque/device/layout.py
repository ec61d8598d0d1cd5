"""Where what lies in the flash of a board, and the partition table that says so to the ESP32.

The stock parts stand where MicroPython's own table has them. `vfs` is a littlefs, `journal` a ring that only the
firmware writes; it and `nvs` are never part of what is flashed. The form of the table is ESP-IDF's ("Partition
Tables"): entries of 32 bytes, then an MD5 of them.
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass

BLOCK = 4096
FLASH_SIZE = 4 * 1024 * 1024
BOOTLOADER_AT = 0x1000
TABLE_AT = 0x8000
TABLE_SIZE = 0xC00

APP, DATA = 0, 1
_FACTORY, _OTA_0, _PHY, _NVS, _UNDEFINED, _FAT = 0x00, 0x10, 0x01, 0x02, 0x06, 0x81
_ENTRY = struct.Struct("<2sBBII16sI")
_MAGIC, _MD5_MAGIC = b"\xaa\x50", b"\xeb\xeb" + 14 * b"\xff"


@dataclass(frozen=True)
class Partition:
    """Bytes of the flash that have a name."""

    label: str
    kind: int
    subtype: int
    offset: int
    size: int


# MicroPython looks for `vfs` by its name; its subtype is the one the stock table had. `journal` is of no subtype that
# anything would mount or format.
TABLE = (
    Partition("nvs", DATA, _NVS, 0x9000, 0x6000),
    Partition("phy_init", DATA, _PHY, 0xF000, 0x1000),
    Partition("factory", APP, _FACTORY, 0x10000, 0x1F0000),
    Partition("vfs", DATA, _FAT, 0x200000, 0x80000),
    Partition("journal", DATA, _UNDEFINED, 0x280000, 0x180000),
)
FACTORY, VFS, JOURNAL = TABLE[2:]


def to_bytes(table: tuple[Partition, ...] = TABLE) -> bytes:
    """The table as the bootloader reads it."""
    entries = b"".join(
        _ENTRY.pack(_MAGIC, p.kind, p.subtype, p.offset, p.size, p.label.encode(), 0) for p in table
    )
    return (entries + _MD5_MAGIC + hashlib.md5(entries).digest()).ljust(TABLE_SIZE, b"\xff")


def parse(data: bytes) -> tuple[Partition, ...]:
    """The partitions in a table; none where these bytes are no table or its MD5 is wrong."""
    found: list[Partition] = []
    for at in range(0, min(len(data), TABLE_SIZE) - _ENTRY.size + 1, _ENTRY.size):
        entry = data[at : at + _ENTRY.size]
        if entry.startswith(_MD5_MAGIC):
            return tuple(found) if entry[16:] == hashlib.md5(data[:at]).digest() else ()
        magic, kind, subtype, offset, size, label, _ = _ENTRY.unpack(entry)
        if magic != _MAGIC:
            break  # a table may end without an MD5: with blank flash
        found.append(Partition(label.rstrip(b"\0").decode("ascii", "replace"), kind, subtype, offset, size))
    return tuple(found)


def first_app(table: tuple[Partition, ...]) -> Partition | None:
    """The partition that the bootloader starts on a board that was never updated."""
    apps = [p for p in table if p.kind == APP and p.subtype in (_FACTORY, _OTA_0)]
    return min(apps, key=lambda p: p.subtype, default=None)
