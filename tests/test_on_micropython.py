"""The tests of wire and core once more, on the runtime of the board: 64-bit, and 32-bit with its small integers."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.runner import files_for_both, run_tests


@pytest.mark.parametrize("file", files_for_both())
def test_on_micropython(mpy: Path, file: str) -> None:
    done = run_tests(mpy, file)
    if done.returncode:
        pytest.fail(f"{file} on {mpy.name}, exit code {done.returncode}:\n{done.stdout}", pytrace=False)


def test_a_failing_file_fails(mpy: Path, tmp_path: Path) -> None:
    """The runner itself: a failure, an empty file and a broken one are each seen, with the reason."""
    cases = {
        "test_fails.py": (
            "def test_a():\n    pass\ndef test_b():\n    assert 1 == 2, 'one is not two'\n",
            "one is not two",
        ),
        "test_empty.py": ("", "0 passed"),
        "test_broken.py": ("import no_such_module\n", "no_such_module"),
    }
    for name, (text, expected) in cases.items():
        (tmp_path / name).write_text(text)
        done = run_tests(mpy, str(tmp_path / name))
        assert done.returncode == 1, done.stdout
        assert expected in done.stdout
