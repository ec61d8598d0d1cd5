"""The loader of the virtual ESP32, byte by byte: what the ROM and the stub answer, to right and to wrong requests."""

from __future__ import annotations

import functools
import hashlib
import operator
import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.fakes import esp32_image as images
from zhuque.errors import NoAnswerError, RefusedError, UsageError
from zhuque.files import FileError
from zhuque.sim.esp32 import boot, slip
from zhuque.sim.esp32.chip import CHIPS, ESP32
from zhuque.sim.esp32.faults import Faults, Unplugged, is_fault, parse
from zhuque.sim.esp32.flash import MIB, SECTOR, FlashFile
from zhuque.sim.esp32.line import Pace, ResetLines, SyncWatch
from zhuque.sim.esp32.loader import SYNC, Leave, Loader
from zhuque.sim.esp32.port import PtyPort

MAC = bytes.fromhex("240ac47a6875")
ENTRY = 0x400BE598
CODE = b"code of a stub, which nobody runs"


@dataclass
class Answer:
    op: int
    value: int
    data: bytes  # with its status


class Tool:
    """What esptool is to a loader."""

    def __init__(self, flash: FlashFile, chip: str = "esp32") -> None:
        self.loader = Loader(CHIPS[chip], flash, MAC)
        self._decoder = slip.Decoder()

    def frames(self, data: bytes) -> list[bytes]:
        return list(self._decoder.feed(self.loader.feed(data)))

    def ask(self, op: int, data: bytes = b"", checksum: int = 0) -> Answer:
        """The first answer."""
        frame = self.frames(slip.encode(struct.pack("<BBHI", 0, op, len(data), checksum) + data))[0]
        direction, op, length, value = struct.unpack_from("<BBHI", frame)
        assert (direction, length) == (1, len(frame) - 8)
        return Answer(op, value, frame[8:])

    def ok(self, op: int, data: bytes = b"", checksum: int = 0) -> bytes:
        """The data of an answer whose status is good."""
        answer = self.ask(op, data, checksum).data
        width = 2 if self.loader.stub else 4
        assert answer[-width:] == b"\0" * width
        return answer[:-width]

    def block(self, op: int, data: bytes, sequence: int = 0, checksum: int | None = None) -> Answer:
        right = functools.reduce(operator.xor, data, 0xEF)
        return self.ask(
            op,
            struct.pack("<IIII", len(data), sequence, 0, 0) + data,
            right if checksum is None else checksum,
        )

    def start_stub(self) -> Tool:
        self.ok(0x05, struct.pack("<IIII", len(CODE), 1, 0x1800, ENTRY))
        self.block(0x07, CODE)
        request = struct.pack("<II", 0, ENTRY)
        done, hello = self.frames(slip.encode(struct.pack("<BBHI", 0, 0x06, len(request), 0) + request))
        assert (done[8:], hello) == (b"\0\0\0\0", b"OHAI")
        return self


@pytest.fixture
def flash(tmp_path: Path) -> Iterator[FlashFile]:
    file = FlashFile(tmp_path / "flash", MIB)
    yield file
    file.close()


@pytest.fixture
def rom(flash: FlashFile) -> Tool:
    tool = Tool(flash)
    tool.ok(0x0D, bytes(8))
    return tool


@pytest.fixture
def stub(flash: FlashFile) -> Tool:
    return Tool(flash).start_stub()


def begin(size: int, offset: int) -> bytes:
    return struct.pack("<IIII", size, 1, 0x4000, offset)


# Line --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("frame", [b"\xc0\xdb", b"a\xdb\xdcb", b"\xdb" * 5, bytes(range(256))])
def test_slip_gives_back_what_it_took(frame: bytes) -> None:
    assert b"\xc0" not in slip.encode(frame)[1:-1]
    decoder = slip.Decoder()
    assert [f for byte in slip.encode(frame) for f in decoder.feed(bytes([byte]))] == [frame]


@pytest.mark.parametrize(
    "broken", [b"\xc0cut o", b"\xc0wrong \xdb escape\xc0", b"\xc0ends in \xdb\xc0", b"noise"]
)
def test_a_broken_frame_spoils_no_other(broken: bytes) -> None:
    frames = list(slip.Decoder().feed(broken + slip.encode(b"whole") + slip.encode(b"next")))
    assert frames[-2:] == [b"whole", b"next"]


def test_a_frame_without_end_is_dropped() -> None:
    decoder = slip.Decoder()
    assert list(decoder.feed(b"\xc0" + b"x" * 200_000 + slip.encode(b"next"))) == [b"next"]


def test_sync_is_answered_eight_times_and_tells_rom_from_stub(flash: FlashFile) -> None:
    request = slip.encode(struct.pack("<BBHI", 0, 8, len(SYNC), 0) + SYNC)
    tool = Tool(flash)
    assert [frame[4:8] for frame in tool.frames(request)] == [b"\x07\x07\x12\x20"] * 8
    tool.start_stub()
    assert [frame[4:8] for frame in tool.frames(request)] == [b"\0\0\0\0"] * 8


def test_half_a_request_waits_and_a_cut_one_is_left_behind(rom: Tool) -> None:
    request = slip.encode(struct.pack("<BBHII", 0, 0x0A, 4, 0, 0x40001000))
    assert rom.frames(request[:9]) == []
    assert rom.frames(request[9:])[0][4:8] == struct.pack("<I", 0x00F01D83)
    assert rom.frames(request[:9]) == []  # the cable moved
    assert rom.frames(request)[-1][4:8] == struct.pack("<I", 0x00F01D83)


@pytest.mark.parametrize("frame", [b"\0", b"\0\x0a\x04\0\0\0\0", b"\1\x0a\4\0\0\0\0\0abcd"])
def test_what_is_no_request_is_not_answered(rom: Tool, frame: bytes) -> None:
    assert rom.frames(slip.encode(frame)) == []


def test_a_wrong_length_and_an_unknown_operation(rom: Tool, flash: FlashFile) -> None:
    assert rom.frames(slip.encode(struct.pack("<BBHI", 0, 0x0A, 4, 0) + b"abc"))[0][8:] == b"\1\5\0\0"
    assert rom.ask(0x0A, b"abc").data == b"\1\5\0\0"
    assert rom.ask(0xD0).data == b"\1\5\0\0"  # only the stub erases all
    assert Tool(flash).start_stub().ask(0x0E, bytes(8)).data == b"\xff\0"  # only the ROM reads slowly


# Registers ---------------------------------------------------------------------------------------------------------


def test_mac_and_flash_id_are_found_in_registers(rom: Tool) -> None:
    words = [rom.ask(0x0A, struct.pack("<I", 0x3FF5A000 + 4 * word)).value for word in (2, 1)]
    assert struct.pack(">II", *words)[2:] == MAC
    for address, value in ((0x2C, 23), (0x1C, 1 << 31 | 1 << 28), (0x24, 7 << 28 | 0x9F), (0x00, 1 << 18)):
        rom.ok(0x09, struct.pack("<IIII", 0x3FF42000 + address, value, 0xFFFFFFFF, 0))
    assert rom.ask(0x0A, struct.pack("<I", 0x3FF42000)).value == 0  # it is done
    assert rom.ask(0x0A, struct.pack("<I", 0x3FF42080)).value == 0x1440EF  # 1 MiB


def test_a_register_is_written_under_its_mask(rom: Tool) -> None:
    rom.ok(0x09, struct.pack("<IIII", 0x3FF48074, 0xFFFF, 0x0FF0, 0) * 2)
    assert rom.ask(0x0A, struct.pack("<I", 0x3FF48074)).value == 0x0FF0


@pytest.mark.parametrize(("chip", "number"), [("esp32s3", 9), ("esp32c3", 5)])
def test_another_chip_says_which_it_is_and_an_esp32_does_not(
    flash: FlashFile, chip: str, number: int
) -> None:
    info = Tool(flash, chip).ok(0x14)
    assert struct.unpack_from("<I", info, 12)[0] == number
    assert Tool(flash).ask(0x14).data == b"\1\5\0\0"


def test_code_at_another_address_than_its_start_never_answers(flash: FlashFile) -> None:
    tool = Tool(flash)
    tool.ok(0x05, struct.pack("<IIII", len(CODE), 1, 0x1800, ENTRY))
    tool.block(0x07, CODE)
    assert len(tool.frames(slip.encode(struct.pack("<BBHIII", 0, 6, 8, 0, 0, ENTRY + 0x1000)))) == 1
    assert not tool.loader.stub


# Writing -----------------------------------------------------------------------------------------------------------


def test_the_flash_must_be_attached_first(flash: FlashFile) -> None:
    assert Tool(flash).ask(0x02, begin(SECTOR, 0)).data == b"\1\6\0\0"


def test_the_rom_erases_before_and_the_stub_as_it_goes(rom: Tool, flash: FlashFile) -> None:
    flash.program(0, b"\0" * 3 * SECTOR)
    rom.ok(0x02, begin(2 * SECTOR, 0))
    assert flash.read(0, 3 * SECTOR) == b"\xff" * 2 * SECTOR + b"\0" * SECTOR
    flash.program(0, b"\0" * 3 * SECTOR)
    stub = rom.start_stub()
    stub.ok(0x02, begin(3 * SECTOR, 0))
    assert flash.read(0, SECTOR) == b"\0" * SECTOR
    stub.block(0x03, b"\x55" * 100)
    assert flash.read(0, 2 * SECTOR) == b"\x55" * 100 + b"\xff" * (SECTOR - 100) + b"\0" * SECTOR


@pytest.mark.parametrize("is_stub", [False, True])
def test_a_bad_checksum_writes_nothing_and_the_block_can_be_sent_again(
    rom: Tool, flash: FlashFile, is_stub: bool
) -> None:
    tool = rom.start_stub() if is_stub else rom
    tool.ok(0x02, begin(4, 0))
    assert tool.block(0x03, b"good", checksum=0).data == (b"\xc1\0" if is_stub else b"\1\7\0\0")
    assert flash.read(0, 4) == b"\xff" * 4
    assert not any(tool.block(0x03, b"good").data)
    assert flash.read(0, 4) == b"good"


def test_compressed_data_in_pieces(stub: Tool, flash: FlashFile) -> None:
    data = images.noise(40_000)
    packed = zlib.compress(data, 9)
    stub.ok(0x10, begin(len(data), SECTOR))
    for at in range(0, len(packed), 0x4000):
        assert stub.block(0x11, packed[at : at + 0x4000], at // 0x4000).data == b"\0\0"
    stub.ok(0x12, struct.pack("<I", 1))
    assert flash.read(SECTOR, len(data)) == data
    assert stub.ok(0x13, struct.pack("<IIII", SECTOR, len(data), 0, 0)) == hashlib.md5(data).digest()


@pytest.mark.parametrize(
    ("size", "packed", "status"),
    [(10, b"no zlib at all", b"\xc7\0"), (10, zlib.compress(b"more than ten"), b"\xc9\0")],
)
def test_compressed_data_that_is_none_or_too_much(
    stub: Tool, size: int, packed: bytes, status: bytes
) -> None:
    stub.ok(0x10, begin(size, 0))
    assert stub.block(0x11, packed).data == status


def test_too_little_is_told_at_the_end_and_data_without_a_beginning(stub: Tool) -> None:
    assert stub.block(0x03, b"x").data == b"\xc6\0"
    stub.ok(0x10, begin(10, 0))
    assert stub.ask(0x12, struct.pack("<I", 1)).data == b"\xc8\0"


def test_the_last_block_is_filled_up_and_the_rest_stays(stub: Tool, flash: FlashFile) -> None:
    stub.ok(0x02, begin(6, 0))
    stub.block(0x03, b"abcdef" + b"\0" * 100)
    assert flash.read(0, 8) == b"abcdef\xff\xff"


def test_nothing_beyond_the_end(stub: Tool, flash: FlashFile) -> None:
    assert stub.ask(0x02, begin(2 * SECTOR, MIB - SECTOR)).data == b"\xc4\0"
    assert stub.ask(0xD1, struct.pack("<II", MIB, SECTOR)).data == b"\xc4\0"
    assert stub.ask(0xD1, struct.pack("<II", 0, 100)).data == b"\xc4\0"
    flash.program(0, b"\0" * 2 * SECTOR)
    stub.ok(0xD1, struct.pack("<II", 0, SECTOR))
    assert flash.read(SECTOR - 1, 2) == b"\xff\0"
    stub.ok(0xD0)
    assert flash.read(0, MIB) == b"\xff" * MIB


# Reading -----------------------------------------------------------------------------------------------------------


def test_the_rom_reads_64_bytes_and_hashes_in_hexadecimal(rom: Tool, flash: FlashFile) -> None:
    flash.program(0, b"hello")
    assert rom.ok(0x0E, struct.pack("<II", 0, 5)) == b"hello".ljust(64, b"\0")
    assert rom.ask(0x0E, struct.pack("<II", 0, 65)).data == b"\1\x0a\0\0"
    assert rom.ok(0x13, struct.pack("<IIII", 0, 5, 0, 0)) == hashlib.md5(b"hello").hexdigest().encode()


def test_the_stub_sends_as_much_as_may_be_under_way(stub: Tool, flash: FlashFile) -> None:
    data = images.noise(3 * SECTOR - 96)
    flash.program(0, data)
    request = struct.pack("<IIII", 0, len(data), SECTOR, 64)
    got = stub.frames(slip.encode(struct.pack("<BBHI", 0, 0xD2, 16, 0) + request))[1:]
    assert [len(frame) for frame in got] == [SECTOR]
    read = got[0]
    while len(read) < len(data):
        *more, last = stub.frames(slip.encode(struct.pack("<I", len(read))))
        assert more == []
        read += last
    assert stub.frames(slip.encode(struct.pack("<I", len(read)))) == [hashlib.md5(data).digest()]
    assert read == data
    assert stub.ask(0x0A, bytes(4)).op == 0x0A  # it listens to requests again


@pytest.mark.parametrize("acknowledged", [b"\xff\xff\0\0", b"abc"])
def test_a_wrong_acknowledgement_ends_the_reading(stub: Tool, acknowledged: bytes) -> None:
    stub.ask(0xD2, struct.pack("<IIII", 0, 2 * SECTOR, SECTOR, 64))
    assert stub.frames(slip.encode(acknowledged)) == []
    assert stub.ask(0x0A, bytes(4)).op == 0x0A


# Leaving -----------------------------------------------------------------------------------------------------------


def test_how_it_is_left(rom: Tool, flash: FlashFile) -> None:
    rom.ok(0x04, struct.pack("<I", 1))
    assert rom.loader.leave is Leave.RUN
    stub = Tool(flash).start_stub()
    stub.ok(0x04, struct.pack("<I", 1))
    assert stub.loader.leave is None
    stub.ok(0x04, struct.pack("<I", 0))
    assert stub.loader.leave is Leave.RELOAD
    stub.ask(0xD3)
    assert stub.loader.leave is Leave.RUN
    stub.ok(0x0F, struct.pack("<II", 921600, 115200))
    assert stub.loader.baud == 921600


# Faults ------------------------------------------------------------------------------------------------------------


def test_the_cable_is_pulled_where_it_was_said(stub: Tool, flash: FlashFile) -> None:
    faults = Faults(unplug=parse("unplug at=40 region=0x8000"))
    stub.loader.on_written = faults.check_write
    stub.ok(0x02, begin(SECTOR, 0))
    stub.block(0x03, b"\0" * SECTOR)  # another region
    stub.ok(0x02, begin(10 * SECTOR, 0x8000))
    with pytest.raises(Unplugged):
        stub.block(0x03, b"\0" * 10 * SECTOR)
    assert flash.read(0x8000, 10 * SECTOR) == b"\0" * 4 * SECTOR + b"\xff" * 6 * SECTOR


def test_bytes_are_garbled_as_ordered() -> None:
    faults = Faults(corrupt_left=2, corrupt_every=3)
    assert faults.to_board(b"\0" * 10, None, None) == b"\0\0\x10\0\0\x10\0\0\0\0"
    assert faults.to_board(b"\0" * 4, 921600, 115200) == b"\x5a" * 4  # two ends at two speeds
    assert faults.to_board(b"\0" * 4, 921600, 921600) == b"\0" * 4
    assert Faults(max_baud=460800).to_board(b"\0", 921600, 921600) == b"\x5a"


@pytest.mark.parametrize("words", ["explode", "unplug now=1", "unplug at=soon", "reset hard"])
def test_orders_that_are_none_say_what_there_is(words: str) -> None:
    with pytest.raises(UsageError, match=r"unplug|at=|no keys"):
        parse(words)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("unplug at=400", "at is 0 to 100"),
        ("unplug at=-1", "at is 0 to 100"),
        ("unplug region=0x10000", "wants `at=`"),
        ("corrupt every=0", "every is 1 or more"),
        ("mute for_s=nan", "for_s is 0 to"),
    ],
)
def test_orders_that_would_never_happen_are_refused(words: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        parse(words)
    assert parse("unplug at=0") and parse("unplug at=100 region=0x10000") and parse("corrupt count=0")


def test_a_bikes_plug_is_not_the_cable() -> None:
    assert is_fault("unplug at=40")
    assert is_fault("plug")
    assert not is_fault("unplug 3")
    assert not is_fault("short 3")


def test_a_sync_request_is_kept_from_the_application() -> None:
    request = slip.encode(struct.pack("<BBHI", 0, 8, len(SYNC), 0) + SYNC)
    watch = SyncWatch()
    assert watch.feed(b"print(1)\r") == (b"print(1)\r", None)
    assert watch.feed(b"x" + request[:20]) == (b"x", None)
    assert watch.feed(request[20:] + b"more") == (b"", request + b"more")
    watch = SyncWatch()
    assert watch.feed(request[:3]) == (b"", None)
    assert watch.feed(b"other") == (request[:3] + b"other", None)


def test_bytes_take_their_time_and_within_a_frame_a_late_look_costs_none() -> None:
    pace = Pace(on=True)
    assert pace.take(b"x" * 4096, 409600, follows=False, now=1.0) == b"" and pace.is_busy
    assert pace.left_s(1.05) == pytest.approx(0.05)
    assert pace.arrived(1.09) == b""
    assert pace.arrived(1.15) == b"x" * 4096 and not pace.is_busy
    pace.take(b"x" * 4096, 409600, follows=True, now=1.15)
    assert pace.left_s(1.15) == pytest.approx(0.05)  # it was in the driver's buffer all the time
    pace.all()
    pace.take(b"x" * 4096, 409600, follows=False, now=1.25)
    assert pace.left_s(1.25) == pytest.approx(0.1)
    pace.all()
    pace.take(b"x" * 4096, 409600, follows=True, now=2.0)  # that late the buffer had run empty
    assert pace.left_s(2.0) == pytest.approx(0.0, abs=1e-9)
    assert pace.line_s == pytest.approx(0.4)
    assert Pace(on=False).take(b"now", 115200, follows=False, now=1.0) == b"now"


def test_the_lines_reset_into_the_program_or_the_loader() -> None:
    lines = ResetLines()
    assert not lines.set(dtr=True, rts=True, now=1.0)  # both: neither transistor conducts
    assert not lines.is_down
    assert lines.set(dtr=False, rts=True, now=1.0) and lines.is_down
    lines.set(dtr=True, rts=True, now=1.1)
    lines.set(dtr=True, rts=False, now=1.15)  # the boot pin, 50 ms after the reset
    assert lines.boots(1.2) is None and lines.is_down
    assert lines.boots(1.5) is True and not lines.is_down and lines.boots(1.6) is None
    assert lines.set(dtr=False, rts=True, now=2.0)
    lines.set(dtr=False, rts=False, now=2.1)
    assert lines.boots(2.5) is False


# Boot --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def flashed(tmp_path: Path) -> Iterator[FlashFile]:
    file = FlashFile(tmp_path / "flashed")
    file.program(0x1000, images.stock(size=16 * 1024))
    yield file
    file.close()


def test_a_whole_flash_starts(flashed: FlashFile) -> None:
    found = boot.start(ESP32, flashed)
    assert (found.project, found.version) == ("micropython", "v1.23.0")
    assert found.banner == "MicroPython v1.23.0 on 2024-06-02; Generic ESP32 module with ESP32"
    assert [part.label for part in found.partitions] == ["nvs", "phy_init", "factory", "vfs"]


@pytest.mark.parametrize(
    ("offset", "what", "said"),
    [
        (0x1000, b"\xff" * SECTOR, "invalid header: 0xffffffff"),
        (0x1020, b"\0", "csum err:0x"),
        (0x1001, b"\0", "ets_main.c"),
        (0x8000, b"\xff" * SECTOR, "partition 0 invalid magic number 0xffff"),
        (0x8004, b"\0\0\0\0", "partition table MD5 mismatch"),
        (0x10000, b"\xff" * SECTOR, "nothing flashed here"),
        (0x10400, b"\0\0\0\0\0\0\0\0", "Checksum failed"),
    ],
)
def test_what_is_wrong_in_the_flash_is_refused_in_the_chips_words(
    flashed: FlashFile, offset: int, what: bytes, said: str
) -> None:
    held = flashed.read(offset - offset % SECTOR, 2 * SECTOR)
    changed = bytearray(held)
    changed[offset % SECTOR : offset % SECTOR + len(what)] = what
    assert bytes(changed) != held
    flashed.erase(offset - offset % SECTOR, 2 * SECTOR)
    flashed.program(offset - offset % SECTOR, bytes(changed))
    with pytest.raises(boot.BootError, match=said):
        boot.start(ESP32, flashed)


def test_an_image_for_another_chip_and_a_hash_that_is_wrong(flashed: FlashFile) -> None:
    flashed.erase(0x10000, 16 * SECTOR)
    flashed.program(0x10000, images.app(size=16 * 1024, chip_id=images.ESP32S3))
    with pytest.raises(boot.BootError, match="mismatch chip ID, expected 0, found 9"):
        boot.start(ESP32, flashed)
    image = bytearray(images.app(size=16 * 1024))
    image[-1] ^= 1
    flashed.erase(0x10000, 16 * SECTOR)
    flashed.program(0x10000, bytes(image))
    with pytest.raises(boot.BootError, match="Image hash failed"):
        boot.start(ESP32, flashed)


def test_a_table_for_a_larger_flash(tmp_path: Path) -> None:
    file = FlashFile(tmp_path / "small", 2 * MIB)
    file.program(0x1000, images.stock(size=16 * 1024))
    with pytest.raises(boot.BootError, match="exceeds flash chip size 0x200000"):
        boot.start(ESP32, file)
    file.close()


def test_a_file_that_is_no_flash_or_of_another_size_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("mine")
    with pytest.raises(UsageError, match="is no flash"):
        FlashFile(tmp_path / "text")
    FlashFile(tmp_path / "flash", 2 * MIB).close()
    with pytest.raises(UsageError, match="holds a flash of 2 MB"):
        FlashFile(tmp_path / "flash", 4 * MIB)


def test_a_flash_is_nobody_elses_while_it_is_open(tmp_path: Path) -> None:
    first = FlashFile(tmp_path / "flash")
    with pytest.raises(NoAnswerError, match="flash is in use"):
        FlashFile(tmp_path / "flash")
    first.close()
    FlashFile(tmp_path / "flash").close()
    assert [path.name for path in tmp_path.iterdir()] == ["flash"]


def test_a_flash_with_holes_on_a_full_disk_says_so(tmp_path: Path) -> None:
    flash = FlashFile(tmp_path / "flash")
    full = os.open("/dev/full", os.O_RDWR)
    os.dup2(full, flash._file.fileno())
    os.close(full)
    with pytest.raises(FileError, match="No space left on device; it is as after a lost supply"):
        flash.erase(0, SECTOR)
    flash.close()


def test_a_port_whose_name_another_has_stays_unplugged(tmp_path: Path) -> None:
    """Pulled, it gives its name up, and nothing of the other's is touched."""
    first, second = PtyPort(tmp_path / "tty"), PtyPort(tmp_path / "tty")
    first.plug()
    with pytest.raises(NoAnswerError, match="tty is in use"):
        second.plug()
    assert second.descriptor() is None and (tmp_path / "tty").exists()
    first.unplug()
    second.plug()
    with pytest.raises(NoAnswerError):
        first.plug()
    first.close()
    assert (tmp_path / "tty").exists()
    second.close()
    assert not list(tmp_path.iterdir())


def test_a_file_beside_the_link_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "tty.new").write_text("mine")
    port = PtyPort(tmp_path / "tty")
    port.plug()
    port.close()
    assert (tmp_path / "tty.new").read_text() == "mine"


def test_a_link_over_a_file_of_somebody_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "tty").write_text("mine")
    with pytest.raises(RefusedError, match="left alone"):
        PtyPort(tmp_path / "tty")
