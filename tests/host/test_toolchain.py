"""The set-up: how it reads the machine's own sources, which suites it tries, what counts as done. No network."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "host/toolchain.py"


@pytest.fixture
def toolchain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script as a module, with a build/ of its own."""
    spec = importlib.util.spec_from_file_location("toolchain", SCRIPT)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "toolchain", module)
    spec.loader.exec_module(module)
    build = tmp_path / "build"
    for name, folder in {
        "BUILD": "",
        "VENV": "venv",
        "TOOLCHAIN": "toolchain",
        "BIN": "toolchain/bin",
    }.items():
        monkeypatch.setattr(module, name, build / folder)
    (build / "toolchain/bin").mkdir(parents=True)
    return module


def apt_folder(tmp_path: Path, name: str, text: str) -> Path:
    file = tmp_path / "apt" / name
    file.parent.mkdir(parents=True)
    file.write_text(text)
    return tmp_path / "apt"


def fake_program(folder: Path, name: str, prints: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\necho '{prints}'\n")
    (folder / name).chmod(0o755)


def test_deb822_sources(toolchain: ModuleType, tmp_path: Path) -> None:
    text = (
        "Types: deb\nURIs: http://vendor.invalid/apt\nSuites: stable-tools\nComponents: main\n\n"
        "# the system\nTypes: deb deb-src\n# a comment inside\nURIs: http://mirror.invalid/debian\n"
        "Suites: bookworm bookworm-updates\nComponents: main\nSigned-By: /keys/debian.gpg\n"
    )
    etc = apt_folder(tmp_path, "sources.list.d/a.sources", text)
    source = toolchain.machine_source(toolchain.Release("debian", "bookworm"), etc)
    assert source.stanza("trixie", "main") == (
        "Types: deb\nURIs: http://mirror.invalid/debian\nSuites: trixie\nComponents: main\nTargets: Packages\n"
        "signed-by: /keys/debian.gpg\n"
    )


def test_a_key_inside_the_stanza_is_kept(toolchain: ModuleType, tmp_path: Path) -> None:
    key = "\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n abc=\n -----END PGP PUBLIC KEY BLOCK-----"
    text = (
        f"Types: deb\nURIs: http://mirror.invalid/debian\nSuites: stable\nComponents: main\nSigned-By:{key}\n"
    )
    etc = apt_folder(tmp_path, "sources.list.d/a.sources", text)
    source = toolchain.machine_source(toolchain.Release("debian", "bookworm"), etc)
    assert source.trust == f"signed-by: {key}\n"


def test_one_line_sources(toolchain: ModuleType, tmp_path: Path) -> None:
    text = (
        "# deb http://no.invalid/ubuntu jammy main\n"
        "deb-src http://mirror.invalid/ubuntu jammy main\n"
        "deb [arch=amd64 signed-by=/keys/ubuntu.gpg] http://mirror.invalid/ubuntu jammy main universe\n"
    )
    etc = apt_folder(tmp_path, "sources.list", text)
    source = toolchain.machine_source(toolchain.Release("ubuntu", "jammy"), etc)
    assert (source.uris, source.trust) == ("http://mirror.invalid/ubuntu", "signed-by: /keys/ubuntu.gpg\n")


def test_a_vendors_archive_is_not_taken_for_the_release(toolchain: ModuleType, tmp_path: Path) -> None:
    text = (
        "deb http://vendor.invalid/tools jammy stable\n"
        "deb http://ppa.invalid/tools/ubuntu jammy main\n"
        "deb http://mirror.invalid/ubuntu jammy main # the release\n"
        "deb http://mirror.invalid/ubuntu jammy-updates main\n"
    )
    etc = apt_folder(tmp_path, "sources.list", text)
    source = toolchain.machine_source(toolchain.Release("ubuntu", "jammy"), etc)
    assert source.uris == "http://mirror.invalid/ubuntu"


@pytest.mark.parametrize("text", ["", "Types: deb\nEnabled: no\nURIs: http://m.invalid\nSuites: bookworm\n"])
def test_no_mirror_is_an_error_that_names_the_release(
    toolchain: ModuleType, tmp_path: Path, text: str
) -> None:
    etc = apt_folder(tmp_path, "sources.list.d/a.sources", text)
    with pytest.raises(toolchain.SetupError, match="bookworm"):
        toolchain.machine_source(toolchain.Release("debian", "bookworm"), etc)


@pytest.mark.parametrize(
    ("family", "codename", "suites"),
    [
        ("debian", "bookworm", ("trixie", "forky")),
        ("debian", "forky", ("forky",)),
        ("ubuntu", "jammy", ("noble", "plucky", "questing", "resolute")),
        ("ubuntu", "questing", ("questing", "resolute")),
    ],
)
def test_suites(toolchain: ModuleType, family: str, codename: str, suites: tuple[str, ...]) -> None:
    release = toolchain.Release(family, codename)
    assert release.suites(newer=True) == suites
    assert release.suites(newer=False) == (codename,)


@pytest.mark.parametrize(("version", "linked"), [("1.21", False), ("1.22", True), ("2.0", True)])
def test_micropython_on_path_is_used_if_new_enough(
    toolchain: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, linked: bool
) -> None:
    fake_program(
        tmp_path / "path", "micropython", f"3.4.0; MicroPython v{version}.0 on 2025-01-01 {2**63 - 1}"
    )
    monkeypatch.setenv("PATH", f"{tmp_path / 'path'}:/usr/bin:/bin")
    assert toolchain.link_from_path(toolchain.MICROPYTHON) is linked
    assert (toolchain.BIN / "micropython").is_file() is linked


def test_a_64_bit_program_is_not_taken_for_the_32_bit_one(
    toolchain: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_program(
        tmp_path / "path", "micropython-i386", f"3.4.0; MicroPython v1.25.0 on 2025-01-01 {2**63 - 1}"
    )
    monkeypatch.setenv("PATH", f"{tmp_path / 'path'}:/usr/bin:/bin")
    assert toolchain.link_from_path(toolchain.MICROPYTHON_I386) is False


def test_a_finished_step_is_not_repeated(
    toolchain: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_program(tmp_path / "path", "micropython", f"3.4.0; MicroPython v1.25.0 on 2025-01-01 {2**63 - 1}")
    monkeypatch.setenv("PATH", f"{tmp_path / 'path'}:/usr/bin:/bin")
    toolchain.make_tools(toolchain.MICROPYTHON)
    monkeypatch.setattr(toolchain, "link_from_path", lambda tools: pytest.fail("repeated"))
    toolchain.make_tools(toolchain.MICROPYTHON)
    (tmp_path / "path/micropython").unlink()  # the program behind the link went away
    assert not toolchain.tools_done(toolchain.MICROPYTHON)


def test_an_unsupported_system_is_told_what_to_install(tmp_path: Path) -> None:
    """No apt-get on PATH, no MicroPython: one line, exit code 1."""
    copy = tmp_path / "host"
    copy.mkdir()
    (copy / "toolchain.py").write_bytes(SCRIPT.read_bytes())
    environment = {**os.environ, "PATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, copy / "toolchain.py"], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "install MicroPython" in done.stderr


def test_the_newest_postgresql_is_taken(toolchain: ModuleType, tmp_path: Path) -> None:
    assert toolchain.installed_postgres(tmp_path) is None
    for release in ("9", "15", "16"):
        folder = tmp_path / "usr/lib/postgresql" / release / "bin"
        folder.mkdir(parents=True)
        fake_program(folder, "initdb", "initdb")
        if release != "16":  # the client alone
            fake_program(folder, "postgres", "postgres (PostgreSQL) 15.3")
    assert toolchain.installed_postgres(tmp_path) == tmp_path / "usr/lib/postgresql/15/bin"
