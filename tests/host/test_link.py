"""device/link.py: one module does what the many did."""

from __future__ import annotations

import ast
import sys
from pathlib import Path
from types import ModuleType

import pytest

from zhuque import boards
from zhuque.device import application
from zhuque.device.compact import compact
from zhuque.device.link import LinkError, link


def run(
    sources: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, start: str = "main"
) -> ModuleType:
    """The linked sources, imported as a board does."""
    for name, text in link(sources)[0].items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    for name in sources:
        module = name.removesuffix(".py").replace("/", ".")
        # Set and deleted, so that at the end of the test what it imported is gone, even where nothing was before.
        monkeypatch.setitem(sys.modules, module, ModuleType(module))
        del sys.modules[module]
    return __import__(start)


SOURCES = {
    "main.py": "from core.judge import Judge, trips as _trips\nfrom core import causes\nfrom binascii import crc32\n"
    "def main(level):\n    import late\n"
    "    run = [causes.bit(n) for n in causes.NAMES]\n"
    "    return Judge(level).judge(), run, _trips, crc32(b'x'), late.late(level)\n",
    "core/__init__.py": "",
    "core/causes.py": '"""Causes."""\nimport binascii\nNAMES = ("a", "b")\n'
    "def bit(name):\n    return 1 << NAMES.index(name)\ndef run(text):\n    return binascii.crc32(text)\n",
    "core/judge.py": "from .causes import NAMES as ALL, run\nfrom . import causes\n_limit = 3\ntrips = len(ALL)\n"
    "class Judge:\n    limit = _limit\n    bit = 7\n    def __init__(self, level, limit=_limit):\n"
    "        self.level, self.high = level, limit\n"
    "    def judge(self):\n        bit = lambda bit: bit + self.bit\n"
    "        return bit(self.level), self.high, run(b'x') == causes.run(b'x'), causes.bit('b')\n",
    "late.py": "from core.judge import Judge\nfrom core import causes\n_limit = 5\n"
    "def late(level):\n    from core.causes import bit as one\n    NAMES = causes.NAMES\n"
    "    return one(NAMES[1]) + _limit, Judge(level).level\n",
}


def test_what_stays_becomes_one_and_what_comes_late_takes_from_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    linked, _ = link(SOURCES)
    assert set(linked) == {"main.py", "core/__init__.py", "late.py"}
    assert "from main import" in linked["late.py"] and "core" not in linked["late.py"]
    main = run(SOURCES, monkeypatch, tmp_path)
    assert main.main(4) == ((11, 3, True, 2), [1, 2], 2, 0x8CDC1683, (7, 4))
    assert sys.modules["late"].Judge.__module__ == "main", "the same class, not a second one"


def test_a_module_that_is_dropped_by_its_name_stays_a_file() -> None:
    sources = {**SOURCES, "late.py": SOURCES["late.py"] + "LOADED = ('core.causes',)\n"}
    assert "core/causes.py" in link(sources)[0]


def test_a_text_that_is_the_programs_own_name_drops_nothing() -> None:
    linked, joined = link({**SOURCES, "late.py": SOURCES["late.py"] + "print('main')\n"})
    assert joined[-1] == "main.py" and "class Judge" in linked["main.py"]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"core/judge.py": SOURCES["core/judge.py"] + "all = [causes]\n"}, "causes is used as a value"),
        ({"late.py": "from core.causes import none\n"}, "has no none that could be meant"),
    ],
)
def test_what_cannot_be_joined_is_refused(changed: dict[str, str], said: str) -> None:
    with pytest.raises(LinkError, match=said):
        link({**SOURCES, **changed})


@pytest.mark.parametrize("board", boards.list_boards())
def test_the_firmware_itself(board: str) -> None:
    data = boards.load(board).data
    names = application.modules(data)
    sources = compact({name: (application.FIRMWARE / name).read_text() for name in names})
    linked, joined = link(sources)
    assert (linked, joined) == link(dict(reversed(sources.items()))), "the same sources give the same bytes"
    assert not {"core/protection.py", "core/point.py", "tasks/publish.py", "drivers/mqtt.py"} & set(linked)
    for name, text in linked.items():
        tree = ast.parse(text, name)
        bound = {node.id for node in tree.body for node in ast.walk(node) if isinstance(node, ast.Name)}
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module == "main":
                assert name != "main.py"
                # What opens the relays at power-up does not wait for all of the firmware to be loaded.
                assert not name.startswith(("boot", "drivers/relay_", "drivers/i2c_bus")), name
        assert bound or name.endswith("__init__.py")
