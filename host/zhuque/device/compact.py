"""The firmware's sources made small for the board, as a linker drops symbols: source in, source out, before mpy-cross.

A board keeps every name that it ever met in RAM, even of modules that it has dropped again: 7 bytes and the name. So

- what is private to a file, by its leading underscore, gets a name that MicroPython has in ROM; each file begins at the
  same ones anew. Files whose classes inherit from each other share their private names, and so those that they get;
- a `const(...)` is put in place of its name, from one file to another too, and its name is gone;
- a function's arguments are a letter or two, but for those that some call gives by name.

Public names, texts and behaviour stay. What is lost is in tracebacks, where a private function shows its new name:
traceback.py tells them back. The rules that this needs, that nobody reaches into another's private names, neither with
`getattr` nor by import, are checked here; a source that breaks one is refused.
"""

from __future__ import annotations

import ast
import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from zhuque.device.rom_names import IN_ROM
from zhuque.device.syntax import Rename, all_arguments, identifiers, imported_from, short_names, used_names
from zhuque.errors import ZhuqueError

_ARGUMENTS = [name for name in IN_ROM if len(name) < 3 and name.islower()]


class CompactError(ZhuqueError):
    """A source of the firmware breaks a rule that making it small relies on; the text says where."""


def compact(sources: Mapping[str, str]) -> dict[str, str]:
    """The same files, by the same names such as `core/point.py`, smaller. Raises CompactError."""
    trees = {name: ast.parse(text, name) for name, text in sources.items()}
    constants = _constants(trees)
    short = _names(trees, constants)
    arguments = _Arguments(trees.values())
    result = {}
    for name, tree in trees.items():
        small = arguments.visit(Rename(short[name]).visit(_Inline(name, constants).visit(tree)))
        result[name] = ast.unparse(ast.fix_missing_locations(small)) + "\n"
    return result


def names(sources: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """For each file its private names and those they get. Raises CompactError."""
    trees = {name: ast.parse(text, name) for name, text in sources.items()}
    return _names(trees, _constants(trees))


def _names(
    trees: Mapping[str, ast.Module], constants: Mapping[str, Mapping[str, int]]
) -> dict[str, dict[str, str]]:
    used = used_names(trees.values())
    rom = [name for name in IN_ROM if name not in used]
    result: dict[str, dict[str, str]] = {}
    for family in families(trees):
        counted: Counter[str] = Counter()
        for name in family:
            counted += _private(name, trees[name])
            counted = Counter({key: n for key, n in counted.items() if key not in constants[name]})
        # The most used first, then by the alphabet, so that the same sources give the same names.
        ordered = sorted(counted, key=lambda key: (-counted[key], key))
        table = dict(zip(ordered, itertools.chain(rom, short_names()), strict=False))
        for name in family:
            result[name] = table
    return result


# Constants ------------------------------------------------------------------------------------------------------------


def _constants(trees: Mapping[str, ast.Module]) -> dict[str, dict[str, int]]:
    """Of each file the names that stand for an integer constant, its own and those it imports, with their values."""
    known: dict[str, dict[str, int]] = {name: {} for name in trees}
    while True:
        before = sum(map(len, known.values()))
        for name, tree in trees.items():
            for node in _imports_and_body(tree):
                if isinstance(node, ast.ImportFrom):
                    source = known.get(imported_from(name, node) + ".py", {})
                    for alias in node.names:
                        if alias.name in source:
                            known[name][alias.asname or alias.name] = source[alias.name]
                elif (assigned := _assigned_constant(node)) and assigned[0] not in known[name]:
                    _evaluate(assigned, known[name])
        if sum(map(len, known.values())) == before:
            return known


def _imports_and_body(tree: ast.Module) -> Iterator[ast.stmt]:
    """What may bring a constant into a file: its statements, and imports wherever in it they stand."""
    yield from tree.body
    yield from (node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom))


def _assigned_constant(node: ast.stmt) -> tuple[str, ast.expr] | None:
    """(name, expression) of `NAME = const(expression)`."""
    if not isinstance(node, ast.Assign) or not isinstance(node.value, ast.Call):
        return None
    target, call = node.targets[0], node.value
    if isinstance(target, ast.Name) and isinstance(call.func, ast.Name) and call.func.id == "const":
        return target.id, call.args[0]
    return None


def _evaluate(assigned: tuple[str, ast.expr], known: dict[str, int]) -> None:
    """Adds the constant where all that it is made of is known."""
    name, expression = assigned
    try:
        value = eval(compile(ast.Expression(expression), name, "eval"), {"__builtins__": {}}, dict(known))
    except NameError:
        return
    if isinstance(value, int):
        known[name] = value


class _Inline(ast.NodeTransformer):
    """Values in place of the constants' names; what defined or imported these is gone."""

    def __init__(self, name: str, constants: Mapping[str, Mapping[str, int]]) -> None:
        self._name = name
        self._own = constants[name]
        self._all = constants
        self._modules: dict[str, str] = {}  # names that stand for a file of ours

    def visit_Assign(self, node: ast.Assign) -> ast.AST | None:
        assigned = _assigned_constant(node)
        return None if assigned and assigned[0] in self._own else self.generic_visit(node)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.AST | None:
        package = imported_from(self._name, node)
        for alias in node.names:
            self._modules[alias.asname or alias.name] = f"{package}/{alias.name}.py"
        kept = [
            alias
            for alias in node.names
            if (alias.asname or alias.name) not in self._own
            and (alias.name, package) != ("const", "wire/units")
        ]
        if not kept:
            return ast.Pass() if node.names else None
        node.names = kept
        return node

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        if isinstance(node.value, ast.Name):
            value = self._all.get(self._modules.get(node.value.id, ""), {}).get(node.attr)
            if value is not None:
                return ast.Constant(value)
        return self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if node.id not in self._own:
            return node
        if not isinstance(node.ctx, ast.Load):
            raise CompactError(
                f"{self._name}: {node.id} is a constant and is assigned again; give it another name"
            )
        return ast.Constant(self._own[node.id])


# Private names --------------------------------------------------------------------------------------------------------


def is_private(name: str) -> bool:
    """True for a name that no other file knows."""
    return name.startswith("_") and not name.startswith("__") and len(name) > 1


def _private(name: str, tree: ast.Module) -> Counter[str]:
    """The private names that a file defines, and how often they stand in it. Raises CompactError."""
    defined, used = set(), Counter[str]()
    for node in ast.walk(tree):
        for found, binds in identifiers(node):
            if is_private(found):
                used[found] += 1
                if binds:
                    defined.add(found)
        if isinstance(node, ast.ImportFrom) and any(is_private(alias.name) for alias in node.names):
            raise CompactError(f"{name}: imports a private name of {node.module}; make it public there")
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in defined:
            raise CompactError(
                f"{name}: the private name {node.value} stands in a text; getattr would not find it"
            )
    return Counter({key: n for key, n in used.items() if key in defined})


def families(trees: Mapping[str, ast.Module]) -> list[list[str]]:
    """Files in groups: those that a class of one has a base class in belong together, for they share `self`."""
    family = {name: {name} for name in trees}
    for name, tree in trees.items():
        nodes = list(ast.walk(tree))
        classes = [node for node in nodes if isinstance(node, ast.ClassDef)]
        bases = {base.id for node in classes for base in node.bases if isinstance(base, ast.Name)}
        for node in nodes:
            if isinstance(node, ast.ImportFrom) and any((a.asname or a.name) in bases for a in node.names):
                other = imported_from(name, node) + ".py"
                joined = family[name] | family.get(other, set())
                for member in joined:
                    family[member] = joined
    return [sorted(group) for group in {id(group): group for group in family.values()}.values()]


# Arguments ------------------------------------------------------------------------------------------------------------


class _Arguments(ast.NodeTransformer):
    """A letter or two, such as MicroPython has in ROM, for each argument of a function, wherever the function means it.

    An argument keeps its name where a call anywhere gives it by name, or where what it means cannot be told from the
    function alone.
    """

    def __init__(self, trees: Iterable[ast.Module]) -> None:
        nodes = [node for tree in trees for node in ast.walk(tree)]
        self._stay = {str(node.arg) for node in nodes if isinstance(node, ast.keyword)}

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return self._shorten(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        return self._shorten(node)

    def _shorten(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> ast.AST:
        self.generic_visit(node)
        inside = [child for statement in node.body for child in ast.walk(statement)]
        imports = {child.asname or child.name for child in inside if isinstance(child, ast.alias)}
        if any(isinstance(child, ast.ClassDef | ast.Global | ast.Nonlocal) for child in inside):
            return node
        every = all_arguments(node.args)
        own = [arg for arg in every if arg.arg not in self._stay | imports and len(arg.arg) > 1]
        taken = {found for child in inside for found, _ in identifiers(child)}
        taken |= imports | {arg.arg for arg in every}
        fresh = (letter for letter in _ARGUMENTS if letter not in taken)
        table = {arg.arg: letter for arg, letter in zip(own, fresh, strict=False)}
        for child in (*own, *inside):
            for field in ("id", "arg", "name"):
                value = getattr(child, field, None)
                if isinstance(value, str) and value in table and not isinstance(child, ast.keyword):
                    setattr(child, field, table[value])
        return node
