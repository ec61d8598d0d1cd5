"""What is on the ring after a start. Loaded for it.

Recovery reads the headers, the newest block, and the block after it. That one may be the next block with its header
torn (nothing in it was ever acknowledged) or rotted (its frames still tell), or half erased (it is erased again). A
seq that anybody may have seen is not given out twice: the journal goes on after the last frame or the last checkpoint,
whichever is more.
"""

import struct
from binascii import crc32

from . import checkpoint_recovery
from .frames import FRAME_MAX, HEADER, MAGIC


def recover(ring, new_epoch):
    """Find the state of a Ring on its flash; returns problems as (alarm, text), empty when all is well."""
    problems = []
    found = checkpoint_recovery.recover(ring.checkpoints)
    newest = _read_headers(ring) or _read_headers(ring)
    if newest is None:
        _begin(ring, new_epoch, problems, found)
    else:
        ring.raw_epoch, ring.serial, ring.head = newest
        ring.epoch = ring.raw_epoch.hex()
        _find_end(ring, problems)
    _take_checkpoint(ring, problems, found)
    _look_ahead(ring)
    if found.epoch == ring.raw_epoch and ring.first_seq > ring.checkpoint_seq + 1:
        _report_damage(ring, problems, "records up to {} are gone".format(ring.first_seq - 1))
    ring.erase_next = (ring.head + 1) % ring.count
    return problems


def _read_headers(ring):
    """(epoch, serial, place in the ring) of the newest block, None without any; `firsts` is filled."""
    newest = None
    epochs = []
    for n in range(ring.count):
        found = _header(ring.window, ring.block(n))
        ring.firsts[n] = found[2] if found else 0
        if found and found[0] not in epochs:
            epochs.append(found[0])
        if found and (newest is None or found[1] > newest[1]):
            newest = found[0], found[1], n
    if len(epochs) > 1:
        for n in range(ring.count):
            found = _header(ring.window, ring.block(n))
            if found and found[0] != newest[0]:
                ring.firsts[n] = 0
    return newest


def _begin(ring, new_epoch, problems, found):
    """A new epoch: on an empty flash, or because nothing on it can be read."""
    ring.epoch = new_epoch()
    ring.raw_epoch = bytes.fromhex(ring.epoch)
    if found.last_seq or _holds_remains(ring):
        text = "no block of the journal can be read: records not yet sent are lost, it begins anew"
        problems.append(("journal_unreadable", text))


def _holds_remains(ring):
    """True when a block holds more than the torn opening of a first block."""
    for n in range(ring.count):
        at = ring.window.at(ring.block(n), 0, HEADER, False)
        if ring.window.data[at] != 255 and ring.window.last_used(ring.block(n)) > HEADER + FRAME_MAX:
            return True
    return False


def _find_end(ring, problems):
    """The last record, and where the next one goes."""
    first = ring.firsts[ring.head]
    offset, expected, missing = _scan(ring, ring.head, first)
    used = ring.window.last_used(ring.block(ring.head), offset)
    # Past what a torn program may have touched, seen or not: a whole frame for each that was torn.
    ring.offset = offset + (used - offset + FRAME_MAX - 1) // FRAME_MAX * FRAME_MAX
    n = (ring.head + 1) % ring.count
    if not ring.firsts[n]:
        # The newest block with its header rotten is read, but not written to. With one record it is an opening
        # that was torn, and that record was never acknowledged.
        _, end, gap = _scan(ring, n, expected)
        is_longer = ring.window.last_used(ring.block(n)) > HEADER + FRAME_MAX
        if end > expected + 1 or (end > expected and is_longer):
            ring.head, ring.serial, ring.offset = n, ring.serial + 1, ring.size
            ring.firsts[n], expected, missing = expected, end, missing + gap + 1
    ring.last_seq = expected - 1
    ring.first_seq = min(first, ring.oldest(ring.head))
    if missing:
        _report_damage(ring, problems, "the newest block has unreadable records")


def _scan(ring, n, expected):
    """(offset after the last good frame, the seq after it, how many before it are missing) of a block."""
    offset = HEADER
    missing = 0
    while True:
        place = ring.window.find(ring.block(n), offset, ring.size, ring.raw_epoch, expected)
        if place is None:
            return offset, expected, missing
        missing += place[1] - expected
        expected = place[1] + 1
        offset = ring.window.after(ring.block(n), place[0])


def _take_checkpoint(ring, problems, found):
    """A checkpoint of another epoch still tells of sessions and lockouts; every record comes after it."""
    ring.checkpoint = found.payload
    if found.epoch != ring.raw_epoch:
        return
    ring.checkpoint_seq = found.last_seq
    ring.stored_seq = found.stored_seq
    if found.last_seq > ring.last_seq:
        _report_damage(ring, problems, "records up to {} are unreadable".format(found.last_seq))
        ring.jump(found.last_seq)


def _report_damage(ring, problems, text):
    ring.seen_damage[ring.head >> 3] |= 1 << (ring.head & 7)
    problems.append(("journal_damaged", text + ": they are lost here if they were not sent"))


def _look_ahead(ring):
    """Is the next block erased? One that was half erased, the oldest, is given up; what no checkpoint knows was not."""
    n = (ring.head + 1) % ring.count
    if ring.window.is_erased(ring.block(n)):
        ring.ahead = n
        return
    first, following = ring.firsts[n], ring.firsts[(n + 1) % ring.count]
    if first and 0 < following <= ring.checkpoint_seq + 1:
        _, expected, missing = _scan(ring, n, first)
        if missing or expected != following:
            ring.forget_block(n)


def _header(window, block):
    """(epoch, serial, first_seq) of a block, None where it begins with no header; reads no more than that."""
    at = window.at(block, 0, HEADER, False)
    raw = window.view[at : at + HEADER]
    if bytes(raw[:4]) != MAGIC or struct.unpack_from("<I", raw, 20)[0] != crc32(raw[:20]):
        return None
    serial, first_seq = struct.unpack_from("<II", raw, 12)
    return bytes(raw[4:12]), serial, first_seq
