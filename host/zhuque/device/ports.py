"""Serial ports: which of them may have a board behind them, and why one cannot be used.

A port is a path, or a URL of pyserial (`socket://HOST:PORT`, `rfc2217://HOST:PORT`) for boards on another machine's
USB.
"""

from __future__ import annotations

import contextlib
import getpass
import grp
import os
import termios
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from zhuque.errors import NoAnswerError, NotFoundError, RefusedError, UsageError, ZhuqueError

# What boards with an ESP32 have between USB and the chip, by USB vendor.
BRIDGES = {0x10C4: "CP210x", 0x1A86: "CH340", 0x0403: "FTDI", 0x303A: "ESP32 native"}
# The baud rate of a speed in the settings of a terminal.
BAUDS = {
    getattr(termios, name): int(name[1:]) for name in dir(termios) if name[0] == "B" and name[1:].isdigit()
}


@dataclass(frozen=True)
class Port:
    """`name` is what a command takes; `bridge` what was found there, `serial` its serial number where it has one."""

    name: str
    bridge: str = ""
    serial: str = ""


def find() -> list[Port]:
    """The ports whose USB id is that of a board's, by name."""
    from serial.tools.list_ports import comports

    found = [
        Port(info.device, BRIDGES[info.vid], info.serial_number or "")
        for info in comports()
        if info.vid in BRIDGES
    ]
    return sorted(found, key=lambda port: port.name)


def choose(names: tuple[str, ...], every: bool) -> list[Port]:
    """The ports that are meant: those named, else all that were found, which must be one unless `every` is set.

    Raises NotFoundError where there is none, UsageError where there are several.
    """
    if names:
        return [Port(name) for name in distinct(names)]
    found = find()
    if not found:
        raise NotFoundError(
            "no board is plugged in: no USB port is that of a CP210x, CH340, FTDI or native ESP32. Plug one in, with a "
            "cable that carries data, or name its port: /dev/ttyUSB0, socket://HOST:PORT, rfc2217://HOST:PORT"
        )
    if len(found) > 1 and not every:
        listed = ", ".join(f"{port.name} ({port.bridge})" for port in found)
        raise UsageError(
            f"{len(found)} boards are plugged in: {listed}; name the ports that are meant, or give --all"
        )
    return found


def distinct(names: Sequence[str]) -> list[str]:
    """Each port once, by the first of its names: a link and its device are one."""
    found: dict[str, str] = {}
    for name in names:
        found.setdefault(name if is_url(name) else os.path.realpath(name), name)
    return list(found.values())


def is_url(name: str) -> bool:
    """True where the port is another machine's."""
    return "://" in name


def is_rfc2217(name: str) -> bool:
    """True where DTR, RTS and baud rate go over the network, too."""
    return name.startswith("rfc2217://")


def as_pyserial_takes(name: str) -> str:
    """Some servers, esptool's own among them, do not answer each change of a line as its client wants.

    And a server that was left a moment ago answers again after three seconds, its client's patience.
    """
    return f"{name}?ign_set_control&timeout=10" if is_rfc2217(name) and "?" not in name else name


def has_fixed_baud(name: str) -> bool:
    """True where the other machine has set a baud rate, and nobody here can."""
    return name.startswith("socket://")


def check(name: str) -> None:
    """Whether the port is there and may be opened. Raises NotFoundError, RefusedError, UsageError."""
    if is_url(name):
        _check_url(name)
        return
    path = Path(name)
    if not path.exists():
        there = ", ".join(port.name for port in find()) or "none with a board"
        raise NotFoundError(
            f"there is no port {name}; there is {there}: is the cable in, and does it carry data? Plug it in and run "
            "the command again, or name another port"
        )
    if not path.is_char_device():
        raise UsageError(f"{name} is no serial port; give one such as /dev/ttyUSB0")
    if not os.access(path, os.R_OK | os.W_OK):
        raise _not_allowed(path)


def _check_url(name: str) -> None:
    with contextlib.suppress(ValueError):
        parts = urlsplit(name)
        if parts.scheme in ("socket", "rfc2217") and parts.hostname and parts.port:
            return
    raise UsageError(
        f"{name} is no port of another machine; it looks like rfc2217://HOST:PORT or socket://HOST:PORT"
    )


def _not_allowed(path: Path) -> RefusedError:
    gid = path.stat().st_gid
    group = _group_name(gid)
    if gid in os.getgroups():
        return RefusedError(
            f"{path} may not be opened, although you are in its group {group}; look at `ls -l {path}`"
        )
    user = getpass.getuser()
    if user in _members(gid):
        return RefusedError(
            f"{path} may not be opened: you were added to the group {group} after you logged in; log out and in again"
        )
    return RefusedError(
        f"{path} may not be opened: it belongs to the group {group}, and you are not in it. "
        f"`sudo usermod -aG {group} {user}`, then log out and in again"
    )


def _group_name(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


def _members(gid: int) -> list[str]:
    try:
        return grp.getgrgid(gid).gr_mem
    except KeyError:
        return []


def in_use(name: str) -> ZhuqueError:
    """The port is open in another program: which one, where it can be seen."""
    who = who_has(name)
    return NoAnswerError(
        f"{name} is open in another program{f' ({who})' if who else ''}, so nobody can tell what comes from the board; "
        "close the serial monitor or editor that has it, and try again"
    )


def who_has(name: str) -> str:
    """`name, process 123` of another program that has the port open; "" where it cannot be seen."""
    target = os.path.realpath(name)
    for folder in Path("/proc").glob("[0-9]*"):
        if int(folder.name) == os.getpid():
            continue
        try:
            if any(os.path.realpath(link) == target for link in (folder / "fd").iterdir()):
                return f"{(folder / 'comm').read_text().strip()}, process {folder.name}"
        except OSError:
            continue  # it ended, or is another user's
    return ""
