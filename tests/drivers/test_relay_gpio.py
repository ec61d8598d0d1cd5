"""Relays on pins, on CPython and, by test_on_board_runtime.py, on both MicroPythons."""

from both import raises
from fakes.io_bench import Level, Machine

from drivers.relay_gpio import RelayGPIO, from_board


def levels(pins):
    return [pin() for pin in pins]


def test_each_socket_has_its_pin():
    for active_low in (False, True):
        pins = [Level() for _ in range(4)]
        relays = RelayGPIO(pins, active_low)
        for socket in range(4):
            relays.write(1 << socket)
            expected = [1 if i == socket else 0 for i in range(4)]
            if active_low:
                expected = [1 - level for level in expected]
            assert levels(pins) == expected and relays.readback_ok
        relays.off()
        assert levels(pins) == [1 if active_low else 0] * 4
        relays.write(0xFFF0)
        assert levels(pins) == [1 if active_low else 0] * 4, "bits beyond the sockets"


def test_a_pin_never_shows_the_closed_level_on_its_way_to_an_output():
    for active_low in (False, True):
        for before in (0, 1):
            machine = Machine()
            machine.pins = {26: Level(before), 27: Level(before)}
            from_board({"pins": [26, 27], "active_low": active_low}, machine)
            for number in (26, 27):
                pin = machine.pins[number]
                assert pin.mode == machine.Pin.OUT
                assert set(pin.levels) == {1 if active_low else 0}


def test_a_pin_that_is_held_is_said():
    pins = [Level(), Level()]
    relays = RelayGPIO(pins)
    relays.write(3)
    assert relays.readback_ok
    pins[0].held = 1
    relays.write(0)
    assert not relays.readback_ok and pins[1]() == 0, "the others are opened all the same"
    pins[0].held = None
    relays.write(0)
    assert relays.readback_ok


def test_how_many():
    raises(ValueError, RelayGPIO, [])
    raises(ValueError, RelayGPIO, [Level()] * 17)
    raises(KeyError, from_board, {"pins": [26]}, Machine())
    raises(KeyError, from_board, {"active_low": False}, Machine())
