"""What of the file that stays loaded could lie elsewhere, and who uses it: what move.py decides by."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from functools import cached_property

from zhuque.device.syntax import Definition, bound, definitions, in_own_scope, is_from

CONSTRUCTOR = "__init__"


@dataclass(frozen=True)
class Origins:
    """Of which file each class and function of the root is, in their order; and of every file the names that are
    private to it, as values. Files that share them have the same mapping. (compact.py)
    """

    files: Sequence[str]
    private: Mapping[str, Mapping[str, str]]


@dataclass(eq=False)
class Unit:
    """A function, a method or a constant of the root; `places` are those of its definitions among all there.

    `targets` are the files that it moves into, none where nobody uses it; None: it stays. `name`: what it is called
    there. `private`: the names that only the files know that it comes from.
    """

    node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Assign
    holder: ast.Module | ast.ClassDef
    private: Mapping[str, str]
    places: list[int] = field(default_factory=list)
    targets: frozenset[str] | None = None
    name: str = ""

    @property
    def own_name(self) -> str:
        """What it is called in the root."""
        if isinstance(self.node, ast.Assign):
            assert isinstance(self.node.targets[0], ast.Name)
            return self.node.targets[0].id
        return self.node.name

    @property
    def is_method(self) -> bool:
        """True of a constructor, too."""
        return isinstance(self.holder, ast.ClassDef)

    @property
    def is_private(self) -> bool:
        """True where its name means something else in other files."""
        return self.own_name in self.private.values()

    @property
    def builds(self) -> str:
        """The class whose constructor it is, or nothing."""
        is_constructor = self.own_name == CONSTRUCTOR
        return self.holder.name if is_constructor and isinstance(self.holder, ast.ClassDef) else ""

    @cached_property
    def inside(self) -> list[ast.AST]:
        """All that it is made of, but for what a `def` does where it stands."""
        parts = [self.node] if isinstance(self.node, ast.Assign) else self.node.body
        return [node for part in parts for node in ast.walk(part)]

    @property
    def goes_on(self) -> bool:
        """True of a coroutine and a generator."""
        is_generator = any(isinstance(node, ast.Yield | ast.YieldFrom) for node in self.inside)
        return is_generator or isinstance(self.node, ast.AsyncFunctionDef)


class How(Enum):
    """How a name stands somewhere."""

    ASKED = auto()  # a call of the attribute
    ATTRIBUTE = auto()  # the attribute otherwise, or a text that getattr could take
    CALLED = auto()  # a call of the name
    NAME = auto()  # the name otherwise
    COMPARED = auto()  # the name, for what it is itself
    OF_IT = auto()  # an attribute of what it names
    BASE = auto()
    IMPORTED = auto()  # from the root
    RENAMED = auto()  # from the root, by another name
    DEFINED = auto()


@dataclass(frozen=True)
class Use:
    """A name where it stands, in a unit or a file. What a call gives `is_used_up` where a loop goes through it, or it
    is awaited. `private` are the names that only the files know that it comes from, None where it is not known which.
    """

    place: Unit | str
    how: How
    is_used_up: bool
    private: Mapping[str, str] | None


def units(tree: ast.Module, origins: Origins) -> Iterator[Unit]:
    """What of the root could lie elsewhere."""
    places = {id(node): place for place, (_, node) in enumerate(definitions(tree))}
    holders: list[ast.Module | ast.ClassDef] = [tree, *(n for n in tree.body if isinstance(n, ast.ClassDef))]
    for holder in holders:
        for node in holder.body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                within = [places[id(child)] for child in ast.walk(node) if id(child) in places]
                private = origins.private[origins.files[within[0]]] if origins.files else {}
                yield Unit(node, holder, private, within)
            elif holder is tree and isinstance(node, ast.Assign) and _is_constant(node):
                yield Unit(node, holder, {})


def _is_constant(node: ast.Assign) -> bool:
    """True where working it out does nothing else, and gives the same wherever it is done."""
    plain = ast.Constant | ast.Name | ast.Tuple | ast.List | ast.Dict | ast.BinOp | ast.UnaryOp
    plain |= ast.operator | ast.unaryop | ast.expr_context
    is_name = len(node.targets) == 1 and isinstance(node.targets[0], ast.Name)
    return is_name and all(isinstance(child, plain) for child in ast.walk(node.value))


def uses(
    trees: Mapping[str, ast.Module], root: str, known: Sequence[Unit], origins: Origins
) -> Mapping[str, list[Use]]:
    """Of each name where it stands, in which of the `known` units, or else in which file, and how."""
    result = defaultdict(list)
    within: dict[int, Unit | str] = {id(node): unit for unit in known for node in unit.inside}
    of_root: dict[int, Mapping[str, str]] = {}
    for file, (_, definition) in zip(origins.files, definitions(trees[root]), strict=False):
        of_root.update((id(node), origins.private[file]) for node in ast.walk(definition))
    classes = {node.name for node in trees[root].body if isinstance(node, ast.ClassDef)}
    for file, tree in trees.items():
        reader = _Reader(tree, root, classes)
        for node in ast.walk(tree):
            place = within.get(id(node), file)
            private = of_root.get(id(node)) if file == root else origins.private.get(file)
            for name, how in reader.stands(node):
                result[name].append(Use(place, how, reader.is_used_up(node, how), private))
    return result


class _Reader:
    """Of one file. `classes` are those of the root."""

    def __init__(self, tree: ast.Module, root: str, classes: set[str]) -> None:
        nodes = list(ast.walk(tree))
        self._head = tree.body
        self._root = root
        self._used_up = {id(call.func) for node in nodes for call in _used_up(node)}
        self._by_parent: dict[int, How] = {}
        for node in nodes:  # a parent comes before what is below it
            for child, how in _what_parent_does(node):
                self._by_parent.setdefault(id(child), how)
        # What is asked of these is no method of a part.
        self._no_parts = classes | {
            alias.asname or alias.name.partition(".")[0]
            for node in nodes
            if isinstance(node, ast.Import | ast.ImportFrom) and not is_from(node, root)
            for alias in node.names
        }

    def is_used_up(self, node: ast.AST, how: How) -> bool:
        """As Use says; an import calls nothing."""
        return how in (How.IMPORTED, How.RENAMED) or id(node) in self._used_up

    def stands(self, node: ast.AST) -> Iterator[tuple[str, How]]:
        """The names that a node holds itself."""
        by_parent = self._by_parent.get(id(node), How.NAME)
        if isinstance(node, ast.Attribute):
            is_asked = by_parent == How.CALLED and self._is_part(node.value)
            yield node.attr, How.ASKED if is_asked else How.ATTRIBUTE
        elif isinstance(node, ast.Name):
            yield node.id, by_parent
        elif isinstance(node, Definition):
            yield node.name, How.DEFINED
            if isinstance(node, ast.ClassDef):
                yield from ((name, How.ATTRIBUTE) for name in _spoken_in_body(node))
        elif is_from(node, self._root):
            for alias in node.names:
                renamed = How.RENAMED if node in self._head else How.NAME
                yield alias.name, renamed if alias.asname else How.IMPORTED
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value, How.ATTRIBUTE

    def _is_part(self, receiver: ast.expr) -> bool:
        if isinstance(receiver, ast.Call) and isinstance(receiver.func, ast.Name):
            return receiver.func.id != "super"
        return not (isinstance(receiver, ast.Name) and receiver.id in self._no_parts)


def base_built_by(node: ast.expr) -> str:
    """`Base` of `Base.__init__`, which is called with the part; or nothing."""
    if isinstance(node, ast.Attribute) and node.attr == CONSTRUCTOR and isinstance(node.value, ast.Name):
        return node.value.id
    return ""


def bases(holder: ast.Module | ast.ClassDef) -> list[str]:
    """The names of the classes that it is made of, an empty one for what is more than a name."""
    found = holder.bases if isinstance(holder, ast.ClassDef) else []
    return [base.id if isinstance(base, ast.Name) else "" for base in found]


def bound_at_head(nodes: Sequence[ast.stmt]) -> Iterator[str]:
    """The names that the statements of a file bind in its own scope, as often as they do."""
    yield from bound(nodes)
    for node in in_own_scope(nodes):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from (alias.asname or alias.name.partition(".")[0] for alias in node.names)


def _what_parent_does(node: ast.AST) -> Iterator[tuple[ast.AST, How]]:
    if isinstance(node, ast.Call):
        yield node.func, How.CALLED
        if base_built_by(node.func) and isinstance(node.func, ast.Attribute):
            yield node.func.value, How.CALLED
    elif isinstance(node, ast.Attribute):
        yield node.value, How.NAME if base_built_by(node) else How.OF_IT
    elif isinstance(node, ast.ClassDef):
        yield from ((base, How.BASE) for base in node.bases)
    elif isinstance(node, ast.Compare) and any(isinstance(op, ast.Is | ast.IsNot) for op in node.ops):
        yield from ((side, How.COMPARED) for side in (node.left, *node.comparators))


def _used_up(node: ast.AST) -> Iterator[ast.Call]:
    """The calls whose generator or coroutine has ended when this node has."""
    inside = node.value if isinstance(node, ast.Await) else None
    if isinstance(node, ast.For | ast.comprehension):
        inside = node.iter
    if isinstance(inside, ast.Call):
        yield inside


def _spoken_in_body(holder: ast.ClassDef) -> Iterator[str]:
    """The attributes that a class has beside its methods, and what it makes them of."""
    for node in holder.body:
        if not isinstance(node, Definition):
            yield from (child.id for child in ast.walk(node) if isinstance(child, ast.Name))
