"""The file that holds a board's modules; firmware/packed.py says its form and imports from it."""

from __future__ import annotations

import binascii
from collections.abc import Mapping

from zhuque.errors import ZhuqueError

_MAGIC = b"ZQP1"
_DIGITS = 4


class PackError(ZhuqueError):
    """The modules cannot be packed, or the bytes are no pack; the text says why."""


def build(modules: Mapping[str, bytes]) -> bytes:
    """The file with these modules by path, in that order; the same modules give the same bytes. Raises PackError."""
    at, lines = 0, []
    for name, code in modules.items():
        lines.append(f"{name} {at:x} {len(code):x} {binascii.crc32(code):x}\n")
        at += len(code)
    index = "\n".encode() + "".join(lines).encode()
    if len(index) >= 16**_DIGITS:
        raise PackError(f"{len(modules)} modules are too many for the index of a pack; it must become shorter")
    return b"%s%04x%s%s" % (_MAGIC, len(index), index, b"".join(modules.values()))


def read(data: bytes) -> dict[str, bytes]:
    """The modules of a pack by path. Raises PackError where it is none, or not whole."""
    start = len(_MAGIC) + _DIGITS
    if not data.startswith(_MAGIC):
        raise PackError("this is no pack of modules; flash the board again")
    modules = {}
    try:
        end = start + int(data[len(_MAGIC) : start], 16)
        for line in data[start:end].decode().split("\n")[1:-1]:
            name, *numbers = line.split()
            at, size, crc = (int(number, 16) for number in numbers)
            modules[name] = data[end + at : end + at + size]
            if binascii.crc32(modules[name]) != crc:
                raise PackError(f"{name} is not what was packed; flash the board again")
    except ValueError as error:
        raise PackError(f"the index of the pack is damaged ({error}); flash the board again") from error
    return modules
