"""`zhuque firmware`: what a downloaded file is, from its own bytes; and the folder in which the good ones are kept."""

from __future__ import annotations

import errno
import json
import os
import random
import resource
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fakes import esp32_image
from zhuque import files
from zhuque.device import layout, stock
from zhuque.device.shelf import Shelf
from zhuque.device.stock import ImageError, UnfitImageError
from zhuque.errors import NotFoundError, RefusedError, UsageError, ZhuqueError
from zhuque.files import FileError

GOOD = esp32_image.stock("v1.26.1", size=48 * 1024)
OURS = esp32_image.stock(
    "v1.26.1", entries=tuple((p.label, p.kind, p.subtype, p.offset, p.size) for p in layout.TABLE)
)
APP_AT = esp32_image.APP_OFFSET - esp32_image.boot_offset()


def test_a_good_image_is_read_from_its_bytes() -> None:
    image = stock.read(GOOD)
    assert (image.chip, image.version, image.release) == ("ESP32", (1, 26, 1), "1.26.1")
    assert (image.date, image.machine) == ("2024-06-02", "Generic ESP32 module with ESP32")
    assert image.flash_size == 4 << 20
    assert image.bootloader == esp32_image.bootloader()
    assert image.application == esp32_image.app("v1.26.1", 48 * 1024)


def test_what_comes_behind_the_application_is_not_part_of_it() -> None:
    assert stock.read(GOOD + b"\xff" * 5000).application == stock.read(GOOD).application


@pytest.mark.parametrize(
    "version", ["v1.23.0", "v1.23.0-dirty", "v1.24.0-preview.12.gabcdef", "v1.29.0", "v2.0.1"]
)
def test_new_enough(version: str) -> None:
    assert stock.read(esp32_image.stock(version, size=16384)).release == version[1:]


@pytest.mark.parametrize("version", ["v1.22.2", "v1.9.4", "v1.23.0-preview.3.g1", "v0.9.9"])
def test_too_old(version: str) -> None:
    with pytest.raises(UnfitImageError, match=r"needs 1\.23 or later"):
        stock.read(esp32_image.stock(version, size=16384))


@pytest.mark.parametrize(
    ("chip_id", "name"),
    [(esp32_image.ESP32S3, "ESP32-S3"), (esp32_image.ESP32C3, "ESP32-C3"), (esp32_image.ESP32S2, "ESP32-S2")],
)
def test_other_chips_are_refused_by_name(chip_id: int, name: str) -> None:
    with pytest.raises(UnfitImageError, match=f"for the {name}, and Zhuque's boards have an ESP32;"):
        stock.read(esp32_image.stock(size=16384, chip_id=chip_id))


def test_a_file_that_was_cut_off_is_found_out_wherever() -> None:
    for size in (
        0,
        1,
        23,
        24,
        4000,
        16000,
        28671,
        28672,
        30000,
        APP_AT,
        APP_AT + 23,
        APP_AT + 900,
        len(GOOD) - 1,
    ):
        with pytest.raises(ImageError, match="cut off"):
            stock.read(GOOD[:size])


def test_a_damaged_byte_is_found_out() -> None:
    for at in (1000, 15000, APP_AT + 40, APP_AT + 30000, len(GOOD) - 40, len(GOOD) - 1):
        damaged = bytearray(GOOD)
        damaged[at] ^= 0x20
        with pytest.raises(ImageError, match=r"damaged|cut off"):
            stock.read(bytes(damaged))


def test_a_damaged_partition_table_is_found_out() -> None:
    damaged = bytearray(GOOD)
    damaged[0x7000 + 5] ^= 1
    with pytest.raises(ImageError, match="no partition table"):
        stock.read(bytes(damaged))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"<!DOCTYPE html><html>404", "a web page: the download failed"),
        (b"\x7fELF" + bytes(70000), "an ELF file"),
        (b"PK\x03\x04" + bytes(70000), "a ZIP archive"),
        (b"UF2\n" + bytes(70000), "a UF2 file"),
        (esp32_image.app("v1.26.1"), "an application alone, an .app-bin"),
        (bytes(70000), "do not begin as a firmware image"),
        (GOOD + bytes(4 << 20), "more than a flash of 4 MiB holds"),
        (GOOD + b"\xff\0", "there are 2 bytes behind its application"),
        (OURS, "an image for one board that Zhuque made"),
        (esp32_image.stock("v2.1", size=16384, project="sensor"), "is not MicroPython"),
        (esp32_image.stock("v1.26.1", size=0x1F8000), "its place on the board holds 2031616"),
    ],
    ids=["page", "elf", "zip", "uf2", "app", "zeros", "large", "more", "ours", "other", "large app"],
)
def test_what_else_is_in_a_downloads_folder(data: bytes, said: str) -> None:
    with pytest.raises(ImageError) as caught:
        stock.read(data)
    assert said in str(caught.value) and "; download" in str(caught.value)


def test_an_image_for_a_small_flash_is_refused() -> None:
    with pytest.raises(UnfitImageError, match="for a flash of 2 MiB"):
        stock.read(esp32_image.bootloader(flash=2) + GOOD[len(esp32_image.bootloader()) :])


def test_flipped_bytes_are_refused_or_outside_of_what_is_used() -> None:
    whole = stock.read(GOOD)
    chance = random.Random(6)
    headers = [*range(64), *range(0x7000, 0x7100), *range(APP_AT, APP_AT + 64)]
    for _ in range(400):
        damaged = bytearray(GOOD)
        for at in chance.sample(headers, chance.randrange(1, 4)):
            damaged[at] = chance.randrange(256)
        try:
            image = stock.read(bytes(damaged))
        except ImageError:
            continue
        assert (image.bootloader, image.application) == (whole.bootloader, whole.application)


def test_the_shelf_keeps_each_once_for_its_owner_alone(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "data" / "firmware")
    (tmp_path / "a.bin").write_bytes(GOOD)
    assert shelf.add(tmp_path / "a.bin") == shelf.add(tmp_path / "a.bin")
    (kept,) = shelf.folder.iterdir()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600 and stat.S_IMODE(shelf.folder.stat().st_mode) == 0o700
    assert shelf.newest().sha256 == kept.stem
    assert shelf.find("1.26.1") == shelf.find(kept.stem) == shelf.find(kept.stem[:6]) == shelf.newest()


def test_the_newest_is_taken_and_two_that_could_be_meant_are_asked_for(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    for i, version in enumerate(("v1.23.0", "v1.26.1", "v1.25.0")):
        (tmp_path / f"{i}.download").write_bytes(esp32_image.stock(version, size=16384))
        shelf.add(tmp_path / f"{i}.download")
    assert [image.release for image in shelf.images()] == ["1.26.1", "1.25.0", "1.23.0"]
    assert shelf.newest().release == "1.26.1"
    (tmp_path / "other").write_bytes(
        esp32_image.stock("v1.26.1", size=16384, board="ESP32 module with SPIRAM with ESP32")
    )
    other = shelf.add(tmp_path / "other")
    for ask in (shelf.newest, lambda: shelf.find("1.26.1")):
        with pytest.raises(UsageError, match="name one by its hash"):
            ask()
    assert shelf.find(other.sha256[:12]) == other
    with pytest.raises(NotFoundError, match=r"no firmware '1\.27' was added; there is "):
        shelf.find("1.27")


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name in (tmp_path / "pipe", Path("/dev/zero")):
        with pytest.raises(NotFoundError, match="is no file; give the file that was downloaded"):
            Shelf(tmp_path / "shelf").add(name)


def test_a_file_that_rots_is_not_flashed(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    (tmp_path / "good").write_bytes(GOOD)
    kept = tmp_path / f"{shelf.add(tmp_path / 'good').sha256}.bin"
    kept.write_bytes(GOOD[:-1] + b"?")
    with pytest.raises(ImageError, match="changed since it was added"):
        shelf.newest()
    shelf.add(tmp_path / "good")
    assert shelf.newest().release == "1.26.1"


def keep(shelf: Shelf, file: Path, image: bytes) -> str:
    file.write_bytes(image)
    return shelf.add(file).sha256


def test_what_is_removed_is_told_and_nothing_else_is(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "shelf")
    old, new = (
        keep(shelf, tmp_path / "file", esp32_image.stock(v, size=16384)) for v in ("v1.23.0", "v1.26.1")
    )
    assert (
        shelf.remove("1.23")
        == f"{old[:12]}: MicroPython 1.23.0 of 2024-06-02, Generic ESP32 module with ESP32"
    )
    assert [image.sha256 for image in shelf.images()] == [new]
    for name in ("1.23.0", old, new[:3], "", "../file"):
        with pytest.raises(NotFoundError, match="was added; there is "):
            shelf.remove(name)
    assert shelf.remove(new[:4].upper()).startswith(new[:12])
    assert shelf.images() == [] and (tmp_path / "file").exists()


def test_what_could_be_several_is_not_removed(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "shelf")
    first = keep(shelf, tmp_path / "file", GOOD)
    other = esp32_image.stock("v1.26.1", size=16384, board="ESP32 module with SPIRAM with ESP32")
    keep(shelf, tmp_path / "file", other)
    with pytest.raises(UsageError, match=r"'1\.26\.1' could be .* or .*: name one by its hash"):
        shelf.remove("1.26.1")
    twin = first[:6] + "0" * 58  # as if its hash began alike
    (shelf.folder / f"{twin}.bin").write_bytes(b"")
    with pytest.raises(UsageError) as caught:
        shelf.remove(first[:6])
    for hash in (first, twin):
        assert hash[:12] in str(caught.value)
    assert "nothing was removed; give more of its hash" in str(caught.value)
    assert len(list(shelf.folder.iterdir())) == 3


def test_a_damaged_one_can_be_removed_and_the_others_be_used_again(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "shelf")
    bad = keep(shelf, tmp_path / "file", GOOD)
    good = keep(shelf, tmp_path / "file", esp32_image.stock("v1.23.0", size=16384))
    (shelf.folder / f"{bad}.bin").write_bytes(b"?")
    with pytest.raises(ImageError, match=f"`zhuque firmware remove {bad[:12]}`, and add it again"):
        shelf.newest()
    assert shelf.remove(bad[:12]) == f"{bad[:12]}: an image that no board could get"
    assert shelf.newest().sha256 == good


def test_a_disk_that_is_full_is_said_and_leaves_nothing(tmp_path: Path) -> None:
    """A limit on the size of files stands for it: the kernel refuses the write in the same way."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        with pytest.raises(ZhuqueError, match="could not be written"):
            files.write(tmp_path / "image", GOOD)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("number", "kind", "said"),
    [
        (errno.ENOSPC, FileError, "the disk is full; what was there is unchanged: free some space"),
        (errno.EDQUOT, FileError, "the disk is full"),
        (errno.EROFS, RefusedError, "choose another folder"),
        (errno.ENOENT, NotFoundError, "make it first"),
        (errno.EIO, FileError, "choose another file or mend its folder"),
    ],
)
def test_why_a_file_cannot_be_written(number: int, kind: type[ZhuqueError], said: str) -> None:
    error = files.cannot_write(Path("x"), OSError(number, os.strerror(number)))
    assert type(error) is kind and said in str(error)


def zhuque(data: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "zhuque", "firmware", *map(str, arguments)],
        env={**os.environ, "XDG_DATA_HOME": str(data)},
        capture_output=True,
        text=True,
        timeout=30,
    )


def test_the_commands(tmp_path: Path) -> None:
    empty = zhuque(tmp_path, "list")
    assert empty.returncode == 0 and "none was added yet" in empty.stderr
    (tmp_path / "download.bin").write_bytes(GOOD)
    added = zhuque(tmp_path, "add", tmp_path / "download.bin")
    title = "MicroPython 1.26.1 of 2024-06-02, Generic ESP32 module with ESP32"
    sha256 = stock.read(GOOD).sha256
    assert (added.returncode, added.stdout) == (0, f"{sha256[:12]}: {title}\n"), added.stderr
    (tmp_path / "download.bin").unlink()
    (row,) = json.loads(zhuque(tmp_path, "list", "--json").stdout)
    assert row["sha256"] == sha256 and row["boards"] == ["devkit-hlw8032", "kc868-a8-pzem", "zq10"]
    shown = zhuque(tmp_path, "show", "1.26.1").stdout
    assert "boards            devkit-hlw8032, kc868-a8-pzem, zq10" in shown and sha256 in shown
    removed = zhuque(tmp_path, "remove", "1.26.1")
    assert (removed.returncode, removed.stdout) == (0, f"removed {sha256[:12]}: {title}\n"), removed.stderr
    assert json.loads(zhuque(tmp_path, "list", "--json").stdout) == []


def test_the_commands_refuse_with_their_exit_codes(tmp_path: Path) -> None:
    (tmp_path / "s3.bin").write_bytes(esp32_image.stock("v1.26.1", size=16384, chip_id=esp32_image.ESP32S3))
    (tmp_path / "cut.bin").write_bytes(GOOD[:-100])
    for arguments, code in (
        (("add", tmp_path / "none.bin"), 3),
        (("add", tmp_path / "s3.bin"), 5),
        (("add", tmp_path / "cut.bin"), 1),
        (("show", "1.26.1"), 3),
        (("remove", "1.26.1"), 3),
        (("add",), 2),
    ):
        done = zhuque(tmp_path, *arguments)
        assert done.returncode == code and "Traceback" not in done.stderr, done.stderr
    assert not (tmp_path / "zhuque").exists()


def test_help_says_where_images_come_from(tmp_path: Path) -> None:
    assert "https://micropython.org/download/ESP32_GENERIC/" in zhuque(tmp_path, "add", "--help").stdout


def test_what_is_no_file_is_not_replaced_by_one(tmp_path: Path) -> None:
    """As root that would be the machine's /dev/null."""
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path):
        with pytest.raises(UsageError, match="is no file, and cannot be replaced by one: name a file"):
            files.write(path, b"x")
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode) and [*tmp_path.iterdir()] == [tmp_path / "pipe"]


def test_a_link_stays_and_what_it_leads_to_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "file").write_bytes(b"old")
    (tmp_path / "link").symlink_to("real/file")
    files.write(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "real" / "file").read_bytes() == b"new"
    (tmp_path / "nowhere").symlink_to("real/other")
    files.write(tmp_path / "nowhere", b"made")
    assert (tmp_path / "real" / "other").read_bytes() == b"made"
