"""What the demo hears of the points over MQTT, from a real broker."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from paho.mqtt.client import Client

from zhuque.collector.broker import BrokerAddress
from zhuque.sim.broker import Broker
from zhuque.sim.watch import Watcher

SITE = "riverside"
END = {"kind": "session_end", "time": 1795440000, "socket": 3, "account": "r-0412", "reason": "full"}
TRIP = {"kind": "trip", "time": 1795440001, "socket": 3, "cause": "overcurrent", "current_ma": 11600}
LAST = {"kind": "alarm", "time": 1795440002, "alarm": "last", "state": "raised"}


class Heard:
    """A watcher and a board that publishes."""

    def __init__(self, broker: Broker) -> None:
        self.lines: list[tuple[str, str]] = []
        address = BrokerAddress(broker.host, broker.port)
        self.board: Client = address.client("board")
        self.board.connect(broker.host, broker.port)
        self.board.loop_start()
        self.watcher = Watcher(address, SITE, lambda point, _, __, text: self.lines.append((point, text)))

    def publish(self, point: str, seq: int, record: dict[str, Any], epoch: str = "9f3ac2d15b7e0c44") -> None:
        payload = json.dumps({"epoch": epoch, "seq": seq, **record})
        self.board.publish(f"zq/1/{SITE}/{point}/record", payload, 1).wait_for_publish(10)

    def until_last(self) -> list[tuple[str, str]]:
        """Every line, once a last one has come."""
        until = time.monotonic() + 10
        self.publish("p99", 1, LAST)
        while not self.lines or self.lines[-1] != ("p99", "ALARM: last raised"):
            assert time.monotonic() < until, self.lines
            time.sleep(0.01)
        return self.lines[:-1]


@pytest.fixture
def heard(broker: Broker) -> Iterator[Heard]:
    made = Heard(broker)
    until = time.monotonic() + 10
    while not made.lines:  # it has subscribed
        made.publish("p99", 0, LAST)
        assert time.monotonic() < until
        time.sleep(0.02)
    made.lines.clear()
    yield made
    made.watcher.stop()
    made.board.disconnect()
    made.board.loop_stop()


def test_a_record_that_is_published_again_is_told_once(heard: Heard) -> None:
    for _ in range(2):  # its network came back before the first was confirmed
        heard.publish("p03", 7, {**TRIP, "voltage_mv": 228000})
        heard.publish("p03", 8, {**END, "energy_mwh": 46700})
    assert heard.until_last() == [
        ("p03", "TRIP: overcurrent at 11.6 A, 228 V"),
        ("p03", "session of r-0412 over: full, 46.7 Wh"),
    ]
    assert [trip["seq"] for trip in heard.watcher.trips] == [7]
    assert heard.watcher.journals()["p03"] == ("9f3ac2d15b7e0c44", 8)


def test_the_same_number_in_another_journal_is_another_record(heard: Heard) -> None:
    record = {**END, "energy_mwh": 46700}
    heard.publish("p03", 8, record)
    heard.publish("p02", 8, record)
    heard.publish("p03", 8, record, epoch="00000000000000aa")
    assert [point for point, _ in heard.until_last()] == ["p03", "p02", "p03"]
