"""The flash partition: what is programmed stays, and only an erase sets a bit."""

import time

import esp32
import machine
from clock import clock

SIZE = 4 * 4096


def _partition(path):
    esp32.add_partition("journal", 0x280000, SIZE, path)
    return esp32.Partition.find(esp32.Partition.TYPE_DATA, label="journal")[0]


def _read(part, block, offset, length):
    buf = bytearray(length)
    part.readblocks(block, buf, offset)
    return bytes(buf)


def test_a_new_file_is_erased_and_has_the_size(folder):
    part = _partition(folder + "/new.bin")
    assert part.ioctl(4, 0) == 4 and part.ioctl(5, 0) == 4096
    assert _read(part, 3, 0, 4096) == b"\xff" * 4096
    assert part.info()[4] == "journal"


def test_a_program_only_clears_bits(folder):
    part = _partition(folder + "/program.bin")
    part.writeblocks(1, b"\xf0\x0f", 100)
    part.writeblocks(1, b"\x3f\xff", 100)
    assert _read(part, 1, 99, 4) == b"\xff\x30\x0f\xff"
    part.writeblocks(1, b"\xff\xff", 100)
    assert _read(part, 1, 100, 2) == b"\x30\x0f"


def test_an_erase_sets_one_block_and_stands_still(folder):
    part = _partition(folder + "/erase.bin")
    for block in range(3):
        part.writeblocks(block, b"\x00", 0)
    before = clock.now_us
    part.ioctl(6, 1)
    assert clock.now_us - before == esp32.ERASE_US
    assert [_read(part, block, 0, 1) for block in range(3)] == [b"\x00", b"\xff", b"\x00"]


def test_without_an_offset_a_write_erases_first(folder):
    part = _partition(folder + "/write.bin")
    part.writeblocks(2, b"\x00", 4095)
    part.writeblocks(2, b"\x55" * 4096)
    assert _read(part, 2, 0, 4096) == b"\x55" * 4096


def test_what_was_programmed_outlives_the_process(folder):
    path = folder + "/kept.bin"
    _partition(path).writeblocks(0, b"kept", 8)
    assert _read(_partition(path), 0, 8, 4) == b"kept"


def test_beyond_the_end_is_refused(folder):
    part = _partition(folder + "/end.bin")
    for block, offset in ((4, 0), (3, 4095), (-1, 0)):
        try:
            part.readblocks(block, bytearray(2), offset)
        except OSError:
            pass
        else:
            raise AssertionError((block, offset))


def test_erases_delay_ticks_which_then_come_at_once(folder):
    part = _partition(folder + "/ticks.bin")
    seen = []
    machine.Timer(0).init(period=20, callback=lambda _: seen.append(clock.now_us))
    part.ioctl(6, 0)
    time.sleep_ms(0)
    assert seen == [45000, 45000], seen


class _Cut(Exception):
    """The supply failed."""


def _raise():
    raise _Cut


def _alive():
    esp32._supply.update(
        {"between": None, "cut": None, "during": None, "until": -1, "then": None, "dead": False}
    )


def _torn(part, operation, do):
    """Whether the operation was torn; afterwards the flash takes writes again."""
    esp32.cut_during(operation, -1, _raise)
    try:
        do()
    except _Cut:
        return True
    finally:
        _alive()
    return False


def test_a_program_takes_time(folder):
    part = _partition(folder + "/time.bin")
    before = clock.now_us
    part.writeblocks(0, bytes(100), 0)
    assert clock.now_us - before == 350


def test_a_torn_program_leaves_any_subset_of_its_bits(folder):
    part = _partition(folder + "/torn.bin")
    seen = set()
    for block in range(3):
        part.writeblocks(block, b"\xf0" * 64, 0)
        assert _torn(part, "program", lambda block=block: part.writeblocks(block, b"\x3c" * 64, 0))
        held = _read(part, block, 0, 64)
        seen.update(held)
        for byte in held:
            assert byte & 0x30 == 0x30 and byte & 0x0F == 0, byte  # what stays 1 stays, what was 0 is 0
        assert _read(part, block, 64, 64) == b"\xff" * 64
    assert len(seen) > 2  # 0x30, 0x70, 0xb0 and 0xf0 are possible


def test_a_torn_erase_leaves_any_bytes_in_its_block_alone(folder):
    part = _partition(folder + "/torn_erase.bin")
    for block in range(3):
        part.writeblocks(block, b"\x00" * 16, 0)
    assert _torn(part, "erase", lambda: part.ioctl(6, 1))
    assert len(set(_read(part, 1, 0, 4096))) > 100
    assert _read(part, 0, 0, 17) == _read(part, 2, 0, 17) == b"\x00" * 16 + b"\xff"


def test_a_cut_that_has_not_come_by_its_end_does_not_come(folder):
    part = _partition(folder + "/late.bin")
    for late, torn in ((0, False), (1, True)):
        esp32.cut_during("program", clock.now_us + late, _raise)
        try:
            part.writeblocks(0, b"\x00", 100)
            assert not torn
        except _Cut:
            assert torn
    _alive()


def test_nothing_reaches_the_flash_once_the_supply_failed(folder):
    part = _partition(folder + "/dead.bin")
    esp32.cut_during("program", -1, lambda: None)
    part.writeblocks(0, b"\x00", 100)
    part.writeblocks(0, b"\x00", 200)
    part.ioctl(6, 0)
    dead = _read(part, 0, 200, 1)
    _alive()
    assert dead == b"\xff"


def test_a_cut_at_a_moment_tears_what_is_under_way_then(folder):
    part = _partition(folder + "/moment.bin")
    asked = []

    def between(now_us, until_us):
        asked.append((now_us, until_us))
        return 7 if now_us < 1000 <= until_us else -1

    def cut(us):
        assert us == 7
        raise _Cut

    esp32.supply(between, cut)
    torn_at = None
    for turn in range(10):
        try:
            part.writeblocks(0, bytes(100), 100 * turn)
        except _Cut:
            torn_at = turn
            break
    _alive()
    assert torn_at == 2, asked  # 0..350, 350..700, 700..1050
