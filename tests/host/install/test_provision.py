"""Boards become points: blank, flashed already, pulled half-way, of another point; and what is read back."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from tests.fakes import esp32_image
from tests.fakes.collecting import rows, wait_for
from tests.fakes.garage import make_site
from tests.host.conftest import STOCK, NewBoard, Serve
from tests.host.install.conftest import OldPoint
from zhuque.cli import main, versions
from zhuque.device import filesystem, flasher, layout
from zhuque.device.console_link import ConsoleLink
from zhuque.device.flasher import Flasher, Progress
from zhuque.device.image import Image
from zhuque.device.repl import Repl
from zhuque.errors import UsageError
from zhuque.install import batch, provision
from zhuque.install.assign import Assigner
from zhuque.install.flash_journal import FlashJournal
from zhuque.install.provision import Outcome, Provisioner, Wish
from zhuque.sim.esp32.board import VirtualBoard
from zhuque.site import broker, points
from zhuque.site.settings import Settings

ALL = [f"p{number:02}" for number in range(1, 9)]


def provisioner(site: Settings, zq10: Image, wanted: list[str] | None = None, **wish: Any) -> Provisioner:
    return Provisioner(zq10, Assigner(site, wanted or ALL, zq10, "tester"), Wish(**wish))


def files(board: VirtualBoard) -> dict[str, bytes]:
    data = board.options.flash.read_bytes()
    return filesystem.read(data[layout.VFS.offset : layout.VFS.offset + layout.VFS.size])


def config(board: VirtualBoard) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(files(board)["config.json"])
    return found


def mac(board: VirtualBoard) -> str:
    return board.options.mac.hex(":")


def plug(board: VirtualBoard) -> None:
    board.order("plug")
    until = time.monotonic() + 10
    while board.state == "off" and time.monotonic() < until:
        time.sleep(0.02)


def passed(outcome: Outcome) -> Outcome:
    assert outcome.passed, outcome.error or outcome.wrong
    return outcome


def refusal(outcome: Outcome) -> str:
    """Why."""
    assert outcome.error is not None and outcome.error.exit_code == 5
    return str(outcome.error)


@pytest.fixture
def foreign(old_point: OldPoint) -> VirtualBoard:
    """A board that is hillside/p01, of another garage."""
    return old_point("hillside")[1]


def test_a_blank_board_becomes_a_point_in_one_write(site: Settings, zq10: Image, new_board: NewBoard) -> None:
    board = new_board()
    outcome = passed(provisioner(site, zq10).run(board.address))
    assert (outcome.point, outcome.mac, outcome.how) == ("p01", mac(board), "flashed")
    held = files(board)
    assert outcome.files == len(held) == len(zq10.files) + 2
    assert config(board)["point"] == "p01" and "calibration" not in config(board)
    assert outcome.hello is not None and outcome.hello.state == "ready"
    point, events = points.shown(site, "p01")
    assert (point.mac, point.chip) == (mac(board), outcome.chip)
    assert point.fingerprint == broker.fingerprint(config(board)["broker"]["password"])
    assert [event.what for event in events] == ["add", "install", "issue", "prove"]
    again = passed(provisioner(site, zq10).run(board.address))
    assert (again.point, again.how, again.hello) == ("p01", "done before", None)
    assert files(board) == held  # what was issued is still worth something


def test_a_board_behind_the_server_of_esptool(
    site: Settings, zq10: Image, new_board: NewBoard, serve: Serve
) -> None:
    """It takes DTR alone for the wish of the loader, and restarts the board whenever somebody comes or leaves."""
    board = new_board(listen=("127.0.0.1", 0))
    port = serve(board.address)
    outcome = passed(provisioner(site, zq10).run(port))
    assert (outcome.point, outcome.mac, outcome.how) == ("p01", mac(board), "flashed")
    again = passed(provisioner(site, zq10, again=True).run(port))
    assert (again.how, config(board)["point"]) == ("written", "p01") and again.rescued > 0


def test_a_board_that_runs_the_same_application_gets_only_its_files(
    site: Settings, zq10: Image, new_board: NewBoard
) -> None:
    board = new_board()
    with Flasher(zq10, flasher.Settings()) as running:
        (flashed,) = running.flash([board.address])
    assert flashed.passed
    calibration = {"power": [[1_010_000, 0]] * 10}
    with Repl(board.address) as repl:
        repl.write("/config.json", json.dumps({"calibration": calibration}).encode())
        repl.write("/client.key", b"of somebody else")
        repl.restart()
    outcome = passed(provisioner(site, zq10, ["p05"]).run(board.address))
    assert (outcome.point, outcome.how) == ("p05", "written")
    assert set(files(board)) == {*zq10.files, "config.json", "ca.der"}
    assert config(board)["calibration"] == calibration  # it is the board's, whatever point that becomes


def test_the_version_that_a_board_ran_is_told(
    done: tuple[Settings, VirtualBoard], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A newer one is replaced, too: that is the installer's to know."""
    site, board = done
    monkeypatch.setattr(versions, "VERSION", "0.0.9")
    (tmp_path / "stock.bin").write_bytes(STOCK)
    words = ["--points", "p01", "--port", board.address, "--site", str(site.folder), "--again"]
    told = CliRunner().invoke(main, ["provision", *words, "--firmware", str(tmp_path / "stock.bin")])
    assert told.exit_code == 0, told.output
    notes = [line for line in told.stderr.splitlines() if line.startswith("note: ")]
    ran = "note: p01 ran Zhuque 0.1.0, newer than this 0.0.9, which it runs now; provision it with the newer one"
    assert notes == [ran]


def test_what_changed_in_the_site_is_given_to_a_board_that_was_done(
    done: tuple[Settings, VirtualBoard], zq10: Image
) -> None:
    from zhuque.site import secrets

    site, board = done
    before = config(board)
    secrets.keep_wifi_password(site, "the-right-one-82")
    outcome = passed(provisioner(site, zq10).run(board.address))
    assert (outcome.point, outcome.how) == ("p01", "written")
    after = config(board)
    assert after["wifi"]["password"] == "the-right-one-82"
    assert after["broker"]["password"] != before["broker"]["password"]
    assert provisioner(site, zq10).assigner.left() == ALL[1:]


def test_a_board_is_pulled_and_finished_by_the_second_run(
    site: Settings, zq10: Image, new_board: NewBoard
) -> None:
    board = new_board()
    board.order(f"unplug at=40 region={layout.VFS.offset:#x}")
    first = provisioner(site, zq10).run(board.address)
    assert (
        not first.passed and first.point == "p01" and first.error is not None and first.error.exit_code == 4
    )
    assert points.shown(site, "p01")[0].mac == mac(board)
    other = passed(provisioner(site, zq10).run(new_board().address))
    assert other.point == "p02"  # p01 is taken, although half-done
    plug(board)
    second = passed(provisioner(site, zq10).run(board.address))
    assert (second.point, second.how) == ("p01", "flashed")


def test_a_board_pulled_while_its_files_are_written_keeps_a_whole_identity(
    done: tuple[Settings, VirtualBoard], zq10: Image
) -> None:
    site, board = done
    work = provisioner(site, zq10, again=True)
    work.on_progress = lambda progress: board.order("unplug") if progress.step == "writing" else None
    cut = work.run(board.address)
    assert cut.error is not None and cut.error.exit_code == 4 and "plug it in again" in str(cut.error)
    assert provisioner(site, zq10).assigner.left() == ALL
    plug(board)
    assert passed(provisioner(site, zq10).run(board.address)).point == "p01"


@pytest.mark.parametrize("is_blank", [True, False], ids=["blank", "ours"])
def test_boards_that_are_exchanged_in_the_middle_are_no_pass(
    old_point: OldPoint, zq10: Image, new_board: NewBoard, tmp_path: Path, is_blank: bool
) -> None:
    """The port has the same name; the MAC address tells them apart."""
    link = tmp_path / "tty"
    if is_blank:
        site, first = make_site(tmp_path / "riverside", points=8), new_board(link=link)
    else:
        site, first = old_point("riverside", link=link)
    steps: list[str] = []

    def exchange(progress: Progress) -> None:
        steps.append(progress.step)
        is_time = steps.count("connecting") == 2 or progress.step == "reading"
        if is_time and first.state != "off":
            first.order("unplug")
            while first.state != "off":
                time.sleep(0.02)
            new_board(link=link)

    work = provisioner(site, zq10, again=True)
    work.on_progress = exchange
    outcome = work.run(str(link))
    assert not outcome.passed and (outcome.point, outcome.mac) == ("p01", mac(first))
    assert "were exchanged meanwhile" in str(outcome.error), outcome.error
    assert provisioner(site, zq10).assigner.left() == ALL


def test_the_flash_of_another_board_than_the_silent_one_is_nobodys_journal(
    old_point: OldPoint, zq10: Image, new_board: NewBoard, tmp_path: Path
) -> None:
    link = tmp_path / "tty"
    site, first = old_point("riverside", link=link)
    silence(first)

    def exchange(progress: Progress) -> None:
        if progress.step.startswith("reading its flash") and first.state != "off":
            first.order("unplug")
            wait_for(lambda: first.state == "off")
            new_board(link=link)

    work = provisioner(site, zq10, again=True)
    work.on_progress = exchange
    outcome = work.run(str(link))
    assert "were exchanged meanwhile" in str(outcome.error), outcome.error
    assert rows(str(site.database), "SELECT count(*) FROM records") == [(0,)]


def test_a_board_that_runs_something_else_is_not_overwritten(
    site: Settings, zq10: Image, new_board: NewBoard
) -> None:
    board = new_board()
    other = esp32_image.stock("v2.1", size=16384, project="sensor")
    with board.options.flash.open("r+b") as file:
        file.seek(0x1000)
        file.write(other)
    refused = provisioner(site, zq10).run(board.address)
    assert refused.error is not None and refused.error.exit_code == 5
    assert "it runs sensor v2.1" in str(refused.error) and "--yes" in str(refused.error)
    assert points.shown(site, "p01")[0].mac is None
    assert passed(provisioner(site, zq10, yes=True).run(board.address)).point == "p01"


def test_a_board_that_is_another_point_stays_that(done: tuple[Settings, VirtualBoard], zq10: Image) -> None:
    site, board = done
    held = files(board)
    refused = provisioner(site, zq10, ["p02", "p03"]).run(board.address)
    assert refused.error is not None and refused.error.exit_code == 5
    assert "riverside/p01 already" in str(refused.error) and "point replace p01" in str(refused.error)
    assert files(board) == held


def test_no_point_is_left(done: tuple[Settings, VirtualBoard], zq10: Image, new_board: NewBoard) -> None:
    site, _ = done
    refused = provisioner(site, zq10, ["p01"]).run(new_board().address)
    assert refused.error is not None and refused.error.exit_code == 3
    assert "no point is left" in str(refused.error)


def test_a_file_that_is_not_what_was_meant_is_no_pass(
    site: Settings, zq10: Image, new_board: NewBoard, monkeypatch: pytest.MonkeyPatch
) -> None:
    sums = Repl.sums
    monkeypatch.setattr(Repl, "sums", lambda repl: {**sums(repl), "ca.der": "0" * 64})
    outcome = provisioner(site, zq10).run(new_board().address)
    assert not outcome.passed and "ca.der on the board is not what was meant" in str(outcome.error)
    assert provisioner(site, zq10).assigner.left() == ALL


def test_two_installers_at_once_share_the_points(site: Settings, zq10: Image, new_board: NewBoard) -> None:
    """Each has an assigner of its own, as two processes have."""
    made = [new_board() for _ in range(4)]
    work = [provisioner(site, zq10), provisioner(site, zq10)]
    ports = {board.address for board in made}
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(lambda pair: work[pair[0] % 2].run(pair[1]), enumerate(sorted(ports))))
    assert sorted(passed(outcome).point for outcome in outcomes) == ALL[:4]
    assert {points.shown(site, o.point)[0].mac for o in outcomes} == {mac(board) for board in made}


def test_names() -> None:
    assert provision.names("p01..p03, p07") == ["p01", "p02", "p03", "p07"]
    assert provision.names("wall-8..wall-10") == ["wall-8", "wall-9", "wall-10"]
    for wrong in ("p03..p01", "p01..q03", "p..p3"):
        with pytest.raises(UsageError, match=r"it looks like p01\.\.p30"):
            provision.names(wrong)


def test_eight_at_once_as_they_are_plugged_in(site: Settings, zq10: Image, new_board: NewBoard) -> None:
    """One is pulled half-way and comes back; the run goes on until every point has its board."""
    made = [new_board() for _ in range(8)]
    made[2].order(f"unplug at=40 region={layout.VFS.offset:#x}")
    work = provisioner(site, zq10)
    over = threading.Event()
    looks = iter(range(10_000))

    def find() -> list[str]:
        """Four are there at first; the others follow."""
        return [board.address for board in made[: 4 + next(looks)] if board.state != "off"]

    outcomes = []
    for outcome in batch.plugged(work, 8, over, find):
        outcomes.append(outcome)
        if not outcome.passed:
            assert outcome.port == made[2].address
            threading.Timer(2, made[2].order, ["plug"]).start()
    assert [outcome.passed for outcome in outcomes].count(False) == 1
    assert sorted({outcome.point for outcome in outcomes if outcome.passed}) == ALL
    assert {point.mac for point in points.listed(site)} == {mac(board) for board in made}
    assert not provisioner(site, zq10).assigner.left()


def test_what_a_board_has_not_delivered_is_pulled_first(
    done: tuple[Settings, VirtualBoard], zq10: Image
) -> None:
    """Its journal stays as it is, too."""
    site, board = done
    assert not rows(str(site.database), "SELECT seq FROM records")
    with ConsoleLink(board.address) as link:
        before = link.status()
    again = passed(provisioner(site, zq10, again=True).run(board.address))
    assert again.rescued >= before["last_seq"] >= 1
    stored = rows(str(site.database), "SELECT point, epoch, seq FROM records ORDER BY seq")
    assert stored[0] == ("p01", before["epoch"], 1) and len(stored) == again.rescued
    with ConsoleLink(board.address) as link:
        after = link.status()
    assert after["epoch"] == before["epoch"] and after["last_seq"] > before["last_seq"]


def hearing_again(board: VirtualBoard, work: Provisioner) -> Provisioner:
    """What made it deaf is overwritten."""
    work.on_progress = lambda progress: board.order("deaf on=0") if progress.step == "writing" else None
    return work


def silence(board: VirtualBoard, **more: Any) -> int:
    """Its firmware does not run any more, nor hears Ctrl-C; returns the last record that its journal holds.

    `more` is in its config.json by then.
    """
    configured = json.dumps({**config(board), **more}).encode()
    with ConsoleLink(board.address) as link:
        last_seq = int(link.status()["last_seq"])
    with Repl(board.address) as repl:
        repl.write("/config.json", configured)
        repl.write("/main.py", b"while True:\n    pass\n")
        repl.restart()
    board.order("deaf")
    return last_seq


def journal_of(board: VirtualBoard) -> FlashJournal:
    data = board.options.flash.read_bytes()
    return FlashJournal(data[layout.JOURNAL.offset : layout.JOURNAL.offset + layout.JOURNAL.size])


def test_of_a_board_that_says_nothing_the_records_are_pulled_from_its_flash(
    done: tuple[Settings, VirtualBoard], zq10: Image
) -> None:
    site, board = done
    last_seq = silence(board)
    epoch = journal_of(board).epoch
    points.replace(site, "p01", int(time.time()), "tester")
    outcome = passed(hearing_again(board, provisioner(site, zq10, ["p02"])).run(board.address))
    assert (outcome.how, outcome.rescued) == ("flashed", last_seq)
    stored = rows(str(site.database), "SELECT point, epoch, seq FROM records ORDER BY seq")
    assert stored == [("p01", epoch, seq) for seq in range(1, last_seq + 1)]
    assert journal_of(board).epoch != epoch  # p02 does not tell what p01 lived through


def test_the_same_point_that_says_nothing_keeps_its_journal(
    done: tuple[Settings, VirtualBoard], zq10: Image
) -> None:
    """And its calibration."""
    site, board = done
    calibration = {"power": [[1_010_000, 0]] * 10}
    silence(board, calibration=calibration)
    epoch = journal_of(board).epoch
    outcome = passed(hearing_again(board, provisioner(site, zq10, again=True)).run(board.address))
    assert outcome.rescued > 0 and journal_of(board).epoch == epoch
    assert config(board)["calibration"] == calibration


def test_what_a_silent_board_of_another_garage_holds_is_kept_in_a_file(
    site: Settings, zq10: Image, old_point: OldPoint
) -> None:
    hillside, foreign = old_point("hillside")
    last_seq = silence(foreign)
    epoch, before = journal_of(foreign).epoch, foreign.options.flash.read_bytes()
    why = refusal(provisioner(site, zq10).run(foreign.address))
    assert f"does not answer, and its flash holds {last_seq} records of hillside/p01" in why
    assert foreign.options.flash.read_bytes() == before
    outcome = passed(hearing_again(foreign, provisioner(site, zq10, yes=True)).run(foreign.address))
    assert outcome.kept is not None and outcome.rescued == 0
    assert journal_of(foreign).epoch != epoch
    words = ["log", "import", str(outcome.kept), "--db", str(hillside.database)]
    imported = CliRunner().invoke(main, words)
    assert imported.output == f"hillside/p01: {last_seq} records added, 0 were there, 0 contradict\n"


def test_a_journal_that_is_nobodys_is_not_given_to_anybody(
    site: Settings, zq10: Image, foreign: VirtualBoard
) -> None:
    """Its file system is gone, its MAC was never heard of here, and somebody charged there."""
    with ConsoleLink(foreign.address) as link:
        ids = iter(range(1000))  # its meter is to be good for five seconds first
        wait_for(lambda: link.ask({"id": f"{next(ids)}", "op": "start", "socket": 3})["ok"])
    with foreign.options.flash.open("r+b") as file:
        file.seek(layout.VFS.offset)
        file.write(bytes(layout.VFS.size))
    foreign.order("reset")
    why = refusal(provisioner(site, zq10).run(foreign.address))
    assert "a point that nothing on it or here names" in why
    outcome = passed(provisioner(site, zq10, yes=True).run(foreign.address))
    assert outcome.kept is not None
    head = json.loads(outcome.kept.read_text().splitlines()[0])
    assert (head["site"], head["point"]) == ("riverside", "unknown")


def test_a_hub_that_drops_three_of_four_at_once(site: Settings, zq10: Image, new_board: NewBoard) -> None:
    """The fourth is finished, and the next run finishes the three, each as the point that it was."""
    made = [new_board() for _ in range(4)]
    dropped, looked_at = threading.Event(), threading.Barrier(4)
    connected: list[str] = []

    def drop(progress: Progress) -> None:
        if progress.step == "connecting":
            connected.append(progress.port)
            if connected.count(progress.port) == 2:  # to write: every board is known by now
                looked_at.wait(60)
        if progress.step == "writing" and (progress.part or 0) > 0.3 and not dropped.is_set():
            dropped.set()
            for board in made[1:]:
                board.order("unplug")

    work = provisioner(site, zq10, ALL[:4])
    work.on_progress = drop
    first = {one.port: one for one in batch.named(work, [board.address for board in made], 4)}
    assert passed(first[made[0].address]).point
    for board in made[1:]:
        error = first[board.address].error
        assert error is not None and error.exit_code == 4 and "plug it in again" in str(error)
    assert len(provisioner(site, zq10, ALL[:4]).assigner.left()) == 3
    for board in made[1:]:
        plug(board)
    again = provisioner(site, zq10, ALL[:4])
    second = {one.port: passed(one) for one in batch.named(again, [board.address for board in made], 4)}
    assert second[made[0].address].how == "done before"
    assert {one.point for one in second.values()} == set(ALL[:4])
    for port, outcome in first.items():
        assert outcome.point in ("", second[port].point)
    assert not again.assigner.left()


def test_a_board_of_another_garage_is_not_emptied_unless_somebody_says_so(
    site: Settings, zq10: Image, foreign: VirtualBoard
) -> None:
    held = files(foreign)
    why = refusal(provisioner(site, zq10).run(foreign.address))
    assert "hillside/p01, of another garage" in why and "--yes" in why
    assert all(point.mac is None for point in points.listed(site))
    assert files(foreign) == held
    with ConsoleLink(foreign.address) as link:
        before = link.status()
    passed(provisioner(site, zq10, yes=True).run(foreign.address))
    with ConsoleLink(foreign.address) as link:
        after = link.status()
    assert (after["site"], after["point"], after["boot"]) == ("riverside", "p01", 1)
    assert after["epoch"] != before["epoch"], "what it told there is not told, and billed, here again"


def test_a_journal_that_could_not_be_pulled_is_not_begun_anew_unless_somebody_says_so(
    site: Settings, zq10: Image, foreign: VirtualBoard
) -> None:
    """Its firmware does not run; its prompt is there."""
    with Repl(foreign.address) as repl:
        repl.write("/main.py", b"")
        repl.restart()
    journal = slice(layout.JOURNAL.offset, layout.JOURNAL.offset + layout.JOURNAL.size)
    held = foreign.options.flash.read_bytes()[journal]
    why = refusal(provisioner(site, zq10).run(foreign.address))
    told = f"its flash holds {journal_of(foreign).last_seq} records of hillside/p01, of another garage"
    assert told in why and "or give --yes, which keeps them in" in why
    assert foreign.options.flash.read_bytes()[journal] == held
    passed(provisioner(site, zq10, yes=True).run(foreign.address))
