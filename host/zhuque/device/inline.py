"""Private functions that are called from one place become part of it, as a compiler does with what is `static`.

On a board each function costs some 45 bytes of heap beside its code: its object, its name in a class, what a call and
a return take; and a call costs the tick 3 us. A source is to be read, and has telling names for a few lines each; the
board gets them in one piece.

Only what stays the same by this is done: the function's name is private and stands in one place, a statement that is
the call alone (or its `await`); it gives nothing back, and its parameters are plain. Its locals get other names where
the caller has those; an argument that is more than a name is worked out before, once, as by the call. A `return` in the
middle becomes an `else`. What is in the way of that, a loop around the `return`, a function within, a name that means
something else there, a local that may be read before it is bound, leaves it as it is. Tracebacks show the caller.
"""

from __future__ import annotations

import ast
import copy
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from zhuque.device.compact import families, is_private
from zhuque.device.syntax import Rename, all_arguments, identifiers

_Function = ast.FunctionDef | ast.AsyncFunctionDef
_Holder = ast.Module | ast.ClassDef
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_SCOPES = (
    *_FUNCTIONS,
    ast.Lambda,
    ast.ClassDef,
    ast.ListComp,
    ast.SetComp,
    ast.DictComp,
    ast.GeneratorExp,
)
_PARTS = ("body", "orelse", "finalbody", "handlers")
# Nothing that holds one of these is moved.
_UNMOVED = (
    *_SCOPES,
    ast.Yield,
    ast.YieldFrom,
    ast.Global,
    ast.Nonlocal,
    ast.Import,
    ast.ImportFrom,
    ast.Delete,
)


class _Stays(Exception):
    """This function cannot become part of its caller."""


def inline(sources: Mapping[str, str]) -> dict[str, str]:
    """The same program by the same files, with fewer functions."""
    trees = {name: ast.parse(text, name) for name, text in sources.items()}
    for family in families(trees):
        _Inliner([trees[name] for name in family]).run()
    return {name: ast.unparse(tree) + "\n" for name, tree in trees.items()}


class _Inliner:
    """Of files that share their private names."""

    def __init__(self, trees: list[ast.Module]) -> None:
        self._trees = trees
        self._stay: set[str] = set()
        # Of each caller the names that came with others: their parts lie one after the other, and may share them.
        self._lent: dict[_Function, set[str]] = {}

    def run(self) -> None:
        """Innermost first, until nothing is left to move but what calls itself."""
        while True:
            found = self._candidates()
            innermost = [place for place in found.values() if not _names(place[2].body) & found.keys()]
            if not innermost:
                return
            for tree, holder, function in innermost:
                try:
                    self._move(tree, holder, function)
                except _Stays:
                    self._stay.add(function.name)

    def _candidates(self) -> dict[str, tuple[ast.Module, _Holder, _Function]]:
        counted = Counter(
            found for tree in self._trees for node in ast.walk(tree) for found, _ in identifiers(node)
        )
        texts = {
            node.value
            for tree in self._trees
            for node in ast.walk(tree)
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
        }
        return {
            function.name: (tree, holder, function)
            for tree in self._trees
            for holder, function in _functions(tree)
            # Its definition and its call.
            if is_private(function.name)
            and counted[function.name] == 2
            and function.name not in self._stay | texts
        }

    def _move(self, tree: ast.Module, holder: _Holder, function: _Function) -> None:
        for owner, caller in _functions(tree):
            if caller is function or (isinstance(holder, ast.ClassDef) and owner is not holder):
                continue
            for body in _bodies(caller):
                for at, statement in enumerate(body):
                    call = _call_of(statement, function)
                    if call is not None:
                        parameters = _parameters(caller, function, call, isinstance(holder, ast.ClassDef))
                        lent = self._lent.setdefault(caller, set())
                        body[at : at + 1] = _in_place(caller, function, parameters, call.args, lent)
                        holder.body.remove(function)
                        ast.fix_missing_locations(tree)
                        return
        raise _Stays


def _functions(tree: ast.Module) -> Iterator[tuple[_Holder, _Function]]:
    """Each function, and the module or class whose own it is."""
    holders: list[_Holder] = [tree, *(node for node in tree.body if isinstance(node, ast.ClassDef))]
    for holder in holders:
        yield from ((holder, node) for node in holder.body if isinstance(node, _FUNCTIONS))


def _bodies(node: ast.AST) -> Iterator[list[ast.stmt]]:
    """Every list of statements in a function, but for those of functions within."""
    for body, _ in _parts(node):
        yield body
        for child in body:
            if not isinstance(child, _SCOPES):
                yield from _bodies(child)


def _call_of(statement: ast.stmt, function: _Function) -> ast.Call | None:
    """The call, where the statement is that and nothing else."""
    if not isinstance(statement, ast.Expr):
        return None
    call = statement.value
    if isinstance(function, ast.AsyncFunctionDef):
        if not isinstance(call, ast.Await):
            return None
        call = call.value
    if not isinstance(call, ast.Call):
        return None
    return call if function.name in (found for found, _ in identifiers(call.func)) else None


def _parameters(caller: _Function, function: _Function, call: ast.Call, is_method: bool) -> list[str]:
    """The names of what the call gives. Raises _Stays."""
    names = [arg.arg for arg in function.args.args]
    if function.decorator_list or function.args.defaults or len(names) != len(all_arguments(function.args)):
        raise _Stays
    if is_method:
        own = [arg.arg for arg in caller.args.args[:1]]
        of = call.func.value if isinstance(call.func, ast.Attribute) else None
        if not (isinstance(of, ast.Name) and [of.id] == own == names[:1] == ["self"]):
            raise _Stays
        names = names[1:]
    elif not isinstance(call.func, ast.Name):
        raise _Stays  # of some object that has one of the same name
    if any(isinstance(node, ast.NamedExpr) for argument in call.args for node in ast.walk(argument)):
        raise _Stays  # changes what another argument has given
    if len(names) != len(call.args) or call.keywords or any(isinstance(a, ast.Starred) for a in call.args):
        raise _Stays
    return names


def _in_place(
    caller: _Function, function: _Function, parameters: list[str], arguments: list[ast.expr], lent: set[str]
) -> list[ast.stmt]:
    """What stands in place of the call; `lent` gets the names that it brings. Raises _Stays."""
    if any(isinstance(node, _UNMOVED) for statement in function.body for node in ast.walk(statement)):
        raise _Stays
    own, theirs, steady = _bound(function) - {"self"}, _bound(caller), _steady(caller)
    if _is_assigned("self", function):
        raise _Stays
    _check_bound(function.body, set(parameters), own)
    if (_words(function.body) - own - {"self"}) & theirs:
        raise _Stays  # what it means by a name is hidden there
    body = _without_return(_without_text(copy.deepcopy(function.body)))
    taken = (_words([caller]) | theirs) - lent | _words(function.body) - own
    table: dict[str, str] = {}
    before: list[ast.stmt] = []
    for parameter, argument in zip(parameters, arguments, strict=True):
        if isinstance(argument, ast.Name) and argument.id in steady and not _is_assigned(parameter, function):
            table[parameter] = argument.id
        else:
            table[parameter] = _fresh(parameter, taken | set(table.values()))
            before.append(ast.Assign([ast.Name(table[parameter], ast.Store())], argument))
    for name in sorted(own - set(parameters)):
        table[name] = _fresh(name, taken | set(table.values()))
    lent |= set(table.values()) - theirs
    rename = _Locals(table)
    for statement in body:
        rename.visit(statement)
    return [*before, *body] or [ast.Pass()]


def _without_text(body: list[ast.stmt]) -> list[ast.stmt]:
    first = body[0]
    is_text = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    return body[1:] if is_text else body


def _without_return(body: list[ast.stmt]) -> list[ast.stmt]:
    """The same with what follows a `return` in an `else` of it."""
    result: list[ast.stmt] = []
    for at, statement in enumerate(body):
        if isinstance(statement, ast.Return):
            if statement.value is not None:
                raise _Stays
            if body[at + 1 :]:  # what never runs counts as a call, and binds names
                raise _Stays
            return result
        if not _returns(statement):
            result.append(statement)
            continue
        if not isinstance(statement, ast.If):
            raise _Stays
        rest = body[at + 1 :]
        if _always(statement.body):
            then, other = statement.body, [*statement.orelse, *rest]
        elif _always(statement.orelse):
            then, other = [*statement.body, *rest], statement.orelse
        else:
            raise _Stays
        then, other = _without_return(then), _without_return(other)
        test = statement.test
        if not then:
            then, other, test = other, [], ast.UnaryOp(ast.Not(), test)
        return [*result, ast.If(test, then or [ast.Pass()], other)]
    return result


def _returns(statement: ast.stmt) -> bool:
    return any(isinstance(node, ast.Return) for node in ast.walk(statement))


def _always(body: list[ast.stmt]) -> bool:
    """True where these statements end in a `return` of their own, or one in each branch."""
    if not body:
        return False
    last = body[-1]
    return isinstance(last, ast.Return) or (
        isinstance(last, ast.If) and _always(last.body) and _always(last.orelse)
    )


def _words(nodes: Iterable[ast.AST]) -> set[str]:
    """The names that stand alone."""
    return {child.id for node in nodes for child in ast.walk(node) if isinstance(child, ast.Name)}


def _names(nodes: Iterable[ast.AST]) -> set[str]:
    """Every name, of attributes too."""
    return {found for node in nodes for child in ast.walk(node) for found, _ in identifiers(child)}


def _bound(function: _Function) -> set[str]:
    """Parameters and locals."""
    nodes = list(ast.walk(function))
    names = {
        found
        for node in nodes
        for found, binds in identifiers(node)
        if binds and not isinstance(node, ast.Attribute | ast.ClassDef) and node is not function
    }
    names |= {name for node in nodes if isinstance(node, ast.Global | ast.Nonlocal) for name in node.names}
    return names | {
        node.asname or node.name.partition(".")[0] for node in nodes if isinstance(node, ast.alias)
    }


def _steady(caller: _Function) -> set[str]:
    """Its own locals that nothing but its own statements can change."""
    shared = {
        name
        for node in ast.walk(caller)
        if isinstance(node, ast.Global | ast.Nonlocal)
        for name in node.names
    }
    names = {arg.arg for arg in all_arguments(caller.args)}
    nodes: list[ast.AST] = list(caller.body)
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.Name | ast.ExceptHandler):
            names.update(found for found, binds in identifiers(node) if binds)
        if not isinstance(node, _SCOPES):
            nodes.extend(ast.iter_child_nodes(node))
    return names - shared


def _check_bound(body: list[ast.stmt], known: set[str], own: set[str]) -> set[str]:
    """Which of a function's `own` names are bound for sure after these statements, where `known` are before.

    Raises _Stays where one is read that may not be: an error there, and in a part of another the value of last time.
    """
    for statement in body:
        words = [word for word in _own_words(statement) if word.id in own]
        read = {
            word.id
            for word in words
            if isinstance(word.ctx, ast.Load) or isinstance(statement, ast.AugAssign)
        }
        if not read <= known:
            raise _Stays
        within = known | {word.id for word in words if isinstance(word.ctx, ast.Store)}
        ends = [(part, _check_bound(part, within | caught, own)) for part, caught in _parts(statement)]
        if isinstance(statement, ast.If):
            known = set.intersection(*[end for part, end in ends if not _always(part)] or [within])
        elif isinstance(statement, ast.With | ast.AsyncWith):
            known = ends[0][1]
        elif not ends:
            known = within
        # What a loop or a `try` binds is not sure.
    return known


def _own_words(statement: ast.stmt) -> Iterator[ast.Name]:
    """The names in a statement, but for those in statements of its own."""
    for field, value in ast.iter_fields(statement):
        if field not in _PARTS:
            for part in value if isinstance(value, list) else [value]:
                if isinstance(part, ast.AST):
                    yield from (node for node in ast.walk(part) if isinstance(node, ast.Name))


def _parts(node: ast.AST) -> Iterator[tuple[list[ast.stmt], set[str]]]:
    """The lists of statements in a statement, an empty `else` too, and what is bound as each begins."""
    for field in _PARTS:
        part = getattr(node, field, None)
        if field == "handlers":
            yield from ((handler.body, {handler.name or "_"}) for handler in part or [])
        elif part is not None:
            yield part, set()


def _is_assigned(name: str, function: _Function) -> bool:
    return any(
        isinstance(node, ast.Name) and node.id == name and not isinstance(node.ctx, ast.Load)
        for node in ast.walk(function)
    )


def _fresh(name: str, taken: set[str]) -> str:
    new, number = name, 1
    while new in taken:
        number += 1
        new = f"{name}_{number}"
    return new


class _Locals(Rename):
    """Of names alone: an attribute that is called like a local is none."""

    def visit(self, node: ast.AST) -> ast.AST:
        if isinstance(node, ast.Attribute | ast.keyword):
            return self.generic_visit(node)
        return super().visit(node)
