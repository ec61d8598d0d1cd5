"""The lockouts as a few bytes for RTC memory: what the tick can keep without flash, for the restart that follows.

magic 'Z' | sockets | two bytes a socket, least first | sum of all before, one byte
"""

_MAGIC = 0x5A


def size(sockets):
    """Bytes needed for so many places: the sockets, and one for the whole point."""
    return 3 + 2 * sockets


def pack_into(memo, latched):
    """Write the latched bits of every socket; allocates nothing."""
    n = len(latched)
    memo[0] = _MAGIC
    memo[1] = n
    total = _MAGIC + n
    for i in range(n):
        low = latched[i] & 255
        high = latched[i] >> 8 & 255
        memo[2 + 2 * i] = low
        memo[3 + 2 * i] = high
        total += low + high
    memo[2 + 2 * n] = total & 255


def unpack(memo, sockets):
    """The latched bits per socket, or None where the bytes are not a memo of so many sockets."""
    if memo is None or len(memo) != size(sockets) or memo[0] != _MAGIC or memo[1] != sockets:
        return None
    if sum(memo[:-1]) & 255 != memo[-1]:
        return None
    return [memo[2 + 2 * i] | memo[3 + 2 * i] << 8 for i in range(sockets)]
