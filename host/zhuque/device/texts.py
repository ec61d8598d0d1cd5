"""What the firmware says to people stays in the board's flash: an error's words are read when somebody is told them.

A text costs a board its letters, rounded up, and 20 bytes more, for ever: 4.5 KB of a zq10 for words of which a good
day speaks none. So in a function of the file that stays loaded, a text of several words becomes a call that reads it
(firmware/packed.py). What is a name or a key has no blanks, and stays; what protection runs at a tick says nothing
(tests/host/test_texts.py).
"""

from __future__ import annotations

import ast

from zhuque.device.syntax import short_names, used_names

# A shorter one costs less than the call.
_SHORTEST = 8
_LONGEST = 255  # for its length is a byte


def set_apart(source: str) -> tuple[str, bytes]:
    """The same program without those texts, and the texts: each is a byte for its length and so many of UTF-8."""
    tree = ast.parse(source)
    every = used_names([tree])
    reader = next(name for name in short_names(2) if name not in every)
    apart = _Apart(reader)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            node.body = [apart.visit(statement) for statement in node.body]
    if not apart.texts:
        return source, b""
    tree.body.insert(0, ast.ImportFrom("packed", [ast.alias("text", reader)], 0))
    return ast.unparse(ast.fix_missing_locations(tree)) + "\n", bytes(apart.texts)


class _Apart(ast.NodeTransformer):
    """Calls of `reader` in place of the texts. A call's place is in bytes from the first text on."""

    def __init__(self, reader: str) -> None:
        self.texts = bytearray()
        self._reader = reader
        self._places: dict[bytes, int] = {}

    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        return node if isinstance(node.value, ast.Constant) else self.generic_visit(node)

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.AST:
        return node

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        if not isinstance(node.value, str) or " " not in node.value.strip():
            return node
        text = node.value.encode()
        if not _SHORTEST <= len(text) <= _LONGEST:
            return node
        if text not in self._places:
            self._places[text] = len(self.texts)
            self.texts += bytes([len(text)]) + text
        return ast.Call(ast.Name(self._reader, ast.Load()), [ast.Constant(self._places[text])], [])
