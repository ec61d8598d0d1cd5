"""Small mistakes made on purpose in a module: what a safety test must notice. Used by tests/mutation.py.

A mutant is one change of the syntax tree: a comparison turned or moved by one, an operator exchanged, a number one
off, a condition always or never true, a value not returned, a statement left out, `min` for `max`. It is known by its
module, the function it is in and the statement before and after, never by a line number: an explanation outlives
other edits.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

_COMPARISONS = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
_OPERATORS = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
}
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_Change = tuple[ast.AST, Callable[[], None], Callable[[], None]]


@dataclass(frozen=True)
class Mutant:
    """`line` is where it is now; `before` and `after` are the statement, of a compound one its first line."""

    module: str
    where: str
    line: int
    last: int
    before: str
    after: str
    tree: ast.Module
    apply: Callable[[], None]

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What names it in tests/mutation_survivors.toml."""
        return self.module, self.where, self.before, self.after

    def __str__(self) -> str:
        return f"{self.module}.py:{self.line} {self.where}\n    - {self.before}\n    + {self.after}"


def of_source(module: str, source: str) -> list[Mutant]:
    """Every mutant of a module, in the order of its text; those that look alike are numbered."""
    tree = ast.parse(source)
    found: list[Mutant] = []
    seen: Counter[tuple[str, str, str]] = Counter()
    for where, statement, change in _changes(tree):
        _, apply, undo = change
        before = _first_line(statement)
        apply()
        after = _first_line(_PLACES.get(id(statement), statement))
        undo()
        if before == after:
            continue
        seen[where, before, after] += 1
        count = seen[where, before, after]
        if count > 1:
            before += f"  # {count}"
        found.append(
            Mutant(module, where, statement.lineno, _last_line(statement), before, after, tree, apply)
        )
    return found


_PLACES: dict[int, ast.stmt] = {}  # what stands in the place of a statement that is left out, while it is


def _first_line(statement: ast.stmt) -> str:
    return ast.unparse(ast.fix_missing_locations(statement)).split("\n")[0]


def _last_line(statement: ast.stmt) -> int:
    """Of its own expressions, not of the block it opens."""
    block = getattr(statement, "body", None)
    return max(statement.lineno, block[0].lineno - 1) if block else statement.end_lineno or statement.lineno


def _changes(tree: ast.Module) -> Iterator[tuple[str, ast.stmt, _Change]]:
    yield from _in_block(tree, "body", "")


def _in_block(parent: ast.AST, field: str, where: str) -> Iterator[tuple[str, ast.stmt, _Change]]:
    block = getattr(parent, field)
    for n, statement in enumerate(block):
        if isinstance(statement, (ast.Import, ast.ImportFrom)) or _is_text(statement):
            continue
        inner = where
        if isinstance(statement, (*_FUNCTIONS, ast.ClassDef)):
            inner = f"{where}.{statement.name}".lstrip(".")
        else:
            idle = isinstance(statement, (ast.Pass, ast.Try)) or _says_none_last(parent, statement)
            if where and not idle:
                yield where, statement, _left_out(block, n)
            for change in _in_expression(statement):
                yield where or "-", statement, change
        for inside in ("body", "orelse", "handlers", "finalbody"):
            if isinstance(getattr(statement, inside, None), list):
                for child in getattr(statement, inside):
                    if isinstance(child, ast.ExceptHandler):
                        yield from _in_block(child, "body", inner)
                        continue
                if inside != "handlers":
                    yield from _in_block(statement, inside, inner)


def _says_none_last(parent: ast.AST, statement: ast.stmt) -> bool:
    """Without it a function returns None all the same."""
    value = statement.value if isinstance(statement, ast.Return) else None
    last = isinstance(parent, _FUNCTIONS) and parent.body[-1] is statement
    return last and isinstance(value, ast.Constant) and value.value is None


def _is_text(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _left_out(block: list[ast.stmt], n: int) -> _Change:
    statement = block[n]
    gone = ast.copy_location(ast.Pass(), statement)

    def apply() -> None:
        block[n] = gone
        _PLACES[id(statement)] = gone

    def undo() -> None:
        block[n] = statement
        del _PLACES[id(statement)]

    return statement, apply, undo


def _in_expression(statement: ast.stmt) -> Iterator[_Change]:
    """Every change of the expressions that belong to the statement itself."""
    for parent, field, index, node in _expressions(statement):
        for other in _instead_of(node):
            yield _exchange(parent, field, index, other)
    if isinstance(statement, ast.AugAssign) and type(statement.op) in _OPERATORS:
        yield _exchange(statement, "op", None, _OPERATORS[type(statement.op)]())
    if isinstance(statement, ast.Return) and statement.value is not None:
        yield _exchange(statement, "value", None, ast.Constant(None))
    if isinstance(statement, ast.If):
        yield _exchange(statement, "test", None, ast.Constant(True))
    if isinstance(statement, (ast.If, ast.While)):
        yield _exchange(statement, "test", None, ast.Constant(False))


def _expressions(node: ast.AST) -> Iterator[tuple[ast.AST, str, int | None, ast.expr]]:
    for field, value in ast.iter_fields(node):
        children = list(enumerate(value)) if isinstance(value, list) else [(None, value)]
        for index, child in children:
            if isinstance(child, ast.expr):
                yield node, field, index, child
            if isinstance(child, (ast.expr, ast.keyword, ast.comprehension)):
                yield from _expressions(child)


def _exchange(parent: ast.AST, field: str, index: int | None, other: ast.AST) -> _Change:
    def put(value: ast.AST) -> None:
        if index is None:
            setattr(parent, field, value)
        else:
            getattr(parent, field)[index] = value

    old = getattr(parent, field) if index is None else getattr(parent, field)[index]
    return old, lambda: put(other), lambda: put(old)


def _instead_of(node: ast.expr) -> Iterator[ast.expr]:
    """What may stand for an expression by mistake."""
    if isinstance(node, ast.Constant):
        yield from _constants(node.value)
    elif isinstance(node, ast.Compare):
        for n, op in enumerate(node.ops):
            for other in _COMPARISONS[type(op)]:
                yield ast.Compare(node.left, [*node.ops[:n], other(), *node.ops[n + 1 :]], node.comparators)
    elif isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        yield ast.BinOp(node.left, _OPERATORS[type(node.op)](), node.right)
    elif isinstance(node, ast.UnaryOp):
        yield node.operand
    elif isinstance(node, ast.BoolOp):
        yield ast.BoolOp(ast.Or() if isinstance(node.op, ast.And) else ast.And(), node.values)
        for n in range(len(node.values)):
            rest = node.values[:n] + node.values[n + 1 :]
            yield rest[0] if len(rest) == 1 else ast.BoolOp(node.op, rest)
    elif isinstance(node, ast.IfExp):
        yield node.body
        yield node.orelse
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("min", "max"):
        swapped = ast.Name("max" if node.func.id == "min" else "min", ast.Load())
        yield ast.Call(swapped, node.args, node.keywords)
        yield from node.args


def _constants(value: object) -> Iterator[ast.expr]:
    if isinstance(value, bool):
        yield ast.Constant(not value)
    elif isinstance(value, int):
        yield ast.Constant(value + 1)
        yield ast.Constant(value - 1)
    elif isinstance(value, str):
        yield ast.Constant(value + "?")
