"""`zhuque board`: what is printed, and the exit codes."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from zhuque.boards import FOLDER, list_boards


def zhuque(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "zhuque", "board", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=30,
    )


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A board of one's own, outside the package."""
    shutil.copytree(FOLDER / "zq10", tmp_path / "zq10")
    return tmp_path / "zq10" / "board.toml"


def test_all_boards_are_good() -> None:
    done = zhuque("check")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [f"{name}: good" for name in list_boards()]


def test_a_file_and_its_folder_can_be_checked(own: Path) -> None:
    for given in (own, own.parent):
        done = zhuque("check", given)
        assert (done.returncode, done.stdout) == (0, f"{given}: good\n"), done.stderr


def test_every_problem_is_a_line_on_stderr_and_the_other_boards_are_checked(own: Path) -> None:
    own.write_text(
        own.read_text().replace("latch = 27", "latch = 6").replace("hang_ms = 200", "hang_ms = 50")
    )
    done = zhuque("check", own, "zq10")
    assert done.returncode == 1
    assert done.stdout == "zq10: good\n"
    lines = done.stderr.splitlines()
    assert lines[0] == f"{own}: relay.latch is pin 6, which belongs to the flash"
    assert lines[1].startswith(f"{own}: relay.hang_ms is 50, but relays on hc595 stay closed for 200 ms")
    assert lines[2] == f"{own}: 2 to mend; boards/README.md says what each key means"
    assert len(lines) == 3


def test_what_is_not_there_is_exit_3(tmp_path: Path) -> None:
    for command in ("check", "show"):
        done = zhuque(command, "zq11")
        assert done.returncode == 3 and "there is no board 'zq11'; there is devkit-hlw8032" in done.stderr
        done = zhuque(command, tmp_path / "none.toml")
        assert done.returncode == 3 and "cannot be read" in done.stderr
        assert "Traceback" not in done.stderr


def test_a_file_that_is_no_toml_is_exit_1(own: Path) -> None:
    own.write_text("name = zq10")
    for command in ("check", "show"):
        done = zhuque(command, own)
        assert (
            done.returncode == 1
            and "cannot be read as TOML" in done.stderr
            and "Traceback" not in done.stderr
        )


def test_a_file_that_cannot_be_read_is_named_once_in_its_line(own: Path) -> None:
    own.write_text("name = zq10")
    said = zhuque("check", own).stderr
    assert said.startswith(f"{own}: cannot be read as TOML: ") and said.count(str(own)) == 2, "a line each"
    missing = own.with_name("none.toml")
    assert zhuque("check", missing).stderr.startswith(f"{missing}: cannot be read: No such file")
    assert f"Error: {own} cannot be read as TOML" in zhuque("show", own).stderr


def test_the_list() -> None:
    done = zhuque("list", "--json")
    rows = json.loads(done.stdout)
    assert [row["name"] for row in rows] == list_boards()
    zq10 = rows[-1]
    assert zq10["meter"] == "bl0910" and zq10["contactor"] is True and zq10["temperature"] == "ntc"
    assert zq10["inputs"] == ["emergency_stop", "smoke", "residual_current"] and zq10["rated_ma"] == 5000
    lines = zhuque("list").stdout.splitlines()
    assert len(lines) == 1 + len(rows) and lines[0].split() == [
        "board",
        "sockets",
        "A",
        "meter",
        "relays",
        "title",
    ]


def test_a_board_is_shown_with_its_wiring_and_origins() -> None:
    text = zhuque("show", "kc868-a8-pzem").stdout
    assert "0x24 P7  relay of socket 8, closes at 0" in text
    assert "GPIO4    I2C SDA" in text
    assert "opens within 6000 ms" in text
    rating = next(line for line in text.splitlines() if line.startswith("relay.rating_ma"))
    assert "10000" in rating and "maker's page" in rating


def test_show_as_json() -> None:
    (found,) = json.loads(zhuque("show", "zq10", "--json").stdout)
    assert found["name"] == "zq10"
    assert {"at": "GPIO33", "goes_to": "charge pump of the output enable", "path": "relay.pump"} in found[
        "wiring"
    ]
    numbers = {number["path"]: number for number in found["numbers"]}
    assert numbers["meter.cfdiv"]["value"] == "256" and "every" not in numbers["meter.cfdiv"]["path"]
    assert all(number["origin"] for number in found["numbers"])


def test_wrong_usage_is_exit_2() -> None:
    assert zhuque("show").returncode == 2
    assert zhuque("paint").returncode == 2
