"""A board's traceback with the names of the sources: what it prints has those that its files were given to be small.

compact.py, link.py, flatten.py and shorten.py rename and join, but leave classes and functions in their order, and
move.py says which it moved: so each of a module's on the board is the one at the same place of what that is made of. A
private name means something else in every class: then all of them are told, and the lines around say which it was. What
inline.py made part of another function is that function.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from pathlib import Path

from zhuque.device import application
from zhuque.device.application import FIRMWARE
from zhuque.device.syntax import definitions, module_of

# The stubs in on_board/ are sources: their `main.py` and `boot.py` are no module of these, and have their lines.
_STARTED = re.compile(r"zhuque: \S+ (\S+) boot \d+ epoch ")
_LINE = re.compile(r'File "(\w+)", line \d+, in ([\w<>]+)')


def explained(text: str, board: Mapping[str, object], firmware: Path = FIRMWARE) -> str:
    """The text, with `File "..", in ..` after the sources of this version for such a board; all else as it is.

    Raises what application.made_small does.
    """
    known = true_names(board, firmware)
    return _LINE.sub(lambda found: " or ".join(known.get((found[1], found[2]), [found[0]])), text)


def versions(text: str) -> list[str]:
    """The versions of Zhuque that boards named as they started, each once."""
    return list(dict.fromkeys(_STARTED.findall(text)))


def true_names(board: Mapping[str, object], firmware: Path = FIRMWARE) -> dict[tuple[str, str], list[str]]:
    """By the module and the function that a traceback names: where they are in the sources, and what they are there."""
    small = application.made_small(board, firmware)
    result: dict[tuple[str, str], list[str]] = {}
    for file, source in small.sources.items():
        module = module_of(file)
        renamed = definitions(ast.parse(source))
        for (origin, name), (_, node) in zip(small.defined[file], renamed, strict=True):
            result.setdefault((module, node.name), []).append(f'File "{origin}", in {name}')
        result[module, "<module>"] = [f'File "{small.origins[file][-1]}", in <module>']
    return result
