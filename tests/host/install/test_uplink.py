"""A point that does not connect says why on its console, and `point test --port` what to do; and what is kept."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from typing import Any

import pytest

from tests.fakes.garage import Mosquitto, make_site
from tests.host.conftest import NewBoard
from zhuque.device import console
from zhuque.device.image import Image
from zhuque.device.repl import Repl
from zhuque.install.assign import Assigner
from zhuque.install.provision import Provisioner, Wish
from zhuque.install.uplink_test import explain
from zhuque.sim.esp32.board import VirtualBoard
from zhuque.site import broker, people, points
from zhuque.site.settings import Settings


@pytest.fixture
def board(site: Settings, zq10: Image, new_board: NewBoard) -> VirtualBoard:
    """p01."""
    made = new_board()
    outcome = Provisioner(zq10, Assigner(site, ["p01"], zq10, "tester"), Wish()).run(made.address)
    assert outcome.passed, outcome.error or outcome.wrong
    people.add(site, "li", "installer", int(time.time()), "tester")
    return made


def zhuque(site: Settings, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ZHUQUE_S")}
    environment |= {"ZHUQUE_SITE": str(site.folder)}
    command = [sys.executable, "-m", "zhuque", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=100)


def run(site: Settings, board: VirtualBoard, point: str = "p01") -> tuple[int, dict[str, dict[str, str]]]:
    done = zhuque(site, "point", "test", point, "--port", board.address, "--json")
    assert done.stdout, done.stderr
    return done.returncode, {line["name"]: line for line in json.loads(done.stdout)["lines"]}


def test_a_wrong_password_of_the_wifi(site: Settings, board: VirtualBoard) -> None:
    board.order('{"do": "wifi", "password": "not-what-the-board-was-given"}')
    code, lines = run(site, board)
    assert code == 1 and lines["identity"]["result"] == "PASS"
    assert lines["Wi-Fi"]["result"] == "FAIL" and "the password is wrong" in lines["Wi-Fi"]["detail"]
    assert "secrets.toml" in lines["Wi-Fi"]["remedy"] and "provision --points p01" in lines["Wi-Fi"]["remedy"]


def test_no_access_point_and_no_broker(site: Settings, board: VirtualBoard) -> None:
    board.order("network_down")
    code, lines = run(site, board)
    assert code == 1 and "no access point of that name" in lines["Wi-Fi"]["detail"]
    board.order("network_up")
    code, lines = run(site, board)
    assert (
        code == 1 and "ECONNREFUSED" in lines["broker"]["detail"] and "site up" in lines["broker"]["remedy"]
    )


def test_a_wrong_password_at_the_broker_and_a_foreign_authority(
    site: Settings, board: VirtualBoard, mosquitto: Mosquitto, tmp_path: Any
) -> None:
    broker.set_password(site, "riverside/p01", broker.new_password())
    broker.reload(site)
    code, lines = run(site, board)
    assert code == 1 and re.search("password is wrong|not authorised", lines["broker"]["detail"])
    assert "provision --again --points p01" in lines["broker"]["remedy"]
    foreign = points.identity(make_site(tmp_path / "hillside", "hillside"), "p01", int(time.time()), "tester")
    console.listen(board.address)
    with Repl(board.address) as repl:
        repl.write("/ca.der", foreign.files["ca.der"])
        repl.restart()
    code, lines = run(site, board)
    assert code == 1 and "certificate is not accepted" in lines["TLS"]["detail"]
    assert "another authority" in lines["TLS"]["remedy"]


def test_another_point_is_on_the_cable_and_what_is_kept(
    site: Settings, board: VirtualBoard, tmp_path: Any
) -> None:
    code, lines = run(site, board, "p02")
    assert code == 1 and "is riverside/p01, not riverside/p02" in lines["identity"]["detail"]
    done = zhuque(site, "site", "handover", "--json", "--to", str(tmp_path / "sheet.pdf"))
    assert done.returncode == 0, done.stderr
    sheet = json.loads(done.stdout)
    assert sheet["unproven"] == [f"p{n:02}" for n in range(1, 9)]
    rows = {row["point"]: row for row in sheet["points"]}
    assert rows["p01"]["test"] is None and rows["p02"]["test"]["lines"] == list(lines.values())
    assert (rows["p02"]["test"]["via"], rows["p02"]["test"]["passed"]) == ("usb", False)


def test_a_point_that_is_offline_is_said(site: Settings, board: VirtualBoard, mosquitto: Mosquitto) -> None:
    done = zhuque(site, "point", "test", "p03", "--wait", "0")
    assert done.returncode == 1
    assert "FAIL  online: riverside/p03 is not connected" in done.stdout and "--port PORT" in done.stdout
    wrong = zhuque(site, "point", "test", "hillside/p01")
    assert wrong.returncode == 2 and "is no point of riverside" in wrong.stderr
    half = zhuque(site, "point", "test", "p01", "--socket", "3")
    assert half.returncode == 2 and "go together" in half.stderr


def test_words_that_are_not_known_are_quoted() -> None:
    line = explain("something new", "p01")
    assert (line.name, line.result, line.detail) == ("uplink", "FAIL", "something new") and line.remedy
