"""The stock MicroPython image that an installer downloaded, judged by its own bytes.

Such a file holds what lies in the flash from 0x1000 on: the bootloader, the partition table, the application. Its
name says nothing here. Headers, segments, checksum and SHA-256 are those of ESP-IDF's "App Image Format", so a file
that was cut off or damaged on its way is found out. The versions are the texts that MicroPython itself prints when it
starts.

Rules: nothing is executed and nothing is downloaded. Every refusal says what the file is and which one to get instead.
"""

from __future__ import annotations

import hashlib
import re
import struct
from dataclasses import dataclass

from zhuque.device import layout
from zhuque.errors import RefusedError, ZhuqueError

OLDEST = (1, 23)
NEWEST_TRIED = (1, 29)
LARGEST = layout.FLASH_SIZE - layout.BOOTLOADER_AT
WHERE_FROM = "https://micropython.org/download/ESP32_GENERIC/"

# ESP-IDF's esp_chip_id_t.
CHIPS = {
    0: "ESP32",
    2: "ESP32-S2",
    5: "ESP32-C3",
    9: "ESP32-S3",
    12: "ESP32-C2",
    13: "ESP32-C6",
    16: "ESP32-H2",
    18: "ESP32-P4",
    23: "ESP32-C5",
}
NAMELESS = "an application without a name"
_MAGIC = 0xE9
_APP_MAGIC = b"\x32\x54\xcd\xab"
_HEADER = struct.Struct("<BBBBIB3xHBHH4xB")
_SEGMENT = struct.Struct("<II")
_CHECKSUM_SEED = 0xEF
_VERSION = re.compile(rb"MicroPython v(\d+)\.(\d+)(?:\.(\d+))?([-.\w]*) on (\d{4}-\d\d-\d\d)")
_MACHINE = re.compile(rb"(?:\0|; )([ -:<-~]{1,60} with ESP32[-\w]{0,8})\0")
# What else ends up in a downloads folder under the name of firmware.
_OTHER_KINDS = (
    (b"\x7fELF", "an ELF file, for debuggers"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"UF2\n", "a UF2 file, for boards with a USB drive"),
    (b"<!DOCTYPE", "a web page: the download failed"),
    (b"<html", "a web page: the download failed"),
)


class ImageError(ZhuqueError):
    """The file is no whole firmware image."""


class UnfitImageError(ImageError, RefusedError):
    """A good image, but not for these boards."""

    exit_code = RefusedError.exit_code


@dataclass(frozen=True)
class StockImage:
    """A stock image in its parts; `version` is major, minor, patch, and `release` the text with what follows them."""

    sha256: str
    chip: str
    version: tuple[int, int, int]
    release: str
    date: str
    machine: str
    flash_size: int
    bootloader: bytes
    application: bytes

    @property
    def title(self) -> str:
        """What people call it."""
        return f"MicroPython {self.release} of {self.date}, {self.machine}"


def read(data: bytes) -> StockImage:
    """What the bytes of a downloaded file are. Raises ImageError, UnfitImageError."""
    _refuse_other_kinds(data)
    chip = CHIPS.get(_HEADER.unpack_from(data)[6], "unknown chip")
    bootloader = _cut(data, 0, "bootloader")
    if chip != "ESP32":
        raise UnfitImageError(
            f"this image is for the {chip}, and Zhuque's boards have an ESP32; download one of {WHERE_FROM}"
        )
    app = _application_of(data)
    version, release, date = _version_of(app)
    _refuse_unfit(app, version, release, data[3])
    machine = _MACHINE.search(app)
    return StockImage(
        sha256=hashlib.sha256(data).hexdigest(),
        chip=chip,
        version=version,
        release=release,
        date=date,
        machine=machine[1].decode() if machine else "unnamed machine",
        flash_size=_flash_size(data[3]),
        bootloader=bootloader,
        application=app,
    )


def application_name(data: bytes, offset: int = 0) -> str:
    """What the application in these bytes calls itself, such as `sensor 2.1, ESP-IDF v5.1`; "" where there is none."""
    if data[offset : offset + 1] != bytes([_MAGIC]) or data[offset + 32 : offset + 36] != _APP_MAGIC:
        return ""
    description = data[offset + 32 : offset + 288]
    version, name, idf = (_text(description[at : at + 32]) for at in (16, 48, 112))
    title = " ".join(filter(None, (name, version))) or NAMELESS
    return f"{title}, ESP-IDF {idf}" if idf else title


def _text(field: bytes) -> str:
    text = field.split(b"\0")[0].decode("ascii", "replace")
    return text if text.isprintable() else ""


def _refuse_other_kinds(data: bytes) -> None:
    for start, kind in _OTHER_KINDS:
        if data[: len(start)].lower() == start.lower():
            raise ImageError(f"this is {kind}; download the .bin file of {WHERE_FROM}")
    if len(data) < layout.TABLE_AT or data[0] != _MAGIC:
        raise ImageError(
            f"{len(data)} bytes that do not begin as a firmware image: another file, or a download that was cut off; "
            f"download the .bin file of {WHERE_FROM}"
        )
    if data[32:36] == _APP_MAGIC:
        raise ImageError(
            "this is an application alone, an .app-bin for updates over the air: a blank board needs the bootloader "
            f"too; download the .bin file of {WHERE_FROM}"
        )
    if len(data) > LARGEST:
        raise ImageError(
            f"this is {len(data)} bytes, more than a flash of 4 MiB holds: no stock image, or one with other data "
            f"behind it; download the .bin file of {WHERE_FROM}"
        )


def _cut(data: bytes, at: int, what: str) -> bytes:
    """The image that begins there, by its own header, with checksum and hash verified."""
    end = at + _HEADER.size
    if end > len(data):
        raise _truncated(what, data)
    segments, hashed = data[at + 1], data[at + _HEADER.size - 1]
    checksum = _CHECKSUM_SEED
    for _ in range(segments):
        if end + _SEGMENT.size > len(data):
            raise _truncated(what, data)
        _, size = _SEGMENT.unpack_from(data, end)
        end += _SEGMENT.size
        for byte in _folded(data[end : end + size]):
            checksum ^= byte
        end += size
    end += 16 - end % 16  # padded, and the last byte is the checksum
    if end + 32 * hashed > len(data):
        raise _truncated(what, data)
    if data[end - 1] != checksum or (
        hashed and hashlib.sha256(data[at:end]).digest() != data[end : end + 32]
    ):
        raise ImageError(
            f"the {what} in it is damaged: its checksum is wrong; nothing of it may be flashed, download it again"
        )
    return data[at : end + 32 * hashed]


def _folded(data: bytes) -> bytes:
    """A byte string of 8 bytes with the same exclusive or as `data`."""
    padded = data + bytes(-len(data) % 8)
    folded = 0
    for (word,) in struct.iter_unpack("<Q", padded):
        folded ^= word
    return struct.pack("<Q", folded)


def _truncated(what: str, data: bytes) -> ImageError:
    return ImageError(
        f"the {what} in it goes beyond its end at {len(data)} bytes: the file was cut off; download it again"
    )


def _application_of(data: bytes) -> bytes:
    table = layout.parse(data[layout.TABLE_AT - layout.BOOTLOADER_AT :])
    if table == layout.TABLE:
        raise ImageError(
            "this is an image for one board that Zhuque made of a stock one, and may hold its secrets: esptool flashes "
            f"it as it is; download the .bin file of {WHERE_FROM} for this"
        )
    app = layout.first_app(table)
    if app is None:
        raise ImageError(
            "it has no partition table where a stock image has one: it is no image of MicroPython for the ESP32; "
            f"download the .bin file of {WHERE_FROM}"
        )
    at = app.offset - layout.BOOTLOADER_AT
    if data[at : at + 1] != bytes([_MAGIC]):
        if at >= len(data):
            raise _truncated("application", data)
        raise ImageError("there is no application where its partition table says; download it again")
    found = _cut(data, at, "application")
    behind = data[at + len(found) :]
    if behind.strip(b"\xff"):
        raise ImageError(
            f"there are {len(behind)} bytes behind its application, and a stock image ends there; "
            f"download the .bin file of {WHERE_FROM}"
        )
    return found


def _version_of(app: bytes) -> tuple[tuple[int, int, int], str, str]:
    found = _VERSION.search(app)
    if found is None:
        raise ImageError(f"the application in it is not MicroPython; download the .bin file of {WHERE_FROM}")
    major, minor, patch = int(found[1]), int(found[2]), int(found[3] or 0)
    release = f"{major}.{minor}.{patch}{found[4].decode()}"
    return (major, minor, patch), release, found[5].decode()


def _refuse_unfit(app: bytes, version: tuple[int, int, int], release: str, size_code: int) -> None:
    oldest = ".".join(map(str, OLDEST))
    if version[:2] < OLDEST or (version == (*OLDEST, 0) and "preview" in release):
        raise UnfitImageError(
            f"this is MicroPython {release}, and the application needs {oldest} or later: its compiled modules would "
            f"not load; download a newer one of {WHERE_FROM}"
        )
    if _flash_size(size_code) < layout.FLASH_SIZE:
        raise UnfitImageError(
            f"this image is for a flash of {_flash_size(size_code) >> 20} MiB, and the journal needs one of 4 MiB; "
            f"download ESP32_GENERIC of {WHERE_FROM}"
        )
    if len(app) > layout.FACTORY.size:
        raise UnfitImageError(
            f"its application is {len(app)} bytes, and its place on the board holds {layout.FACTORY.size}; "
            f"download ESP32_GENERIC of {WHERE_FROM}"
        )


def _flash_size(code: int) -> int:
    return 1 << (20 + (code >> 4))
