"""`zhuque flash` with the stock esptool on virtual boards: from blank to PASS, and what goes wrong on the way."""

from __future__ import annotations

import json
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.fakes import esp32_image
from tests.host.conftest import STOCK, NewBoard, Serve
from zhuque import boards
from zhuque.cli import sim_board
from zhuque.device import flasher, image, layout, ports, stock
from zhuque.device.console_link import ConsoleLink
from zhuque.device.flasher import Flasher, Progress, Result, Settings
from zhuque.device.image import Image
from zhuque.errors import NoAnswerError, ZhuqueError
from zhuque.sim.esp32.board import VirtualBoard


def flash(made: Image, *ports: str, steps: list[str] | None = None, **settings: Any) -> list[Result]:
    def heard(progress: Progress) -> None:
        if steps is not None and progress.step not in steps:
            steps.append(progress.step)

    with Flasher(made, Settings(**settings)) as running:
        running.on_progress = heard
        return running.flash(ports)


def zhuque(folder: Path, *arguments: str, **more: Any) -> subprocess.CompletedProcess[str]:
    (folder / "stock.bin").write_bytes(STOCK)
    command = [
        sys.executable,
        "-m",
        "zhuque",
        "flash",
        "--board",
        "zq10",
        "--firmware",
        str(folder / "stock.bin"),
    ]
    more.setdefault("stdin", subprocess.DEVNULL)
    return subprocess.run([*command, *arguments], capture_output=True, text=True, timeout=100, **more)


def held(board: VirtualBoard) -> bytes:
    return board.options.flash.read_bytes()


def write(board: VirtualBoard, address: int, data: bytes) -> None:
    with board.options.flash.open("r+b") as file:
        file.seek(address)
        file.write(data)


def until(board: VirtualBoard, *states: str) -> None:
    end = time.monotonic() + 60
    while board.state not in states:
        assert time.monotonic() < end, board.state
        time.sleep(0.01)


def plug(board: VirtualBoard) -> None:
    board.order("plug")
    until(board, "stuck", "running")


def test_a_blank_board_runs_and_what_it_keeps_is_kept(
    zq10: Image, new_board: NewBoard, tmp_path: Path
) -> None:
    board = new_board()
    kept = {
        0x9000: b"nvs" * 100,
        0xF000: b"phy",
        layout.JOURNAL.offset: b"journal" * 999,
        0x3FF000: b"the end",
    }
    done = zhuque(tmp_path, board.address, "--json", "--yes")
    assert done.returncode == 0, done.stderr
    (row,) = json.loads(done.stdout)
    assert row["result"] == "PASS" and row["mac"] == "24:0a:c4:00:00:00" and row["state"] == "misconfigured"
    assert (row["board"], row["unchanged"]) == ("zq10", 0) and row["written"] > 0 and row["heap_free"] > 0
    data = held(board)
    for region in zq10.regions:
        assert data[region.address : region.address + len(region.data)] == region.data
    for address, text in kept.items():
        write(board, address, text)
    again = zhuque(tmp_path, board.address)
    assert again.returncode == 0, again.stderr
    assert again.stdout.startswith(
        f"PASS  {board.address}  24:0a:c4:00:00:00  zq10 0.1.0, not provisioned yet, "
    )
    # the journal's own first blocks are the firmware's: it ran, without an identity, and keeps what is behind
    data = held(board)
    for address in (0x9000, 0xF000, 0x3FF000):
        assert data[address : address + len(kept[address])] == kept[address]


def test_only_what_changed_is_written(zq10: Image, new_board: NewBoard) -> None:
    board = new_board()
    (first,) = flash(zq10, board.address)
    (second,) = flash(zq10, board.address)
    pieces = first.written
    assert first.passed and first.skipped == 0
    assert second.passed and (second.written, second.skipped) == (0, pieces)
    write(board, layout.VFS.offset + 20, b"worn")
    (third,) = flash(zq10, board.address)
    assert third.passed and (third.written, third.skipped) == (1, pieces - 1)
    (fourth,) = flash(zq10, board.address, everything=True)
    assert fourth.passed and (fourth.written, fourth.skipped) == (pieces, 0)


def test_what_runs_something_else_is_asked_about(new_board: NewBoard, tmp_path: Path) -> None:
    board = new_board()
    other = esp32_image.stock("v2.1", size=16384, project="sensor")
    write(board, 0x1000, other)
    refused = zhuque(tmp_path, board.address)
    assert refused.returncode == 5
    assert "it runs sensor v2.1, ESP-IDF v5.2.2; nothing was written. Give --yes" in refused.stderr
    assert held(board)[0x1000 : 0x1000 + len(other)] == other
    until(board, "running")
    for answer, code in (("n", 5), ("y", 0)):
        ours, theirs = os.openpty()
        os.write(ours, f"{answer}\n".encode())
        done = zhuque(tmp_path, board.address, stdin=theirs)
        assert done.returncode == code, done.stderr
        assert "Overwrite it? [y/N]" in done.stderr
        until(board, "running")
        os.close(ours)
        os.close(theirs)
    assert stock.read(STOCK).application in held(board)


def test_yes_is_for_batches(zq10: Image, new_board: NewBoard, tmp_path: Path) -> None:
    board = new_board()
    write(board, 0x1000, esp32_image.stock("v1.20.0", size=16384))
    with Flasher(zq10, Settings()) as looking:
        found = looking.look([board.address])[board.address]
    assert getattr(found, "foreign", None) and "MicroPython, perhaps with files" in found.text  # type: ignore[union-attr]
    done = zhuque(tmp_path, board.address, "--yes")
    assert done.returncode == 0 and done.stdout.startswith("PASS"), done.stderr


@pytest.mark.parametrize(
    ("options", "fault", "code", "said"),
    [
        (
            {"chip": "esp32s3"},
            None,
            5,
            "this is an ESP32-S3, and the image is for another chip; nothing was written",
        ),
        (
            {"size": 2 << 20},
            None,
            5,
            "its flash holds 2097152 bytes, and Zhuque needs 4194304; nothing was written",
        ),
        ({}, "mute", 4, "no ESP32 answers here. Is it powered"),
        ({}, "in_use", 4, "is open in another program"),
    ],
    ids=["chip", "flash", "mute", "in use"],
)
def test_boards_that_cannot_be_written(
    new_board: NewBoard, tmp_path: Path, options: dict[str, Any], fault: str | None, code: int, said: str
) -> None:
    board = new_board(**options)
    if fault:
        board.order(fault)
        time.sleep(0.2)
    before = held(board)
    done = zhuque(tmp_path, board.address, "--yes")
    assert done.returncode == code and said in done.stderr and "Traceback" not in done.stderr, done.stderr
    assert held(board) == before
    until(board, "stuck")  # it was restarted, as blank as it is


def test_a_cable_that_was_pulled_goes_on_where_it_stopped(new_board: NewBoard, tmp_path: Path) -> None:
    large = image.build(boards.load("zq10"), stock.read(esp32_image.stock("v1.26.1", size=1_200_000)))
    board = new_board()
    board.order(f"unplug at=50 region={0x10000 + 3 * flasher.PIECE:#x}")
    (first,) = flash(large, board.address)
    assert not first.passed and first.error is not None and first.error.exit_code == 4
    assert "the board went away in the middle" in str(first.error)
    assert str(first.error).endswith(
        "run the command again: it goes on where it stopped. Until then the board is half written, and neither charges "
        "nor answers"
    )
    plug(board)
    (second,) = flash(large, board.address)
    assert second.passed, second.error
    assert second.skipped == 5  # bootloader, table and three pieces of MicroPython


def test_a_board_of_which_nothing_was_written_is_not_said_to_be_half_written(
    zq10: Image, new_board: NewBoard
) -> None:
    board = new_board()
    board.order("mute")
    (result,) = flash(zq10, board.address)
    assert result.error is not None and "half written" not in str(result.error)


def test_a_board_that_was_stopped_half_written_says_so_to_whoever_asks_it(
    zq10: Image, new_board: NewBoard
) -> None:
    """It waits in its loader, and goes on from there."""
    board = new_board(listen=("127.0.0.1", 0), paced=True)
    with Flasher(zq10, Settings()) as running:
        reached = threading.Event()
        running.on_progress = lambda progress: reached.set() if (progress.part or 0) > 0.2 else None
        threading.Thread(target=lambda: reached.wait(60) and running.stop()).start()
        (stopped,) = running.flash([board.address])
    assert stopped.error is not None and "half written, and neither charges nor answers" in str(stopped.error)
    assert board.state == "loader"
    with (
        pytest.raises(
            NoAnswerError, match="half written, for `zhuque flash` or `zhuque provision` was stopped, run"
        ),
        ConsoleLink(board.address, timeout_s=3) as link,
    ):
        link.status()
    assert board.state == "loader"
    (result,) = flash(zq10, board.address)
    assert result.passed and result.skipped, result.error


def test_a_board_that_is_plugged_in_where_another_was_pulled_is_left_alone(
    zq10: Image, new_board: NewBoard, tmp_path: Path
) -> None:
    """esptool would go on with it, by the port's name, for seven seconds."""
    first = new_board(link=tmp_path / "tty")
    until(first, "stuck")  # before that it is off, too
    first.order(f"unplug at=40 region={layout.FACTORY.offset:#x}")
    with ThreadPoolExecutor(1) as pool:
        job = pool.submit(flash, zq10, first.address)
        until(first, "off")
        second = new_board(link=tmp_path / "tty")
        (result,) = job.result()
    assert result.error is not None and "the board went away in the middle" in str(result.error)
    until(second, "stuck")
    assert set(held(second)) == {0xFF}


@pytest.mark.parametrize(("baud", "slower"), [(460800, 1), (115200, 2)])
def test_an_adapter_that_is_too_slow(zq10: Image, new_board: NewBoard, baud: int, slower: int) -> None:
    board = new_board()
    board.order(f"max_baud baud={baud}")
    steps: list[str] = []
    (result,) = flash(zq10, board.address, steps=steps)
    assert result.passed, result.error
    assert [step for step in steps if step.startswith("slower")] == [
        "slower than 921600 baud",
        "slower than 460800 baud",
    ][:slower]


def test_damaged_bytes_on_the_line(zq10: Image, new_board: NewBoard) -> None:
    board = new_board()
    board.order("corrupt count=3 every=9000")
    (result,) = flash(zq10, board.address)
    assert result.passed, result.error
    assert all(held(board)[r.address : r.address + len(r.data)] == r.data for r in zq10.regions)


def example(name: str) -> str:
    """The order of that name that the help of `zhuque sim board` shows first."""
    found = re.search(rf"`({name} [^`]+)`", " ".join(str(sim_board.command.help).split()))
    assert found is not None
    return found[1]


def test_the_cable_of_the_help_is_pulled_where_flashing_can_go_on(zq10: Image, new_board: NewBoard) -> None:
    board = new_board()
    board.order(example("unplug"))
    (first,) = flash(zq10, board.address)
    assert first.error is not None and "the board went away in the middle" in str(first.error)
    plug(board)
    (second,) = flash(zq10, board.address)
    assert second.passed and second.skipped, second.error


def test_the_bytes_of_the_help_are_damaged_at_the_highest_speed_alone(
    zq10: Image, new_board: NewBoard
) -> None:
    board = new_board()
    board.order(example("corrupt"))
    steps: list[str] = []
    (result,) = flash(zq10, board.address, steps=steps)
    assert result.passed, result.error
    assert [step for step in steps if step.startswith("slower")] == ["slower than 921600 baud"]


def test_a_board_that_is_not_well_says_why(new_board: NewBoard, tmp_path: Path) -> None:
    """The profile of another board: its meter does not answer."""
    config = {
        "wire": 1,
        "site": "riverside",
        "point": "p01",
        "provisioned": 1_795_000_000,
        "wifi": {"ssid": "garage", "password": "not-to-be-seen"},
        "broker": {"host": "127.0.0.1", "port": 1, "tls": False},
        "time": {"host": "127.0.0.1"},
    }
    made = image.build(boards.load("kc868-a8-pzem"), stock.read(STOCK), json.dumps(config).encode())
    board = new_board(board="zq10")
    (result,) = flash(made, board.address, wait_s=6)
    assert not result.passed and result.hello is not None and result.error is None
    assert result.hello.state == "meter_fault" and "meter" in result.wrong[0]


def test_a_board_that_fails_as_it_starts_is_told_at_once(
    zq10: Image, new_board: NewBoard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the names of the sources, of which the flasher knows the board."""
    from zhuque.device import traceback

    monkeypatch.setattr(traceback, "explained", lambda text, board: f"[{board['mcu']}] {text}")
    broken = image._with_files(zq10, {**zq10.files, "main.py": b"raise OSError(19)\n"})
    (result,) = flash(broken, new_board().address, wait_s=90)
    assert result.error is not None and result.error.exit_code == 1 and result.seconds < 60
    said = str(result.error)
    assert "its firmware fails as it starts: [ESP32-" in said and "OSError: " in said
    assert "Flash the board again, or with another version" in said and "MicroPython v1" not in said


def test_eight_at_once_and_one_is_pulled(zq10: Image, new_board: NewBoard) -> None:
    made = [new_board() for _ in range(8)]
    made[3].order(f"unplug at=40 region={layout.FACTORY.offset:#x}")
    results = flash(zq10, *(board.address for board in made))
    assert [result.passed for result in results] == [i != 3 for i in range(8)], [r.error for r in results]
    assert len({result.mac for result in results if result.passed}) == 7
    assert results[3].error is not None and results[3].error.exit_code == 4
    plug(made[3])
    again = flash(zq10, *(board.address for board in made))
    assert all(result.passed for result in again), [r.error for r in again]
    assert [result.written > 0 for result in again] == [i == 3 for i in range(8)]


@pytest.mark.parametrize("kind", ["socket", "rfc2217"])
def test_a_port_of_another_machine(zq10: Image, new_board: NewBoard, kind: str) -> None:
    board = new_board(listen=("127.0.0.1", 0))
    (result,) = flash(zq10, board.address.replace("rfc2217", kind))
    assert result.passed, result.error
    assert held(board)[layout.FACTORY.offset :].startswith(zq10.stock.application)


def test_a_board_behind_another_machine_is_pulled_and_goes_on(zq10: Image, new_board: NewBoard) -> None:
    board = new_board(listen=("127.0.0.1", 0))
    board.order(f"unplug at=40 region={layout.FACTORY.offset:#x}")
    (cut,) = flash(zq10, board.address)
    assert cut.error is not None and cut.error.exit_code == 4
    assert "the board went away in the middle" in str(cut.error)
    plug(board)
    (result,) = flash(zq10, board.address)
    assert result.passed and 0 < result.written < 11, result.error


def test_behind_the_server_of_esptool(zq10: Image, new_board: NewBoard, serve: Serve) -> None:
    (result,) = flash(zq10, serve(new_board(listen=("127.0.0.1", 0)).address))
    assert result.passed, result.error


def test_a_server_that_does_not_speak_rfc_2217(zq10: Image) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        (result,) = flash(zq10, f"rfc2217://127.0.0.1:{server.getsockname()[1]}")
    assert result.error is not None and result.error.exit_code == 4
    assert "does not seem to support RFC2217" in str(result.error) and "one for RFC 2217" in str(result.error)


def test_a_disk_that_is_full_is_said_and_nothing_is_left(zq10: Image, tmp_path: Path) -> None:
    """A limit on the size of files stands for it: the kernel refuses the write in the same way."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    making = Flasher(zq10, Settings())
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        with pytest.raises(ZhuqueError, match="could not be written"), making:
            pass
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not Path(making._folder.name).exists()


@pytest.mark.parametrize(
    "number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT], ids=lambda one: one.name
)
def test_a_signal_says_what_it_leaves_behind(new_board: NewBoard, tmp_path: Path, number: int) -> None:
    """And no process of esptool, nor a folder with passwords."""
    board = new_board(paced=True)
    (tmp_path / "temporary").mkdir()
    (tmp_path / "stock.bin").write_bytes(STOCK)
    command = [sys.executable, "-m", "zhuque", "flash", "--board", "zq10", "--firmware", "stock.bin", "--yes"]
    with subprocess.Popen(
        [*command, board.address],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path / "temporary")},
    ) as running:
        assert running.stderr is not None
        said = ""
        while "writing" not in said:
            said += running.stderr.readline()
        assert list((tmp_path / "temporary").glob("zhuque-flash-*"))
        running.send_signal(number)
        said = running.communicate(timeout=60)[1]
    assert running.returncode == 1
    assert not list((tmp_path / "temporary").glob("zhuque-flash-*"))
    assert not ports.who_has(board.address).startswith("python")
    assert said == (
        "Error: stopped: the boards that were being written are not finished. One that is half written stays in its "
        "loader and neither charges nor answers, until the command is run again: it goes on where it stopped\n"
    )


def test_a_ctrl_c_at_the_question_leaves_the_board_running(new_board: NewBoard, tmp_path: Path) -> None:
    board = new_board()
    write(board, 0x1000, esp32_image.stock("v2.1", size=16384, project="sensor"))
    (tmp_path / "stock.bin").write_bytes(STOCK)
    ours, theirs = os.openpty()
    command = [sys.executable, "-m", "zhuque", "flash", "--board", "zq10", "--firmware", "stock.bin"]
    with subprocess.Popen(
        [*command, board.address], cwd=tmp_path, stdin=theirs, stderr=subprocess.PIPE
    ) as running:
        assert running.stderr is not None
        said = b""
        while b"Overwrite it?" not in said:
            said += os.read(running.stderr.fileno(), 4096)
        time.sleep(0.5)  # as a person does; it reads by then
        assert board.state == "loader"
        running.send_signal(signal.SIGINT)
        running.communicate(timeout=60)
    assert running.returncode == 1
    until(board, "running")
    os.close(ours)
    os.close(theirs)


def test_a_port_that_is_not_there_is_said_before_the_image_is_made(tmp_path: Path) -> None:
    """And its row has the keys of every other."""
    done = zhuque(tmp_path, "/dev/ttyUSB77", "--json", "--identity", str(tmp_path / "none"))
    assert done.returncode == 3 and "there is no port /dev/ttyUSB77" in done.stderr
    (row,) = json.loads(done.stdout)
    assert {"port", "result", "mac", "seconds", "firmware", "state", "error"} <= row.keys()


def test_the_first_board_of_a_kind_tells_what_it_waits_for(tmp_path: Path) -> None:
    ours, theirs = os.openpty()
    command = [sys.executable, "-m", "zhuque", "flash", "--board", "zq10", "--image-only", "made.bin"]
    (tmp_path / "stock.bin").write_bytes(STOCK)
    said = [
        subprocess.run(
            [*command, "--firmware", "stock.bin"],
            cwd=tmp_path,
            stdout=theirs,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache")},
            timeout=100,
        ).stderr
        for _ in range(2)
    ]
    os.close(ours)
    os.close(theirs)
    assert said == ["compiling the application once\n", ""]


def test_stopping_ends_every_process(zq10: Image, new_board: NewBoard) -> None:
    board = new_board(paced=True)
    with Flasher(zq10, Settings(everything=True)) as running:
        threading.Timer(1.5, running.stop).start()
        (result,) = running.flash([board.address])
    assert result.error is not None and "stopped" in str(result.error)
