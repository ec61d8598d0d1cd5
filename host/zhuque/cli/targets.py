"""What a command is about, as on a label: `SITE`, `SITE/POINT` or `SITE/POINT/SOCKET`."""

from __future__ import annotations

from typing import Any, NamedTuple

import click

from zhuque.cli.options import ParamType
from zhuque.wire.topics import is_name

MAX_SOCKET = 255
_PARTS = ("SITE", "POINT", "SOCKET")


class Target(NamedTuple):
    """A site, a point of it, or a socket of that; None is any."""

    site: str | None = None
    point: str | None = None
    socket: int | None = None

    def __str__(self) -> str:
        return "/".join(str(part) for part in self if part is not None)


ANY = Target()


class TargetType(ParamType):
    """A target with at least `least` and at most `most` of its three parts."""

    def __init__(self, least: int = 1, most: int = 3) -> None:
        self._lengths = range(least, most + 1)
        first, rest = "/".join(_PARTS[:least]), _PARTS[least:most]
        self.name = first + "".join(f"[/{part}" for part in rest) + "]" * len(rest)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The target."""
        if isinstance(value, Target):
            return value
        parts = value.split("/")
        if len(parts) not in self._lengths or not all(map(is_name, parts[:2])):
            examples = " or ".join("/".join(("riverside", "p01", "3")[:n]) for n in self._lengths)
            self.fail(f"{value!r} is no {self.name}; it looks like {examples}", param, ctx)
        if len(parts) < 3:
            return Target(*parts)
        if not parts[2].isdecimal() or not 1 <= int(parts[2]) <= MAX_SOCKET:
            self.fail(f"sockets are numbered from 1 to {MAX_SOCKET}, not {parts[2]}", param, ctx)
        return Target(parts[0], parts[1], int(parts[2]))
