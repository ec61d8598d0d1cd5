"""What compact.py and link.py both ask of the firmware's sources."""

from __future__ import annotations

import ast
import itertools
import string
from collections.abc import Iterator
from pathlib import PurePosixPath


def imported_from(name: str, node: ast.ImportFrom) -> str:
    """The path that an import statement of file `name` takes names from: `core/judge`, `core`, or a library's."""
    package = PurePosixPath(name).parts[: -node.level] if node.level else ()
    return "/".join((*package, *filter(None, (node.module or "").split("."))))


def all_arguments(args: ast.arguments) -> list[ast.arg]:
    """Every argument, starred ones too."""
    starred = [arg for arg in (args.vararg, args.kwarg) if arg]
    return [*args.posonlyargs, *args.args, *args.kwonlyargs, *starred]


def short_names(letters: int = 1) -> Iterator[str]:
    """Private ones, of at least so many letters: _a, _b .. _z, _A .. _Z, _aa, _ab and so on."""
    for length in itertools.count(letters):
        for word in itertools.product(string.ascii_letters, repeat=length):
            yield "_" + "".join(word)
