"""device/traceback.py: what a board prints is told with the names that the sources have."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from zhuque import boards
from zhuque.cli import main
from zhuque.device import cache
from zhuque.device.traceback import true_names
from zhuque.wire.version import VERSION


@pytest.mark.parametrize("board", boards.list_boards())
def test_every_function_of_a_board_is_one_of_the_sources(board: str) -> None:
    """Names that never change are at the same places: so the others are, too."""
    known = true_names(boards.load(board).data)
    assert len(known) > 400 and sum(len(told) == 1 for told in known.values()) > 0.85 * len(known)
    same = {"__init__", "main", "from_board", "<module>"}
    for (_, name), told in known.items():
        if name in same:
            assert all(text.endswith((f" {name}", f".{name}")) for text in told), told
    loop = 'File "main.py", in Board.meter_loop'
    assert [module for (module, _), told in known.items() if loop in told] == ["main"]
    recover = 'File "core/recovery.py", in recover'
    assert [module for (module, _), told in known.items() if recover in told] not in ([], ["main"])


def test_what_a_board_printed_is_told_with_the_true_names(micropython: Path, tmp_path: Path) -> None:
    made = cache.compiled(boards.load("kc868-a8-pzem").data)
    (module,) = (name for name, source in made.sources.items() if source == "drivers/i2c_bus.py")
    (tmp_path / module).write_bytes(made.modules[module])
    name = module.removesuffix(".mpy")
    printed = subprocess.run(
        [micropython, "-c", f"import {name}; {name}.from_board({{}}, None)"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    ).stderr
    assert f'File "{name}' in printed and "AttributeError" in printed
    (tmp_path / "console.txt").write_text("zhuque: ready\n" + printed)
    done = CliRunner().invoke(main, ["board", "traceback", "kc868-a8-pzem", str(tmp_path / "console.txt")])
    assert done.exit_code == 0
    first, *_, last = done.stdout.splitlines()
    assert first == "zhuque: ready" and last.startswith("AttributeError")
    assert '  File "drivers/i2c_bus.py", in from_board\n' in done.stdout and f'"{name}' not in done.stdout


def test_what_another_version_printed_is_noted() -> None:
    """Its functions may have been given other names."""
    text = "zhuque: zq10 0.0.9 boot 17 epoch 9f3ac2d15b7e0c44\nTraceback (most recent call last):\n"
    done = CliRunner().invoke(main, ["board", "traceback", "zq10"], input=text * 2)
    assert (done.exit_code, done.stdout) == (0, text * 2)
    assert done.stderr == (
        f"note: this is of Zhuque 0.0.9, older than this {VERSION}; names may be wrong: explain it with that version\n"
    )
    done = CliRunner().invoke(main, ["board", "traceback", "zq10"], input=text.replace("0.0.9", VERSION))
    assert done.stderr == ""


def test_of_standard_input_what_is_no_traceback_stays() -> None:
    text = 'File "somewhere", line 3, in else\n  File "main.py", line 5, in <module>\nno traceback\u00e9\n'
    done = CliRunner().invoke(main, ["board", "traceback", "zq10"], input=text)
    assert (done.exit_code, done.stdout) == (0, text)
    assert CliRunner().invoke(main, ["board", "traceback", "zq11"], input=text).exit_code == 3
