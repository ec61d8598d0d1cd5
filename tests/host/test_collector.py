"""The collector with a real broker and real files: what it acknowledged is stored, and nothing is lost."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from tests.fakes.collecting import Running, count, wait_for
from tests.host import wire_samples as wire
from zhuque.sim.broker import Broker


class Holder:
    """Somebody else who holds the database so that nothing can be written."""

    def __init__(self, db: str) -> None:
        if "://" in db:
            self._connection: Any = psycopg.connect(db)
            self._connection.execute("LOCK TABLE records IN EXCLUSIVE MODE")
        else:
            self._connection = sqlite3.connect(db, isolation_level=None)
            self._connection.execute("BEGIN IMMEDIATE")

    def let_go(self) -> None:
        self._connection.execute("ROLLBACK")
        self._connection.close()


def says_locked(text: str) -> bool:
    return "locked" in text or "lock timeout" in text


class Board:
    """Publishes as a board does, and remembers every `stored` with the moment it came."""

    def __init__(self, broker: Broker) -> None:
        self.stored: list[tuple[float, dict[str, Any]]] = []
        self.client = Client(CallbackAPIVersion.VERSION2, "riverside/p01")
        self.client.on_message = self._on_message
        self.client.connect(broker.host, broker.port)
        self.client.subscribe("zq/1/riverside/p01/stored", 1)
        self.client.loop_start()

    def _on_message(self, client: Client, data: Any, message: MQTTMessage) -> None:
        self.stored.append((time.monotonic(), json.loads(message.payload)))

    def send(self, *bodies: dict[str, Any] | bytes, topic: str = wire.RECORD, retain: bool = False) -> None:
        for body in bodies:
            payload = body if isinstance(body, bytes) else wire.raw(body)
            self.client.publish(topic, payload, 1, retain).wait_for_publish(10)

    def stop(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


@pytest.fixture
def board(broker: Broker) -> Iterator[Board]:
    made = Board(broker)
    yield made
    made.stop()


@pytest.fixture
def db(where: str) -> str:
    return where


@pytest.fixture
def running(broker: Broker, db: str) -> Iterator[Running]:
    made = Running(broker.url, db).connected()
    yield made
    made.stop()


def test_records_are_stored_and_confirmed_promptly(running: Running, board: Board) -> None:
    board.send(wire.status(), topic=wire.STATUS, retain=True)
    began = time.monotonic()
    board.send(wire.boot(1), wire.start(2), wire.end(3, 2, 402113))
    wait_for(lambda: board.stored)
    at, body = board.stored[0]
    assert body == {"epoch": wire.EPOCH, "seq": 3}
    assert at - began < 1.5
    assert (running.count("records"), running.count("sessions"), running.count("points")) == (3, 1, 1)
    board.send(wire.boot(4))
    wait_for(lambda: running.count("records") == 4)
    time.sleep(1)
    assert len(board.stored) == 1  # at most every 10 s


def test_poison_is_put_aside_and_acknowledged(running: Running, board: Board, broker: Broker) -> None:
    board.send(b"{", b"\xff", b"[]", b" " * 5000, b'{"epoch":1}', wire.boot(1))
    board.send(b"x", topic="zq/1/river side/p01/status")
    board.send({"online": True}, topic="zq/2/riverside/p09/status")
    wait_for(lambda: running.count("records") == 1 and running.count("dead_letters") == 6)
    wait_for(lambda: any("version 2" in text and "p09" in text for text in running.said))
    running.stop()
    again = Running(broker.url, running.db).connected()
    board.send(wire.boot(2))
    wait_for(lambda: again.count("records") == 2)
    again.stop()
    assert again.collector.records == 1  # what was acknowledged did not come again


def test_what_comes_while_it_is_away_is_stored_later(broker: Broker, db: str, board: Board) -> None:
    Running(broker.url, db).connected().stop()
    board.send(*[wire.boot(seq) for seq in range(1, 201)])
    again = Running(broker.url, db).connected()
    wait_for(lambda: again.count("records") == 200)
    again.stop()


def test_a_locked_database_is_waited_for(running: Running, board: Board) -> None:
    holder = Holder(running.db)
    board.send(wire.boot(1), wire.boot(2))
    wait_for(lambda: any(says_locked(text) for text in running.said))
    time.sleep(1.5)
    board.send(wire.boot(3))
    assert running.count("records") == 0
    assert not board.stored
    holder.let_go()
    wait_for(lambda: running.count("records") == 3)
    wait_for(lambda: any("takes records again" in text for text in running.said))
    assert sum(says_locked(text) for text in running.said) == 1


def test_nothing_is_acknowledged_while_the_database_is_stuck(broker: Broker, db: str, board: Board) -> None:
    first = Running(broker.url, db).connected()
    holder = Holder(db)
    board.send(*[wire.boot(seq) for seq in range(1, 51)])
    wait_for(lambda: any(says_locked(text) for text in first.said))
    broker.stop()  # the acknowledgements that come later belong to a connection that is gone
    wait_for(lambda: any("is gone" in text or "does not answer" in text for text in first.said))
    holder.let_go()
    wait_for(lambda: first.count("records") == 50)
    broker.start()
    wait_for(lambda: sum("connected" in text for text in first.said) == 2)
    first.stop()
    assert count(db, "records") == 50
    assert count(db, "dead_letters") == 0


def test_a_broker_that_is_down_at_start(free_port: int, tmp_path: Path) -> None:
    made = Running(f"mqtt://127.0.0.1:{free_port}", str(tmp_path / "site.db"))
    wait_for(lambda: made.said)
    time.sleep(1.5)
    assert len(made.said) == 1
    assert "does not answer" in made.said[0]
    with Broker(tmp_path / "late", port=free_port):
        made.connected()
        made.stop()


def test_only_the_sites_that_were_named(broker: Broker, db: str, board: Board) -> None:
    made = Running(broker.url, db, ("riverside",)).connected()
    time.sleep(0.3)
    board.send(wire.boot(1), topic="zq/1/hillside/p01/record")
    board.send(wire.boot(1))
    wait_for(lambda: made.count("records") == 1)
    made.stop()
    assert made.count("points") == 1


def test_confirmations_are_told_again_after_the_broker_forgot(broker: Broker, db: str, board: Board) -> None:
    made = Running(broker.url, db).connected()
    board.send(wire.status(), topic=wire.STATUS)
    board.send(wire.boot(1))
    wait_for(lambda: board.stored)
    made.stop()
    board.stored.clear()
    again = Running(broker.url, db).connected()
    wait_for(lambda: board.stored)
    again.stop()
    assert board.stored[0][1] == {"epoch": wire.EPOCH, "seq": 1}
