"""The console of a board as a line: commands, and its journal pulled at the USB port while it charges."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tests.fakes import esp32_image
from tests.fakes.collecting import rows
from tests.host.conftest import NewBoard, Serve
from zhuque import boards
from zhuque.cli import main, versions
from zhuque.device import console, console_link, image, stock
from zhuque.device.console_link import ConsoleLink
from zhuque.device.repl import Repl
from zhuque.errors import NoAnswerError
from zhuque.sim.esp32.board import BoardOptions, VirtualBoard

NAME = "riverside/p01"
# A network that nobody ever built.
CONFIG = {
    "wire": 1,
    "site": "riverside",
    "point": "p01",
    "provisioned": 1700000000,
    "wifi": {"ssid": "nowhere"},
    "broker": {"host": "127.0.0.1", "port": 9, "tls": False},
    "time": {"host": "127.0.0.1"},
}
_WAIT_S = 60


@pytest.fixture
def events() -> list[dict[str, Any]]:
    """What happened to the board."""
    return []


@pytest.fixture
def board(tmp_path: Path, events: list[dict[str, Any]]) -> Iterator[VirtualBoard]:
    """A flashed and provisioned board that is ready."""
    identity = json.dumps(CONFIG).encode()
    made = image.build(
        boards.load("zq10"), stock.read(esp32_image.stock("v1.26.1", size=24 * 1024)), identity
    )
    (tmp_path / "flash").write_bytes((b"\xff" * 0x1000 + made.whole()).ljust(4 << 20, b"\xff"))
    with VirtualBoard(BoardOptions(flash=tmp_path / "flash"), events.append) as running:
        console.listen(running.address)
        yield running


def zhuque(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(a) for a in arguments], env={"ZHUQUE_DB": "", "ZHUQUE_BROKER": ""})


def pull(board: VirtualBoard, *options: str | Path) -> Result:
    return zhuque("log", "pull", NAME, "--port", board.address, *options)


def told(result: Result) -> dict[str, Any]:
    assert result.exit_code == 0, result.output + result.stderr
    out: dict[str, Any] = json.loads(result.stdout)
    return out


def ask(link: ConsoleLink, id: str, op: str, **keys: Any) -> dict[str, Any]:
    return link.ask({"id": id, "op": op, "actor": "installer:wang", **keys})


def test_a_port_behind_the_server_of_esptool(
    tmp_path: Path, new_board: NewBoard, board: VirtualBoard, serve: Serve
) -> None:
    """Nobody who reads a journal sends the board into its loader."""
    board.stop()
    shared = new_board(listen=("127.0.0.1", 0))
    shared.options.flash.write_bytes(board.options.flash.read_bytes())
    shared.order("reset")
    file = tmp_path / "p01.jsonl"
    done = zhuque("log", "pull", NAME, "--port", serve(shared.address), "--to", file)
    assert done.exit_code == 0, done.stderr
    assert json.loads(file.read_text().splitlines()[-1])["last_seq"] > 0


@pytest.mark.parametrize(
    ("ours", "said"),
    [
        ("0.1.0", ""),
        (
            "0.2.0",
            "0.1.0, older than this 0.2.0; `zhuque provision --points p01 --again` brings it up to date\n",
        ),
        (
            "0.0.10",
            "0.1.0, newer than this 0.0.10; use that version here too, for this one may not know all that it",
        ),
    ],
)
def test_a_board_of_another_version_is_noted_and_nothing_else_changes(
    board: VirtualBoard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ours: str, said: str
) -> None:
    monkeypatch.setattr(versions, "VERSION", ours)
    pulled = pull(board, "--to", tmp_path / "p01.jsonl")
    reset = zhuque("socket", "stop", NAME + "/3", "--port", board.address)
    assert (pulled.exit_code, reset.exit_code) == (0, 1)  # no session is open there
    note = f"note: riverside/p01 runs Zhuque {said}"
    for result in (pulled, reset):
        notes = [line for line in result.stderr.splitlines() if line.startswith("note: ")]
        assert len(notes) == bool(said) and (note in result.stderr) == bool(said), result.stderr


def until_record(board: VirtualBoard, socket: int | None, kind: str) -> None:
    """Until the journal has a record of that kind for the socket."""
    until = time.monotonic() + _WAIT_S
    while time.monotonic() < until:
        if any(r["kind"] == kind and r.get("socket") == socket for r in journal(board)):
            return
        time.sleep(0.5)
    raise AssertionError(f"no {kind} of socket {socket}: {journal(board)}")


def journal(board: VirtualBoard) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    with ConsoleLink(board.address) as link:
        status = link.status()
        last = status["last_seq"]
        for first in range(1, last + 1, 200):
            keys = {"epoch": status["epoch"], "from": first, "to": min(last, first + 199)}
            assert ask(link, f"j{first}", "resend", **keys)["ok"]
            link.ask({"id": "j", "op": "resend", **keys}, lambda raw: found.append(json.loads(raw)))
    return found


def start(link: ConsoleLink, socket: int, account: str) -> str:
    """Start a session; in its first seconds a board trusts its meter not yet. The id of the command that was obeyed."""
    until = time.monotonic() + _WAIT_S
    while True:
        id = f"go-{time.monotonic()}"
        reply = ask(link, id, "start", socket=socket, account=account)
        if reply["ok"]:
            return id
        assert time.monotonic() < until, reply
        time.sleep(1)


def charge(board: VirtualBoard, *others: int) -> None:
    """A bike in socket 3, and commands that were refused: each is a record."""
    board.order("plug 3 account=r-0412 scan_after_s=3600")
    with ConsoleLink(board.address) as link:
        start(link, 3, "r-0412")
        for n in others:
            assert ask(link, f"r{n}", "reset", socket=1)["error"] == "not_locked"
    until_record(board, 3, "session_start")


def test_commands_are_obeyed_once_and_what_is_no_command_harms_nobody(board: VirtualBoard) -> None:
    with ConsoleLink(board.address) as link:
        status = link.status()
        assert (status["site"], status["point"], status["state"]) == ("riverside", "p01", "ready")
        assert ask(link, "1", "ping")["ok"]
        link._send(b"{" + b"x" * 2000 + b"\nhello\n\x01\x02\xff\n")
        reply = link._next(lambda channel: channel == "reply", time.monotonic() + _WAIT_S)
        assert reply and json.loads(reply[1])["error"] == "too_large"
        link._send(b'{"id":"2"\n')
        reply = link._next(lambda channel: channel == "reply", time.monotonic() + _WAIT_S)
        assert reply and json.loads(reply[1])["error"] == "bad_json"
        assert ask(link, "3", "start", socket=11)["error"] == "no_such_socket"
        obeyed = start(link, 2, "r-1")
        assert ask(link, obeyed, "start", socket=2, account="r-1")["ok"], (
            "the same answer, and no second session"
        )
        assert ask(link, "5", "stop", socket=2)["ok"]
        gone = ask(link, "6", "resend", epoch="0" * 16, **{"from": 1, "to": 2})
        assert (gone["error"], gone["first_seq"]) == ("gone", 1)
    until_record(board, 2, "session_end")
    found = journal(board)
    assert [r["id"] for r in found if r["kind"] == "command"] == [obeyed, "5"]
    (end,) = [r for r in found if r["kind"] == "session_end"]
    assert (end["reason"], end["source"]) == ("stopped_local", "button")


def test_what_is_reset_at_the_point_alone_is_reset_here(board: VirtualBoard) -> None:
    board.order("relay_stuck 4")
    board.order("overload 4 watts=500")
    until_record(board, 4, "trip")
    with ConsoleLink(board.address) as link:
        refused = ask(link, "1", "reset", socket=4)
        assert refused["error"] == "cause_present", refused
    board.order("unplug 4")
    reset = ("socket", "reset", "riverside/p01/4", "--port", board.address)
    until = time.monotonic() + _WAIT_S
    while (result := zhuque(*reset)).exit_code:
        refused_again = result.exit_code == 5 and "cause_present" in result.stderr
        assert refused_again and time.monotonic() < until, result.stderr
        time.sleep(1)
    assert result.stdout == "riverside/p01/4 reset\n"
    assert zhuque("socket", "reset", "riverside/p09/4", "--port", board.address).exit_code == 5
    (record,) = [r for r in journal(board) if r["kind"] == "reset"]
    assert (record["source"], record["cause"]) == ("button", "relay_welded")


def test_a_whole_point_is_reset_at_the_point(board: VirtualBoard) -> None:
    """Smoke, from the refused start to the next session: every no leads on."""
    at = ("--port", board.address)
    with ConsoleLink(board.address) as link:
        start(link, 1, "r-1")
    board.order("smoke")
    until_record(board, 1, "session_end")
    refused = zhuque("socket", "start", NAME + "/1", *at)
    assert refused.exit_code == 5 and "socket_locked (the whole point: smoke since 20" in refused.stderr, (
        refused.stderr
    )
    assert f"`zhuque point reset {NAME} --port {board.address}`" in refused.stderr
    socket = zhuque("socket", "reset", NAME + "/1", *at)
    assert socket.exit_code == 1 and "that socket is not, but the whole point is locked" in socket.stderr
    assert f"`zhuque point reset {NAME} --port {board.address}`" in socket.stderr
    present = zhuque("point", "reset", NAME, *at)
    assert present.exit_code == 5 and "cause_present (smoke); the cause is still there" in present.stderr
    board.order("smoke on=false")
    until = time.monotonic() + _WAIT_S
    while (result := zhuque("point", "reset", NAME, *at)).exit_code:
        assert "cause_present" in result.stderr and time.monotonic() < until, result.stderr
        time.sleep(0.5)
    assert result.stdout == NAME + " reset\n"
    (record,) = [r for r in journal(board) if r["kind"] == "reset"]
    assert (record["socket"], record["source"], record["cause"]) == (None, "button", "smoke")
    again = zhuque("point", "reset", NAME, *at)
    assert again.exit_code == 1 and "the point as a whole is not locked" in again.stderr
    with ConsoleLink(board.address) as link:
        start(link, 1, "r-2")


def test_a_pull_while_it_charges(board: VirtualBoard, events: list[dict[str, Any]], tmp_path: Path) -> None:
    db, other, file = str(tmp_path / "site.db"), str(tmp_path / "other.db"), tmp_path / "p01.jsonl"
    charge(board, *range(60))
    until = time.monotonic() + _WAIT_S
    while not any(e["event"] == "relay" and e["closed"] for e in list(events)):
        assert time.monotonic() < until, events
        time.sleep(0.2)
    first = told(pull(board, "--db", db, "--json"))
    assert first["added"] > 60 and not first["contradictions"]
    (session,) = rows(db, "SELECT account, ended_at FROM sessions")
    assert session == ("r-0412", None)
    again = told(pull(board, "--db", db, "--all", "--json"))
    assert (again["same"], again["contradictions"]) == (first["added"], []) and again["added"] <= 2
    assert zhuque("log", "verify", NAME, "--db", db, "--port", board.address).exit_code == 0
    assert told(pull(board, "--to", file, "--json"))["records"] >= first["added"]
    assert zhuque("log", "import", file, "--db", other).exit_code == 0
    same = "SELECT seq, raw FROM records ORDER BY seq"
    assert rows(other, same)[: first["added"]] == rows(db, same)[: first["added"]]
    time.sleep(5)
    assert len([e for e in events if e["event"] == "relay"]) == 1, "it was closed, and stayed so"
    board.order("unplug 3")
    until_record(board, 3, "session_end")
    (end,) = [r for r in journal(board) if r["kind"] == "session_end"]
    assert end["energy_mwh"] > 0 and end["reason"] in ("unplugged", "full"), end


def test_a_cable_that_is_pulled_half_way(board: VirtualBoard, tmp_path: Path) -> None:
    db, file = str(tmp_path / "site.db"), tmp_path / "p01.jsonl"
    charge(board, *range(100))
    read = console_link.ConsoleLink.ask
    asked: list[int] = []

    def ask_and_lose(self: ConsoleLink, command: dict[str, Any], *more: Any) -> dict[str, Any]:
        asked.append(command["from"])
        if len(asked) == 3:
            board.order("unplug")
            time.sleep(0.5)
        return read(self, command, *more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(console_link.ConsoleLink, "ask", ask_and_lose)
        lost = pull(board, "--db", db)
        assert lost.exit_code == 4 and "50 records added" in lost.stdout, lost.output
        assert "it goes on from there" in lost.stderr
        board.order("plug")
        time.sleep(0.5)
        asked.clear()
        assert pull(board, "--to", file).exit_code == 4
        assert not file.exists()
        board.order("plug")
        time.sleep(0.5)
    asked.clear()
    assert told(pull(board, "--db", db, "--json"))["same"] == 0
    count = told(pull(board, "--to", file, "--json"))
    assert count["first_seq"] == 51
    numbers = [seq for (seq,) in rows(db, "SELECT seq FROM records ORDER BY seq")]
    assert numbers == list(range(1, len(numbers) + 1)) and len(numbers) > 100
    merged = told(zhuque("log", "import", file, "--db", db, "--json"))
    assert merged["contradictions"] == [] and merged["same"] == len(numbers)


def test_another_board_a_prompt_and_no_board_are_refused(board: VirtualBoard, tmp_path: Path) -> None:
    db = str(tmp_path / "site.db")
    wrong = zhuque("log", "pull", "riverside/p02", "--port", board.address, "--db", db)
    assert wrong.exit_code == 5 and "is riverside/p01 and not riverside/p02: nothing was read" in wrong.stderr
    missing = zhuque("log", "pull", NAME, "--port", "/dev/ttyNOBODY", "--db", db)
    assert missing.exit_code == 3 and "there is no port /dev/ttyNOBODY" in missing.stderr
    with ConsoleLink(board.address):
        busy = pull(board, "--db", db)
        assert busy.exit_code == 4 and "open in another program" in busy.stderr
    with Repl(board.address) as repl:
        assert repl.eval("1 + 1") == 2
    with (
        pytest.raises(NoAnswerError, match="shows MicroPython's prompt"),
        ConsoleLink(board.address, _WAIT_S) as link,
    ):
        before = time.monotonic()
        link.status()
    assert time.monotonic() - before < _WAIT_S / 2, "nobody waits for what does not run"


def test_a_line_that_was_damaged_is_no_message() -> None:
    line = b'zhuque: {"record":{"seq":1,"energy_mwh":402113},"crc32":1713306936}'
    assert console_link.parse(line) is None
    import zlib

    raw = b'{"seq":1,"energy_mwh":402113}'
    good = b'zhuque: {"record":' + raw + b',"crc32":%d}' % zlib.crc32(raw)
    assert console_link.parse(good) == ("record", raw)
    assert console_link.parse(good.replace(b"402113", b"402117")) is None
    for other in (b"", b"zhuque: ready", b'zhuque: {"firmware": "0.1.0"}', b'zhuque: {"', good[:-4]):
        assert console_link.parse(other) is None
