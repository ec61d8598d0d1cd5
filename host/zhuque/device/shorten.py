"""Public names made cheap on the board, and the most spoken ones the cheapest: the last step before mpy-cross.

A name of ours costs the board its letters and 7 bytes, once, and more when its table of names doubles: some 8 KB of a
zq10. So every name that only our own files know becomes another, the same in all of them: one that MicroPython has in
ROM for a use of its own, which costs nothing, or a short one. And wherever the program speaks a name it costs a byte
where it is among the first 128 of its file, two where it is not: so `main`, which stays loaded, begins with those.

A name stays where anybody else may know it: an attribute of MicroPython's (_LIBRARY), a module, what is imported from
one, a keyword of a call, or a text, for JSON has keys and `getattr` takes names. Tracebacks show the new names:
traceback.py tells them back.
"""

from __future__ import annotations

import ast
import itertools
from collections import Counter
from collections.abc import Iterator, Mapping

from zhuque.device.rom_names import IN_ROM
from zhuque.device.syntax import Rename, identifiers, imported_from, short_names

# What our files call things of their own, and MicroPython, or packed.py, which is compiled apart, things of theirs.
_LIBRARY = """
    Loop active add bytes check clear close copy count decode discard dump encode event family feed find get is_set
    left next off options pack pack_into partition path poll poller protocol push read rest run sleep sum unpack
    update values verify_mode waiting write
"""
LIBRARY = frozenset(_LIBRARY.split())
_ROM = dict.fromkeys(IN_ROM)
# Before them come the file's own name, `<module>` and `__name__`.
_CHEAP = 125
# A text of so many letters MicroPython keeps as a name of its own accord.
_LONGEST_KEPT = 10


def shorten(sources: Mapping[str, str], root: str) -> dict[str, str]:
    """The same files, smaller; `root` is the one that stays loaded."""
    trees = {name: ast.parse(text, name) for name, text in sources.items()}
    table = names(trees)
    result = {}
    for name, tree in trees.items():
        Rename(table).visit(tree)
        result[name] = (_most_spoken_first(tree) if name == root else "") + ast.unparse(tree) + "\n"
    return result


def names(trees: Mapping[str, ast.Module]) -> dict[str, str]:
    """Public names and those they get: the most used first, then by the alphabet."""
    used: Counter[str] = Counter()
    ours: set[str] = set()
    stay = {*LIBRARY} | {part for file in trees for part in file.removesuffix(".py").split("/")}
    for file, tree in trees.items():
        for node in ast.walk(tree):
            for found, binds in identifiers(node):
                used[found] += 1
                if binds:
                    ours.add(found)
            if isinstance(node, ast.alias) and node.asname:
                used[node.asname] += 1
                ours.add(node.asname)
            stay |= set(_known_to_others(file, node, trees))
    wanted = sorted(
        (name for name in ours - stay if _is_dear(name)),
        key=lambda name: (-used[name], name),
    )
    new = itertools.chain(_ROM, short_names(prefix=""))
    free = (name for name in new if name not in used and name not in stay)
    return dict(zip(wanted, free, strict=False))


def _is_dear(name: str) -> bool:
    """What is private is called by a name in ROM already, from compact.py, or by a short one that is in none."""
    return name not in _ROM and not name.startswith("__") and (name.startswith("_") or len(name) > 2)


def _known_to_others(file: str, node: ast.AST, ours: Mapping[str, object]) -> Iterator[str]:
    """Names that mean something outside of our files, by this node."""
    if isinstance(node, ast.keyword) and node.arg:
        yield node.arg
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield from node.value.split(".")
    elif isinstance(node, ast.Import) or (
        isinstance(node, ast.ImportFrom) and imported_from(file, node) + ".py" not in ours
    ):
        yield from (alias.name for alias in node.names)


def _most_spoken_first(tree: ast.Module) -> str:
    """A line that never runs. mpy-cross numbers names as it meets them, attributes before what else is named.

    After them come the long words among the texts, for what is a name once is one wherever it stands.
    """
    spoken: Counter[str] = Counter(name for name in _spoken(tree, frozenset()) if name.isidentifier())
    ordered = sorted(spoken, key=lambda name: (-spoken[name], name))
    words = {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and len(node.value) > _LONGEST_KEPT
    }
    late = [name for name in ordered[_CHEAP:] if name in words]
    return f"if not __name__: __name__.{'.'.join(ordered[:_CHEAP] + late)}\n"


def _spoken(node: ast.AST, local: frozenset[str]) -> Iterator[str]:
    """Each name as often as the bytecode has it: those in `local` are only numbers there."""
    for child in ast.iter_child_nodes(node):
        inside = local
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            inside |= _bound_in(child)
        if isinstance(child, ast.Constant) and isinstance(child.value, str):
            yield child.value
        for name, _ in identifiers(child):
            if isinstance(child, ast.arg) or name not in local:
                yield name
        yield from _spoken(child, inside)


def _bound_in(function: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> set[str]:
    inside = list(ast.walk(function))
    found = {
        name
        for node in inside
        for name, binds in identifiers(node)
        if binds and isinstance(node, ast.arg | ast.Name)
    }
    return found - {name for node in inside if isinstance(node, ast.Global) for name in node.names}
