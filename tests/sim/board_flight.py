"""What is under way between board and broker, and the seed of the firmware's chance."""

import os

import flight
from clock import FLIGHT, clock

_CONNECT = b"\x10\x03abc"
_CONNACK = b"\x20\x02\x00\x00"
_PUBLISH = b"\x32\x82\x01" + bytes(130)  # QoS 1, a length of two bytes
_PUBACK = b"\x40\x02\x00\x01"


def _connected():
    clock.standing = 0
    way = flight.Flight()
    way.begin()
    assert clock.standing == FLIGHT
    way.sent(_CONNECT, len(_CONNECT))
    assert clock.standing == FLIGHT
    assert not flight.is_connected()
    way.received(_CONNACK, 4)
    assert not clock.standing
    assert flight.is_connected()
    return way


def test_the_clock_stands_until_the_answer(_folder):
    way = _connected()
    way.sent(_PUBLISH + _PUBLISH, 266)
    way.received(_PUBACK, 4)
    assert clock.standing == FLIGHT
    way.received(_PUBACK, 4)
    assert not clock.standing
    way.over()
    assert not flight.is_connected()


def test_pieces_of_any_length_are_the_same(_folder):
    way = _connected()
    data = _PUBLISH + b"\x30\x02ab" + b"\xc0\x00" + _PUBLISH  # with a QoS 0 message and a PINGREQ between
    for i in range(len(data)):
        way.sent(data[i : i + 1], 1)
    answers = _PUBACK + b"\xd0\x00" + b"\x30\x03xyz" + _PUBACK
    for i in range(len(answers) - 4):
        way.received(answers[i : i + 1], 1)
    assert clock.standing == FLIGHT
    way.received(_PUBACK, 4)
    assert not clock.standing
    way.over()


def test_a_connection_that_ends_leaves_nothing_under_way(_folder):
    way = _connected()
    way.sent(_PUBLISH, len(_PUBLISH))
    way.received(b"", 0)
    assert not clock.standing


def test_what_is_not_mqtt_is_left_alone(_folder):
    way = flight.Flight()
    way.begin()
    way.sent(b"\x16\x03\x01", 3)
    assert not clock.standing
    way.received(b"\x16\x03\x01", 3)
    assert not clock.standing


def test_a_command_is_noticed(_folder):
    heard = []
    flight.on_command = lambda: heard.append(1)
    way = _connected()
    way.received(b"\x32\x12\x00\x0fzq/1/a/b/command", 20)
    way.received(b"\x32\x11\x00\x0ezq/1/a/b/stored", 19)
    flight.on_command = None
    way.over()
    assert heard == [1]


def test_chance_follows_from_its_seed(_folder):
    os.seed("7/a")
    first = os.urandom(3), os.urandom(40)
    os.seed("7/a")
    assert (os.urandom(3), os.urandom(40)) == first
    os.seed("7/b")
    assert os.urandom(3) != first[0]
    os.seed(None)
    assert len(os.urandom(8)) == 8
