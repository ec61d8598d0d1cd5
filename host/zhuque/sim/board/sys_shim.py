"""`sys` of an ESP32: what it says it is, and its standard files on the serial port."""

import sys as _real
from collections import namedtuple
from sys import *  # noqa: F403 - the module's interface

import uart0

path = _real.path
modules = _real.modules
argv = []
platform = "esp32"
stdin = stdout = stderr = uart0.StandardFile()
implementation = _real.implementation
_Implementation = namedtuple("implementation", ("name", "version", "_machine", "_mpy", "_build"))

_Uname = namedtuple("uname", ("sysname", "nodename", "release", "version", "machine"))


def begin(banner):
    """What it is, from the banner of its image: `MicroPython v1.23.0 on 2024-06-02; BOARD with MCU`."""
    global implementation, version
    head, _, machine = banner.partition("; ")
    release = head.split(" ")[1] if banner else "v0.0.0"
    numbers = [int(part) for part in release[1:].split("-")[0].split(".") if part.isdigit()]
    version = "3.4.0; " + head
    implementation = _Implementation(
        "micropython", tuple(numbers) + ("",), machine, _real.implementation._mpy, "ESP32_GENERIC"
    )


def uname():
    """What os.uname() says."""
    release = ".".join([str(part) for part in implementation.version[:3]])
    return _Uname("esp32", "esp32", release, version.split("MicroPython ")[-1], implementation._machine)


def print_exception(error, file=None):
    """As the real one."""
    if file is None:
        uart0.print_exception(error, uart0.__file__.rsplit("/", 1)[0])
    else:
        _real.print_exception(error, file)
