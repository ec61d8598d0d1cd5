"""What a board keeps loaded becomes one module, as a linker makes one program of many object files.

On a board each module costs some 200 bytes beside its code: its object, its dictionary, its names, and a slot for
every name that it imports. So the modules that stay are joined into `main`, the drivers that a board's own file names
among them; those that are loaded for a while and dropped again, and the relays' drivers, which open the relays before
there is a `main`, remain files, and import from it what they need.

Rules. A module that is imported at the head of a file which stays, or is loaded to start, stays too. A module whose
name stands in a text (it is dropped by it), or that is imported only inside functions, does not. Joined modules share
one scope: a name of theirs that means something else elsewhere gets another. A source that does what cannot be joined,
such as passing a module around, is refused.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from zhuque.device.syntax import (
    all_arguments,
    bound,
    imported_from,
    is_text,
    module_of,
    short_names,
    used_names,
)
from zhuque.errors import ZhuqueError

ROOT = "main.py"
# They run to start; what they import stays.
_STARTERS = ("start.py", "assembly.py", "files.py", "uplink.py")


class LinkError(ZhuqueError):
    """A source of the firmware cannot be joined with the others; the text says where and why."""


def link(
    sources: Mapping[str, str], drivers: Iterable[str] = (), by_name: Iterable[str] = ()
) -> tuple[dict[str, str], list[str]]:
    """The same program in fewer files, and those of which `main.py`, which stays, is made. Raises LinkError.

    `drivers` stay, too. Those `by_name` are loaded by a name made of texts: a file of that name remains, with its
    `from_board`.
    """
    trees = {name: ast.parse(text, name) for name, text in sources.items()}
    joined = _joined(trees, drivers)
    linker = _Linker(trees, joined)
    result = {ROOT: linker.program()}
    for name, tree in trees.items():
        if name not in joined:
            result[name] = linker.separate(name, tree)
    for name in by_name:
        result[name] = f"from main import {linker.name_of(name, 'from_board')} as from_board\n"
    return dict(sorted(result.items())), joined


def _joined(trees: Mapping[str, ast.Module], drivers: Iterable[str]) -> list[str]:
    """The files that become one, each after those that it imports."""
    texts = {
        node.value
        for tree in trees.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    order: list[str] = []
    seen: set[str] = set()

    def visit(name: str) -> None:
        if name in seen:
            return
        seen.add(name)
        for node in trees[name].body:
            for imported in _imported_files(name, node, trees):
                visit(imported)
        if name == ROOT or (name not in _STARTERS and module_of(name) not in texts):
            order.append(name)

    for starter in _STARTERS:
        if starter in trees:
            visit(starter)
    for driver in drivers:
        visit(driver)
    visit(ROOT)
    return [name for name in order if not name.endswith("__init__.py")]


def _imported_files(name: str, node: ast.stmt, known: Mapping[str, object]) -> Iterator[str]:
    """The files of ours that an import statement loads, but for packages."""
    if isinstance(node, ast.Import):
        files = [alias.name.replace(".", "/") + ".py" for alias in node.names]
    elif isinstance(node, ast.ImportFrom):
        module = imported_from(name, node)
        files = [module + ".py", *(f"{module}/{alias.name}.py".lstrip("/") for alias in node.names)]
    else:
        return
    yield from (file for file in files if file in known)


# Scopes ---------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Module:
    """A name that stands for a joined module."""

    file: str


_Meaning = str | _Module  # what a name is to be called, or the module that it stands for
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def _arguments(args: ast.arguments) -> set[str]:
    return {arg.arg for arg in all_arguments(args)}


def _globals(nodes: Iterable[ast.AST]) -> set[str]:
    return {
        name
        for node in nodes
        for child in ast.walk(node)
        if isinstance(child, ast.Global)
        for name in child.names
    }


def _inner_names(tree: ast.Module) -> set[str]:
    """Every name that is bound anywhere but at the head of the file: a joined name must not be one of them."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, _FUNCTIONS):
            found |= _arguments(node.args)
            if not isinstance(node, ast.Lambda):
                found |= set(bound(node.body)) | _imported_names(node.body)
        elif isinstance(node, _COMPREHENSIONS):
            found |= set(bound(generator.target for generator in node.generators))
        elif isinstance(node, ast.ClassDef):
            found |= set(bound(node.body))
    return found


def _imported_names(nodes: Iterable[ast.AST]) -> set[str]:
    return {
        alias.asname or alias.name
        for node in nodes
        for child in ast.walk(node)
        if isinstance(child, ast.Import | ast.ImportFrom)
        for alias in child.names
    }


class _Rename(ast.NodeTransformer):
    """Gives the names of one file's own scope their meanings, wherever in it they mean that scope."""

    def __init__(self, linker: _Linker, file: str, meanings: Mapping[str, _Meaning]) -> None:
        self._linker = linker
        self._file = file
        self._meanings = dict(meanings)

    def visit_Module(self, node: ast.Module) -> ast.AST:
        node.body = self._statements(node.body)
        return node

    def _statements(self, nodes: Iterable[ast.stmt]) -> list[ast.stmt]:
        """With the imports that they hold, wherever, in place of the old ones."""
        result: list[ast.stmt] = []
        for node in nodes:
            visited = self.visit(node)
            result += visited if isinstance(visited, list) else [visited]
        return result or [ast.Pass()]

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.AST | list[ast.stmt]:
        statements, meanings = self._linker.imports(self._file, node)
        self._meanings.update(meanings)
        return statements or [ast.Pass()]

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return self._function(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        return self._function(node)

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> ast.AST:
        node.name = self._named(node.name)
        node.decorator_list = [self.visit(one) for one in node.decorator_list]
        self._defaults(node.args)
        hidden = (_arguments(node.args) | set(bound(node.body)) | _imported_names(node.body)) - _globals(
            node.body
        )
        inner = self._within(hidden)
        for child in ast.walk(node):
            if isinstance(child, ast.Global):
                child.names = [self._named(name) for name in child.names]
        node.body = inner._statements(node.body)
        return node

    def visit_Lambda(self, node: ast.Lambda) -> ast.AST:
        self._defaults(node.args)
        node.body = self._within(_arguments(node.args)).visit(node.body)
        return node

    def _defaults(self, args: ast.arguments) -> None:
        args.defaults = [self.visit(one) for one in args.defaults]
        args.kw_defaults = [one and self.visit(one) for one in args.kw_defaults]
        for arg in all_arguments(args):
            arg.annotation = None

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        node.name = self._named(node.name)
        node.bases = [self.visit(one) for one in node.bases]
        own = self._within(set(bound(node.body)))
        body: list[ast.stmt] = []
        for statement in node.body:
            if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
                name = statement.name
                self.visit(statement)
                statement.name = name  # a method is no name of the file
                statement.decorator_list = [own.visit(one) for one in statement.decorator_list]
                body.append(statement)
            else:
                body += own._statements([statement])
        node.body = body
        return node

    def _comprehension(self, node: ast.AST) -> ast.AST:
        generators: list[ast.comprehension] = node.generators  # type: ignore[attr-defined]
        inner = self._within(set(bound(generator.target for generator in generators)))
        return ast.NodeTransformer.generic_visit(inner, node)

    visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = _comprehension

    def _within(self, hidden: set[str]) -> _Rename:
        kept = {name: meaning for name, meaning in self._meanings.items() if name not in hidden}
        return _Rename(self._linker, self._file, kept)

    def _named(self, name: str) -> str:
        meaning = self._meanings.get(name, name)
        if isinstance(meaning, _Module):
            raise LinkError(
                f"{self._file}: {name} is a module and is bound to something else; rename one of them"
            )
        return meaning

    def visit_Name(self, node: ast.Name) -> ast.AST:
        meaning = self._meanings.get(node.id, node.id)
        if isinstance(meaning, _Module):
            raise LinkError(
                f"{self._file}: the module {node.id} is used as a value; name what is meant of it"
            )
        node.id = meaning
        return node

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        if isinstance(node.value, ast.Name):
            meaning = self._meanings.get(node.value.id)
            if isinstance(meaning, _Module):
                return ast.copy_location(
                    ast.Name(self._linker.name_of(meaning.file, node.attr), node.ctx), node
                )
        node.value = self.visit(node.value)
        return node


# Joining --------------------------------------------------------------------------------------------------------------


class _Linker:
    """`names` tells what each joined file's names mean in the program."""

    def __init__(self, trees: Mapping[str, ast.Module], joined: list[str]) -> None:
        self.trees = trees
        self.joined = joined
        self.names: dict[str, dict[str, _Meaning]] = {}
        self._library: dict[tuple[str, str], str] = {}
        self._inner = set().union(*map(_inner_names, self.trees.values()))
        every = used_names(self.trees.values())
        self._fresh = (name for name in short_names(2) if name not in every)
        self._taken: set[str] = set()
        for file in self.joined:
            body = self.trees[file].body
            self.names[file] = {name: self._unique(name) for name in sorted(set(bound(body)))}
            for node in body:
                if isinstance(node, ast.Import | ast.ImportFrom):
                    self.names[file].update(self._head(file, node))

    def _unique(self, name: str) -> str:
        if name in self._taken or name in self._inner:
            name = next(self._fresh)
        self._taken.add(name)
        return name

    def name_of(self, file: str, name: str) -> str:
        """What a joined file's name is called in the program."""
        meaning = self.names[file].get(name)
        if not isinstance(meaning, str):
            raise LinkError(f"{file} has no {name} that could be meant; import it from where it is made")
        return meaning

    def program(self) -> str:
        """All joined files as one source."""
        body: list[ast.stmt] = []
        for file in self.joined:
            tree = self.trees[file]
            statements = [node for node in tree.body if not isinstance(node, ast.Import | ast.ImportFrom)]
            if statements and is_text(statements[0]):
                statements = statements[1:]
            renamed = _Rename(self, file, self.names[file]).visit(ast.Module(statements, []))
            body += renamed.body
        imports = [_library_import(*key, name) for key, name in self._library.items()]
        return ast.unparse(ast.fix_missing_locations(ast.Module([*imports, *body], []))) + "\n"

    def _head(self, file: str, node: ast.Import | ast.ImportFrom) -> dict[str, _Meaning]:
        """What the names mean that an import at the head of a joined file brings."""
        module = imported_from(file, node) if isinstance(node, ast.ImportFrom) else ""
        meanings: dict[str, _Meaning] = {}
        for alias in node.names:
            local = alias.asname or alias.name
            if isinstance(node, ast.Import):
                meanings[local] = self._from_library(alias.name, "", local)
            else:
                meanings[local] = self._ours(module, alias.name) or self._from_library(
                    module_of(module), alias.name, local
                )
        return meanings

    def _ours(self, module: str, name: str) -> _Meaning | None:
        """What a name of that module means, where that is joined."""
        if module + ".py" in self.names:
            return self.name_of(module + ".py", name)
        file = f"{module}/{name}.py"
        return _Module(file) if file in self.names else None

    def _from_library(self, module: str, name: str, local: str) -> str:
        key = module, name
        if key not in self._library:
            self._library[key] = self._unique(local)
        return self._library[key]

    def imports(self, file: str, node: ast.ImportFrom) -> tuple[list[ast.stmt], dict[str, _Meaning]]:
        """An import in a function, or in a file that stays one: the statements that do it now, and what it means."""
        module = imported_from(file, node)
        meanings: dict[str, _Meaning] = {}
        wanted: set[str] = set()
        others: list[ast.alias] = []
        for alias in node.names:
            local = alias.asname or alias.name
            meaning = self._ours(module, alias.name)
            if meaning is None:
                others.append(alias)
                continue
            meanings[local] = meaning
            wanted |= self._used(file, local, meaning.file) if isinstance(meaning, _Module) else {meaning}
        statements: list[ast.stmt] = []
        if others:
            statements.append(ast.ImportFrom(module_of(module), others, 0))
        if wanted and file not in self.names:
            names = [ast.alias(name) for name in sorted(wanted)]
            statements.append(ast.ImportFrom(module_of(ROOT), names, 0))
        return statements, meanings

    def _used(self, file: str, local: str, source: str) -> set[str]:
        """What a file uses of a joined module that it calls `local`."""
        found = {
            node.attr
            for node in ast.walk(self.trees[file])
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == local
        }
        return {self.name_of(source, name) for name in found if name in self.names[source]}

    def separate(self, file: str, tree: ast.Module) -> str:
        """A file that stays one."""
        renamed = _Rename(self, file, {}).visit(tree)
        return ast.unparse(ast.fix_missing_locations(renamed)) + "\n"


def _library_import(module: str, name: str, local: str) -> ast.stmt:
    if name:
        return ast.ImportFrom(module, [ast.alias(name, local if local != name else None)], 0)
    return ast.Import([ast.alias(module, local if local != module else None)])
