"""The operator's commands: what they print, and how they fail."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from click import Context
from click.testing import CliRunner, Result
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion
from sqlalchemy import event

from tests.fakes.collecting import count
from tests.host import wire_samples as wire
from zhuque.cli import NOUNS, main
from zhuque.collector.ingest import decode
from zhuque.errors import StoreBusyError
from zhuque.report.sessions import COLUMNS
from zhuque.sim.broker import Broker
from zhuque.store.write import Store

NOW = 1764000100


def zhuque(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(a) for a in arguments], env={"ZHUQUE_DB": "", "ZHUQUE_BROKER": ""})


@pytest.fixture(autouse=True)
def shanghai(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The local zone of the tests."""
    monkeypatch.setenv("TZ", "Asia/Shanghai")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def file_db(tmp_path: Path) -> Path:
    """The database of `db` as a file."""
    fill(str(tmp_path / "site.db"))
    return tmp_path / "site.db"


@pytest.fixture
def db(where: str) -> str:
    """Two points: an ended session of 402113 mWh, an open one, one of unknown start."""
    fill(where)
    return where


def fill(where: str) -> None:
    store = Store(where)
    bodies = [
        wire.boot(1),
        wire.start(2, time=1763990000),
        wire.end(3, 2, 402113, time=1764000123, started=1763990000),
        wire.start(4, time=1764001000, socket=4, account=None),
        wire.checkpoint(5, 4, 51230, socket=4, time=1764002000),
    ]
    items = [decode(wire.RECORD, wire.raw(body), False, NOW) for body in bodies]
    other = wire.start(1, time=None, socket=1, account="r-1", session=f"{wire.OTHER_EPOCH}-1")
    items.append(
        decode("zq/1/hillside/p07/record", wire.raw({**other, "epoch": wire.OTHER_EPOCH}), False, NOW)
    )
    items.append(decode(wire.STATUS, wire.raw(wire.status(problems=["meter is silent"])), False, NOW))
    items.append(decode(wire.TELEMETRY, wire.raw(wire.telemetry()), False, NOW))
    store.write(items)
    store.close()


def listed(db: str, *arguments: str) -> list[dict[str, Any]]:
    result = zhuque("session", "list", "--db", db, "--json", *arguments)
    assert result.exit_code == 0, result.output
    rows: list[dict[str, Any]] = json.loads(result.output, parse_float=Decimal)
    return rows


def test_session_list_json_is_exact(db: str) -> None:
    unknown, ended, still_open = listed(db)
    assert list(ended) == list(COLUMNS)
    assert ended == {
        "site": "riverside",
        "point": "p01",
        "socket": 3,
        "session": f"{wire.EPOCH}-2",
        "account": "r-0412",
        "source": "remote",
        "started_at": "2025-11-24T13:13:20Z",
        "ended_at": "2025-11-24T16:02:03Z",
        "duration_s": 10123,
        "suspended_s": 7,
        "energy_wh": Decimal("402.113"),
        "peak_w": Decimal("188.000"),
        "end_reason": "full",
    }
    assert '"energy_wh": 51.230' in zhuque("session", "list", "--db", db, "--json").output
    assert (still_open["ended_at"], still_open["end_reason"]) == (None, None)
    assert (unknown["started_at"], unknown["energy_wh"]) == (None, None)


def test_session_list_csv_has_the_same_keys(db: str) -> None:
    result = zhuque("session", "list", "--db", db, "--csv")
    rows = list(csv.DictReader(io.StringIO(result.output)))
    assert list(rows[0]) == list(COLUMNS)
    assert rows[1]["energy_wh"] == "402.113"
    assert rows[2]["ended_at"] == ""


def test_session_list_table_is_plain_and_local(db: str) -> None:
    output = zhuque("session", "list", "--db", db).output
    assert "\x1b" not in output
    line = next(line for line in output.splitlines() if "riverside/p01/3" in line)
    assert "2025-11-24 21:13:20+0800" in line
    assert "0.402" in line
    assert "2:48:43" in line
    assert " open " in output


@pytest.mark.parametrize(
    ("arguments", "sockets"),
    [
        (["riverside"], [3, 4]),
        (["hillside/p07"], [1]),
        (["riverside/p01/4"], [4]),
        (["riverside/p01/9"], []),
        (["--min-energy", "402.113Wh"], [3]),
        (["--min-energy", "0.5kWh"], []),
        (["--account", "r-0412"], [3]),
        (["--reason", "full"], [3]),
        (["--reason", "unplugged"], []),
        (["--open"], [1, 4]),
        (["--closed"], [3]),
        (["--since", "2025-11-24T21:13:20"], [3, 4]),
        (["--since", "2025-11-24T21:13:21"], [4]),
        (["--since", "2025-11-24T13:13:20Z"], [3, 4]),
        (["--until", "2025-11-24T21:13:20"], []),
        (["--until", "2025-11-25"], [3]),
        (["--limit", "1"], [4]),
        (["--limit", "2"], [3, 4]),
    ],
    ids=str,
)
def test_session_filters(db: str, arguments: list[str], sockets: list[int]) -> None:
    assert [row["socket"] for row in listed(db, *arguments)] == sockets


def test_an_empty_list(db: str) -> None:
    assert listed(db, "--account", "r-0412", "--open") == []
    assert zhuque("session", "list", "--db", db, "--reason", "smoke").output == "no sessions\n"


def test_control_characters_do_not_reach_a_terminal(db: str) -> None:
    store = Store(db)
    body = wire.start(6, account="\x1b[2J", session=f"{wire.EPOCH}-6")
    store.write([decode(wire.RECORD, wire.raw(body), False, NOW)])
    store.close()
    assert "\x1b" not in zhuque("session", "list", "--db", db).output


def test_status_from_the_database(db: str) -> None:
    hill, river = json.loads(zhuque("status", "--db", db, "--json").output, parse_float=Decimal)
    assert (hill["point"], hill["online"], hill["sockets"]) == ("p07", None, [])
    assert (river["online"], river["state"], river["problems"]) == (True, "ready", ["meter is silent"])
    assert river["last_seen"] == "2025-11-24T16:01:40Z"
    assert river["sockets"][0] == {
        "socket": 1,
        "state": "charging",
        "current_a": Decimal("0.912"),
        "power_w": Decimal("148.300"),
        "energy_wh": Decimal("51.234"),
    }
    text = zhuque("status", "riverside", "--db", db).output
    assert "meter is silent" in text
    assert "hillside" not in text
    assert "148.3" in text


def tell(db: str, *messages: tuple[str, dict[str, Any]]) -> None:
    """What a point says, into the database, in one batch."""
    store = Store(db)
    store.write([decode(topic, wire.raw(body), False, NOW) for topic, body in messages])
    store.close()


def test_status_tells_for_what_a_socket_is_locked(db: str) -> None:
    rows = [["idle", 0, 0, 0], ["idle", 0, 0, 0], ["locked", 0, 0, 0], ["unavailable", None, None, 0]]
    trip = {"socket": 3, "cause": "overcurrent", "session": f"{wire.EPOCH}-2"}
    tell(
        db,
        (wire.RECORD, wire.record(6, "trip", socket=1, cause="overpower", session=None)),
        (wire.RECORD, wire.record(7, "reset", socket=1, cause="overpower", actor="o", source="remote")),
        (wire.RECORD, wire.record(8, "trip", time=None, **trip)),
        (wire.RECORD, wire.record(9, "clock", was=None)),
        (wire.TELEMETRY, wire.telemetry(sockets=rows)),
    )
    _, river = json.loads(zhuque("status", "--db", db, "--json").output)
    since = "2025-11-24T15:59:59Z"  # dated back from the clock that was set a second later
    assert river["lockouts"] == [{"socket": 3, "cause": "overcurrent", "since": since}]
    text = zhuque("status", "riverside", "--db", db).output
    (locked,) = [line for line in text.splitlines() if line.startswith("riverside/p01/3 ")]
    assert "overcurrent since 2025-11-24 23:59:59+0800" in locked
    assert "riverside/p01/3: overcurrent: find the cause and remove it, then `zhuque socket reset" in text
    (unheard,) = [line for line in text.splitlines() if line.startswith("riverside/p01/4 ")]
    assert "its meter gives no reading" in unheard


def test_status_tells_what_locks_the_whole_point(db: str) -> None:
    """Its records come before its next status, and firmware that is older never says it there."""
    tell(
        db,
        (wire.RECORD, wire.record(6, "trip", socket=None, cause="smoke", session=None)),
        (wire.TELEMETRY, wire.telemetry(sockets=[["locked", 0, 0, 0]] * 2)),
    )
    _, river = json.loads(zhuque("status", "--db", db, "--json").output)
    assert river["lockouts"] == [{"socket": None, "cause": "smoke", "since": "2025-11-24T16:00:00Z"}]
    assert "locked for smoke" in river["problems"]
    text = zhuque("status", "riverside", "--db", db).output
    assert text.count("the whole point: smoke since 2025-11-25 00:00:00+0800") == 2
    assert "then, at the point, `zhuque point reset riverside/p01 --port PORT`" in text
    problem = "locked for smoke: remove the cause, then reset the point"
    tell(db, (wire.STATUS, wire.status(state="locked", problems=[problem])))
    _, river = json.loads(zhuque("status", "--db", db, "--json").output)
    assert (river["state"], river["problems"]) == ("locked", [problem]), "once is enough"


def test_status_leads_to_the_socket_that_is_locked_for_a_cause_of_the_whole_point(db: str) -> None:
    """What opened a session once too often locks its socket, whatever it was."""
    rows = [["idle", 0, 0, 0]] * 2 + [["locked", 0, 0, 0]]
    trip = wire.record(6, "trip", socket=3, cause="overtemperature", session=f"{wire.EPOCH}-2")
    tell(db, (wire.RECORD, trip), (wire.TELEMETRY, wire.telemetry(sockets=rows)))
    text = zhuque("status", "riverside", "--db", db).output
    assert "then `zhuque socket reset riverside/p01/3`" in text and "point reset" not in text


def test_a_lockout_without_its_records_is_shown_without_a_cause(db: str) -> None:
    tell(db, (wire.TELEMETRY, wire.telemetry(sockets=[["locked", 0, 0, 0]])))
    _, river = json.loads(zhuque("status", "--db", db, "--json").output)
    assert river["lockouts"] == []
    text = zhuque("status", "riverside", "--db", db).output
    (locked,) = [line for line in text.splitlines() if line.startswith("riverside/p01/1 ")]
    assert locked.split() == ["riverside/p01/1", "locked", "0.000", "0.0", "0.0", "-"]


def test_states_that_this_host_does_not_know_are_shown(db: str) -> None:
    status = wire.status(state="of_the_future", problems=["something new since 1764000001"])
    tell(db, (wire.STATUS, status), (wire.TELEMETRY, wire.telemetry(sockets=[["dreaming", 0, 0, 0]])))
    text = zhuque("status", "riverside", "--db", db).output
    assert "of_the_future" in text and "dreaming" in text
    assert "something new since 2025-11-25 00:00:01+0800" in text


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["session", "list"], 2, "ZHUQUE_DB"),
        (["status"], 2, "--broker"),
        (["collect", "--db", "x.db"], 2, "ZHUQUE_BROKER"),
        (["session", "list", "--db", "/nowhere/site.db"], 3, "zhuque collect"),
        (["session", "list", "--db", "x", "--since", "yesterday"], 2, "ISO 8601"),
        (["session", "list", "--db", "x", "--json", "--csv"], 2, "not both"),
        (["status", "--broker", "mqtt://192.0.2.1"], 5, "--insecure"),
        (["status", "--broker", "http://127.0.0.1"], 2, "mqtt://"),
        (["status", "--broker", "mqtt://127.0.0.1:1"], 4, "does not answer"),
        (["socket", "stop", "p01/3"], 2, "riverside/p01/3"),
        (["socket", "stop", "riverside/p01/0"], 2, "numbered from 1"),
        (["socket", "start", "riverside/p01/3", "--max-duration", "soon"], 2, "4h"),
        (["nonsense"], 2, "nonsense"),
    ],
    ids=str,
)
def test_errors_say_what_to_do(arguments: list[str], code: int, says: str) -> None:
    result = zhuque(*arguments)
    assert result.exit_code == code
    assert says in result.stderr
    assert result.stdout == ""


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("hello" * 1000)
    result = zhuque("session", "list", "--db", tmp_path / "a.txt")
    assert (result.exit_code, "not a database" in result.stderr) == (1, True)
    sqlite3.connect(tmp_path / "empty.db").executescript("CREATE TABLE t (x)").close()
    assert "not a zhuque database" in zhuque("status", "--db", tmp_path / "empty.db").stderr


def test_a_database_of_another_release(file_db: Path) -> None:
    with sqlite3.connect(file_db) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    assert "revision 9999" in zhuque("session", "list", "--db", file_db).stderr
    result = zhuque("collect", "--db", file_db, "--broker", "mqtt://127.0.0.1:1")
    assert (result.exit_code, "upgrade" in result.stderr) == (1, True)


@pytest.mark.parametrize(
    ("pragma", "says"),
    [("query_only=ON", "readonly"), ("max_page_count=1", "full")],
    ids=["read-only", "full"],
)
def test_a_database_that_takes_nothing(file_db: Path, pragma: str, says: str) -> None:
    store = Store(file_db)

    def hamper(connection: sqlite3.Connection, _: object) -> None:
        connection.execute("PRAGMA " + pragma)

    many = [decode(wire.RECORD, wire.raw(wire.boot(seq, x="y" * 500)), False, NOW) for seq in range(6, 200)]
    store.database.dispose()
    event.listen(store.database, "connect", hamper)
    with pytest.raises(StoreBusyError, match=says):
        store.write(many)
    assert store.stored(("riverside", "p01", wire.EPOCH)) in (0, 5)
    event.remove(store.database, "connect", hamper)
    store.write(many)
    assert store.stored(("riverside", "p01", wire.EPOCH)) == 199
    store.close()


# Over a broker ----------------------------------------------------------------------------------------------------


class Point:
    """A point that answers every command with the same."""

    def __init__(self, broker: Broker, answer: dict[str, Any] | None, online: bool = True) -> None:
        self.commands: list[dict[str, Any]] = []
        self._answer = answer
        self._ready = threading.Event()
        self.client = Client(CallbackAPIVersion.VERSION2, "riverside/p01")
        self.client.on_message = self._on_message
        self.client.on_subscribe = lambda *_: self._ready.set()
        self.client.connect(broker.host, broker.port)
        self.client.loop_start()
        self.client.publish(wire.STATUS, wire.raw(wire.status(online=online)), 1, True).wait_for_publish(5)
        self.client.subscribe("zq/1/riverside/p01/command", 1)
        assert self._ready.wait(5)

    def _on_message(self, client: Client, data: Any, message: MQTTMessage) -> None:
        self.commands.append(json.loads(message.payload))
        topic = "zq/1/riverside/p01/reply"
        client.publish(topic, b"not json", 1)
        client.publish(topic, wire.raw({"id": "another", "ok": False, "error": "bad_json"}), 1)
        if self._answer is not None:
            client.publish(topic, wire.raw({"id": self.commands[-1]["id"], **self._answer}), 1)

    def __enter__(self) -> Point:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.disconnect()
        self.client.loop_stop()


def test_socket_start(broker: Broker) -> None:
    with Point(broker, {"ok": True}) as point:
        result = zhuque(
            *("socket", "start", "riverside/p01/3", "--broker", broker.url, "--account", "r-0412"),
            *("--max-duration", "4h", "--max-energy", "1.25kWh"),
        )
    assert (result.exit_code, result.stdout) == (0, "riverside/p01/3 started\n")
    (command,) = point.commands
    assert len(command.pop("id")) == 26
    assert abs(command.pop("expires") - time.time()) < 90
    assert command.pop("actor").startswith("operator:")
    assert command == {
        "op": "start",
        "socket": 3,
        "source": "remote",
        "account": "r-0412",
        "max_duration_s": 14400,
        "max_energy_mwh": 1250000,
    }


def test_socket_limit(broker: Broker) -> None:
    limit = ("socket", "limit", "riverside/p01/3", "--broker", broker.url)
    with Point(broker, {"ok": True}) as point:
        result = zhuque(*limit, "--max-energy", "800Wh")
    assert (result.exit_code, result.stdout) == (0, "riverside/p01/3 limited\n")
    (command,) = point.commands
    assert (command["op"], command["socket"], command["max_energy_mwh"]) == ("limit", 3, 800_000)
    assert "max_duration_s" not in command, "what is not given stays as it is"
    nothing = zhuque(*limit)
    assert nothing.exit_code == 2 and "--max-duration or --max-energy" in nothing.stderr


@pytest.mark.parametrize(
    ("op", "answer", "code", "says"),
    [
        ("identify", {"ok": True, "led": True}, 0, "blinks"),
        ("identify", {"ok": True, "led": False}, 0, "has no LED"),
        ("maintenance", {"ok": True}, 0, "stay open for 10 min"),
        ("maintenance", {"ok": False, "error": "socket_busy"}, 1, "stop the session first"),
        ("reset", {"ok": True}, 0, "riverside/p01 reset\n"),
        (
            "reset",
            {"ok": False, "error": "local_only", "detail": "smoke"},
            5,
            "type `zhuque point reset riverside/p01 --port PORT` there",
        ),
        (
            "reset",
            {"ok": False, "error": "not_locked", "detail": "nothing is locked there"},
            1,
            "reset by `zhuque socket reset riverside/p01/SOCKET`",
        ),
    ],
)
def test_orders_to_a_whole_point(
    broker: Broker, op: str, answer: dict[str, Any], code: int, says: str
) -> None:
    with Point(broker, answer) as point:
        result = zhuque("point", op, "riverside/p01", "--broker", broker.url)
    assert result.exit_code == code and says in result.output
    (command,) = point.commands
    assert command["op"] == op and "socket" not in command and command["actor"].startswith("operator:")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        ("socket_locked", 5),
        ("cause_present", 5),
        ("no_such_socket", 3),
        ("socket_busy", 1),
        ("of_the_future", 1),
    ],
)
def test_a_refusal(broker: Broker, error: str, code: int) -> None:
    answer = {"ok": False, "error": error, "detail": "overcurrent since 1764000001"}
    with Point(broker, answer):
        result = zhuque("socket", "reset", "riverside/p01/3", "--broker", broker.url, "--json")
    assert result.exit_code == code
    assert error in result.stderr
    assert "(overcurrent since 2025-11-25 00:00:01+0800)" in result.stderr
    told = json.loads(result.stdout)
    assert (told["error"], told["detail"]) == (error, answer["detail"]), "as it came"


@pytest.mark.parametrize(
    ("op", "error", "detail", "next_step"),
    [
        ("start", "socket_locked", "overcurrent since 1764000001", "`zhuque socket reset riverside/p01/3`"),
        (
            "start",
            "socket_locked",
            "the whole point: smoke since 1764000001",
            "the whole point is locked: find the cause and remove it, then, at the point,"
            " `zhuque point reset riverside/p01 --port PORT`",
        ),
        (
            "start",
            "socket_locked",
            "the whole point: overtemperature since 5",
            "then `zhuque point reset riverside/p01`",
        ),
        ("start", "socket_locked", "overtemperature since 5", "then `zhuque socket reset riverside/p01/3`"),
        ("start", "socket_locked", "a new cause", "`zhuque socket reset riverside/p01/3`"),
        ("start", "not_ready", "meter_stale", "its meter gives no valid reading"),
        ("start", "not_ready", "meter_stale", "`zhuque status riverside/p01` tells"),
        ("start", "not_ready", None, "`zhuque status riverside/p01` tells"),
        ("reset", "local_only", "relay_welded", "`zhuque socket reset riverside/p01/3 --port PORT`"),
        ("reset", "too_many_resets", "3 today", "`zhuque socket reset riverside/p01/3 --port PORT`"),
        ("reset", "cause_present", None, "type the same again"),
        ("reset", "not_locked", None, "`zhuque status riverside/p01` tells"),
        ("reset", "not_locked", None, "`zhuque point reset riverside/p01` resets that"),
    ],
)
def test_every_refusal_leads_on(
    broker: Broker, op: str, error: str, detail: str | None, next_step: str
) -> None:
    with Point(broker, {"ok": False, "error": error, "detail": detail}):
        result = zhuque("socket", op, "riverside/p01/3", "--broker", broker.url)
    assert next_step in result.stderr


def test_a_socket_that_is_not_locked_while_the_point_is(broker: Broker) -> None:
    problem = "locked for smoke: remove the cause, then reset the point"
    with Point(broker, {"ok": False, "error": "not_locked"}) as point:
        status = wire.status(state="locked", problems=[problem])
        point.client.publish(wire.STATUS, wire.raw(status), 1, True).wait_for_publish(5)
        result = zhuque("socket", "reset", "riverside/p01/3", "--broker", broker.url)
    assert result.exit_code == 1
    assert "that socket is not, but the whole point is locked" in result.stderr
    assert "`zhuque point reset riverside/p01 --port PORT`" in result.stderr


def test_a_whole_point_is_not_reset_for_want_of_a_number() -> None:
    result = zhuque("socket", "reset", "riverside/p01", "--broker", "mqtt://127.0.0.1:1")
    assert result.exit_code == 2
    assert "`zhuque point reset riverside/p01` resets that" in result.stderr


def test_no_answer(broker: Broker) -> None:
    stop = ("socket", "stop", "riverside/p01/3", "--broker", broker.url, "--timeout", "0.5")
    unknown = zhuque(*stop)
    assert (unknown.exit_code, "never heard" in unknown.stderr) == (4, True)
    with Point(broker, None):
        silent = zhuque(*stop)
    assert (silent.exit_code, "not known" in silent.stderr) == (4, True)
    with Point(broker, None, online=False):
        began = time.monotonic()
        offline = zhuque(*stop[:-1], "30")
    assert (offline.exit_code, "offline" in offline.stderr) == (4, True)
    assert time.monotonic() - began < 10


def test_status_from_the_broker(broker: Broker) -> None:
    assert json.loads(zhuque("status", "--broker", broker.url, "--json").output) == []
    with Point(broker, None) as point:
        point.client.publish("zq/2/riverside/p02/status", b"{}", 1, True).wait_for_publish(5)
        one, two = json.loads(zhuque("status", "--broker", broker.url, "--json").output)
        missing = zhuque("status", "--broker", broker.url, "riverside/p99")
    assert (one["point"], one["online"], one["state"], one["firmware"]) == ("p01", True, "ready", "0.1.0")
    assert (two["point"], two["online"]) == ("p02", None)
    assert "version 2" in two["problems"][0]
    assert missing.exit_code == 3


def test_status_from_the_broker_tells_what_locks_and_what_is_wrong(broker: Broker) -> None:
    def told(**fields: Any) -> str:
        status = wire.raw(wire.status(**fields))
        point.client.publish(wire.STATUS, status, 1, True).wait_for_publish(5)
        return zhuque("status", "--broker", broker.url).output

    with Point(broker, None) as point:
        text = told(state="locked", problems=["locked for smoke: remove the cause, then reset the point"])
        assert "riverside/p01: smoke: the whole point is locked" in text
        assert "`zhuque point reset riverside/p01 --port PORT`" in text
        text = told(state="locked", problems=[])
        assert "a cause that this zhuque does not know" in text and "`zhuque point reset" in text
        problem = "the meter gives no valid reading: every relay is open"
        text = told(state="meter_fault", problems=[problem])
        assert "meter_fault" in text and problem in text and "reset" not in text
        assert json.loads(zhuque("status", "--broker", broker.url, "--json").output)[0]["lockouts"] is None


# As a process ---------------------------------------------------------------------------------------------------------


def process(*arguments: str | Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "zhuque", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_collect_ends_cleanly_on_a_signal(broker: Broker, tmp_path: Path, number: signal.Signals) -> None:
    db = tmp_path / "site.db"
    running = process("collect", "--db", db, "--broker", broker.url)
    try:
        assert running.stderr is not None
        assert "connected" in running.stderr.readline()
        with Point(broker, None) as point:
            for seq in range(1, 101):
                point.client.publish(wire.RECORD, wire.raw(wire.boot(seq)), 1)
            time.sleep(0.3)
            running.send_signal(number)
            _, stderr = running.communicate(timeout=20)
    finally:
        running.kill()
        running.wait()
    assert running.returncode == 0, stderr
    assert "stopped" in stderr
    with sqlite3.connect(db) as connection:
        stored = connection.execute("SELECT count(*) FROM records").fetchone()[0]
    again = process("collect", "--db", db, "--broker", broker.url)
    assert again.stderr is not None
    assert "connected" in again.stderr.readline()
    until = time.monotonic() + 20
    while count(str(db), "records") < 100 and time.monotonic() < until:
        time.sleep(0.1)
    time.sleep(0.5)
    again.send_signal(number)
    _, stderr = again.communicate(timeout=20)
    assert f"{100 - stored} records stored" in stderr  # what was stored was acknowledged


def test_help_imports_neither_database_nor_broker() -> None:
    code = (
        "import sys; from zhuque.cli import main; main(['--help'], standalone_mode=False);"
        "print(*[m for m in ('sqlalchemy', 'alembic', 'paho', 'rich', 'ssl') if m in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == ""
    assert all(noun in done.stdout for noun in ("collect", "session", "socket", "status"))


def test_reading_imports_no_migrations(db: str) -> None:
    code = (
        "import sys; from zhuque.cli import main;"
        f"main(['status', '--db', {str(db)!r}], standalone_mode=False);"
        "print(*[m for m in ('sqlalchemy.orm', 'alembic', 'paho', 'rich') if m in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == ""


def test_every_command_has_help_with_an_example() -> None:
    nouns = {noun: main.get_command(Context(main), noun) for noun in ("account", "log", "session", "socket")}
    paths = [[noun, name] for noun, group in nouns.items() for name in group.commands]  # type: ignore[union-attr]
    for path in (["collect"], ["status"], *([noun] for noun in nouns), *paths):
        result = zhuque(*path, "--help")
        assert result.exit_code == 0
        assert "Example:" in result.output, path
    assert list(NOUNS) == sorted(NOUNS)


def test_a_killed_collector_loses_nothing(broker: Broker, tmp_path: Path) -> None:
    """The broker lives: what a killed collector had not stored was not acknowledged, and comes again."""
    db, total = tmp_path / "site.db", 3000
    with Point(broker, None) as point:
        first = process("collect", "--db", db, "--broker", broker.url)
        assert first.stderr is not None
        assert "connected" in first.stderr.readline()
        for turn in range(3):
            for seq in range(turn * 1000 + 1, turn * 1000 + 1001):
                last = point.client.publish(wire.RECORD, wire.raw(wire.boot(seq)), 1)
            time.sleep(0.05)
            first.kill()
            first.communicate()
            first = process("collect", "--db", db, "--broker", broker.url)
        last.wait_for_publish(20)
    until = time.monotonic() + 20
    stored = None
    while stored != (total,) and time.monotonic() < until:
        time.sleep(0.1)
        with sqlite3.connect(db) as connection:
            stored = connection.execute("SELECT stored_seq FROM epochs").fetchone()
    first.terminate()
    first.communicate(timeout=20)
    assert stored == (total,)
