"""device/texts.py: what is said to people is read from the flash when it is said, and nothing else changes."""

from __future__ import annotations

import ast
import subprocess
from pathlib import Path

import pytest

from tests import safety
from tests.runner import ROOT
from zhuque.device import pack, texts

SOURCE = '''"""No text of several words, for a docstring costs nothing."""
KEPT = "module level, which runs once"


class Meter:
    """Neither is this one."""

    words = "of a class, and so of the module"

    def judge(self, level, why="a default, which is made once"):
        """Nor this."""
        if level > 3:
            raise ValueError("{} is more than this can be".format(level))
        odd = "b 'oddly' \\"quoted\\" \\u00e9\\n"
        return [lambda: "said by {} again".format(why), "session_start", "a word", odd]


async def told():
    return "said by {} again"
'''


def texts_in(data: bytes) -> dict[int, str]:
    found, at = {}, 0
    while at < len(data):
        found[at] = data[at + 1 : at + 1 + data[at]].decode()
        at += 1 + data[at]
    return found


def test_texts_of_several_words_in_functions_go_and_each_lies_there_once() -> None:
    source, data = texts.set_apart(SOURCE)
    apart = ["b 'oddly' \"quoted\" \u00e9\n", "said by {} again", "{} is more than this can be"]
    assert sorted(texts_in(data).values()) == apart
    for kept in ("which runs once", "of a class", "which is made once", "session_start", "a word"):
        assert kept in source
    for gone in ("more than", "said by", "oddly"):
        assert gone not in source
    assert texts.set_apart(source)[1] == b"" and texts.set_apart(SOURCE) == (source, data)


def test_what_is_longer_than_a_byte_tells_stays() -> None:
    for size, apart in ((255, True), (256, False)):
        source = f"def f():\n    return {'a b' + 'c' * (size - 3)!r}\n"
        assert bool(texts.set_apart(source)[1]) is apart
        assert apart or texts.set_apart(source)[0] == source


def test_a_board_says_what_the_source_says(micropython: Path, tmp_path: Path) -> None:
    source, data = texts.set_apart(SOURCE)
    use = "\ntry:\n    Meter().judge(5)\nexcept ValueError as e:\n    print(e)\n"
    use += "say, name, two, odd = Meter().judge(1)\nprint(say(), name, two, repr(odd))\n"
    (tmp_path / "plain.py").write_text(SOURCE + use)
    (tmp_path / "apart.py").write_text(source + use)
    (tmp_path / "packed.py").write_text((ROOT / "firmware/packed.py").read_text())
    (tmp_path / "modules").write_bytes(pack.build({"late.mpy": b"code"}, data))
    assert pack.read((tmp_path / "modules").read_bytes()) == {"late.mpy": b"code"}
    told = {}
    for name in ("plain", "apart"):
        run = f"import packed; packed._pack = packed.Pack('modules'); import {name}"
        done = subprocess.run([micropython, "-c", run], cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr + done.stdout
        told[name] = done.stdout
    assert told["apart"] == told["plain"] and "5 is more than this can be" in told["plain"]


def test_on_a_full_heap_an_error_stays_what_it_is(micropython: Path, tmp_path: Path) -> None:
    (tmp_path / "packed.py").write_text((ROOT / "firmware/packed.py").read_text())
    (tmp_path / "modules").write_bytes(pack.build({}, b"\x03a b"))
    run = """
import packed, micropython
packed._pack = packed.Pack("modules")
said = None
micropython.heap_lock()
said = packed.text(0)
micropython.heap_unlock()
print(said)
"""
    done = subprocess.run([micropython, "-c", run], cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout == "(no memory to say it)\n", done.stderr


@pytest.mark.parametrize("spoilt", ["seek", "read", "decode"])
def test_where_the_flash_cannot_be_read_the_error_is_still_the_one_that_was_meant(
    micropython: Path, tmp_path: Path, spoilt: str
) -> None:
    (tmp_path / "packed.py").write_text((ROOT / "firmware/packed.py").read_text())
    (tmp_path / "modules").write_bytes(pack.build({}, b"\x03a b"))
    run = f"""
import packed
pack = packed._pack = packed.Pack("modules")
assert packed.text(0) == "a b"
class Spoilt:
    def seek(self, at):
        if {spoilt!r} == "seek":
            raise OSError(5)
    def read(self, size):
        return b"" if {spoilt!r} == "read" else b"\\x01" if size == 1 and {spoilt!r} != "decode" else b"\\xff"
pack._file = Spoilt()
print(packed.text(70))
"""
    done = subprocess.run([micropython, "-c", run], cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout == "(text 70 of the firmware cannot be read from the flash)\n", done.stderr


@pytest.mark.parametrize("module", safety.IN_THE_TICK)
def test_what_a_tick_runs_says_nothing(module: str) -> None:
    """To read a text takes memory and time, which a tick has not."""
    assert texts.set_apart(safety.module_file(module).read_text())[1] == b""


# In drivers people are told something only while a part is built or set up, and by those that no tick calls.
SAYS_SOMETHING = {
    "__init__",
    "from_board",
    "configure",
    "settings",
    "differing",
    "_set_scales",
    "_trip",
    "_gain_code",
    "fine_factor",
}


@pytest.mark.parametrize(
    "kind", ["meter_*", "*_frame", "*_setup", "bl0910_*", "relay_*", "inputs", "i2c_bus"]
)
def test_what_a_tick_asks_of_the_drivers_says_nothing(kind: str) -> None:
    files = sorted((safety.FIRMWARE / "drivers").glob(f"{kind}.py"))
    assert files
    for file in files:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.FunctionDef) and node.name not in SAYS_SOMETHING:
                assert texts.set_apart(ast.unparse(node))[1] == b"", f"{file.name}: {node.name}"
