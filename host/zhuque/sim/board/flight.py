"""What is under way between the board and its broker: while it is, a clock that runs fast stands still.

At speed a millisecond of loopback is seconds of virtual time: when an answer comes would depend on how busy the machine
is, and so would everything that follows. So the broker answers at once in virtual time: the clock stands from the
moment a connection is begun, or a packet that has an answer is sent, until the answer is there. Whoever never
answers is waited for a few real seconds (clock.py), not for ever.

Rules: bytes are looked at, never changed. A connection that does not begin with an MQTT CONNECT is left alone.
"""

from clock import FLIGHT, clock

_CONNECT = 0x10
_ANSWERS = (0x20, 0x40, 0x90, 0xD0)  # CONNACK, PUBACK, SUBACK, PINGRESP

on_command = None  # called when bytes of a command came


class Frames:
    """Finds the packets in a stream that comes in pieces of any length."""

    def __init__(self):
        self._skip = 0
        self._shift = -1
        self._first = self._length = 0

    def feed(self, data, end, seen):
        """Calls `seen(first byte)` for every packet that begins in data[:end]."""
        at = 0
        while at < end:
            if self._skip:
                step = min(self._skip, end - at)
                self._skip -= step
                at += step
                continue
            byte = data[at]
            at += 1
            if self._shift < 0:
                self._first, self._length, self._shift = byte, 0, 0
                continue
            self._length |= (byte & 127) << self._shift
            self._shift += 7
            if byte < 128:
                self._skip, self._shift = self._length, -1
                seen(self._first)


class Flight:
    """Of one connection: what was sent and has no answer yet."""

    _all = {}
    _accepted = {}

    def __init__(self):
        self._sent = Frames()
        self._received = Frames()
        self._open = 0
        self._mqtt = None  # not known before the first byte

    def begin(self):
        """The connection is asked for."""
        self._set(1)

    def sent(self, data, end):
        """So many of these bytes were taken."""
        if self._mqtt is None and end:
            self._mqtt = data[0] == _CONNECT
            self._set(0)
        if self._mqtt:
            self._sent.feed(data, end, self._leaves)

    def received(self, data, end):
        """So many bytes came; none at all is the end of the connection."""
        if not end:
            self.over()
        elif self._mqtt:
            self._received.feed(data, end, self._comes)
            if on_command is not None and b"/command" in bytes(data[:end]):
                on_command()

    def over(self):
        """Nothing more will come."""
        Flight._accepted.pop(id(self), None)
        self._set(0)

    def _leaves(self, first):
        if first in (_CONNECT, 0x82, 0xC0) or first & 0xF6 == 0x32:  # a PUBLISH at QoS 1
            self._set(self._open + 1)

    def _comes(self, first):
        if first == 0x20:
            Flight._accepted[id(self)] = self
        if first & 0xF0 in _ANSWERS and self._open:
            self._set(self._open - 1)

    def _set(self, open):
        self._open = open
        if open:
            Flight._all[id(self)] = self
            clock.stand(FLIGHT)
        elif Flight._all.pop(id(self), None) is not None and not Flight._all:
            clock.go_on(FLIGHT)


def give_up():
    """What was waited for in vain is not waited for any more."""
    for flight in list(Flight._all.values()):
        flight._set(0)


def is_connected():
    """True while a broker has accepted us, as far as the board knows."""
    return bool(Flight._accepted)
