"""The bytes of MQTT 3.1.1 as a client meets them: how to write ours, how to judge the broker's. No I/O, no state.

Rules: what a broker may not send to a client that asks for QoS 1 at most raises Malformed, with a text that names it.
Nothing is taken for granted of a length: each is checked against what is there before it is used.
"""

from wire.units import const

MAX_FIXED = const(5)
# A topic of ours has at most 84 bytes; with it, the largest message must fit: fixed head, topic, packet id.
MAX_TOPIC = const(120)
MAX_HEAD = const(129)

PUBLISH = const(3)
PUBACK = const(4)
SUBACK = const(9)
PINGRESP = const(13)

PINGREQ = b"\xc0\x00"

# Lengths a body may have: (lowest, highest). A SUBACK's is checked against its SUBSCRIBE.
_BODIES = {PUBLISH: (3, 268435455), PUBACK: (2, 2), SUBACK: (3, 10), PINGRESP: (0, 0)}


class Malformed(ValueError):
    """The broker sent what it may not send."""


# Ours -----------------------------------------------------------------------------------------------------------------


def subscribe(pid, topics):
    """SUBSCRIBE to [(topic, qos)...]."""
    body = bytearray(pid.to_bytes(2, "big"))
    for topic, qos in topics:
        raw = topic.encode()
        body += len(raw).to_bytes(2, "big")
        body += raw
        body.append(qos)
    return framed(0x82, body)


def ack(pid):
    """PUBACK."""
    return bytes((0x40, 2, pid >> 8, pid & 255))


def put_publish(buf, at, body, topic, qos, retain, pid):
    """Writes all of a PUBLISH but its payload into `buf`; `body` is its remaining length. Returns where that begins."""
    buf[at] = 0x30 | qos << 1 | (1 if retain else 0)
    at = _put_length(buf, at + 1, body)
    buf[at] = len(topic) >> 8
    buf[at + 1] = len(topic) & 255
    at += 2
    buf[at : at + len(topic)] = topic
    at += len(topic)
    if qos:
        buf[at] = pid >> 8
        buf[at + 1] = pid & 255
        at += 2
    return at


def _put_length(buf, at, length):
    while length > 127:
        buf[at] = length & 127 | 128
        length >>= 7
        at += 1
    buf[at] = length
    return at + 1


def framed(first, body):
    """A packet of that first byte and body."""
    out = bytearray(MAX_FIXED + len(body))
    out[0] = first
    at = _put_length(out, 1, len(body))
    out[at : at + len(body)] = body
    return out[: at + len(body)]


# The broker's ---------------------------------------------------------------------------------------------------------


def head_length(buf, at, end):
    """Bytes of the fixed head at `at`, 0 while it is not complete."""
    for i in range(1, MAX_FIXED):
        if at + i >= end:
            return 0
        if buf[at + i] < 128:
            return i + 1
    raise Malformed("a length of more than four bytes")


def body_length(buf, at):
    """The remaining length that is written at `at`."""
    length = shift = 0
    while True:
        byte = buf[at]
        length |= (byte & 127) << shift
        if byte < 128:
            return length
        shift += 7
        at += 1


def check(first, length):
    """The packet's type, of those a broker may send to us, with flags and length that it may have."""
    kind = first >> 4
    if kind not in _BODIES:
        raise Malformed("packet type {} is not for a client like us".format(kind))
    if kind == PUBLISH:
        if first & 0x06 > 0x02:
            raise Malformed("PUBLISH of QoS {}, at most 1 was asked for".format(first >> 1 & 3))
        if first & 0x0E == 0x08:
            raise Malformed("PUBLISH of QoS 0 marked as a duplicate")
    elif first & 15:
        raise Malformed("packet type {} with flags {}".format(kind, first & 15))
    low, high = _BODIES[kind]
    if not low <= length <= high:
        raise Malformed("packet type {} of {} bytes".format(kind, length))
    return kind


def message(view, first, body, end, length):
    """(topic, where its payload begins, packet id or 0) of the PUBLISH at `body`; None while `end` cuts that off."""
    qos1 = first & 0x06  # 2 at QoS 1, which is also the length of its packet id
    if body + 2 > end:
        return None
    size = view[body] << 8 | view[body + 1]
    if not size or 2 + size + qos1 > length:
        raise Malformed("a topic of {} bytes in a PUBLISH of {}".format(size, length))
    if size > MAX_TOPIC:
        raise Malformed("a topic of {} bytes, we asked for none that long".format(size))
    at = body + 2 + size
    if at + qos1 > end:
        return None
    try:
        topic = str(view[body + 2 : at], "utf-8")
    except UnicodeError:
        raise Malformed("a topic that is not UTF-8") from None
    if "#" in topic or "+" in topic or "\0" in topic:
        raise Malformed("a topic with a wildcard or a zero")
    if not qos1:
        return topic, at, 0
    return topic, at + 2, _pid(view, at)


def puback(buf, at):
    """The packet id of the PUBACK whose body is at `at`."""
    return _pid(buf, at)


def check_suback(buf, at, length, pid):
    """Malformed unless the SUBACK at `at` answers `pid` and grants everything."""
    if _pid(buf, at) != pid:
        raise Malformed("SUBACK with another packet id")
    for i in range(at + 2, at + length):
        if buf[i] == 128:
            raise Malformed(
                "the subscription was refused: the broker's access list does not let us read our topics"
            )
        if buf[i] > 1:
            raise Malformed("SUBACK grants QoS {}".format(buf[i]))


def _pid(buf, at):
    pid = buf[at] << 8 | buf[at + 1]
    if not pid:
        raise Malformed("packet id 0")
    return pid
