"""device/inline.py: what a private function does stands where it was called, and does the same."""

from __future__ import annotations

import ast
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.runner import ROOT, files_for_both, run_tests
from zhuque.device.inline import inline
from zhuque.sim.tools import find_micropython

FIRMWARE = ROOT / "firmware"
ALL = {path.relative_to(FIRMWARE).as_posix(): path.read_text() for path in sorted(FIRMWARE.rglob("*.py"))}


def _functions(source: str) -> set[str]:
    return {
        node.name
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }


def _made(source: str) -> tuple[str, dict[str, Any]]:
    small = inline({"a.py": source})["a.py"]
    scope: dict[str, Any] = {}
    exec(small, scope)
    return small, scope


def test_a_call_gives_way_to_what_it_calls() -> None:
    small, scope = _made("""
said = []
def run(a):
    for i in range(2):
        _say(a + 1, i)
    return i
def _say(word, a):
    '''What is said.'''
    i = word * 10
    said.append((i, a))
""")
    assert _functions(small) == {"run"} and "What is said" not in small
    assert scope["run"](3) == 1 and scope["said"] == [(40, 0), (40, 1)]


def test_arguments_are_worked_out_once_and_in_their_order() -> None:
    small, scope = _made("""
said = []
def ask(x):
    said.append(x)
    return x
def run():
    _twice(ask(1), ask(2))
def _twice(a, b):
    said.extend([b, a, a, b])
""")
    assert "_twice" not in small
    scope["run"]()
    assert scope["said"] == [1, 2, 2, 1, 1, 2]


def test_what_the_function_changes_is_its_own() -> None:
    small, scope = _made("""
def run(n, seen):
    _count(n, seen)
    return n
def _count(n, seen):
    n += 1
    seen.append(n)
""")
    seen: list[int] = []
    assert "_count" not in small and scope["run"](5, seen) == 5 and seen == [6]


def test_a_return_in_the_middle_becomes_an_else() -> None:
    small, scope = _made("""
class Meter:
    def poll(self, x):
        self.seen = []
        self._take(x)
        self.seen.append("end")
        return self.seen
    def _take(self, x):
        if x == 0:
            return
        self.seen.append("some")
        if x == 1:
            self.seen.append("one")
            return
        if x != 2:
            self.seen.append("many")
        else:
            self.seen.append("two")
            return
        self.seen.append("rest")
""")
    assert "_take" not in small and small.count("return") == 1
    poll = scope["Meter"]().poll
    assert [poll(x) for x in (0, 1, 2, 3)] == [
        ["end"],
        ["some", "one", "end"],
        ["some", "two", "end"],
        ["some", "many", "rest", "end"],
    ]


def test_one_within_another_and_one_after_another() -> None:
    small, scope = _made("""
class Meter:
    def poll(self, i):
        self.seen = [i]
        self._first(i + 1)
        self._second(i + 2)
        self.seen.append(i)
        return self.seen
    def _first(self, i):
        k = 0
        while k < 2:
            self._inner(i, k)
            k += 1
        self.seen.append(k)
    def _inner(self, k, i):
        i += k
        self.seen.append(i)
    def _second(self, k):
        i = k * k
        self.seen.append(i)
""")
    assert _functions(small) == {"poll"}
    assert scope["Meter"]().poll(1) == [1, 2, 3, 2, 9, 1]


def test_what_each_of_a_chain_calls_by_one_name_is_its_own() -> None:
    small, scope = _made("""
said = []
def run(x):
    _a(x + 1)
    said.append(x)
def _a(n):
    _b(n + 1)
    said.append(n)
def _b(n):
    _c(n + 1)
    said.append(n)
def _c(n):
    n += 1
    said.append(n)
""")
    assert _functions(small) == {"run"}
    scope["run"](1)
    assert scope["said"] == [5, 3, 2, 1]


def test_an_argument_that_others_may_change_is_taken_as_it_is_at_the_call() -> None:
    small, scope = _made("""
said = []
n = 1
def change():
    global n
    n = 5
def run():
    global n
    n = 2
    _say(n)
def _say(word):
    change()
    said.append(word)
""")
    scope["run"]()
    assert _functions(small) == {"change", "run"} and scope["said"] == [2]


def test_coroutines_are_awaited_in_place() -> None:
    import asyncio

    small, scope = _made("""
import asyncio
async def run(said):
    await _wait(said)
    said.append(2)
async def _wait(said):
    await asyncio.sleep(0)
    said.append(1)
""")
    said: list[int] = []
    asyncio.run(scope["run"](said))
    assert "_wait" not in small and said == [1, 2]


STAY = {
    "public": "def f():\n    g()\ndef g():\n    pass\n",
    "called twice": "def f():\n    _g()\n    _g()\ndef _g():\n    pass\n",
    "spoken of": "def f():\n    _g()\n    return _g\ndef _g():\n    pass\n",
    "gives something": "def f():\n    _g()\ndef _g():\n    return 1\n",
    "is asked": "def f():\n    return _g()\ndef _g():\n    return 1\n",
    "returns from a branch": "def f():\n    _g()\ndef _g():\n    if x:\n        if y:\n            return\n"
    "        print(1)\n    print(2)\n",
    "returns from a loop": "def f():\n    _g()\ndef _g():\n    while True:\n        return\n",
    "generator": "def f():\n    _g()\ndef _g():\n    yield 1\n",
    "coroutine that is not awaited": "def f():\n    _g()\nasync def _g():\n    pass\n",
    "by name": "def f():\n    _g(a=1)\ndef _g(a):\n    pass\n",
    "default": "def f():\n    _g()\ndef _g(a=1):\n    print(a)\n",
    "starred": "def f(*x):\n    _g(*x)\ndef _g(a):\n    print(a)\n",
    "a function within": "def f():\n    _g()\ndef _g():\n    print(lambda: 1)\n",
    "global": "def f():\n    _g()\ndef _g():\n    global x\n    x = 1\n",
    "hidden name": "def f(x):\n    _g()\ndef _g():\n    print(x)\nx = 1\n",
    "of another class": "class A:\n    def f(self):\n        self._g()\nclass B:\n    def _g(self):\n        pass\n",
    "of another object": "class A:\n    def f(self, b):\n        b._g()\n    def _g(self):\n        print(self)\n",
    "overridden": "class A:\n    def f(self):\n        self._g()\n    def _g(self):\n        print(1)\n"
    "class B(A):\n    def _g(self):\n        print(2)\n",
    "in a text": "class A:\n    def f(self):\n        self._g()\n        return getattr(self, '_g')\n"
    "    def _g(self):\n        print(1)\n",
    "of an object": "def f(x):\n    x._g()\ndef _g():\n    print(1)\n",
    "changes an argument before it": "def f(a):\n    _g(a, (a := 5))\ndef _g(x, y):\n    print(x, y)\n",
    "assigns self": "class A:\n    def f(self):\n        self._g()\n    def _g(self):\n        self = 1\n",
    "what never runs": "def f():\n    _g()\ndef _g():\n    return\n    print(1)\n",
    "a global of its caller": "def f():\n    global x\n    _g()\ndef _g():\n    print(x)\nx = 1\n",
    "bound in a branch": "def f():\n    _g()\ndef _g():\n    if y:\n        x = 1\n    print(x)\n",
    "bound in a loop": "def f():\n    _g()\ndef _g():\n    for x in y:\n        z = x\n    print(z)\n",
    "bound in a try": "def f():\n    _g()\ndef _g():\n    try:\n        x = h()\n    finally:\n        print(x)\n",
    "bound by its own sum": "def f():\n    _g()\ndef _g():\n    x += 1\n    print(x)\n",
    "calls itself": "def _g():\n    _g()\n",
    "at the head of the file": "def _g():\n    print(1)\n_g()\n",
    "decorated": "import x\ndef f():\n    _g()\n@x.native\ndef _g():\n    pass\n",
}


@pytest.mark.parametrize("name", STAY)
def test_what_stays_a_function(name: str) -> None:
    assert inline({"a.py": STAY[name]})["a.py"] == ast.unparse(ast.parse(STAY[name])) + "\n"


def test_a_class_of_another_file_may_call_it() -> None:
    base = "class A:\n    def _g(self):\n        print(1)\n"
    assert (
        inline({"a.py": base, "b.py": "from a import A\nclass B(A):\n    def f(self):\n        self._g()\n"})[
            "a.py"
        ]
        == ast.unparse(ast.parse(base)) + "\n"
    )


@pytest.fixture(scope="module")
def moved(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, set[str]]:
    """The firmware as boards have it, but for its names; and what is no function there any more."""
    folder = tmp_path_factory.mktemp("inlined") / "firmware"
    shutil.copytree(FIRMWARE, folder)
    gone: set[str] = set()
    for name, text in inline(ALL).items():
        (folder / name).write_text(text)
        gone |= _functions(ALL[name]) - _functions(text)
    return folder, gone


def test_the_tick_is_fewer_functions_but_begins_with_a_small_one(moved: tuple[Path, set[str]]) -> None:
    folder, gone = moved
    assert {"_judge_point", "_apply", "_decide", "_fall_silent"} <= gone
    # Its frame must fit the stack: it is not under the lock yet.
    assert "locked_tick" in _functions((folder / "tasks/protect.py").read_text())


@pytest.mark.parametrize("file", [file for file in files_for_both() if "/core/" in file])
def test_the_firmware_does_the_same(moved: tuple[Path, set[str]], file: str) -> None:
    """Its own tests, but for those that reach for what is no function there any more."""
    folder, gone = moved
    done = run_tests(find_micropython(), file, "64M", folder)
    source = (ROOT / file).read_text()
    texts = {
        node.name: ast.get_source_segment(source, node) or ""
        for node in ast.parse(source).body
        if isinstance(node, ast.FunctionDef)
    }
    reaching = {name for name, text in texts.items() if any(f".{word}" in text for word in gone)}
    reaching |= {name for name, text in texts.items() if any(f"{helper}(" in text for helper in reaching)}
    failed = set(re.findall(r"^FAILED (\w+)$", done.stdout, re.M))
    assert failed <= reaching, done.stdout
    assert re.search(r"^\d+ passed", done.stdout, re.M), done.stdout
    assert len(re.findall(r"^ok ", done.stdout, re.M)) > len(failed)
