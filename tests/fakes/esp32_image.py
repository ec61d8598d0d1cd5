"""Images of a chip's flash that are made up, and hold: a bootloader, a partition table and an application.

No stock image is on the package registries, and none is kept here. These have what tools and boot code look at: magic,
chip, segments, checksum, SHA-256, an application descriptor, the banner of MicroPython; their code is noise that
packs about as well as code does. Nothing of it is ever run: the virtual board runs MicroPython of this machine.
"""

from __future__ import annotations

import functools
import hashlib
import operator
import random
import struct

ESP32, ESP32S2, ESP32C3, ESP32S3 = 0, 2, 5, 9
APP_OFFSET, TABLE_OFFSET = 0x10000, 0x8000
# (label, type, subtype, offset, size): the 4 MiB table of a stock ESP32_GENERIC
STOCK_TABLE = (
    ("nvs", 1, 2, 0x9000, 0x6000),
    ("phy_init", 1, 1, 0xF000, 0x1000),
    ("factory", 0, 0, 0x10000, 0x1F0000),
    ("vfs", 1, 0x81, 0x200000, 0x200000),
)
ZHUQUE_TABLE = (
    *STOCK_TABLE[:3],
    ("vfs", 1, 0x81, 0x200000, 0x80000),
    ("journal", 1, 0x40, 0x280000, 0x180000),
)


def boot_offset(chip_id: int = ESP32) -> int:
    """Where the ROM looks for the bootloader, and where a stock image is written."""
    return 0x1000 if chip_id in (ESP32, ESP32S2) else 0


def image(
    segments: list[tuple[int, bytes]], chip_id: int = ESP32, sha256: bool = True, flash: int = 4
) -> bytes:
    """An image as esptool's elf2image makes it; `flash` is the size in its header, in MiB. Segments: address, bytes."""
    size_code = {1: 0, 2: 1, 4: 2, 8: 3, 16: 4}[flash]
    out = struct.pack("<BBBBI", 0xE9, len(segments), 2, size_code << 4, 0x40081000)
    out += struct.pack("<BBBBHBHH4xB", 0xEE, 0, 0, 0, chip_id, 0, 0, 0xFFFF, sha256)
    checksum = 0xEF
    for address, body in segments:
        body += b"\0" * (-len(body) % 4)
        out += struct.pack("<II", address, len(body)) + body
        checksum = functools.reduce(operator.xor, body, checksum)
    out += b"\0" * (15 - len(out) % 16) + bytes([checksum])
    return out + hashlib.sha256(out).digest() if sha256 else out


def noise(size: int, seed: int = 1) -> bytes:
    """Bytes that zlib makes about a third shorter, as it does code."""
    chance = random.Random(seed)
    words = [chance.randbytes(6) for _ in range(2048)]
    return b"".join(chance.choice(words) + chance.randbytes(2) for _ in range(size // 8 + 1))[:size]


def bootloader(chip_id: int = ESP32, flash: int = 4) -> bytes:
    """A second stage of 16 KiB."""
    return image([(0x3FFF0030, noise(4832, 2)), (0x40078000, noise(11000, 3))], chip_id, flash=flash)


def descriptor(version: str, project: str = "micropython", idf: str = "v5.2.2") -> bytes:
    """esp_app_desc_t."""
    text = struct.pack(
        "<II8x32s32s16s16s32s",
        0xABCD5432,
        0,
        version.encode(),
        project.encode(),
        b"12:00:00",
        b"Jun  2 2024",
        idf.encode(),
    )
    return text + b"\0" * 112


def app(
    version: str = "v1.23.0",
    size: int = 192 * 1024,
    chip_id: int = ESP32,
    project: str = "micropython",
    board: str = "Generic ESP32 module with ESP32",
    flash: int = 4,
) -> bytes:
    """An application of about `size` bytes."""
    # In the releases, too, these are two texts.
    banner = f"MicroPython {version} on 2024-06-02\0; {board}".encode() if project == "micropython" else b""
    data = descriptor(version, project) + banner + b"\0" + noise(size // 4, 4)
    segments = [(0x3F400020, data), (0x3FFBDB60, noise(4096, 5)), (0x400D0020, noise(size * 3 // 4, 6))]
    return image(segments, chip_id, flash=flash)


def table(entries: tuple[tuple[str, int, int, int, int], ...] = STOCK_TABLE) -> bytes:
    """A partition table of 0xC00 bytes, with its MD5."""
    out = b"".join(
        struct.pack("<2sBBII16sI", b"\xaaP", kind, subtype, offset, size, label.encode(), 0)
        for label, kind, subtype, offset, size in entries
    )
    out += b"\xeb\xeb" + b"\xff" * 14 + hashlib.md5(out).digest()
    return out.ljust(0xC00, b"\xff")


def stock(
    version: str = "v1.23.0",
    size: int = 192 * 1024,
    chip_id: int = ESP32,
    entries: tuple[tuple[str, int, int, int, int], ...] = STOCK_TABLE,
    **more: str | int,
) -> bytes:
    """One file as MicroPython offers for download, to be written at `boot_offset(chip_id)`."""
    start = boot_offset(chip_id)
    out = bootloader(chip_id).ljust(TABLE_OFFSET - start, b"\xff")
    out = (out + table(entries)).ljust(APP_OFFSET - start, b"\xff")
    return out + app(version, size, chip_id, **more)  # type: ignore[arg-type]
