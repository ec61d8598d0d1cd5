"""Modules without packages, and by names that MicroPython has in ROM: what is loaded for a while leaves nothing behind.

A board never forgets a name. Of `core/recovery`, loaded once at the start, it would keep three: that of the file, the
module's own, and its last part, by which the package knows it; and each package is a module, too. As `CTS` it leaves
the file's. Where a driver is loaded by a name made of texts it keeps the last part, and such a text loses `drivers.`.

What lies in no folder stays as it is called."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath

from zhuque.device.rom_names import IN_ROM
from zhuque.device.syntax import imported_from, is_text, module_of, used_names
from zhuque.errors import ZhuqueError

_DRIVERS = "drivers."
# By their beginning or end: boot.py and assembly.py load what board.json names, main.py forgets what sets a meter up.
_NAMED_BY_PARTS = ("drivers/relay_", "drivers/meter_")
_SET_UP = "_setup.py"


class FlattenError(ZhuqueError):
    """A source of the firmware needs the packages; the text says where and why."""


def flatten(sources: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """The same program in files of the first level, and what each file is called there. Raises FlattenError.

    Files that only make a package are gone.
    """
    trees = {name: ast.parse(text, name) for name, text in sources.items()}
    table = _names(trees)
    result = {}
    for name, tree in trees.items():
        if name in table:
            flat = ast.fix_missing_locations(_Flatten(name, table).visit(tree))
            result[table[name]] = ast.unparse(flat) + "\n"
        elif any(not is_text(node) for node in tree.body):
            raise FlattenError(f"{name}: a package does nothing itself; put it into a module")
    return result, table


def _names(trees: Mapping[str, ast.Module]) -> dict[str, str]:
    used = used_names(trees.values())
    # No module of MicroPython's own begins with a capital.
    free = iter(name for name in IN_ROM if name[0].isupper() and name not in used)
    table = {}
    for file in sorted(trees):
        path = PurePosixPath(file)
        if len(path.parts) == 1:
            table[file] = file
        elif file.startswith(_NAMED_BY_PARTS) or file.endswith(_SET_UP):
            table[file] = path.name
        elif path.name != "__init__.py":
            table[file] = f"{next(free)}.py"
    if twice := [name for name, count in Counter(table.values()).items() if count > 1]:
        raise FlattenError(f"two files would be called {twice[0]}; rename one of them")
    return table


class _Flatten(ast.NodeTransformer):
    """Imports of the modules by their new names, and their names in texts."""

    def __init__(self, file: str, table: Mapping[str, str]) -> None:
        self._file = file
        self._table = table
        self._dotted = {module_of(old): module_of(new) for old, new in table.items() if "/" in old}

    def visit_Import(self, node: ast.Import) -> ast.AST:
        if ours := [alias.name for alias in node.names if alias.name in self._dotted]:
            raise FlattenError(f"{self._file}: import {ours[0]} needs the package; import the module from it")
        return node

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.AST | list[ast.stmt]:
        path = imported_from(self._file, node)
        if f"{path}.py" in self._table:
            return ast.ImportFrom(module_of(self._table[f"{path}.py"]), node.names, 0)
        modules = {alias.name: self._table.get(f"{path}/{alias.name}.py") for alias in node.names}
        if not any(modules.values()):
            return node
        return list(self._eachmodule_of(node.names, modules, path))

    def _eachmodule_of(
        self, aliases: Iterable[ast.alias], modules: Mapping[str, str | None], path: str
    ) -> Iterable[ast.stmt]:
        for alias in aliases:
            file = modules[alias.name]
            if file is None:
                raise FlattenError(f"{self._file}: {path} is a package and has no {alias.name} of its own")
            local = alias.asname or alias.name
            yield ast.Import([ast.alias(module_of(file), local if local != module_of(file) else None)])

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        if isinstance(node.value, str):
            node.value = self._dotted.get(node.value, node.value.removeprefix(_DRIVERS))
        return node
