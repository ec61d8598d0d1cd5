"""Finds the programs that the simulator runs: MicroPython and mosquitto.

Order: the program's own environment variable, the folder ZHUQUE_TOOLCHAIN, build/toolchain/bin of the source tree,
PATH, and the folders where a system keeps its servers. What is named by a variable is used or refused, never passed
over.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

_SOURCE_TREE = Path(__file__).resolve().parents[3] / "build/toolchain/bin"
_SERVER_FOLDERS = ("/usr/local/sbin", "/usr/sbin")


class ToolMissingError(Exception):
    """A program is not on this machine; the text says how to get it."""


def find_micropython(i386: bool = False) -> Path:
    """MicroPython for Unix; with `i386` the 32-bit build, which has the object model of the board.

    $ZHUQUE_MICROPYTHON and $ZHUQUE_MICROPYTHON_I386 name them. Raises ToolMissingError.
    """
    if i386:
        return _find("micropython-i386", "ZHUQUE_MICROPYTHON_I386", "the 32-bit build of MicroPython")
    return _find("micropython", "ZHUQUE_MICROPYTHON", "MicroPython for Unix, 1.22 or later")


def find_mosquitto() -> Path:
    """The MQTT broker mosquitto, which $ZHUQUE_MOSQUITTO can name. Raises ToolMissingError."""
    return _find("mosquitto", "ZHUQUE_MOSQUITTO", "the MQTT broker mosquitto, 2.0 or later")


def find_mosquitto_client(name: str) -> Path:
    """`mosquitto_pub`, `mosquitto_sub` or `mosquitto_passwd`. Raises ToolMissingError."""
    return _find(name, "ZHUQUE_" + name.upper(), "the clients of mosquitto, 2.0 or later")


def _find(program: str, variable: str, what: str) -> Path:
    named = os.environ.get(variable)
    if named:
        found = shutil.which(named)
        if found is None:
            raise ToolMissingError(f"{variable} is {named}, which is not a program")
        return Path(found).absolute()
    folders = [
        os.environ.get("ZHUQUE_TOOLCHAIN", ""),
        str(_SOURCE_TREE),
        *os.get_exec_path(),
        *_SERVER_FOLDERS,
    ]
    found = shutil.which(program, path=os.pathsep.join(filter(None, folders)))
    if found is None:
        raise ToolMissingError(
            f"{program} is not found: run `make setup` in the source tree, install {what}, or set {variable}"
        )
    return Path(found).absolute()
