"""What RTC memory keeps for the restart that follows: lockouts and the count of crashes, written by the tick itself.

    magic 'Z' | places | crashes + 128 x own | two bytes a place, least first | sum of all before, one byte

The places are the sockets, and last the whole point. RTC memory outlives a reset of the CPU and nothing else.
"""

from wire.units import const

_MAGIC = const(0x5A)
_HEAD = const(3)


def size(places):
    """Bytes needed for so many places."""
    return _HEAD + 2 * places + 1


def pack_into(memo, latched, crashes, own):
    """Write the latched bits of every place, the crashes (0 to 127) and own; allocates nothing.

    own is 1 when the restart that follows is our doing and counted where it should be, 0 while nobody means to restart.
    """
    crashes |= own << 7
    memo[0] = _MAGIC
    memo[1] = len(latched)
    memo[2] = crashes
    total = _MAGIC + len(latched) + crashes
    for i in range(len(latched)):
        low = latched[i] & 255
        high = latched[i] >> 8 & 255
        memo[_HEAD + 2 * i] = low
        memo[_HEAD + 1 + 2 * i] = high
        total += low + high
    memo[_HEAD + 2 * len(latched)] = total & 255


def unpack(memo, places):
    """(latched bits of each place, crashes, own); ([], 0, 1) where the bytes are not a memo of so many places."""
    if memo is None or len(memo) != size(places) or memo[0] != _MAGIC or memo[1] != places:
        return [], 0, 1
    if sum(memo[:-1]) & 255 != memo[-1]:
        return [], 0, 1
    return [memo[i] | memo[i + 1] << 8 for i in range(_HEAD, len(memo) - 1, 2)], memo[2] & 127, memo[2] >> 7
