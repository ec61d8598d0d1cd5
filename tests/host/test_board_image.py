"""The image of a board: what goes in, that it is the same every time, that MicroPython mounts it and loads from it."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.fakes import esp32_image
from tests.host.conftest import STOCK
from zhuque import boards
from zhuque.device import application, cache, filesystem, image, layout, pack, stock
from zhuque.device.application import CompileError
from zhuque.device.filesystem import FilesystemError
from zhuque.device.image import Image
from zhuque.device.pack import PackError
from zhuque.errors import UsageError

CONFIG = {
    "wire": 1,
    "site": "riverside",
    "point": "p01",
    "provisioned": 1_795_000_000,
    "wifi": {"ssid": "garage", "password": "not-to-be-seen"},
    "broker": {"host": "10.0.0.2", "port": 8883, "password": "nor-this"},
    "time": {"host": "10.0.0.2"},
}
MOUNT = Path(__file__).parent / "on_board" / "mount.py"


def build(board: str = "zq10", identity: bytes | None = None) -> Image:
    return image.build(boards.load(board), stock.read(STOCK), identity)


def test_the_same_inputs_give_the_same_bytes(zq10: Image, tmp_path: Path) -> None:
    assert build() == zq10
    # wherever the firmware lies and whenever its files were touched
    shutil.copytree(
        application.FIRMWARE, tmp_path / "elsewhere", ignore=shutil.ignore_patterns("__pycache__")
    )
    again = application.files(application.compiled(boards.load("zq10").data, tmp_path / "elsewhere"))
    assert again.items() <= zq10.files.items()


def test_regions_leave_nvs_phy_init_and_journal_alone(zq10: Image) -> None:
    kept = [p for p in layout.TABLE if p.label in ("nvs", "phy_init", "journal")]
    assert len(kept) == 3
    for region in zq10.regions:
        end = region.address + len(region.data)
        end += -end % layout.BLOCK  # whole sectors are erased
        for p in kept:
            assert end <= p.offset or region.address >= p.offset + p.size, (region.name, p.label)


def test_the_table_is_the_design_s() -> None:
    told = {p.label: (p.offset, p.size) for p in layout.TABLE}
    assert told["vfs"] == (0x200000, 512 * 1024) and told["journal"] == (0x280000, 1536 * 1024)
    assert {label: told[label] for label in ("nvs", "phy_init", "factory")} == {
        label: (offset, size) for label, _, _, offset, size in esp32_image.STOCK_TABLE[:3]
    }
    ends = [p.offset + p.size for p in layout.TABLE]
    assert ends[:-1] == [p.offset for p in layout.TABLE[1:]] and ends[-1] == layout.FLASH_SIZE
    assert layout.parse(layout.to_bytes()) == layout.TABLE
    assert layout.parse(layout.to_bytes()[:-20]) == layout.TABLE
    damaged = bytearray(layout.to_bytes())
    damaged[9] ^= 1
    assert layout.parse(bytes(damaged)) == ()


@pytest.mark.parametrize("name", boards.list_boards())
def test_a_board_gets_the_drivers_that_it_has_and_no_other(name: str) -> None:
    data = boards.load(name).data
    found = {
        file.rpartition("/")[2][:-3] for file in application.modules(data) if file.startswith("drivers/")
    }
    kinds = {driver for driver in found if driver.startswith(("meter_", "relay_"))}
    named = {f"meter_{data['meter']['driver']}", f"relay_{data['relay']['driver']}"}  # type: ignore[index]
    if data["meter"]["driver"] == "bl0910":  # type: ignore[index]
        named.add(f"meter_bl0910_{'spi' if 'spi' in data['meter'] else 'uart'}")  # type: ignore[index]
    if "contactor" in data:
        named.add(f"relay_{data['contactor']['driver']}")  # type: ignore[index]
    shared = {"meter_frame", "meter_error", "meter_setup", "meter_calibration"}
    assert kinds - shared == named
    own = data["meter"]["driver"]  # type: ignore[index]
    frames = {driver for driver in found if driver.endswith("_frame")} - shared
    assert all(frame.startswith(own) for frame in frames)


def test_stubs_are_sources_and_everything_else_is_format_6(zq10: Image) -> None:
    assert set(zq10.files) == {"boot.py", "main.py", "board.json", "a/packed.mpy", application.MODULES}
    modules = pack.read(zq10.files[application.MODULES])
    assert {"main.mpy", "boot.mpy", "assembly.mpy", "meter_bl0910.mpy"} <= modules.keys()
    for code in (zq10.files["a/packed.mpy"], *modules.values()):
        assert code[:2] == b"M\x06"
        assert str(application.FIRMWARE).encode() not in code
    assert json.loads(zq10.files["board.json"]) == boards.load("zq10").data


def test_an_identity_goes_in_checked(zq10: Image) -> None:
    text = json.dumps(CONFIG).encode()
    provisioned = build(identity=text)
    assert provisioned.files == {**zq10.files, "config.json": text} and provisioned.provisioned
    assert provisioned.regions[:3] == zq10.regions[:3]
    wrong = {**CONFIG, "broker": {"host": "10.0.0.2", "port": 0, "password": "x" * 99}}
    with pytest.raises(UsageError, match=r"broker\.port must be 1 to 65535, is 0") as caught:
        build(identity=json.dumps(wrong).encode())
    assert "xxx" not in str(caught.value)
    with pytest.raises(UsageError, match="is no JSON"):
        build(identity=text[:-1])


def test_a_source_that_does_not_compile_is_named(tmp_path: Path) -> None:
    shutil.copytree(application.FIRMWARE, tmp_path / "f", ignore=shutil.ignore_patterns("__pycache__"))
    board = boards.load("zq10").data
    with (tmp_path / "f/core/timer.py").open("a") as file:
        file.write("nonlocal x\n")
    with pytest.raises(CompileError, match=r"mpy-cross refuses core/timer\.py"):
        application.compiled(board, tmp_path / "f")
    (tmp_path / "f/drivers/meter_bl0910.py").unlink()
    with pytest.raises(CompileError, match=r"has no drivers/meter_bl0910\.py, which the board names"):
        application.compiled(board, tmp_path / "f")


def files_of(count: int, size: int, seed: int) -> dict[str, bytes]:
    chance = random.Random(seed)
    return {f"a/{i % 7}/{i:03}.mpy": chance.randbytes(chance.randrange(1, size)) for i in range(count)}


def test_more_than_fits_is_refused() -> None:
    with pytest.raises(FilesystemError, match="do not fit into the 524288"):
        filesystem.build(files_of(90, 12000, 1))


def mounted(micropython: Path, image: bytes, folder: Path, imports: Iterable[str]) -> list[str]:
    (folder / "image").write_bytes(image)
    done = subprocess.run(
        [micropython, "-X", "heapsize=4M", MOUNT, folder / "image", *imports],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
    )
    return done.stdout.splitlines()


def test_micropython_mounts_it_and_loads_the_application(zq10: Image, mpy: Path, tmp_path: Path) -> None:
    made = cache.compiled(boards.load("zq10").data)
    modules = {source: name.removesuffix(".mpy") for name, source in made.sources.items()}
    wanted = [modules[source] for source in ("main.py", "files.py", "core/limits.py", "wire/words.py")]
    *files, last = mounted(mpy, zq10.regions[3].data, tmp_path, wanted)
    told = {path: hashlib.sha256(data).hexdigest() for path, data in zq10.files.items()}
    assert dict(line.split() for line in files) == told
    # As files of their own in littlefs its modules took 30,000 reads of the flash and more, seconds of a start.
    word, reads = last.split()
    assert word == "imported" and int(reads) < 2000


def test_an_application_that_rotted_is_not_run(zq10: Image, mpy: Path, tmp_path: Path) -> None:
    data = bytearray(zq10.files[application.MODULES])
    module = pack.read(bytes(data))["files.mpy"]
    data[data.index(module) + len(module) // 2] ^= 1
    rotten = filesystem.build({**zq10.files, application.MODULES: bytes(data)})
    said = mounted(mpy, rotten, tmp_path, ["main"])
    assert (
        said[-1] == "OSError: [Errno 5] EIO: /board/a/modules is not what was written: flash the board again"
    )
    with pytest.raises(PackError, match="not as it was written"):
        pack.read(bytes(data))


_ROTS = """
import sys
sys.path.insert(0, "a")
import packed
packed.mount("a/modules")
for at in {places}:
    with open("a/modules", "r+b") as file:
        file.seek(at)
        was = file.read(1)
        file.seek(at)
        file.write(bytes([was[0] ^ 0x80]))
    try:
        import {name}
    except OSError as e:
        print(e)
    with open("a/modules", "r+b") as file:
        file.seek(at)
        file.write(was)
import {name}
print("whole again")
"""


def test_a_module_that_rots_after_the_start_is_not_loaded(zq10: Image, mpy: Path, tmp_path: Path) -> None:
    """MicroPython's loader would read on for ever beyond the end of one whose lengths are wrong."""
    for path, data in zq10.files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(data)
    made = cache.compiled(boards.load("zq10").data)
    name = next(name for name, source in made.sources.items() if source == "wire/config.py")
    whole = zq10.files[application.MODULES]
    begins = whole.index(made.modules[name])
    places = [begins + i for i in range(0, len(made.modules[name]), 40)]
    script = _ROTS.format(places=places, name=name.removesuffix(".mpy"))
    done = subprocess.run([mpy, "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    told = f"[Errno 5] EIO: /{name} has rotted in the flash: flash the board again"
    *rotten, last = done.stdout.splitlines()
    assert last == "whole again" and len(rotten) == len(places) and set(rotten) == {told}, done


@pytest.mark.parametrize("data", [b"", b"ZQP1", b"ZQP1zzzzzzzz0001", b"M\x06\x00\x1f"])
def test_what_is_no_pack_is_said_to_be_none(data: bytes) -> None:
    with pytest.raises(PackError, match="flash the board again"):
        pack.read(data)


def much_changed_block() -> bytes:
    """A block of a directory with a high revision, as years of updates leave them."""
    flash = filesystem._Flash()
    fs = filesystem._littlefs(flash)
    fs.format()
    fs.mount()
    for turn in range(400):
        with fs.open(f"old-{turn % 50}.py", "wb") as file:
            file.write(b"%d" % turn * 20)
    blocks = [bytes(flash.buffer[at : at + layout.BLOCK]) for at in (0, layout.BLOCK)]
    newest = max(blocks, key=lambda block: int.from_bytes(block[:4], "little"))
    assert newest[0] >= 9
    return newest


@pytest.mark.parametrize(
    "files", [None, {"a/b/c/d/e/x": b"1"}, {"x": b"1"}], ids=["zq10", "folders last", "one file"]
)
def test_what_an_older_image_left_behind_is_never_seen(zq10: Image, files: dict[str, bytes] | None) -> None:
    """The cut: whatever lies behind it, such as newer halves for its directories, a mount sees only what was meant."""
    files = files or zq10.files
    made = filesystem.build(files)
    stale = much_changed_block() * (filesystem.BLOCKS - len(made) // layout.BLOCK)
    assert filesystem.read(made + stale) == files


def zhuque(folder: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    (folder / "stock.bin").write_bytes(STOCK)
    return subprocess.run(
        [sys.executable, "-m", "zhuque", "flash", "--firmware", folder / "stock.bin", *map(str, arguments)],
        env={**os.environ, "XDG_DATA_HOME": str(folder)},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_image_only_writes_one_file_for_its_owner(zq10: Image, tmp_path: Path) -> None:
    done = zhuque(tmp_path, "--board", "zq10", "--image-only", tmp_path / "zq10.bin", "--json")
    assert done.returncode == 0, done.stderr
    (about,) = json.loads(done.stdout)
    data = (tmp_path / "zq10.bin").read_bytes()
    assert (about["address"], about["size"]) == (0x1000, len(data))
    modules = pack.read(zq10.files[application.MODULES])
    assert about["modules"]["main.py"] == len(modules["main.mpy"])
    assert about["modules_size"] == sum(about["modules"].values()) and "core/limits.py" in about["modules"]
    assert stat.S_IMODE((tmp_path / "zq10.bin").stat().st_mode) == 0o600
    for region in zq10.regions:
        at = region.address - 0x1000
        assert data[at : at + len(region.data)] == region.data
    with pytest.raises(stock.ImageError, match="for one board that Zhuque made"):
        stock.read(data)  # for the shelf of stock images, where it would be the newest


def test_wrong_boards_and_images_have_their_exit_codes(tmp_path: Path) -> None:
    for arguments, code in (
        (("--board", "zq11", "--image-only", tmp_path / "x"), 3),
        (("--board", "zq10", "--firmware", "1.26.1", "--image-only", tmp_path / "x"), 3),
        (("--board", "zq10", "--identity", tmp_path / "none", "--image-only", tmp_path / "x"), 3),
        (("--image-only", tmp_path / "x"), 2),
    ):
        done = zhuque(tmp_path, *arguments)
        assert done.returncode == code and "Traceback" not in done.stderr, done.stderr
    assert not (tmp_path / "x").exists()
