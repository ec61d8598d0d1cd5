"""The file that holds a board's modules; firmware/packed.py says its form and imports from it."""

from __future__ import annotations

import binascii
from collections.abc import Mapping

from zhuque.errors import ZhuqueError

_MAGIC = b"ZQP1"
_CRC_DIGITS, _SIZE_DIGITS = 8, 4


class PackError(ZhuqueError):
    """The modules cannot be packed, or the bytes are no pack; the text says why."""


def build(modules: Mapping[str, bytes], texts: bytes = b"") -> bytes:
    """The file with these modules by path, in that order, and the texts of texts.py before them.

    The same modules and texts give the same bytes. Raises PackError.
    """
    at, lines = len(texts), ["\n"]
    for name, code in modules.items():
        lines.append(f"{name} {at:x} {len(code):x} {binascii.crc32(code):x}\n")
        at += len(code)
    index = "".join(lines).encode()
    if len(index) >= 16**_SIZE_DIGITS:
        raise PackError(
            f"{len(modules)} modules are too many for the index of a pack; it must become shorter"
        )
    rest = b"%04x%s%s%s" % (len(index), index, texts, b"".join(modules.values()))
    return b"%s%08x%s" % (_MAGIC, binascii.crc32(rest), rest)


def read(data: bytes) -> dict[str, bytes]:
    """The modules of a pack by path. Raises PackError where it is none, or not whole."""
    rest = data[len(_MAGIC) + _CRC_DIGITS :]
    if data[: -len(rest)] != b"%s%08x" % (_MAGIC, binascii.crc32(rest)):
        raise PackError("this is no pack of modules, or not as it was written; flash the board again")
    start = _SIZE_DIGITS + int(rest[:_SIZE_DIGITS], 16)
    modules = {}
    for line in rest[_SIZE_DIGITS:start].decode().split("\n")[1:-1]:
        name, at, size, _ = line.split()
        modules[name] = rest[start + int(at, 16) :][: int(size, 16)]
    return modules
