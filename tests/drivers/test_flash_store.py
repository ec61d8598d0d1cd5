"""The journal's partition, against something that behaves as esp32.Partition does, and a journal on top of it."""

from __future__ import annotations

import pytest

from core.journal import Journal
from drivers.flash_store import FlashStore

BLOCK = 4096


class Partition:
    """Without an offset `writeblocks` erases first, with one it only clears bits; `ioctl` as documented."""

    def __init__(self, blocks: int) -> None:
        self.data = bytearray(b"\x00" * BLOCK * blocks)
        self.log: list[tuple[object, ...]] = []

    def readblocks(self, block: int, buf: bytearray, offset: int = 0) -> None:
        start = block * BLOCK + offset
        buf[:] = self.data[start : start + len(buf)]

    def writeblocks(self, block: int, buf: bytes, offset: int | None = None) -> None:
        if offset is None:
            self.ioctl(6, block)
        start = block * BLOCK + (offset or 0)
        for i, byte in enumerate(buf):
            self.data[start + i] &= byte
        self.log.append(("program", block, offset, len(buf)))

    def ioctl(self, op: int, arg: int) -> int | None:
        if op == 4:
            return len(self.data) // BLOCK
        if op == 5:
            return BLOCK
        assert op == 6
        self.data[arg * BLOCK : (arg + 1) * BLOCK] = b"\xff" * BLOCK
        self.log.append(("erase", arg))
        return 0


def test_program_read_and_erase_are_three_things() -> None:
    partition = Partition(8)
    store = FlashStore(partition)
    assert (store.blocks, store.block_size) == (8, BLOCK)
    store.erase(3)
    store.program(3, 0, b"\xf0\x0f")
    store.program(3, 100, b"abc")
    buf = bytearray(4)
    store.read(3, 0, memoryview(buf))
    assert buf == b"\xf0\x0f\xff\xff"
    store.read(3, 99, buf)
    assert buf == b"\xffabc"
    assert partition.log == [("erase", 3), ("program", 3, 0, 2), ("program", 3, 100, 3)]


@pytest.mark.parametrize("blocks", [6, 384])
def test_a_journal_on_a_partition(blocks: int) -> None:
    partition = Partition(blocks)
    journal = Journal(FlashStore(partition), lambda: "00" * 8)
    journal.recover()
    while not journal.ready(1):
        journal.prepare()
    assert journal.enter({"kind": "command", "id": "c-1", "op": "ping"}) == 1
    again = Journal(FlashStore(partition), lambda: "11" * 8)
    assert again.recover() == []
    record = again.read(1)
    assert record is not None and record["id"] == "c-1" and again.epoch == "00" * 8
