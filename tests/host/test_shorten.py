"""device/shorten.py: short names where nobody else knows them, the most spoken ones first, and nothing else changes."""

from __future__ import annotations

import ast
import socket
import ssl
import subprocess
from pathlib import Path

import pytest

from tests.runner import ROOT
from zhuque import boards
from zhuque.device import application
from zhuque.device.compact import compact
from zhuque.device.link import link
from zhuque.device.shorten import names, shorten

# Where the simulator has classes in the place of a board's own, with the same attributes.
STAND_INS = (
    "machine",
    "buses",
    "network",
    "onewire",
    "esp32",
    "vfs_shim",
    "os",
    "select",
    "socket",
    "ssl",
    "time",
)
BOARD = {"freq", "reset", "reset_cause", "unique_id", "idf_heap_info", "hostname", "country"}
SOURCES = {
    "main.py": "import json\nfrom array import array\n\nclass Meter:\n    channels = 2\n\n"
    "    def __init__(self, limits):\n        self.limits, self.current = limits, 0\n\n"
    "    def judge(self, current, scale=1):\n        self.current = current * scale\n"
    "        return self.current > self.limits\n\n"
    "def told(meter):\n    return json.dumps({'current': meter.current}), getattr(meter, 'channels')\n",
    "late.py": "from main import Meter, told as answer\n\ndef late():\n    meter = Meter(5)\n"
    "    return meter.judge(3, scale=2), answer(meter)\n",
}


def parsed(sources: dict[str, str]) -> dict[str, ast.Module]:
    return {name: ast.parse(text) for name, text in sources.items()}


@pytest.fixture(scope="module", params=boards.list_boards())
def linked(request: pytest.FixtureRequest) -> dict[str, str]:
    """The files of each board, as they come from link.py."""
    wanted = application.modules(boards.load(request.param).data)
    linked, _ = link(compact({name: (application.FIRMWARE / name).read_text() for name in wanted}))
    return linked


def test_names_are_short_in_every_file_and_mean_the_same(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    short = shorten(SOURCES, "main.py")
    table = names(parsed(SOURCES))
    assert {"Meter", "limits", "judge", "told"} <= set(table)
    assert f"import {table['Meter']}, {table['told']} as" in short["late.py"]
    assert not {"Meter", "limits", "judge", "told"} & set(short["main.py"].split())
    for file, text in short.items():
        (tmp_path / file).write_text(text)
    done = subprocess.run(
        ["python3", "-c", "import late; print(getattr(late, 'late')())"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.stdout == "(True, ('{\"current\": 6}', 2))\n", done.stderr


def test_what_others_know_stays() -> None:
    stays = {"json", "dumps", "array", "current", "channels", "scale", "late", "main", "__init__"}
    assert not stays & set(names(parsed(SOURCES)))


def test_no_name_of_the_firmware_that_micropython_has_is_taken(
    linked: dict[str, str], micropython: Path
) -> None:
    """A name that is missing in _LIBRARY would be an attribute that is not there, on a path that no test may go."""
    run = subprocess.run(
        [micropython, ROOT / "tests/fakes/library_names.py"], capture_output=True, check=True
    )
    known = set(run.stdout.decode().split())
    assert len(known) > 500
    for stand_in in STAND_INS:
        tree = ast.parse((ROOT / f"host/zhuque/sim/board/{stand_in}.py").read_text())
        classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
        known |= {node.name for one in classes for node in one.body if isinstance(node, ast.FunctionDef)}
    # Attributes that are only ever set are in no dir() of MicroPython's.
    known |= BOARD | set(dir(ssl.SSLContext)) | set(dir(socket.socket))
    taken = names(parsed(linked))
    assert len(taken) > 400
    assert known & set(taken) == set()
    new = set(taken.values())
    assert len(new) == len(taken) and not any(f"'{name}'" in text for text in linked.values() for name in new)


def test_what_is_spoken_most_costs_a_byte(linked: dict[str, str]) -> None:
    """Without the first line, which never runs, the same program is a twentieth larger."""
    short = shorten(linked, "main.py")["main.py"]
    first, rest = short.split("\n", 1)
    assert first.startswith("if not __name__: __name__.")
    with_it, without = (len(application.compile_module("main.py", text)) for text in (short, rest))
    assert with_it < 0.96 * without
    assert shorten(dict(reversed(linked.items())), "main.py")["main.py"] == short
