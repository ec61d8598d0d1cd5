"""What only a file that comes and goes calls moves into it, as a linker puts what a program needs to start apart.

A class is read in one place: how it is built, what it does all day, what it does once. A board would keep all of it
loaded for ever, constructors that run once among it. So of the file that stays loaded

- a method that is called from one other file only becomes a function of that: `part.recover(a)` is `_aa(part, a)`;
- a constructor becomes one, too, where its class is called from one other file only, and gets the part as MicroPython
  makes it of a class without one: `Part(a)` is `_aa(Part(), a)`;
- a function that only one other file imports lies in that.

What only these use follows them, a constant too, and what nobody uses is gone. It is done where it changes nothing:
nobody takes such a function as a value, nor does it make one, for that would keep the file that it lies in; nothing
else has an attribute of a method's name, be it MicroPython's own; what it speaks of is bound once, and nobody there
calls something else so. uses.py tells who uses what.
"""

from __future__ import annotations

import ast
import copy
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from zhuque.device.rom_names import IN_ROM
from zhuque.device.shorten import LIBRARY
from zhuque.device.syntax import (
    Definition,
    all_arguments,
    definitions,
    is_from,
    is_text,
    module_of,
    short_names,
    used_names,
)
from zhuque.device.uses import (
    How,
    Origins,
    Unit,
    Use,
    base_built_by,
    bases,
    bound_at_head,
    units,
    uses,
)

# on_board/main.py calls it.
_ENTRY = "main"
# What outlives the call, or means something else elsewhere.
_UNMOVED = Definition | ast.Lambda | ast.GeneratorExp | ast.Global | ast.Nonlocal
# What MicroPython's own things are asked for, and asks of ours.
_NOT_OURS = LIBRARY | frozenset(IN_ROM)


def move(
    sources: Mapping[str, str], root: str, stay: Iterable[str] = (), origins: Origins | None = None
) -> tuple[dict[str, str], dict[str, list[int]]]:
    """The same program, with less in `root`; nothing moves into the files that `stay` loaded, too.

    Second, of each file which of the classes and functions of `root` it has now, by their places among all that was
    defined there. In another file they lie before what that has of its own. Without `origins` no name is private.
    """
    trees = {name: ast.parse(text, name) for name, text in sources.items()}
    places = _Mover(trees, root, {root, *stay}, origins or Origins((), {})).run()
    return {name: ast.unparse(ast.fix_missing_locations(tree)) + "\n" for name, tree in trees.items()}, places


class _Mover:
    """`trees` are what `run` changes."""

    def __init__(self, trees: dict[str, ast.Module], root: str, stay: set[str], origins: Origins) -> None:
        self._trees = trees
        self._root = root
        self._stay = stay
        self._units = list(units(trees[root], origins))
        self._private = origins.private
        self._uses = uses(trees, root, self._units, origins)
        bound = Counter(bound_at_head(trees[root].body))
        self._globals = set(bound)
        changed = {
            name for tree in ast.walk(trees[root]) if isinstance(tree, ast.Global) for name in tree.names
        }
        self._rebound = {name for name, count in bound.items() if count > 1} | changed
        self._used = {file: used_names([tree]) for file, tree in trees.items()}
        # Of each file what a name must not be that is bound there anew, and what it has of its own.
        self._foreign = {file: self._used[file] - self._from_root(tree.body) for file, tree in trees.items()}
        self._own = {
            file: set(bound_at_head([node for node in tree.body if not is_from(node, root)]))
            for file, tree in trees.items()
        }
        self._classes = {node.name: node for node in trees[root].body if isinstance(node, ast.ClassDef)}
        self._constructors = {unit.builds: unit for unit in self._units if unit.builds}
        self._constants = {
            unit.own_name: unit.node for unit in self._units if isinstance(unit.node, ast.Assign)
        }
        # A constructor stays where MicroPython would not find it any more, or find another.
        self._kept: set[Unit] = set()
        if any(_is_built_by_type(node) for tree in trees.values() for node in ast.walk(tree)):
            self._kept.update(self._constructors.values())

    def run(self) -> dict[str, list[int]]:
        """Until nothing is left that only what moves uses."""
        self._choose()
        fresh = (name for name in short_names(2) if not any(name in used for used in self._used.values()))
        result = {self._root: list(range(len(list(definitions(self._trees[self._root])))))}
        for unit in self._units:
            if unit.targets is None:
                continue
            unit.name = next(fresh) if unit.is_method else self._imported_as(unit)
            unit.holder.body.remove(unit.node)
            unit.holder.body = unit.holder.body or [ast.Pass()]
            for place in unit.places:
                result[self._root].remove(place)
        for file in sorted(self._trees.keys() - {self._root}):
            moving = [unit for unit in self._units if unit.targets and file in unit.targets]
            if moving:
                self._carry(file, moving)
            result[file] = [place for unit in moving for place in unit.places]
        return result

    # What can move ----------------------------------------------------------------------------------------------------

    def _choose(self) -> None:
        while True:
            for unit in self._units:
                unit.targets = None
            while [unit for unit in self._units if unit.targets is None and self._finds_targets(unit)]:
                pass
            # MicroPython would call the constructor of a base class that has kept its own.
            wrong = {unit for unit in self._units if unit.targets and unit.builds and self._keeps_base(unit)}
            if not wrong:
                return
            self._kept |= wrong

    def _finds_targets(self, unit: Unit) -> bool:
        users = self._users(unit)
        if users is None:
            return False
        targets: frozenset[str] = frozenset()
        for place in users:
            found = place.targets if isinstance(place, Unit) else {place}
            if found is None or found & self._stay:
                return False
            targets |= found
        if not all(self._can_lie_in(target, unit) for target in targets):
            return False
        unit.targets = targets
        return True

    def _users(self, unit: Unit) -> list[Unit | str] | None:
        """Where it is used; None when it, or something else of its name, is used otherwise than what can move is."""
        if isinstance(unit.node, ast.Assign):
            found = self._by_name(unit.own_name, {How.CALLED, How.NAME, How.OF_IT, How.IMPORTED}, set(), unit)
        elif unit.node.decorator_list:
            return None
        elif unit.builds:
            found = self._builders(unit)
        elif unit.is_method:
            found = self._askers(unit)
        else:
            found = self._callers(unit)
        if found is None or (unit.goes_on and not all(use.is_used_up for use in found)):
            return None
        return [use.place for use in found]

    def _by_name(self, name: str, right: set[How], ignored: set[How], unit: Unit) -> list[Use] | None:
        """Its uses by its name, where all of them are right."""
        imported = (How.IMPORTED, How.RENAMED)
        # In a file that does not import it the name means something else.
        knowing = {use.place for use in self._uses[name] if use.how in imported} | {self._root}
        found = [
            use
            for use in self._uses[name]
            if (isinstance(use.place, Unit) or use.place in knowing)
            and use.how not in (How.ASKED, How.ATTRIBUTE)
            and not (use.how in ignored and use.place == self._root)
            and use.place is not unit
        ]
        defined = [use for use in found if use.how == How.DEFINED]
        found = [use for use in found if use.how != How.DEFINED]
        is_one = len(defined) == (0 if isinstance(unit.node, ast.Assign) else 1) and name not in self._rebound
        return found if is_one and all(use.how in right for use in found) else None

    def _callers(self, unit: Unit) -> list[Use] | None:
        if unit.own_name == _ENTRY or unit.own_name.startswith("__"):
            return None
        renamed = self._by_name(unit.own_name, {How.RENAMED}, set(), unit)
        if renamed and len(renamed) == 1:
            return renamed
        return self._by_name(unit.own_name, {How.CALLED, How.IMPORTED}, set(), unit)

    def _builders(self, unit: Unit) -> list[Use] | None:
        heirs = [heir.name for heir in self._classes.values() if unit.builds in bases(heir)]
        if unit in self._kept or not all(heir in self._constructors for heir in heirs):
            return None
        return self._by_name(unit.builds, {How.CALLED, How.IMPORTED, How.OF_IT}, {How.BASE, How.OF_IT}, unit)

    def _askers(self, unit: Unit) -> list[Use] | None:
        name = unit.own_name
        found = [use for use in self._uses[name] if use.how in (How.ASKED, How.ATTRIBUTE, How.DEFINED)]
        if unit.is_private:  # elsewhere it is another's
            found = [use for use in found if use.private is None or use.private is unit.private]
        elif name in _NOT_OURS or name.startswith("__"):
            return None
        asked = [use for use in found if use.how == How.ASKED]
        others = [use.how for use in found if use.how != How.ASKED]
        return asked if others == [How.DEFINED] else None

    def _keeps_base(self, unit: Unit) -> bool:
        """True where a class that its class is made of has a constructor that stays."""
        todo = bases(unit.holder)
        for base in todo:
            found = self._constructors.get(base)
            if base not in self._classes or (found and found.targets is None):
                return True
            todo += bases(self._classes[base])
        return False

    def _can_lie_in(self, target: str, unit: Unit) -> bool:
        inside = unit.inside
        if isinstance(unit.node, ast.Assign):
            if not self._is_immutable(unit.node.value):
                return False  # a dictionary that is made anew with each load would forget
        elif not _has_plain_defaults(unit.node.args) or any(isinstance(node, _UNMOVED) for node in inside):
            return False
        if any(isinstance(node, ast.Name) and node.id in ("super", "__class__") for node in inside):
            return False
        if unit.builds and not _is_plain_constructor(unit):
            return False
        loaded = _loaded(unit)
        named = loaded & self._globals | (set() if unit.is_method else {unit.own_name})
        foreign = self._rebound | self._foreign[target]
        return not (named & foreign or (loaded | named) & self._own[target])

    def _is_immutable(self, value: ast.expr) -> bool:
        for node in ast.walk(value):
            if isinstance(node, ast.List | ast.Dict):
                return False
            if isinstance(node, ast.Name):
                known = self._constants.get(node.id)
                if known is None or not self._is_immutable(known.value):
                    return False
        return True

    def _from_root(self, nodes: Iterable[ast.AST]) -> set[str]:
        """The names that statements have from the root, by these names."""
        return {
            alias.name
            for statement in nodes
            for node in ast.walk(statement)
            if is_from(node, self._root)
            for alias in node.names
        }

    # Moving it --------------------------------------------------------------------------------------------------------

    def _imported_as(self, unit: Unit) -> str:
        """What a function is called where it is imported."""
        names = {
            alias.asname or alias.name
            for target in unit.targets or ()
            for node in self._trees[target].body
            if is_from(node, self._root)
            for alias in node.names
            if alias.name == unit.own_name
        }
        return names.pop() if len(names) == 1 else unit.own_name

    def _carry(self, file: str, moving: Sequence[Unit]) -> None:
        """Makes them the file's own, and calls them so there."""
        tree = self._trees[file]
        gone = {unit.own_name for unit in moving if not unit.is_method}
        tree = _DropImports(self._root, gone).visit(tree)
        at = _end_of_imports(tree)
        spoken = {name for unit in moving for name in _loaded(unit) & self._globals}
        head: list[ast.stmt] = []
        if needed := spoken - gone - self._from_root(tree.body[:at]):
            head.append(
                ast.ImportFrom(module_of(self._root), [ast.alias(name) for name in sorted(needed)], 0)
            )
        for statement in tree.body:
            _Calls(moving, self._private.get(file)).visit(statement)
        tree.body[at:at] = [*head, *(_Calls(moving, unit.private).visit(_carried(unit)) for unit in moving)]


def _carried(unit: Unit) -> ast.stmt:
    """What it is where it goes."""
    node = copy.deepcopy(unit.node)
    if not isinstance(node, ast.Assign):
        node.name = unit.name
        if unit.builds:
            node.body.append(ast.Return(ast.Name(node.args.args[0].arg, ast.Load())))
    return node


class _DropImports(ast.NodeTransformer):
    """Without the imports of what lies here now."""

    def __init__(self, root: str, gone: set[str]) -> None:
        self._root = root
        self._gone = gone

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.AST:
        if not is_from(node, self._root):
            return node
        node.names = [alias for alias in node.names if alias.name not in self._gone]
        return node if node.names else ast.Pass()


class _Calls(ast.NodeTransformer):
    """Calls of the functions that these have become, where these names are private."""

    def __init__(self, moved: Iterable[Unit], private: Mapping[str, str] | None) -> None:
        self._methods = {
            unit.own_name: unit.name
            for unit in moved
            if unit.is_method and not unit.builds and (not unit.is_private or unit.private is private)
        }
        self._builders = {unit.builds: unit.name for unit in moved if unit.builds}

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        func = node.func
        if name := self._builders.get(base_built_by(func)):
            node.func = ast.Name(name, ast.Load())
        elif isinstance(func, ast.Attribute) and func.attr in self._methods:
            node.args.insert(0, func.value)
            node.func = ast.Name(self._methods[func.attr], ast.Load())
        elif isinstance(func, ast.Name) and func.id in self._builders:
            node.args.insert(0, ast.Call(func, [], []))
            node.func = ast.Name(self._builders[func.id], ast.Load())
        return node


def _loaded(unit: Unit) -> set[str]:
    """What it speaks of that is not its own."""
    names = [node for node in unit.inside if isinstance(node, ast.Name)]
    own = {node.id for node in names if not isinstance(node.ctx, ast.Load)}
    own |= {node.asname or node.name for node in unit.inside if isinstance(node, ast.alias)}
    own |= {node.name for node in unit.inside if isinstance(node, ast.ExceptHandler) and node.name}
    if not isinstance(unit.node, ast.Assign):
        own |= {arg.arg for arg in all_arguments(unit.node.args)}
    return {node.id for node in names} - own


def _has_plain_defaults(args: ast.arguments) -> bool:
    """False where a default is worked out of names, or could be changed."""
    plain = ast.Constant | ast.Tuple | ast.UnaryOp | ast.unaryop | ast.expr_context
    defaults = [default for default in (*args.defaults, *args.kw_defaults) if default]
    return all(isinstance(node, plain) for default in defaults for node in ast.walk(default))


def _is_plain_constructor(unit: Unit) -> bool:
    """True where it ends at its end, with the part that it began with."""
    assert not isinstance(unit.node, ast.Assign)
    if not unit.node.args.args:
        return False
    part = unit.node.args.args[0].arg
    return not any(
        isinstance(node, ast.Return)
        or (isinstance(node, ast.Name) and node.id == part and not isinstance(node.ctx, ast.Load))
        for node in unit.inside
    )


def _is_built_by_type(node: ast.AST) -> bool:
    """True of `part.__class__`, and of what `type(part)` gives where that is called."""
    if isinstance(node, ast.Attribute):
        return node.attr == "__class__"
    func = node.func if isinstance(node, ast.Call) else None
    return isinstance(func, ast.Call) and isinstance(func.func, ast.Name) and func.func.id == "type"


def _end_of_imports(tree: ast.Module) -> int:
    """How many statements a file begins with that only import, or do nothing."""
    for at, node in enumerate(tree.body):
        if not (isinstance(node, ast.Import | ast.ImportFrom | ast.Pass) or is_text(node)):
            return at
    return len(tree.body)
