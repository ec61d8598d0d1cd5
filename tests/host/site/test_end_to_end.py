"""From `site init` to `status`: an identity on a simulated board, TLS to the broker, the collector, the database."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.collecting import wait_for
from tests.fakes.garage import WIFI_PASSWORD, Mosquitto, Talker
from zhuque import boards
from zhuque.sim.point import PointSettings, SimPoint
from zhuque.sim.tools import find_mosquitto
from zhuque.site import authority, broker, people, points
from zhuque.site.login import read
from zhuque.site.points import Identity
from zhuque.site.settings import Settings
from zhuque.site.up import Up

NOW = int(time.time())


class SimulatedPoint:
    """The firmware with this identity."""

    def __init__(self, folder: Path, made: Identity) -> None:
        settings = PointSettings(
            boards.load(made.board).data, "", 0, made.site, made.point, config=made.config, files=made.files
        )
        self.console: list[str] = []
        self.point = SimPoint(folder, settings, self._on_event)

    def _on_event(self, event: dict[str, Any]) -> None:
        if event.get("event") == "console":
            self.console.append(str(event.get("line")))

    def said(self, text: str) -> bool:
        return any(text in line for line in self.console)


@contextmanager
def running(site: Settings) -> Iterator[list[str]]:
    """`zhuque site up` in a thread; yields what it says."""
    said: list[str] = []
    up = Up(site, find_mosquitto(), said.append, "tester")
    thread = threading.Thread(target=up.run)
    thread.start()
    try:
        yield said
    finally:
        up.stop()
        thread.join(40)
        assert not thread.is_alive()


def zhuque(
    site: Settings, *arguments: str, user: str | None = None, **more: Any
) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ZHUQUE_")}
    environment |= {"ZHUQUE_SITE": str(site.folder), **({"ZHUQUE_USER": user} if user else {})}
    command = [sys.executable, "-m", "zhuque", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, **more)


def status(site: Settings, point: str) -> dict[str, Any]:
    done = zhuque(site, "status", "--db", str(site.database), "--json")
    assert done.returncode == 0, done.stderr
    return next((row for row in json.loads(done.stdout) if row["point"] == point), {})


def unless_stale(
    started: subprocess.CompletedProcess[str],
) -> subprocess.CompletedProcess[str] | None:
    """On a machine that is busy the simulated meter may have been silent for a moment: then a start is refused."""
    return None if "meter_stale" in started.stderr else started


@pytest.mark.timeout(300)
def test_from_init_to_status_and_to_a_person_who_starts_a_socket(site: Settings, tmp_path: Path) -> None:
    people.add(site, "li", "operator", NOW, "tester")
    people.add(site, "xu", "viewer", NOW, "tester")
    made = points.identity(site, "p01", NOW - 60, "tester")
    board = SimulatedPoint(tmp_path / "board", made)
    with running(site) as said, board.point:
        wait_for(lambda: any("1 of 1 points online" in line for line in said), 90)
        assert status(site, "p01")["state"] == "ready"
        assert board.said("connected to 127.0.0.1")
        start = ("socket", "start", "riverside/p01/3", "--account", "r-0412")
        viewer = zhuque(site, *start, "--timeout", "3", user="xu")
        assert viewer.returncode == 5 and "does not let xu send commands" in viewer.stderr
        operator = wait_for(lambda: unless_stale(zhuque(site, *start, user="li")), 60)
        assert operator.returncode == 0, operator.stderr
        wait_for(lambda: '"operator:li"' in (done := zhuque_records(site)) and '"viewer:xu"' not in done, 30)
        _a_replayed_command_does_nothing(site)
        _leaves_no_secret_behind(site, tmp_path / "board", made, [*said, viewer.stderr, operator.stdout])
    broker_log = (site.folder / "broker" / "mosquitto.log").read_text()
    commands = [r for r in map(json.loads, zhuque_records(site).splitlines()) if r["kind"] == "command"]
    [started] = [r for r in commands if r["actor"] == "operator:li"]
    [line] = [line for line in broker_log.splitlines() if f"as zhuque-cli-{started['id']} " in line]
    assert "u'li'" in line  # what the broker knows of whoever sent the command that the journal holds
    assert made.config["broker"]["password"] not in broker_log


def _a_replayed_command_does_nothing(site: Settings) -> None:
    """Somebody who recorded an operator's command sends it again, at once and after its time."""
    login = read(site.logins / "li.toml")
    topic = "zq/1/riverside/p01/command"
    with Talker(site, "li", login.password, people=True, certificate=login.certificate) as talker:
        talker.subscribe("zq/1/riverside/p01/reply")

        def answers(id: str) -> list[dict[str, Any]]:
            return [body for _, raw in talker.heard if (body := json.loads(raw))["id"] == id]

        def say(id: str, op: str, **more: Any) -> dict[str, Any]:
            before = len(answers(id))
            talker.publish(topic, json.dumps({"id": id, "op": op, "socket": 3, **more}))
            return wait_for(lambda: answers(id)[before:])[0]  # type: ignore[no-any-return]

        assert say("stop-1", "stop")["ok"]
        wait_for(lambda: say(f"start-{time.monotonic()}", "start")["ok"], 60)
        assert say("stop-1", "stop")["ok"]  # the same answer again
        assert say("late-1", "stop", expires=NOW - 600)["error"] == "expired"
        assert say("probe-1", "start")["error"] == "socket_busy"  # the session goes on all the same
    wait_for(lambda: '"start-' in zhuque_records(site), 30)
    records = [json.loads(line) for line in zhuque_records(site).splitlines()]
    assert len([r for r in records if r["kind"] == "command" and r["id"] == "stop-1"]) == 1
    assert len([r for r in records if r["kind"] == "session_end" and r["socket"] == 3]) == 1


def zhuque_records(site: Settings) -> str:
    from tests.fakes.collecting import rows

    return "\n".join(str(row[0]) for row in rows(str(site.database), "SELECT raw FROM records"))


def _leaves_no_secret_behind(site: Settings, board: Path, made: Identity, said: list[str]) -> None:
    secrets = {WIFI_PASSWORD, made.config["broker"]["password"]}
    secrets |= {read(path).password for path in site.logins.glob("*.toml")}
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            arguments = process.read_bytes().decode(errors="replace")
        except OSError:
            continue
        assert not any(secret in arguments for secret in secrets)
    assert not any(secret in line for line in said for secret in secrets)
    for folder in (site.folder, board):
        for path in folder.rglob("*"):
            if path.is_file() and any(secret.encode() in path.read_bytes() for secret in secrets):
                assert path.stat().st_mode & 0o077 == 0, path


def test_the_authority_is_rolled_over_under_a_board_that_nobody_visits(
    site: Settings, mosquitto: Mosquitto, tmp_path: Path
) -> None:
    made = points.identity(site, "p01", NOW - 60, "tester")
    board = SimulatedPoint(tmp_path / "board", made)
    with board.point:
        wait_for(lambda: board.said("connected to 127.0.0.1"), 60)
        first = authority.server(site)
        assert authority.roll(site, time.time()).number == 2
        assert authority.server(site).issuer != first.issuer
        mosquitto.stop()
        mosquitto.start()
        wait_for(lambda: len([line for line in board.console if "connected to 127.0.0.1" in line]) >= 2, 60)
        assert not points.left_behind(site, 2) and points.left_behind(site, 3) == ["p01"]


def test_a_board_of_another_garage_does_not_trust_this_broker(
    site: Settings, mosquitto: Mosquitto, tmp_path: Path
) -> None:
    from tests.fakes.garage import make_site

    other = make_site(tmp_path / "hillside", "hillside")
    made = points.identity(site, "p01", NOW - 60, "tester")
    foreign = points.identity(other, "p01", NOW - 60, "tester")
    wrong = Identity(made.site, made.point, made.board, made.fingerprint, made.config, foreign.files)
    board = SimulatedPoint(tmp_path / "board", wrong)
    with board.point:
        wait_for(lambda: board.said("certificate is not accepted"), 60)
    assert broker.running(site)
