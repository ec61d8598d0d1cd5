"""The newest good checkpoint on flash after a start. Loaded for it; the form is in core/checkpoints."""

import struct
from binascii import crc32

from .checkpoints import HEAD, MAGIC


class Found:
    """`payload` None without any; the epoch and the seqs that stand beside it."""

    payload = epoch = None
    last_seq = stored_seq = 0


def recover(checkpoints):
    """The newest good checkpoint as a Found; tells Checkpoints where the next one goes."""
    window = checkpoints.window
    begun = []
    for block in range(checkpoints.count):
        head = _head(window, block, 0, False)
        if head:
            begun.append((head[1], block))
    begun.sort()
    found = Found()
    for _, block in reversed(begun):
        if _recover_from(checkpoints, block, found):
            break
    checkpoints.next = checkpoints.block
    checkpoints.pass_on()
    checkpoints.ahead = window.is_erased(checkpoints.next)
    return found


def _recover_from(checkpoints, block, found):
    """Take the newest good checkpoint of this block; False when it has none."""
    window = checkpoints.window
    heads = []
    offset = 0
    head = _head(window, block, 0)
    while head:
        heads.append((offset, head))
        checkpoints.serial = max(checkpoints.serial, head[1])
        offset += (HEAD + head[4] + 3) & ~3
        head = _head(window, block, offset) if offset + HEAD <= window.size else None
    for start, head in reversed(heads):
        payload = _payload(window, block, start + HEAD, head[4])
        if crc32(payload) == head[5]:
            found.payload = payload
            found.epoch, _, found.last_seq, found.stored_seq = head[:4]
            checkpoints.block = block
            # What a torn program may have touched is not programmed again.
            is_clean = window.last_used(block, offset) == offset
            checkpoints.offset = offset if is_clean else window.size
            return True
    return False


def _head(window, block, offset, wide=True):
    """(epoch, serial, last_seq, stored_seq, length, CRC of the payload), or None."""
    at = window.at(block, offset, HEAD, wide)
    raw = window.view[at : at + HEAD]
    if bytes(raw[:4]) != MAGIC or struct.unpack_from("<I", raw, 32)[0] != crc32(raw[:32]):
        return None
    serial, last_seq, stored_seq, length = struct.unpack_from("<IIIH", raw, 12)
    return bytes(raw[4:12]), serial, last_seq, stored_seq, length, struct.unpack_from("<I", raw, 28)[0]


def _payload(window, block, offset, length):
    out = b""
    while len(out) < length:
        n = min(length - len(out), 512)
        at = window.at(block, offset + len(out), n)
        out += bytes(window.view[at : at + n])
    return out
