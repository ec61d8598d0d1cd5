"""The serial loader of an ESP32: the one in its ROM, and the stub that esptool puts in its RAM. Bytes in, bytes out.

Strategy. A request is a SLIP frame: 0, op, length, checksum, data; the answer 1, op, length, value, data, status. ROM
and stub share their operations; they differ in the length of the status (4 bytes and 2), in error numbers, in that the
ROM erases all before it writes while the stub erases as it goes, and in what only the stub can (erase and read fast).
Nothing of the stub's code is run: once code was loaded to the address where it is then started, it answers as the stub.

Rules. No clock, no port: `feed` is all there is. What was asked for besides an answer is left in `baud` and `leave`.
`on_written` is told of every sector that a write has reached; what it raises goes through `feed`.

Sources: "Serial protocol" in esptool's documentation; esptool 5.6 `loader.py`; the flow of READ_FLASH from its stub.
"""

from __future__ import annotations

import enum
import functools
import hashlib
import operator
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from zhuque.sim.esp32 import slip
from zhuque.sim.esp32.chip import Chip, Registers
from zhuque.sim.esp32.flash import SECTOR, FlashFile

SYNC = b"\x07\x07\x12\x20" + b"\x55" * 32
_SYNC_VALUE = 0x20120707
_CHECKSUM_SEED = 0xEF
_SLOW_READ = 64


class Leave(enum.Enum):
    """How a tool left the loader."""

    RUN = "run what is in the flash"
    RELOAD = "back into the ROM's loader"


class Failure(enum.Enum):
    """(second byte of the ROM's status, first byte of the stub's)."""

    INVALID = (0x05, 0xC0)
    FAILED = (0x06, 0xC4)
    CHECKSUM = (0x07, 0xC1)
    READ_LENGTH = (0x0A, 0xC0)
    INFLATE = (0x0B, 0xC7)
    NOT_BEGUN = (0x06, 0xC6)
    TOO_LITTLE = (0x06, 0xC8)
    TOO_MUCH = (0x06, 0xC9)
    UNKNOWN = (0x05, 0xFF)


class LoaderError(Exception):
    """The request is answered with this Failure."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.name)
        self.failure = failure


@dataclass
class Write:
    """A region under way: `inflate` where its data are compressed."""

    offset: int
    size: int
    written: int
    inflate: Any
    erase_next: int  # the first sector that is not erased yet


@dataclass
class Reading:
    """READ_FLASH under way: what was sent and what the tool has acknowledged, in bytes."""

    data: bytes
    block: int
    in_flight: int
    sent: int = 0
    acknowledged: int = 0


class Loader:
    """One from reset to reset. `mac` is 6 bytes."""

    def __init__(self, chip: Chip, flash: FlashFile, mac: bytes) -> None:
        self.stub = False
        self.baud = 115200
        self.leave: Leave | None = None
        self.on_written: Callable[[Write], None] = lambda write: None
        self._chip = chip
        self._flash = flash
        self._registers = Registers(chip, mac, flash)
        self._decoder = slip.Decoder()
        self._attached = False
        self._write: Write | None = None
        self._reading: Reading | None = None
        self._segment: tuple[int, int] | None = None  # of MEM_BEGIN: address and size
        self._ram: list[tuple[int, bytearray]] = []
        self._then = b""  # what follows the answer, in frames of its own

    @property
    def in_frame(self) -> bool:
        """A request has begun and not ended."""
        return self._decoder.in_frame

    def feed(self, data: bytes) -> bytes:
        """What it answers to these bytes."""
        return b"".join([self._on_frame(frame) for frame in self._decoder.feed(data)])

    def _on_frame(self, frame: bytes) -> bytes:
        if self._reading is not None:
            return self._on_acknowledge(self._reading, frame)
        if len(frame) < 8 or frame[0] != 0:
            return b""
        op, length, checksum = struct.unpack_from("<BHI", frame, 1)
        data = frame[8:]
        status = b"\0\0" if self.stub else b"\0\0\0\0"
        try:
            if length != len(data):
                raise LoaderError(Failure.INVALID)
            value, body = self._perform(op, data, checksum)
        except LoaderError as error:
            value, body, status = 0, b"", self._status(error.failure)
        except struct.error:
            value, body, status = 0, b"", self._status(Failure.INVALID)
        except ValueError:  # the flash's: beyond its end, or half a sector
            value, body, status = 0, b"", self._status(Failure.FAILED)
        answer = slip.encode(struct.pack("<BBHI", 1, op, len(body) + len(status), value) + body + status)
        answer = answer * 8 if op == _OPS["SYNC"] else answer
        after, self._then = self._then, b""
        return answer + after

    def _status(self, failure: Failure) -> bytes:
        rom, stub = failure.value
        return bytes((stub, 0)) if self.stub else bytes((1, rom, 0, 0))

    def _perform(self, op: int, data: bytes, checksum: int) -> tuple[int, bytes]:
        """(value, data) of the answer."""
        handlers = _STUB if self.stub else _ROM
        handler = handlers.get(op)
        if handler is None:
            raise LoaderError(Failure.UNKNOWN)
        if op in _WITH_DATA:
            if struct.unpack_from("<I", data)[0] != len(data) - 16:
                raise LoaderError(Failure.INVALID)
            if functools.reduce(operator.xor, data[16:], _CHECKSUM_SEED) != checksum & 0xFF:
                raise LoaderError(Failure.CHECKSUM)
        answer = handler(self, data)
        if isinstance(answer, int):
            return answer, b""
        return 0, answer or b""

    # Registers, line and RAM ------------------------------------------------------------------------------------------

    def _sync(self, data: bytes) -> int:
        if data != SYNC:
            raise LoaderError(Failure.INVALID)
        return 0 if self.stub else _SYNC_VALUE

    def _read_register(self, data: bytes) -> int:
        (address,) = struct.unpack("<I", data)
        return self._registers.read(address)

    def _write_registers(self, data: bytes) -> None:
        for address, value, mask, _delay_us in struct.iter_unpack("<IIII", data):
            self._registers.write(address, value, mask)

    def _security_info(self, data: bytes) -> bytes:
        if not self._chip.tells_id:
            raise LoaderError(Failure.UNKNOWN)
        return struct.pack("<IBBBBBBBBII", 0, 0, *[0] * 7, self._chip.chip_id, 0)

    def _change_baud(self, data: bytes) -> None:
        self.baud = struct.unpack("<II", data)[0]

    def _ram_begin(self, data: bytes) -> None:
        size, _blocks, _block, address = struct.unpack("<IIII", data)
        self._segment = address, size
        self._ram.append((address, bytearray()))

    def _ram_data(self, data: bytes) -> None:
        if self._segment is None:
            raise LoaderError(Failure.NOT_BEGUN)
        held = self._ram[-1][1]
        held += data[16:]
        if len(held) > self._segment[1]:
            raise LoaderError(Failure.TOO_MUCH)

    def _ram_end(self, data: bytes) -> None:
        """Starts what was loaded: a stub says so; at an address where nothing was loaded the CPU is lost."""
        stay, entry = struct.unpack("<II", data)
        self._segment = None
        loaded = any(address <= entry < address + len(held) for address, held in self._ram)
        self._ram = []
        if not stay and loaded:
            self.stub = self._attached = True
            self._then = slip.encode(b"OHAI")

    # Flash ------------------------------------------------------------------------------------------------------------

    def _attach(self, data: bytes) -> None:
        self._attached = True

    def _set_parameters(self, data: bytes) -> None:
        struct.unpack("<IIIIII", data)

    def _need_flash(self) -> FlashFile:
        if not self._attached:
            raise LoaderError(Failure.FAILED)
        return self._flash

    def _begin(self, data: bytes, inflate: Any = None) -> None:
        size, _blocks, _block, offset = struct.unpack_from("<IIII", data)
        self._need_flash().read(offset + size, 0)
        self._write = Write(offset, size, 0, inflate, offset - offset % SECTOR)
        if not self.stub:
            self._erase_to(self._write, offset + size)

    def _begin_deflated(self, data: bytes) -> None:
        self._begin(data, zlib.decompressobj())

    def _data(self, data: bytes) -> None:
        write = self._write
        if write is None:
            raise LoaderError(Failure.NOT_BEGUN)
        try:
            block = data[16:] if write.inflate is None else write.inflate.decompress(data[16:])
        except zlib.error as error:
            raise LoaderError(Failure.INFLATE) from error
        if write.inflate is None:
            block = block[: max(0, write.size - write.written)]  # the last block is filled up with FF
        elif write.written + len(block) > write.size:
            raise LoaderError(Failure.TOO_MUCH)
        for at in range(0, len(block), SECTOR):
            piece = block[at : at + SECTOR]
            self._erase_to(write, write.offset + write.written + len(piece))
            self._flash.program(write.offset + write.written, piece)
            write.written += len(piece)
            self.on_written(write)

    def _erase_to(self, write: Write, end: int) -> None:
        end += -end % SECTOR
        if end > write.erase_next:
            self._flash.erase(write.erase_next, end - write.erase_next)
            write.erase_next = end

    def _end(self, data: bytes) -> None:
        (stay,) = struct.unpack("<I", data)
        write, self._write = self._write, None
        if write is not None and write.written < write.size and self.stub:
            raise LoaderError(Failure.TOO_LITTLE)
        if not self.stub:
            self.leave = Leave.RUN
        elif not stay:
            self.leave = Leave.RELOAD  # the pin that asked for the loader is still held as it was

    def _md5(self, data: bytes) -> bytes:
        offset, size, _, _ = struct.unpack("<IIII", data)
        digest = self._need_flash().md5(offset, size)
        return digest if self.stub else digest.hex().encode()

    def _read_slowly(self, data: bytes) -> bytes:
        offset, size = struct.unpack("<II", data)
        if size > _SLOW_READ:
            raise LoaderError(Failure.READ_LENGTH)
        return self._need_flash().read(offset, size).ljust(_SLOW_READ, b"\0")

    def _erase_all(self, data: bytes) -> None:
        self._flash.erase(0, self._flash.size)

    def _erase_region(self, data: bytes) -> None:
        self._flash.erase(*struct.unpack("<II", data))

    def _run(self, data: bytes) -> None:
        self.leave = Leave.RUN

    def _read(self, data: bytes) -> None:
        offset, size, block, in_flight = struct.unpack("<IIII", data)
        if not block:
            raise LoaderError(Failure.INVALID)
        self._reading = Reading(self._flash.read(offset, size), block, in_flight)
        self._then = self._send(self._reading)

    def _on_acknowledge(self, reading: Reading, frame: bytes) -> bytes:
        """The tool says how many bytes it has; anything else ends the reading without a digest."""
        acknowledged = int.from_bytes(frame, "little") if len(frame) == 4 else -1
        if not reading.acknowledged <= acknowledged <= reading.sent:
            self._reading = None
            return b""
        reading.acknowledged = acknowledged
        return self._send(reading)

    def _send(self, reading: Reading) -> bytes:
        """What may be under way now; at the end the MD5 of all."""
        out = b""
        while reading.sent < len(reading.data) and reading.sent - reading.acknowledged < reading.in_flight:
            piece = reading.data[reading.sent : reading.sent + reading.block]
            reading.sent += len(piece)
            out += slip.encode(piece)
        if reading.acknowledged == len(reading.data):
            self._reading = None
            out += slip.encode(hashlib.md5(reading.data).digest())
        return out


_OPS = {"SYNC": 0x08}
_WITH_DATA = (0x03, 0x07, 0x11)
_Handler = Callable[[Loader, bytes], "int | bytes | None"]
_BOTH: dict[int, _Handler] = {
    0x02: Loader._begin,
    0x03: Loader._data,
    0x04: Loader._end,
    0x05: Loader._ram_begin,
    0x06: Loader._ram_end,
    0x07: Loader._ram_data,
    0x08: Loader._sync,
    0x09: Loader._write_registers,
    0x0A: Loader._read_register,
    0x0B: Loader._set_parameters,
    0x0D: Loader._attach,
    0x0F: Loader._change_baud,
    0x10: Loader._begin_deflated,
    0x11: Loader._data,
    0x12: Loader._end,
    0x13: Loader._md5,
    0x14: Loader._security_info,
}
_ROM: dict[int, _Handler] = {**_BOTH, 0x0E: Loader._read_slowly}
_STUB: dict[int, _Handler] = {
    **_BOTH,
    0xD0: Loader._erase_all,
    0xD1: Loader._erase_region,
    0xD2: Loader._read,
    0xD3: Loader._run,
}
