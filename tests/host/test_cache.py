"""device/cache.py: an application that was made for the same board, of the same sources, is not made again."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from zhuque import boards
from zhuque.device import application, cache
from zhuque.device.application import Application

MADE = Application({"main.mpy": b"M\x06\x00"}, b"\x03a b", {"main.mpy": "main.py"})
BOARD = dict(boards.load("zq10").data)


class Maker:
    """In the place of application.compiled: how often is it asked?"""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, board: object, firmware: Path) -> Application:
        self.asked += 1
        return MADE


@pytest.fixture
def maker(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Maker:
    made = Maker()
    monkeypatch.setattr(application, "compiled", made)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return made


def kept(folder: Path) -> list[Path]:
    return list((folder / "cache" / "zhuque" / "applications").iterdir())


def test_what_comes_out_of_it_is_what_was_made() -> None:
    board = boards.load("devkit-hlw8032").data
    made = application.compiled(board)
    assert cache.compiled(board) == made
    assert cache.compiled(board) == made


def test_the_same_is_made_once_and_what_differs_is_made_anew(maker: Maker, tmp_path: Path) -> None:
    sources = tmp_path / "firmware"
    shutil.copytree(application.FIRMWARE / "core", sources)

    def asked(board: dict[str, Any]) -> int:
        before = maker.asked
        assert cache.compiled(board, sources) == MADE == cache.compiled(board, sources)
        return maker.asked - before

    assert asked(BOARD) == 1 and asked(BOARD) == 0
    assert asked({**BOARD, "sockets": 9}) == 1
    limits = sources / "limits.py"
    limits.write_text(limits.read_text() + "\n")
    assert asked(BOARD) == 1
    limits.rename(sources / "limit.py")
    assert asked(BOARD) == 1


def test_what_was_made_while_a_source_changed_is_not_kept(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    sources = tmp_path / "firmware"
    shutil.copytree(application.FIRMWARE / "core", sources)
    limits = sources / "limits.py"
    text = limits.read_text()
    other = Application({"main.mpy": b"other"}, b"", {})

    def changed_meanwhile(board: object, firmware: Path) -> Application:
        limits.write_text(text + "\n")
        return other

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(application, "compiled", changed_meanwhile)
    assert cache.compiled(BOARD, sources) == other
    limits.write_text(text)
    monkeypatch.setattr(application, "compiled", lambda board, firmware: MADE)
    assert cache.compiled(BOARD, sources) == MADE


@pytest.mark.parametrize("spoilt", [b"", b"none", b"\xff\n{}", "a bit"])
def test_what_rotted_is_made_anew(maker: Maker, tmp_path: Path, spoilt: bytes | str) -> None:
    cache.compiled(BOARD)
    (file,) = kept(tmp_path)
    data = bytearray(file.read_bytes())
    data[-9] ^= 1
    file.write_bytes(data if isinstance(spoilt, str) else spoilt)
    assert cache.compiled(BOARD) == MADE == cache.compiled(BOARD) and maker.asked == 2


def test_a_folder_that_cannot_be_keeps_nobody_from_flashing(maker: Maker, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("no folder")
    assert cache.compiled(BOARD) == MADE == cache.compiled(BOARD) and maker.asked == 2


def test_old_ones_go(maker: Maker, tmp_path: Path) -> None:
    for sockets in range(20):
        cache.compiled({**BOARD, "sockets": sockets})
    assert len(kept(tmp_path)) == 12
    assert cache.compiled({**BOARD, "sockets": 19}) == MADE and maker.asked == 20
