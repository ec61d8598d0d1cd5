"""The page "From blank boards to a session" of README.md, typed as it stands, on virtual boards."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.fakes import esp32_image
from zhuque.sim.broker import free_port
from zhuque.sim.tools import find_mosquitto

README = (Path(__file__).resolve().parents[2] / "README.md").read_text()
DOWNLOAD = "~/Downloads/ESP32_GENERIC-20250911-v1.26.1.bin"
PATIENCE_S = 200


def page(heading: str) -> str:
    section = README[README.index(f"## {heading}\n") :].split("\n## ", 1)[0]
    (block,) = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)
    return str(block)


def typed(folder: Path, lines: str) -> str:
    """What a shell says to these lines; nothing that it started is left."""
    path = [str(Path(sys.executable).parent), str(find_mosquitto().parent), os.environ["PATH"]]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ZHUQUE_S")}
    environment |= {"PATH": os.pathsep.join(path), "XDG_DATA_HOME": str(folder / "data")}
    said = folder / "said"
    with said.open("w") as out:
        process = subprocess.Popen(
            ["sh", "-exc", lines],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            code = process.wait(PATIENCE_S)
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            time.sleep(2)  # `site up` ends its children, which have sessions of their own
    text = said.read_text()
    assert code == 0, text
    return text


@pytest.mark.timeout(300)
def test_the_page(tmp_path: Path) -> None:
    (tmp_path / "stock.bin").write_bytes(esp32_image.stock("v1.26.1", size=24 * 1024))
    ports = f"--broker-port {free_port()} --people-port {free_port()} --label-host"
    said = typed(
        tmp_path,
        page("From blank boards to a session").replace(DOWNLOAD, "stock.bin").replace("--label-host", ports),
    )
    for point in ("p01", "p02", "p03"):
        assert re.search(rf"^PASS  {point}  24:0a:c4:00:00:0\d  board\d  flashed, ", said, re.MULTILINE), said
    assert "PASS  relay 10: closed and opened" in said and "riverside/p01: PASS" in said
    assert "p02, p03 NOT PROVEN" in said
    for name in ("labels.pdf", "handover.pdf"):
        assert (tmp_path / name).read_bytes().startswith(b"%PDF")
    assert "riverside/p01/3 started" in said
    assert re.search(r"^riverside/p01/3 +r-0412 ", said, re.MULTILINE), said
