"""The page "From a blank board to a session" of host/README.md, typed as it stands, on a virtual board."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.fakes import esp32_image
from zhuque.sim.tools import find_mosquitto

README = (Path(__file__).resolve().parents[2] / "host" / "README.md").read_text()
DOWNLOAD = "~/Downloads/ESP32_GENERIC-20250911-v1.26.1.bin"
PATIENCE_S = 40


def blocks(heading: str) -> list[str]:
    page = README[README.index(f"## {heading}\n") :].split("\n## ", 1)[0]
    return re.findall(r"```sh\n(.*?)```", page, re.DOTALL)


@contextmanager
def shell(line: str, folder: Path, environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """A line that goes on in the background; it ends with the `with`."""
    process = subprocess.Popen(
        ["sh", "-c", f"exec {line}"],
        cwd=folder,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(20)
        assert process.stdin is not None
        process.stdin.close()


def until(line: str, folder: Path, environment: dict[str, str], wanted: str = "") -> str:
    """Types the line until it does what it should: a person would, too, while a board is starting."""
    end = time.monotonic() + PATIENCE_S
    while True:
        done = subprocess.run(
            ["sh", "-ec", line], cwd=folder, env=environment, capture_output=True, text=True, timeout=100
        )
        if done.returncode == 0 and wanted in done.stdout:
            return done.stdout
        assert time.monotonic() < end, f"{line}\n{done.stdout}{done.stderr}"
        time.sleep(0.5)


def test_the_page(tmp_path: Path, free_port: int) -> None:
    (tmp_path / "stock.bin").write_bytes(esp32_image.stock("v1.26.1", size=24 * 1024))
    path = [str(Path(sys.executable).parent), str(find_mosquitto().parent), os.environ["PATH"]]
    environment = {**os.environ, "PATH": os.pathsep.join(path), "XDG_DATA_HOME": str(tmp_path / "data")}
    first, second = (
        block.replace("1883", str(free_port)).replace(DOWNLOAD, "stock.bin")
        for block in blocks("From a blank board to a session")
    )
    config, rest = re.split(r"(?<=\nEND\n)", second)
    *lines, start, listing = rest.splitlines()
    in_background = [line.removesuffix(" &") for line in lines if line.endswith(" &")]
    assert len(in_background) == 2 and start.startswith("zhuque socket start")
    with (
        shell(first.strip(), tmp_path, environment) as board,
        shell(in_background[0], tmp_path, environment),
        shell(in_background[1], tmp_path, environment),
    ):
        until(config, tmp_path, environment)
        for line in lines:
            if not line.endswith(" &"):
                said = until(line, tmp_path, environment)
        assert said.startswith("PASS  board  ") and "zq10 0.1.0, ready" in said
        until(start, tmp_path, environment)
        assert board.stdin is not None
        print("plug 3", file=board.stdin, flush=True)
        assert "riverside/p01/3" in until(listing, tmp_path, environment, wanted="r-0412")
