"""What happens after a reset, as far as the application: the ROM's and the bootloader's checks, and what they print.

Nothing is taken for granted: the bootloader's image, the partition table and the application's image are read from the
flash, and what the chip would refuse is refused, in its words, so that a wrong image looks here as it does there.

Sources: "App image format" and "Partition tables" of ESP-IDF's documentation; the texts are those an ESP32 prints.
"""

from __future__ import annotations

import hashlib
import re
import struct
from dataclasses import dataclass

from zhuque.sim.esp32.chip import Chip
from zhuque.sim.esp32.flash import FlashFile

TABLE_OFFSET = 0x8000
_TABLE_LENGTH = 0xC00
_IMAGE_MAGIC = 0xE9
_DESCRIPTOR_MAGIC = 0xABCD5432
_HEADER, _SEGMENT = 24, 8
_MAX_SEGMENTS = 16
_CHECKSUM_SEED = 0xEF
_APP, _FACTORY = 0, 0
_VERSION = re.compile(rb"MicroPython v[ -:<-~]+")
_MACHINE = re.compile(rb"; [ -:<-~]+ with ESP32[-\w]*")
RESETS = {
    "power_on": "rst:0x1 (POWERON_RESET)",
    "software": "rst:0xc (SW_CPU_RESET)",
    "watchdog": "rst:0xc (SW_CPU_RESET)",
    "rom_watchdog": "rst:0x10 (RTCWDT_RTC_RESET)",
    "bootloader": "rst:0x3 (SW_RESET)",
}


class BootError(Exception):
    """The chip does not start the application; the text is what it prints, `reset` the kind of its next reset."""

    def __init__(self, text: str, reset: str = "bootloader") -> None:
        super().__init__(text)
        self.reset = reset


@dataclass(frozen=True)
class Partition:
    """A line of the partition table; offset and size in bytes."""

    label: str
    type: int
    subtype: int
    offset: int
    size: int


@dataclass(frozen=True)
class Application:
    """What was found fit to be started."""

    project: str
    version: str
    banner: str  # what MicroPython says at its prompt, "" where the image holds no MicroPython
    partitions: tuple[Partition, ...]
    loaded: str  # what the ROM printed of the bootloader's segments


def banner(chip: Chip, reset: str, download: bool) -> str:
    """The ROM's first lines; `reset` is one of RESETS."""
    if download:
        mode = "boot:0x3 (DOWNLOAD_BOOT(UART0/UART1/SDIO_REI_REO_V2))\r\nwaiting for download"
    else:
        mode = "boot:0x13 (SPI_FAST_FLASH_BOOT)"
    return f"{chip.banner}\r\n\r\n{RESETS[reset]},{mode}\r\n"


def start(chip: Chip, flash: FlashFile) -> Application:
    """Raises BootError where the chip would not come as far as the application."""
    loaded = _load_bootloader(chip, flash)
    partitions = _read_table(flash)
    apps = [part for part in partitions if part.type == _APP and part.subtype == _FACTORY]
    if not apps:
        raise BootError(_error("boot", "No bootable app partitions in the partition table"))
    factory = apps[0]
    try:
        segments = _read_image(chip, flash, factory.offset, factory.size)
    except BootError as error:
        raise BootError(f"{error}{_error('boot', 'Factory app partition is not bootable')}") from error
    project, version = _descriptor(segments)
    return Application(project, version, _micropython(segments), partitions, loaded)


def _micropython(segments: list[tuple[int, bytes]]) -> str:
    """The banner: its version, and behind it or elsewhere, as in the releases, its machine."""
    data = b"".join(body for _, body in segments)
    version, machine = _VERSION.search(data), _MACHINE.search(data)
    return "".join(found[0].decode() for found in (version, machine) if version and found)


def _load_bootloader(chip: Chip, flash: FlashFile) -> str:
    """The ROM's part: it knows no chip id and no hash."""
    first = int.from_bytes(flash.read(chip.boot_offset, 4), "little")
    if first & 0xFF != _IMAGE_MAGIC:
        raise BootError(f"invalid header: 0x{first:08x}\r\n" * 8, "rom_watchdog")
    try:
        segments, checksum, told = _segments(flash, chip.boot_offset, TABLE_OFFSET - chip.boot_offset)
    except ValueError:
        raise BootError("ets_main.c 384 \r\n", "rom_watchdog") from None
    if checksum != told:
        raise BootError(f"csum err:0x{told:x}!=0x{checksum:x}\r\nets_main.c 384 \r\n", "rom_watchdog")
    entry = int.from_bytes(flash.read(chip.boot_offset + 4, 4), "little")
    lines = [f"load:0x{address:08x},len:{len(body)}" for address, body in segments]
    return "".join(f"{line}\r\n" for line in ["mode:DIO, clock div:2", *lines, f"entry 0x{entry:08x}"])


def _read_table(flash: FlashFile) -> tuple[Partition, ...]:
    partitions: list[Partition] = []
    table = flash.read(TABLE_OFFSET, _TABLE_LENGTH)
    for at in range(0, _TABLE_LENGTH, 32):
        entry = table[at : at + 32]
        if entry[:2] == b"\xaaP":
            kind, subtype, offset, size, label = struct.unpack_from("<BBII16s", entry, 2)
            if offset + size > flash.size:
                raise BootError(
                    _error(
                        "flash_parts",
                        f"partition {len(partitions)} invalid - offset 0x{offset:x} size 0x{size:x} exceeds "
                        f"flash chip size 0x{flash.size:x}",
                    )
                    + _no_table()
                )
            partitions.append(
                Partition(label.rstrip(b"\0").decode("ascii", "replace"), kind, subtype, offset, size)
            )
        elif entry[:2] == b"\xeb\xeb":
            if hashlib.md5(table[:at]).digest() != entry[16:]:
                raise BootError(_error("flash_parts", "partition table MD5 mismatch") + _no_table())
        elif entry == b"\xff" * 32 and partitions:
            break
        else:
            magic = int.from_bytes(entry[:2], "little")
            text = f"partition {at // 32} invalid magic number 0x{magic:x}"
            raise BootError(_error("flash_parts", text) + _no_table())
    return tuple(partitions)


def _no_table() -> str:
    return _error("boot", "Failed to verify partition table") + _error("boot", "load partition table error!")


def _read_image(chip: Chip, flash: FlashFile, offset: int, limit: int) -> list[tuple[int, bytes]]:
    """The bootloader's part: chip, checksum and SHA-256 of an application."""
    header = flash.read(offset, _HEADER)
    if header[0] != _IMAGE_MAGIC:
        raise BootError(
            _error("esp_image", f"image at 0x{offset:x} has invalid magic byte (nothing flashed here?)")
        )
    chip_id = int.from_bytes(header[12:14], "little")
    if chip_id != chip.chip_id:
        raise BootError(_error("boot_comm", f"mismatch chip ID, expected {chip.chip_id}, found {chip_id}"))
    try:
        segments, checksum, told = _segments(flash, offset, limit)
    except ValueError as error:
        raise BootError(_error("esp_image", str(error))) from None
    if checksum != told:
        raise BootError(_error("esp_image", f"Checksum failed. Calculated 0x{checksum:x} read 0x{told:x}"))
    if header[23]:
        length = _length(segments)
        if hashlib.sha256(flash.read(offset, length)).digest() != flash.read(offset + length, 32):
            raise BootError(_error("esp_image", "Image hash failed - image is corrupt"))
    return segments


def _segments(flash: FlashFile, offset: int, limit: int) -> tuple[list[tuple[int, bytes]], int, int]:
    """(segments as address and bytes, their checksum, the checksum that the image tells)."""
    count = flash.read(offset + 1, 1)[0]
    if not 1 <= count <= _MAX_SEGMENTS:
        raise ValueError(f"image at 0x{offset:x} segment count {count} exceeds max {_MAX_SEGMENTS}")
    at, segments, checksum = _HEADER, [], _CHECKSUM_SEED
    for number in range(count):
        address, length = struct.unpack("<II", flash.read(offset + at, _SEGMENT))
        at += _SEGMENT + length
        if at > limit or length % 4:
            raise ValueError(f"segment {number}: invalid segment length 0x{length:x}")
        body = flash.read(offset + at - length, length)
        segments.append((address, body))
        words = struct.unpack(f"<{length // 4}I", body)
        for word in words:
            checksum ^= word
    checksum ^= checksum >> 16
    checksum = (checksum ^ checksum >> 8) & 0xFF
    return segments, checksum, flash.read(offset + _length(segments) - 1, 1)[0]


def _length(segments: list[tuple[int, bytes]]) -> int:
    """Of the image with its checksum, which is the last byte of a block of 16."""
    end = _HEADER + sum(_SEGMENT + len(body) for _, body in segments)
    return (end + 16) // 16 * 16


def _descriptor(segments: list[tuple[int, bytes]]) -> tuple[str, str]:
    """(project, version) of the application's descriptor, which begins its first segment."""
    body = segments[0][1]
    if len(body) < 112 or int.from_bytes(body[:4], "little") != _DESCRIPTOR_MAGIC:
        return "", ""
    version, project = body[16:48], body[48:80]
    return tuple(text.split(b"\0")[0].decode("utf-8", "replace") for text in (project, version))  # type: ignore[return-value]


def _error(tag: str, text: str) -> str:
    """As ESP-IDF prints one."""
    return f"\x1b[0;31mE (57) {tag}: {text}\x1b[0m\r\n"
