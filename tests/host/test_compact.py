"""device/compact.py: what the board runs does the same as the source, with fewer names."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from zhuque.device.compact import CompactError, compact, names
from zhuque.device.rom_names import IN_ROM

ROOT = Path(__file__).resolve().parents[2]
ALL = {
    path.relative_to(ROOT / "firmware").as_posix(): path.read_text()
    for path in sorted((ROOT / "firmware").rglob("*.py"))
}


def test_constants_stand_in_place_of_their_names_in_every_file() -> None:
    small = compact(
        {
            "core/limits.py": "from wire.units import const\nHIGH = const(1 << 4)\n"
            "_LOW = const(HIGH - 1)\nx = _LOW\n",
            "core/judge.py": "from .limits import HIGH as TOP\nfrom . import limits\n"
            "y = [TOP, limits.HIGH, limits.x]\n",
            "tasks/run.py": "from core.limits import HIGH, x\nz = HIGH + x\n",
        }
    )
    assert small["core/limits.py"].split() == ["pass", "x", "=", "15"]
    assert "y = [16, 16, limits.x]" in small["core/judge.py"]
    assert small["tasks/run.py"].splitlines() == ["from core.limits import x", "z = 16 + x"]


def test_private_names_are_short_and_public_ones_stay() -> None:
    source = "class Meter:\n    def __init__(self, bus):\n        self._bus = bus\n        self.reads = 0\n"
    source += "    def _read_all(self, _timer=None):\n        self._bus()\n        self.reads += 1\n"
    source += "    def poll(self):\n        self._read_all()\n        self._bus._foreign = 1\n"
    small = compact({"a.py": source})["a.py"]
    wanted = ["_bus", "_read_all", "_foreign", "_timer"]  # the most used first
    rom = IN_ROM
    assert names({"a.py": source})["a.py"] == dict(zip(wanted, rom, strict=False))
    scope: dict[str, type] = {}
    exec(small, scope)

    def bus() -> None:
        pass

    meter = scope["Meter"](bus)
    meter.poll()
    assert meter.reads == 1 and getattr(meter, rom[0]) is bus


def test_what_the_sources_say_themselves_is_no_name_for_anything_else() -> None:
    taken = IN_ROM[0]
    table = names({"a.py": "class A:\n    _x = 1\n", "b.py": f"{taken} = 2\n"})
    assert table["a.py"] == {"_x": IN_ROM[1]}


def test_files_that_inherit_share_their_names_and_others_begin_anew() -> None:
    table = names(
        {
            "core/ring.py": "class Ring:\n    def __init__(self):\n        self._head = self._tail = 0\n",
            "core/journal.py": "from .ring import Ring\nclass Journal(Ring):\n"
            "    def go(self):\n        self._waiting = self._head\n",
            "core/other.py": "class Other:\n    def __init__(self):\n        self._waiting = 0\n",
        }
    )
    assert table["core/ring.py"] == table["core/journal.py"]
    assert len(set(table["core/ring.py"].values())) == 3
    assert table["core/other.py"] == {"_waiting": IN_ROM[0]}


def test_what_belongs_to_others_is_left_alone() -> None:
    source = "import asyncio\ndef wait(sock):\n    yield asyncio.core._io_queue.queue_read(sock)\n"
    assert "_io_queue" in compact({"a.py": source})["a.py"]


@pytest.mark.parametrize(
    ("sources", "said"),
    [
        ({"a.py": "_x = 1\n", "b.py": "from a import _x\n"}, "imports a private name of a"),
        ({"a.py": "class A:\n    _x = 1\nprint(getattr(A, '_x'))\n"}, "_x stands in a text"),
        (
            {"a.py": "X = const(1)\ndef f():\n    X = 2\n    return X\n"},
            "X is a constant and is assigned again",
        ),
    ],
)
def test_a_source_that_breaks_a_rule_is_refused(sources: dict[str, str], said: str) -> None:
    with pytest.raises(CompactError, match=said):
        compact(sources)


def test_the_firmware_itself() -> None:
    """Every file compiles, no constant is left, and the same sources give the same bytes."""
    small = compact(ALL)
    assert small == compact(dict(reversed(ALL.items())))
    for name, text in small.items():
        tree = ast.parse(text, name)
        calls = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
        assert not [func for func in calls if isinstance(func, ast.Name) and func.id == "const"], name
    assert {key for table in names(ALL).values() for key in table.values()} < set(IN_ROM)
