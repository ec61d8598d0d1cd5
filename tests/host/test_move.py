"""device/move.py: what only a file that comes and goes uses lies in that, and the program does the same."""

from __future__ import annotations

import ast
import builtins
import sys
import textwrap
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

from tests.safety import IN_THE_TICK, NOT_IN_THE_TICK
from zhuque import boards
from zhuque.device import application
from zhuque.device.link import ROOT
from zhuque.device.move import move
from zhuque.device.syntax import definitions
from zhuque.device.uses import Origins

Sources = dict[str, str]


def _moved(root: str, *stay: str, **others: str) -> tuple[Sources, dict[str, list[int]]]:
    files = {"main.py": root} | {f"{name}.py": text for name, text in others.items()}
    return move({name: textwrap.dedent(text) for name, text in files.items()}, ROOT, stay)


def _names(source: str) -> list[str]:
    return [name for name, _ in definitions(ast.parse(source))]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Loads `main`, and whatever else as it is imported; gives `go()` of the file `later`."""

    def load(sources: Sources) -> Any:
        for name in (file.removesuffix(".py") for file in sources):
            module = ModuleType(name)
            monkeypatch.setitem(sys.modules, name, module)
            exec(sources[f"{name}.py"], module.__dict__)
        return sys.modules["later"].__dict__["go"]()

    return load


def test_a_method_that_one_file_calls_is_a_function_there(run: Any) -> None:
    root = """
    class Meter:
        def poll(self):
            return 1
        def set_up(self, gain, *more):
            return [self, gain, more, self.poll()]
    meter = Meter()
    """
    later = """
    from main import meter
    def go():
        return meter.set_up(2, *[3, 4])[1:] + [meter.poll()]
    """
    small, places = _moved(root, later=later)
    assert _names(small["main.py"]) == ["Meter", "Meter.poll"] and "def set_up" not in small["later.py"]
    assert places == {"main.py": [0, 1], "later.py": [2]}
    assert run(small) == [2, (3, 4), 1, 1]


def test_a_constructor_builds_what_is_made_without_one(run: Any) -> None:
    root = """
    class Part:
        def __init__(self, n, more=()):
            self.n = n
            self.more = more
    class Meter(Part):
        kind = "meter"
        def __init__(self, n):
            Part.__init__(self, n, more=(n,))
            self.m = [i + n for i in range(2)]
    def show(part):
        return part.n, part.more, part.m, part.kind, type(part).__name__
    show
    """
    later = """
    from main import Meter, show
    def go():
        return show(Meter(3))
    """
    small, _ = _moved(root, later=later)
    assert _names(small["main.py"]) == ["Part", "Meter", "show"]
    assert run(small) == (3, (3,), [3, 4], "meter", "Meter")


def test_what_only_these_call_follows_and_what_nobody_uses_is_gone(run: Any) -> None:
    root = """
    LOW = 3
    HIGH = (LOW, 4)
    UNUSED = {"a": LOW}
    class Meter:
        def first(self):
            return self._second() + sum(HIGH)
        def _second(self):
            return outer(self)
        def nobody(self):
            def within():
                return 1
            return within()
    def outer(meter):
        return inner(10)
    def inner(n):
        return n + LOW
    """
    later = """
    '''Docstring.'''
    from main import Meter
    def go():
        from main import inner
        return Meter().first() + inner(1)
    """
    small, places = _moved(root, later=later)
    assert _names(small["main.py"]) == ["Meter"] and "=" not in small["main.py"]
    assert places == {"main.py": [0], "later.py": [5, 6, 1, 2]}
    assert run(small) == 10 + 3 + 7 + 1 + 3


def test_a_function_that_two_files_call_is_in_both(run: Any) -> None:
    root = """
    class Meter:
        def nobody(self):
            return self.zero()
        def zero(self):
            return 0
    """
    other = """
    from main import Meter
    def ask():
        return Meter().zero()
    """
    later = """
    from main import Meter
    from other import ask
    def go():
        return ask(), Meter().zero()
    """
    small, places = _moved(root, other=other, later=later)
    assert _names(small["main.py"]) == ["Meter"] and places["other.py"] == places["later.py"] == [2]
    assert run(small) == (0, 0)


def test_an_import_by_another_name_is_what_the_function_is_called(run: Any) -> None:
    root = "def build(n):\n    return n\n"
    small, _ = _moved(root, later="from main import build as go_on\ndef go():\n    return go_on(4)\n")
    assert _names(small["later.py"]) == ["go_on", "go"] and run(small) == 4


def test_coroutines_that_are_awaited_and_generators_that_are_looped_through(run: Any) -> None:
    root = """
    class Ring:
        async def look(self):
            return [5]
        def replay(self):
            yield from (1, 2)
    """
    later = """
    import asyncio
    from main import Ring
    async def ask(ring):
        return await ring.look() + [n for n in ring.replay()]
    def go():
        found = []
        for n in Ring().replay():
            found.append(n)
        return asyncio.run(ask(Ring())) + found
    """
    small, _ = _moved(root, later=later)
    assert _names(small["main.py"]) == ["Ring"] and run(small) == [5, 1, 2, 1, 2]


def test_what_is_private_to_two_files_may_have_one_name(run: Any) -> None:
    """compact.py calls the private names of every file by the same few."""
    root = """
    class Journal:
        def enter(self):
            return self._a()
        def _a(self):
            return "journal"
    class Client:
        def dial(self):
            return self._a() + self.kept()
        def _a(self):
            return "client"
        def kept(self):
            return self._a()
    client = Client()
    client.kept()
    """
    later = """
    from main import Journal, client
    def go():
        return Journal().enter(), client.dial()
    """
    private = {"journal.py": {"_flush": "_a"}, "client.py": {"_say": "_a"}, "later.py": {}}
    origins = Origins(["journal.py"] * 3 + ["client.py"] * 4, private)
    small, places = move(
        {"main.py": textwrap.dedent(root), "later.py": textwrap.dedent(later)}, ROOT, (), origins
    )
    assert _names(small["main.py"]) == ["Journal", "Client", "Client._a", "Client.kept"]
    assert places["later.py"] == [1, 2, 4] and run(small) == ("journal", "clientclient")


_LATER = "from main import Meter\ndef go():\n    return Meter().ask()\n"
STAYS = {
    "the root calls it": ("class Meter:\n    def ask(self):\n        pass\nMeter().ask()\n", _LATER),
    "a method that stays calls it": (
        "class Meter:\n    def ask(self):\n        pass\n    @property\n    def b(self):\n        return self.ask()\n"
        "Meter().b\n",
        _LATER,
    ),
    "taken as a value": ("class Meter:\n    def ask(self):\n        pass\n", _LATER + "x = Meter().ask\n"),
    "an attribute of that name": (
        "class Meter:\n    def ask(self):\n        pass\n",
        _LATER + "Meter().ask = 1\n",
    ),
    "another's method": (
        "class Meter:\n    def ask(self):\n        pass\n",
        _LATER + "class A:\n    def ask(self):\n        pass\n",
    ),
    "another's constant": ("class Meter:\n    def ask(self):\n        pass\nclass A:\n    ask = 1\n", _LATER),
    "asked for by a text": (
        "class Meter:\n    def ask(self):\n        pass\n",
        _LATER + "getattr(Meter, 'ask')\n",
    ),
    "decorated": ("class Meter:\n    @staticmethod\n    def ask():\n        pass\n", _LATER),
    "makes a function": ("class Meter:\n    def ask(self):\n        return lambda: 1\n", _LATER),
    "a default that is worked out": (
        "N = 1\nclass Meter:\n    def ask(self, n=N):\n        pass\nN\n",
        _LATER,
    ),
    "a default that could be changed": ("class Meter:\n    def ask(self, n=[]):\n        pass\n", _LATER),
    "speaks of what is bound twice": (
        "n = 1\nn = 2\nclass Meter:\n    def ask(self):\n        return n\n",
        _LATER,
    ),
    "changes what is global": (
        "n = 1\nclass Meter:\n    def ask(self):\n        global n\n        n = 2\n",
        _LATER,
    ),
    "speaks of what means something else there": (
        "def find():\n    pass\nfind()\nclass Meter:\n    def ask(self):\n        return find()\n",
        _LATER + "def find():\n    pass\n",
    ),
    "what its class is made of": (
        "class Meter:\n    def ask(self):\n        pass\n    __call__ = ask\n",
        _LATER,
    ),
    "called by its class": (
        "class Meter:\n    def ask(self):\n        pass\n",
        _LATER + "Meter.ask(Meter())\n",
    ),
    "called as an heir's": (
        "class Meter:\n    def ask(self):\n        pass\n",
        _LATER + "class B(Meter):\n    def more(self):\n        super().ask()\n",
    ),
    "a library's": ("class Meter:\n    def ask(self):\n        pass\n", "import ntp\nntp.ask()\n" + _LATER),
    "speaks of a name that is built in, but not there": (
        "class Meter:\n    def ask(self):\n        return max(1, 2)\n",
        _LATER + "def max(a, b):\n    pass\n",
    ),
    "a coroutine that outlives the call": ("class Meter:\n    async def ask(self):\n        pass\n", _LATER),
    "a generator that is kept": ("class Meter:\n    def ask(self):\n        yield 1\n", _LATER),
}


@pytest.mark.parametrize("why", STAYS)
def test_a_method_stays(why: str) -> None:
    root, later = STAYS[why]
    small, _ = _moved(root, later=later)
    assert any(name == "Meter.ask" for name in _names(small["main.py"])), small


_BUILD = "from main import Meter\ndef go():\n    return Meter(1)\n"
KEPT = {
    "built in the root, too": ("class Meter:\n    def __init__(self, n):\n        pass\nMeter(1)\n", _BUILD),
    "a base that keeps its own": (
        "class Part:\n    def __init__(self, n):\n        pass\nPart(1)\n"
        "class Meter(Part):\n    def __init__(self, n):\n        Part.__init__(self, n)\n",
        _BUILD,
    ),
    "a base of MicroPython's": (
        "class Meter(ValueError):\n    def __init__(self, n):\n        pass\n",
        _BUILD,
    ),
    "returns": (
        "class Meter:\n    def __init__(self, n):\n        if n:\n            return\n        self.n = n\n",
        _BUILD,
    ),
    "handed on": ("class Meter:\n    def __init__(self, n):\n        pass\n", _BUILD + "kinds = [Meter]\n"),
    "caught": ("class Meter:\n    def __init__(self, n):\n        pass\n", _BUILD + "isinstance(1, Meter)\n"),
    "built by its type": (
        "class Meter:\n    def __init__(self, n):\n        pass\n    def again(self):\n        return type(self)(2)\n",
        _BUILD + "Meter(1).again()\n",
    ),
    "taken as a value": (
        "class Meter:\n    def __init__(self, n):\n        pass\n",
        _BUILD + "x = Meter.__init__\n",
    ),
    "begins with another part": ("class Meter:\n    def __init__(self, n):\n        self = n\n", _BUILD),
    "has no name for the part": ("class Meter:\n    def __init__(*words):\n        pass\n", _BUILD),
    "built as its heir": (
        "class Meter:\n    def __init__(self, n):\n        pass\nclass B(Meter):\n    pass\n",
        _BUILD + "from main import B\nB(1)\n",
    ),
}


@pytest.mark.parametrize("why", KEPT)
def test_a_constructor_stays(why: str) -> None:
    root, later = KEPT[why]
    small, _ = _moved(root, later=later)
    assert "Meter.__init__" in _names(small["main.py"]), small


def test_nothing_moves_into_a_file_that_stays_nor_a_dictionary_anywhere() -> None:
    root = "SEEN = {}\nLOW = 1\nclass Meter:\n    def ask(self):\n        pass\n"
    boot = "from main import Meter, LOW\nMeter().ask(LOW)\n"
    small, _ = _moved(root, "boot.py", boot=boot, later="from main import SEEN\n")
    assert _names(small["main.py"]) == ["Meter", "Meter.ask"]
    assert "SEEN = {}" in small["main.py"] and "LOW = 1" in small["main.py"] and small["boot.py"] == boot


def test_what_is_named_as_something_of_micropython_s_stays(run: Any) -> None:
    root = """
    class Pool:
        def remove(self, n):
            return "pool"
        def readinto(self, into):
            return 0
    """
    later = """
    from main import Pool
    def go():
        some = [1, 2, 3]
        some.remove(2)
        return some, Pool().remove(1)
    """
    small, _ = _moved(root, later=later)
    assert _names(small["main.py"]) == ["Pool", "Pool.remove", "Pool.readinto"]
    assert run(small) == ([1, 3], "pool")


def test_a_function_stays_that_is_decorated_or_the_way_in_or_called_by_two_names() -> None:
    root = "def command(f):\n    return f\n@command\ndef obey():\n    pass\ndef main():\n    pass\ndef f():\n    pass\n"
    small, _ = _moved(root, one="from main import f\nf()\n", later="from main import f as g\ng()\n")
    assert _names(small["main.py"]) == ["command", "obey", "main", "f"]


@pytest.mark.parametrize(
    ("constant", "later"),
    [
        ("NONE = (None,)", "from main import NONE\nx = 1\nx is NONE\n"),
        ("NONE = {}", "from main import NONE\n"),
        ("NONE = [0] * 2", "from main import NONE\n"),
        ("NONE = len('a')", "from main import NONE\n"),
    ],
)
def test_a_constant_stays_that_two_would_not_be_one(constant: str, later: str) -> None:
    small, _ = _moved(f"{constant}\n", later=later)
    assert constant in small["main.py"]


def test_what_is_only_a_constant_by_the_name_of_one_stays_with_it(run: Any) -> None:
    root = "ONE = [0]\nSTATE = ONE * 2\nONE\n"
    small, _ = _moved(root, later="from main import STATE\ndef go():\n    return STATE\n")
    assert "STATE" in small["main.py"] and run(small) == [0, 0]


def test_a_name_that_is_bound_under_a_condition_is_imported(run: Any) -> None:
    root = """
    try:
        from json import dumps
    except ImportError:
        pass
    import os.path
    class Meter:
        def ask(self):
            return dumps(os.path.join("a", "b"))
    """
    small, _ = _moved(root, later=_LATER)
    assert _names(small["main.py"]) == ["Meter"] and run(small) == '"a/b"'


# The firmware itself --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=boards.list_boards())
def small(request: pytest.FixtureRequest) -> application.Small:
    return application.made_small(boards.load(request.param).data)


def test_what_the_tick_runs_stays(small: application.Small) -> None:
    """Nothing of it may be loaded late, or dropped."""
    stays = set(small.defined[ROOT])
    for module in IN_THE_TICK:
        late = {"__init__", *NOT_IN_THE_TICK.get(module, "").split()}
        source = (application.FIRMWARE / f"{module}.py").read_text()
        for name in _names(source):
            inlined = all(name not in (known for _, known in found) for found in small.defined.values())
            private = name.rpartition(".")[2].startswith("_")
            if name.rpartition(".")[2] not in late and not (private and inlined):
                assert (f"{module}.py", name) in stays, (module, name)
    polled = {name.rpartition(".")[2] for file, name in stays if file.startswith("drivers/")}
    assert "poll" in polled and len(stays) > 250


def test_every_name_that_a_file_speaks_of_is_known_there(small: application.Small) -> None:
    for file, source in small.sources.items():
        tree = ast.parse(source)
        bound = {name for node in ast.walk(tree) for name in _bound(node)}
        spoken = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        assert not {name for name in spoken - bound if not hasattr(builtins, name)} - {"const"}, file


def _bound(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
        yield node.id
    elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.name
    elif isinstance(node, ast.arg):
        yield node.arg
    elif isinstance(node, ast.alias):
        yield node.asname or node.name
    elif isinstance(node, ast.ExceptHandler) and node.name:
        yield node.name


def test_half_of_a_board_s_constructors_and_more_are_not_kept(small: application.Small) -> None:
    kept = [name for _, name in small.defined[ROOT] if name.endswith(".__init__")]
    gone = [name for file in small.defined for _, name in small.defined[file] if name.endswith(".__init__")]
    assert len(kept) < 5 < 25 < len(gone)
