"""The wheel: in an empty environment it gives a `zhuque` that works from any folder, board files included."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

import zhuque

ROOT = Path(__file__).resolve().parents[2]
MADE = re.compile(r"__pycache__|\.mpy$|\.pyc$|^tests/")


def run(*command: str | Path, cwd: Path) -> str:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=110)
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what the build reads, so that it leaves nothing in the tree and runs beside other builds."""
    copy = tmp_path_factory.mktemp("sources")
    for name in ("pyproject.toml", "README.md", "LICENSE", "host", "firmware", "boards"):
        if (ROOT / name).is_dir():
            ignore = shutil.ignore_patterns("__pycache__", "*.egg-info", "*.mpy")
            shutil.copytree(ROOT / name, copy / name, symlinks=True, ignore=ignore)
        else:
            shutil.copy(ROOT / name, copy)
    (copy / "firmware/core/left.mpy").write_bytes(b"M")
    return copy


def build(sources: Path, kind: str, into: Path) -> Path:
    run(sys.executable, "-m", "build", "--no-isolation", f"--{kind}", "--outdir", into, sources, cwd=into)
    return next(into.iterdir())


@pytest.fixture(scope="module")
def wheel(sources: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(sources, "wheel", tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel in it; what it depends on is the outer one's, so that no network is needed."""
    environment = tmp_path_factory.mktemp("installed") / "venv"
    run(sys.executable, "-m", "venv", "--without-pip", environment, cwd=wheel.parent)
    python = environment / "bin/python"
    run(
        sys.executable,
        "-m",
        "pip",
        "--python",
        python,
        "install",
        "--no-deps",
        "--no-index",
        wheel,
        cwd=wheel.parent,
    )
    site = run(
        python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=wheel.parent
    ).strip()
    # A plain path comes after the wheel's own folder, and does not bring the editable installation along.
    (Path(site) / "outer.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return environment


def names_in(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def tracked(folder: str) -> set[str]:
    """The files of a folder that git knows, or all of them where there is no git."""
    done = subprocess.run(["git", "ls-files", folder], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        files = (file for file in (ROOT / folder).rglob("*") if file.is_file())
        return {str(file.relative_to(ROOT)) for file in files if not MADE.search(str(file))}
    return {name for name in done.stdout.splitlines() if (ROOT / name).is_file()}


def test_the_wheel_holds_every_file_of_the_board(wheel: Path) -> None:
    names = names_in(wheel)
    assert {"zhuque/_firmware/main.py", "zhuque/_boards/zq10/board.toml", "zhuque/py.typed"} <= names
    expected = {f"zhuque/_{name}" for folder in ("firmware", "boards") for name in tracked(folder)}
    expected |= {name.replace("firmware/", "zhuque/", 1) for name in tracked("firmware/wire")}
    expected |= {name.removeprefix("host/") for name in tracked("host/zhuque")}
    assert expected - names == set()


def test_the_wheel_holds_nothing_that_was_made(wheel: Path) -> None:
    assert [name for name in names_in(wheel) if MADE.search(name)] == []


def test_the_source_archive_builds_the_same_wheel(sources: Path, wheel: Path, tmp_path: Path) -> None:
    for folder in ("archive", "unpacked", "wheel"):
        (tmp_path / folder).mkdir()
    shutil.unpack_archive(build(sources, "sdist", tmp_path / "archive"), tmp_path / "unpacked")
    unpacked = next((tmp_path / "unpacked").iterdir())
    assert names_in(build(unpacked, "wheel", tmp_path / "wheel")) == names_in(wheel)


def test_the_installed_program_runs_from_any_folder(installed: Path, tmp_path: Path) -> None:
    assert "Usage: zhuque" in run(installed / "bin/zhuque", "--help", cwd=tmp_path)


def test_the_installed_package_is_the_one_of_the_wheel(installed: Path, tmp_path: Path) -> None:
    code = "import zhuque; print(zhuque.__file__, zhuque.__version__)"
    file, version = run(installed / "bin/python", "-c", code, cwd=tmp_path).split()
    assert Path(file).is_relative_to(installed)
    assert version == zhuque.__version__
