"""`zhuque flash` on a board that is a point: its identity and its calibration are not lost without a word."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from tests.host.install.test_provision import config, files, passed, provisioner
from tests.host.test_flash import until, zhuque
from zhuque.device.image import Image
from zhuque.device.repl import Repl
from zhuque.sim.esp32.board import VirtualBoard
from zhuque.site import broker, points
from zhuque.site.settings import Settings

Done = tuple[Settings, VirtualBoard]


def answered(folder: Path, board: VirtualBoard, answer: str, **more: Any) -> Any:
    """The flash of a board, by somebody at a terminal."""
    ours, theirs = os.openpty()
    os.write(ours, answer.encode())
    try:
        return zhuque(folder, board.address, stdin=theirs, **more)
    finally:
        os.close(ours)
        os.close(theirs)


def test_a_point_is_not_flashed_without_a_question_and_runs_on(done: Done, tmp_path: Path) -> None:
    _, board = done
    held = files(board)
    refused = zhuque(tmp_path, board.address, "--json")
    assert refused.returncode == 5
    assert "it is riverside/p01, and this takes away its identity and its calibration" in refused.stderr
    assert "`zhuque provision --points p01 --again` writes new firmware and keeps both" in refused.stderr
    until(board, "running")
    no = answered(tmp_path, board, "n\n")
    assert no.returncode == 5 and "is riverside/p01. Take away its identity and its" in no.stderr
    until(board, "running")
    assert files(board) == held
    assert answered(tmp_path, board, "y\n").returncode == 0
    assert "config.json" not in files(board)


def test_what_was_done_before_is_done_again_where_the_board_lost_it(
    done: Done, zq10: Image, tmp_path: Path
) -> None:
    site, board = done
    assert passed(provisioner(site, zq10).run(board.address)).how == "done before"
    written = zhuque(tmp_path, board.address, "--yes")
    assert written.returncode == 0 and "config.json" not in files(board), written.stderr
    again = passed(provisioner(site, zq10).run(board.address))
    assert (again.point, again.how) == ("p01", "written")
    fingerprint = points.shown(site, "p01")[0].fingerprint
    assert fingerprint == broker.fingerprint(config(board)["broker"]["password"])


def test_a_board_that_was_erased_is_not_done(done: Done, zq10: Image) -> None:
    site, board = done
    with board.options.flash.open("r+b") as file:
        file.write(b"\xff" * board.options.flash.stat().st_size)
    again = passed(provisioner(site, zq10).run(board.address))
    assert (again.point, again.how) == ("p01", "flashed")


def test_an_identity_that_was_written_over_the_prompt_is_seen(done: Done, tmp_path: Path) -> None:
    """It lies anywhere then; and with --yes nobody asks."""
    _, board = done
    with Repl(board.address) as repl:
        for turn in range(3):
            repl.write("/config.json", json.dumps({**config(board), "calibration": {"turn": turn}}).encode())
        repl.restart()
    refused = zhuque(tmp_path, board.address)
    assert refused.returncode == 5 and "it is riverside/p01" in refused.stderr
    written = zhuque(tmp_path, board.address, "--yes")
    assert written.returncode == 0 and "not provisioned yet" in written.stdout, written.stderr
