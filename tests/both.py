"""What tests for both runtimes use instead of pytest: CPython and MicroPython import it alike.

A test file in tests/wire or tests/core holds functions `test_*()` without arguments, with bare asserts. pytest
collects it on CPython; tests/mpy_main.py runs it on MicroPython.
"""

import json

_HERE = __file__.rsplit("/", 1)[0]


def raises(error, function, *arguments):
    """Calls the function, and returns the error that it must raise."""
    try:
        function(*arguments)
    except error as caught:
        return caught
    raise AssertionError("{} was not raised".format(error.__name__))


def vectors(name):
    """What tests/vectors/NAME.json holds: the same for the board and the host."""
    with open("{}/vectors/{}.json".format(_HERE, name)) as file:
        return json.load(file)
