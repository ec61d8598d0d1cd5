"""What RTC memory keeps for the restart that follows: lockouts and the count of crashes, written by the tick itself.

    magic 'Z' | places | crashes | two bytes a place, least first | sum of all before, one byte

The places are the sockets, and last the whole point. RTC memory outlives a reset of the CPU and nothing else.
"""

_MAGIC = 0x5A
_HEAD = 3


def size(places):
    """Bytes needed for so many places."""
    return _HEAD + 2 * places + 1


def pack_into(memo, latched, crashes):
    """Write the latched bits of every place, and the crashes (0 to 255); allocates nothing."""
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
    """(latched bits of each place, crashes); ([], 0) where the bytes are not a memo of so many places."""
    if memo is None or len(memo) != size(places) or memo[0] != _MAGIC or memo[1] != places:
        return [], 0
    if sum(memo[:-1]) & 255 != memo[-1]:
        return [], 0
    return [memo[i] | memo[i + 1] << 8 for i in range(_HEAD, len(memo) - 1, 2)], memo[2]
