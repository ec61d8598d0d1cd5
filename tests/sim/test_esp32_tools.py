"""The stock esptool and mpremote, as processes, at the virtual ESP32's port."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from queue import Queue
from typing import Any

import pytest
import serial

from tests.fakes import esp32_image as images
from tests.processes import none_left
from zhuque.errors import UsageError
from zhuque.sim.broker import free_port
from zhuque.sim.esp32.board import BoardOptions, Event, VirtualBoard
from zhuque.sim.esp32.flash import FlashFile
from zhuque.sim.esp32.port import PtyPort

WAIT_S = 60.0
IMAGE = images.stock(size=96 * 1024)


class Bench:
    """A board, its events, and the tools."""

    def __init__(self, folder: Path, image: bytes = b"", **options: Any) -> None:
        """`image` is in its flash from the start."""
        self.folder = folder
        self.events: Queue[Event] = Queue()
        self.image = folder / "image.bin"
        self.image.write_bytes(IMAGE)
        self.flash = folder / "flash"
        if image:
            self.change(0x1000, image)
        self.board = VirtualBoard(
            BoardOptions(self.flash, link=folder / "tty", boot_ms=0, **options), self.events.put
        )

    def until(self, **wanted: Any) -> Event:
        """The next event with these values."""
        while True:
            event = self.events.get(timeout=WAIT_S)
            if all(event.get(key) == value for key, value in wanted.items()):
                return event

    def change(self, offset: int, data: bytes) -> None:
        """What somebody else wrote into its flash, whoever has it now."""
        if not self.flash.exists():
            FlashFile(self.flash).close()
        with self.flash.open("r+b") as file:
            file.seek(offset)
            file.write(data + b"\xff" * (-len(data) % 4096))

    def esptool(self, *arguments: str | Path, fails: bool = False) -> str:
        return self.tool(["esptool", "--port", self.board.address, *arguments], fails)

    def mpremote(self, *arguments: str | Path, fails: bool = False) -> str:
        return self.tool(["mpremote", "connect", self.board.address, *arguments], fails)

    def tool(self, command: Sequence[str | Path], fails: bool = False) -> str:
        """What it says."""
        done = subprocess.run(
            [sys.executable, "-m", *command],
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=WAIT_S,
        )
        assert bool(done.returncode) == fails, done.stdout
        return done.stdout

    def run_as_main(self, program: str) -> None:
        """Puts it on the board and lets it start."""
        (self.folder / "main.py").write_text("print('main is here')\n" + program)
        self.mpremote("fs", "cp", "main.py", ":main.py")
        self.talk(b"\x04", until=b"main is here")

    def talk(self, *said: bytes, until: bytes) -> bytes:
        """What the board answers to what is typed, up to `until`."""
        with serial.Serial(self.board.address, 115200, timeout=0.1) as port:
            for text in said:
                port.write(text)
            heard, end = b"", time.monotonic() + WAIT_S
            while until not in heard:
                assert time.monotonic() < end, heard
                heard += port.read(4096)
        return heard


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Bench]]:
    """Makes a board that runs; nothing of any is left afterwards."""
    made: list[Bench] = []

    def start(**options: Any) -> Bench:
        folder = tmp_path / str(len(made))
        folder.mkdir()
        made.append(Bench(folder, **options))
        made[-1].board.start()
        return made[-1]

    yield start
    for bench in made:
        bench.board.stop()
        assert not os.path.lexists(bench.folder / "tty")
    assert none_left(tmp_path)


@pytest.fixture
def bench(make: Callable[..., Bench]) -> Bench:
    """A blank board."""
    return make()


@pytest.fixture
def flashed(make: Callable[..., Bench]) -> Bench:
    """A board with a stock MicroPython, at its prompt."""
    bench = make(image=IMAGE)
    bench.until(event="boot")
    return bench


# esptool --------------------------------------------------------------------------------------------------------------


def test_a_blank_board_is_known_flashed_read_back_and_flashed_again(bench: Bench) -> None:
    assert bench.until(event="board", state="stuck")["why"] == "invalid header: 0xffffffff"
    text = bench.esptool("flash-id")
    for said in ("ESP32-D0WD-V3 (revision v3.1)", "24:0a:c4:7a:68:75", "Detected flash size: 4MB", "40MHz"):
        assert said in text
    assert "Hash of data verified" in bench.esptool("--baud", "921600", "write-flash", "0x1000", bench.image)
    assert bench.until(event="board", state="running")["version"] == "v1.23.0"
    assert "digest matched" in bench.esptool("verify-flash", "0x1000", bench.image)
    bench.esptool("read-flash", "0x1000", str(len(IMAGE)), "back.bin")
    assert (bench.folder / "back.bin").read_bytes() == IMAGE
    other = images.stock("v1.25.0", size=64 * 1024)
    bench.image.write_bytes(other)
    bench.esptool("write-flash", "0x1000", bench.image)
    assert bench.until(event="board", version="v1.25.0")
    bench.esptool("erase-region", "0x8000", "0x1000")
    assert "partition" in bench.until(event="board", state="stuck")["why"]
    held = bench.flash.read_bytes()
    assert held[0x8000:0x9000] == b"\xff" * 0x1000
    assert held[0x10000 : 0x1000 + len(other)] == other[0xF000:]


def test_the_rom_alone(bench: Bench) -> None:
    small = bench.folder / "small.bin"
    small.write_bytes(IMAGE[:8192])
    bench.esptool("--no-stub", "write-flash", "0x1000", small)
    bench.esptool("--no-stub", "read-flash", "0x1000", "1024", "back.bin")
    assert (bench.folder / "back.bin").read_bytes() == IMAGE[:1024]
    assert "digest matched" in bench.esptool("--no-stub", "verify-flash", "0x1000", small)
    assert bench.flash.read_bytes()[0x1000:0x3000] == IMAGE[:8192]


def test_without_compression_and_staying_in_the_loader(bench: Bench) -> None:
    bench.esptool("--after", "no-reset", "write-flash", "--no-compress", "0x1000", bench.image)
    assert bench.flash.read_bytes()[0x1000 : 0x1000 + len(IMAGE)] == IMAGE
    assert bench.board.state == "loader"
    bench.esptool("--before", "no-reset", "read-mac")
    assert bench.until(event="board", state="running")


@pytest.mark.parametrize(("chip", "said"), [("esp32s3", "ESP32-S3"), ("esp32c3", "ESP32-C3")])
def test_another_chip(make: Callable[..., Bench], chip: str, said: str) -> None:
    bench = make(chip=chip, size=8 << 20)
    text = bench.esptool("flash-id")
    assert said in text
    assert "24:0a:c4:7a:68:75" in text
    assert "8MB" in text
    assert "not ESP32" in bench.esptool("--chip", "esp32", "flash-id", fails=True)


def test_pulled_at_40_percent_and_finished(bench: Bench) -> None:
    bench.board.order("unplug at=40")
    bench.esptool("write-flash", "0x1000", bench.image, fails=True)
    assert bench.until(event="board", state="off")
    held = bench.flash.read_bytes()[0x1000 : 0x1000 + len(IMAGE)]
    assert 0.39 < sum(a == b for a, b in zip(held, IMAGE, strict=True)) / len(IMAGE) < 0.9
    assert held != IMAGE
    assert "doesn't exist" in bench.esptool("flash-id", fails=True)
    bench.board.order("plug")
    assert bench.until(event="board", state="stuck")
    bench.esptool("write-flash", "0x1000", bench.image)
    assert bench.until(event="board", state="running")
    assert bench.flash.read_bytes()[0x1000 : 0x1000 + len(IMAGE)] == IMAGE


def test_a_board_whose_port_another_took_meanwhile_stays_unplugged(bench: Bench) -> None:
    bench.board.order("unplug")
    assert bench.until(event="board", state="off")
    other = PtyPort(bench.folder / "tty")
    other.plug()
    bench.board.order("plug")
    assert "is in use" in bench.until(event="stays_off")["why"]
    other.close()
    bench.board.order("plug")
    assert bench.until(event="board", state="stuck")


def test_a_port_in_use_a_silent_loader_and_a_slow_adapter(bench: Bench) -> None:
    bench.board.order("in_use")
    end = time.monotonic() + WAIT_S
    while "Could not exclusively lock" not in (text := bench.esptool("flash-id", fails=True)):
        assert time.monotonic() < end, text
    bench.board.order("in_use on=0")
    bench.board.order("mute")
    assert "No serial data received" in bench.esptool("--connect-attempts", "1", "flash-id", fails=True)
    bench.board.order("mute on=0")
    bench.board.order("max_baud baud=460800")
    bench.esptool("--baud", "921600", "read-mac", fails=True)
    bench.esptool("--baud", "460800", "write-flash", "0x1000", bench.image)
    assert bench.until(event="board", state="running")


def test_corrupted_bytes_are_sent_again(bench: Bench) -> None:
    bench.board.order("corrupt count=1 every=40000")
    bench.esptool("write-flash", "0x1000", bench.image)
    assert bench.board.faults.corrupt_left == 0
    assert bench.flash.read_bytes()[0x1000 : 0x1000 + len(IMAGE)] == IMAGE


def test_reset_and_boot_lines_over_rfc_2217(make: Callable[..., Bench]) -> None:
    bench = make(listen=("127.0.0.1", free_port()))
    with serial.serial_for_url(bench.board.address, 115200, timeout=0.1) as port:
        port.dtr = port.rts = False
        port.rts = True  # in reset
        bench.until(event="board", state="held")
        port.dtr = True
        port.rts = False  # out of it, with the boot pin held
        bench.until(event="board", state="loader")
        port.dtr = False
        port.rts = True
        port.rts = False
        assert bench.until(event="board", state="stuck")
    assert "ESP32-D0WD" in bench.tool(
        ["esptool", "--port", bench.board.address.replace("rfc2217", "socket"), "flash-id"]
    )


# mpremote -------------------------------------------------------------------------------------------------------------


def test_mpremote_unchanged(flashed: Bench) -> None:
    assert flashed.mpremote("exec", "import sys; print(sys.platform, sys.implementation.version[:2])") == (
        "esp32 (1, 23)\n"
    )
    (flashed.folder / "data.bin").write_bytes(images.noise(1500))
    flashed.mpremote("fs", "mkdir", ":d", "+", "fs", "cp", "data.bin", ":d/data.bin")
    assert "1500 data.bin" in flashed.mpremote("fs", "ls", ":d")
    assert flashed.mpremote("fs", "ls").split() == ["ls", ":", "139", "boot.py", "0", "d/"]
    flashed.mpremote("fs", "cp", ":d/data.bin", "back.bin")
    assert (flashed.folder / "back.bin").read_bytes() == images.noise(1500)
    (flashed.folder / "run.py").write_text("for i in range(300):\n    print('line', i)\n")
    assert flashed.mpremote("run", "run.py").splitlines()[-1] == "line 299"
    text = flashed.mpremote("exec", "def f():\n    1 / 0\nf()", fails=True)
    assert 'File "<stdin>", line 2, in f\nZeroDivisionError' in text.replace("\r", "")
    assert "virtual.py" not in text
    assert "repl.py" not in text
    flashed.mpremote("exec", "x = 5", "+", "soft-reset")
    assert "NameError" in flashed.mpremote("resume", "exec", "print(x)", fails=True)
    flashed.mpremote("resume", "exec", "x = 6")
    assert flashed.mpremote("resume", "exec", "print(x)").strip() == "6"


def test_mpremote_mounts_a_folder(flashed: Bench) -> None:
    (flashed.folder / "mine.py").write_text("answer = 42\n")
    assert "42" in flashed.mpremote("mount", ".", "exec", "import mine; print(mine.answer)")


def test_the_prompt_for_a_person(flashed: Bench) -> None:
    assert b"2\r\n>>> " in flashed.talk(b"\r1+1\r", until=b"2\r\n>>> ")
    heard = flashed.talk(b"for i in 'ab':\r print(i)\r\r", until=b"b\r\n>>> ")
    assert b"\r\n... " in heard
    assert b"NameError: name 'wrogn'" in flashed.talk(b"wrogn\r", until=b"Error")
    heard = flashed.talk(b"\x03for i in range(4000000): pass\r\rprint('d' + 'one')\r", until=b"done\r\n")
    assert b"Interrupt" not in heard  # what is typed ahead is no second Ctrl-C
    assert b"MPY: soft reboot\r\nMicroPython v1.23.0" in flashed.talk(b"\x04", until=b">>> ")
    heard = flashed.talk(b"import machine\rmachine.reset()\r", until=b"help")
    assert b"rst:0xc (SW_CPU_RESET)" in heard


@pytest.mark.parametrize("program", ["while True: pass", "import time\ntime.sleep(1000)"])
def test_a_board_busy_in_main_is_interrupted(flashed: Bench, program: str) -> None:
    flashed.run_as_main(program)
    assert flashed.mpremote("resume", "exec", "print(7)").strip() == "7"


def test_a_ctrl_c_that_is_not_heard(flashed: Bench) -> None:
    flashed.run_as_main("import time\nwhile True: time.sleep(1)")
    flashed.board.order("deaf")
    with serial.Serial(flashed.board.address, 115200, timeout=0.5) as port:
        port.write(b"\r\x03\r\x01")
        assert port.read(100) == b""
    flashed.board.order("deaf on=0")
    assert flashed.mpremote("exec", "print(7)").strip() == "7"


def test_a_vfs_that_is_none_is_complained_about_for_ever(flashed: Bench) -> None:
    flashed.esptool("--after", "no-reset", "read-mac")
    flashed.change(0x200000, b"something else" * 1000)
    flashed.board.order("reset")
    assert b"looks corrupt" in flashed.talk(until=b"programming).\r\n")


def test_a_boot_py_that_is_no_text_leaves_the_prompt(flashed: Bench) -> None:
    """It was cut off while it was written: blank flash is what a name may be made of."""
    (flashed.folder / "boot.py").write_bytes(b"\xff" * 100)
    flashed.mpremote("fs", "cp", "boot.py", ":boot.py")
    flashed.board.order("reset")
    heard = flashed.talk(until=b">>> ")
    assert b"NameError: name '\xff" in heard and b"virtual.py" not in heard


def test_another_program_runs_silently(make: Callable[..., Bench]) -> None:
    bench = make()
    bench.image.write_bytes(images.stock("1.0", size=16 * 1024, project="hello_world"))
    bench.esptool("write-flash", "0x1000", bench.image)
    assert bench.until(event="board", state="running")["project"] == "hello_world"


def test_orders_that_are_none(bench: Bench) -> None:
    for words in ("explode", "plug 99", "unplug at=x"):
        with pytest.raises(UsageError):
            bench.board.order(words)
