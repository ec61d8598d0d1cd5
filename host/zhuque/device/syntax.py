"""What the steps that make the firmware small ask of its sources, and traceback.py, which tells them back."""

from __future__ import annotations

import ast
import itertools
import keyword
import string
from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePosixPath
from typing import TypeGuard

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
_WITH_SCOPE = ast.Lambda | ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp


def imported_from(name: str, node: ast.ImportFrom) -> str:
    """The path that an import statement of file `name` takes names from: `core/judge`, `core`, or a library's."""
    package = PurePosixPath(name).parts[: -node.level] if node.level else ()
    return "/".join((*package, *filter(None, (node.module or "").split("."))))


def all_arguments(args: ast.arguments) -> list[ast.arg]:
    """Every argument, starred ones too."""
    starred = [arg for arg in (args.vararg, args.kwarg) if arg]
    return [*args.posonlyargs, *args.args, *args.kwonlyargs, *starred]


def identifiers(node: ast.AST) -> Iterator[tuple[str, bool]]:
    """The names that a node holds itself, and whether it defines them."""
    if isinstance(node, ast.Name):
        yield node.id, not isinstance(node.ctx, ast.Load)
    elif isinstance(node, ast.Attribute):
        yield node.attr, isinstance(node.ctx, ast.Store)
    elif isinstance(node, Definition):
        yield node.name, True
    elif isinstance(node, ast.arg):
        yield node.arg, True
    elif isinstance(node, ast.ExceptHandler) and node.name:
        yield node.name, True
    elif isinstance(node, ast.keyword) and node.arg:
        yield node.arg, False


def used_names(trees: Iterable[ast.AST]) -> set[str]:
    """Every name in them, whatever it is the name of, imported ones too: what is new must not be one of these."""
    return {
        value
        for tree in trees
        for node in ast.walk(tree)
        for key in ("id", "name", "attr", "arg", "asname")
        if isinstance(value := getattr(node, key, None), str)
    }


def is_from(node: ast.AST, file: str) -> TypeGuard[ast.ImportFrom]:
    """True of an import of names from that file of the first level."""
    return isinstance(node, ast.ImportFrom) and node.level == 0 and node.module == module_of(file)


def bound(nodes: Iterable[ast.AST]) -> Iterator[str]:
    """The names that these statements bind in their own scope, as often as they do, but for imports."""
    for node in in_own_scope(nodes):
        if isinstance(node, ast.Name | ast.ExceptHandler | Definition):
            yield from (name for name, binds in identifiers(node) if binds)


def in_own_scope(nodes: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """All that these are made of, but for what functions, classes and comprehensions in them are made of."""
    pending = list(nodes)
    while pending:
        node = pending.pop()
        if isinstance(node, _WITH_SCOPE):
            continue
        yield node
        if not isinstance(node, Definition):
            pending.extend(ast.iter_child_nodes(node))


def definitions(node: ast.AST, within: str = "") -> Iterator[tuple[str, Definition]]:
    """Classes and functions in their order, each with what it is called: with the class around it, as `Meter.poll`."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, Definition):
            yield within + child.name, child
            yield from definitions(child, f"{within}{child.name}.")
        else:
            yield from definitions(child, within)


def module_of(file: str) -> str:
    """What imports call a file: `core.judge` for `core/judge.py`."""
    return file.removesuffix(".py").replace("/", ".")


def is_text(node: ast.stmt) -> bool:
    """True for a statement that does nothing, such as a docstring."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def short_names(letters: int = 1, prefix: str = "_") -> Iterator[str]:
    """Of at least so many letters: _a, _b .. _z, _A .. _Z, _aa, _ab and so on."""
    for length in itertools.count(letters):
        for word in itertools.product(string.ascii_letters, repeat=length):
            name = prefix + "".join(word)
            if not keyword.iskeyword(name):
                yield name


class Rename(ast.NodeTransformer):
    """One name for another, whatever it is the name of: so every scope means what it meant."""

    def __init__(self, table: Mapping[str, str]) -> None:
        self._table = table

    def visit(self, node: ast.AST) -> ast.AST:
        for field in ("id", "attr", "name", "arg", "asname"):
            value = getattr(node, field, None)
            if isinstance(value, str):
                setattr(node, field, self._table.get(value, value))
        if isinstance(node, ast.Global | ast.Nonlocal):
            node.names = [self._table.get(name, name) for name in node.names]
        result: ast.AST = super().visit(node)
        return result
