"""The uplink on MicroPython, against mosquitto: what it sends, what it takes, and how it comes back."""

from __future__ import annotations

import json
import queue
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import paho.mqtt.client as mqtt
import pytest

from drivers.mqtt import MqttFull
from tasks.publish import Publisher
from tests.drivers.board import BoardScript
from tests.drivers.test_clock import answer
from tests.drivers.udp import udp_server
from tests.host.test_broker import client
from zhuque.sim.broker import Broker

SCRIPT = "tests/tasks/on_board/uplink.py"
BASE = "zq/1/g/p/"


@contextmanager
def uplink(micropython: Path, port: int, case: str = "plain") -> Iterator[BoardScript]:
    with (
        udp_server(lambda request: [answer(request)]) as time_port,
        BoardScript(micropython, SCRIPT, case, port, time_port) as script,
    ):
        yield script


@contextmanager
def watch(broker: Broker) -> Iterator[queue.Queue[tuple[str, bytes]]]:
    """Every message of the point, as (channel, payload)."""
    seen: queue.Queue[tuple[str, bytes]] = queue.Queue()
    ready: queue.Queue[bool] = queue.Queue()
    observer = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
    observer.on_message = lambda _c, _u, m: seen.put((m.topic.rsplit("/", 1)[1], m.payload))
    observer.on_subscribe = lambda *_: ready.put(True)
    observer.connect(broker.host, broker.port)
    observer.subscribe(BASE + "#", qos=1)
    observer.loop_start()
    try:
        ready.get(timeout=10)
        yield seen
    finally:
        observer.disconnect()
        observer.loop_stop()


def next_of(seen: queue.Queue[tuple[str, bytes]], channel: str) -> dict[str, object]:
    while True:
        name, payload = seen.get(timeout=10)
        if name == channel:
            message: dict[str, object] = json.loads(payload)
            return message


def test_status_telemetry_and_every_record_once_in_order(mpy: Path, broker: Broker) -> None:
    with watch(broker) as seen, uplink(mpy, broker.port) as script:
        assert script.wait("rtc") == [2025]
        script.wait("all_acked")
        assert next_of(seen, "status") == {
            "online": True,
            "last_seq": 40,
            "state": "ready",
            "problems": [],
            "ip": "192.0.2.7",
            "rssi_dbm": -61,
        }
        assert next_of(seen, "telemetry") == {"uptime_ms": 1, "sockets": []}
        assert [next_of(seen, "record")["seq"] for _ in range(40)] == list(range(1, 41))
    assert json.loads(client(broker, "mosquitto_sub", "-t", BASE + "status", "-C", "1", "-W", "5")) == {
        "online": False
    }


def test_what_the_collector_holds_is_not_sent(micropython: Path, broker: Broker) -> None:
    """The retained `stored` is heard before the first record goes."""
    message = '{"epoch":"9f3ac2d15b7e0c44","seq":37}'
    client(broker, "mosquitto_pub", "-t", BASE + "stored", "-m", message, "-r", "-q", "1")
    with watch(broker) as seen, uplink(micropython, broker.port) as script:
        assert script.wait("confirmed") == ["9f3ac2d15b7e0c44", 37]
        script.wait("all_acked")
        assert [next_of(seen, "record")["seq"] for _ in range(3)] == [38, 39, 40]


def test_commands_and_replies(mpy: Path, broker: Broker) -> None:
    """A retained command, a poisoned `stored` and an oversized command harm nothing; more than eight replies go out."""
    client(broker, "mosquitto_pub", "-t", BASE + "command", "-m", '{"id":"old"}', "-r", "-q", "1")
    with watch(broker) as seen, uplink(mpy, broker.port) as script:
        script.wait("all_acked")
        for poison in ("{", "[]", '{"epoch":1,"seq":2}', "\xff", ""):
            client(broker, "mosquitto_pub", "-t", BASE + "stored", "-m", poison, "-q", "1")
        client(broker, "mosquitto_pub", "-t", BASE + "command", "-m", "x" * 9000, "-q", "1")
        assert next_of(seen, "reply")["error"] == "too_large"
        client(broker, "mosquitto_pub", "-t", BASE + "command", "-m", '{"id":"a","times":20}', "-q", "1")
        assert script.wait("command") == ["a"]
        assert [next_of(seen, "reply")["n"] for _ in range(20)] == list(range(20))
        assert any("retained command ignored" in line for line in script.output)
        assert sum("'stored' ignored" in line for line in script.output) == 5


def test_the_broker_comes_late_and_goes_away(mpy: Path, broker: Broker) -> None:
    broker.stop()
    with uplink(mpy, broker.port) as script:
        script.wait("wifi")
        script.wait("wifi")
        assert any("no connection to" in line and "next try" in line for line in script.output)
        broker.start()
        script.wait("restart")
        script.wait("all_acked")
        broker.kill()
        script.wait("wifi")
        broker.start()
        script.wait("restart")


def test_a_broker_that_hangs_up_at_once_is_not_stormed(micropython: Path) -> None:
    """Accepting a connection is not enough to begin at one second again: the range of the pause doubles up to 120 s."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10)
        with uplink(micropython, listener.getsockname()[1]) as script:
            ranges = [script.wait("pause")[0]]
            for _ in range(8):
                peer, _address = listener.accept()
                with peer:
                    peer.recv(4096)
                    peer.sendall(b"\x20\x02\x00\x00")
                    peer.recv(4096)
                ranges += script.wait("pause")
    assert ranges == [5000, 1000, 2000, 4000, 8000, 16000, 32000, 64000, 120000]


def test_without_certificates_a_board_that_must_use_tls_never_connects(micropython: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(1)
        with uplink(micropython, listener.getsockname()[1], "tls") as script:
            with pytest.raises(TimeoutError):
                listener.accept()
            with pytest.raises(AssertionError, match="has no certificates"):
                script.wait("wifi", 0.1)


def test_status_goes_again_when_a_seq_a_state_or_a_problem_changed() -> None:
    says: dict[str, Any] = {"last_seq": 7, "state": "ready", "problems": [], "time": 1}
    sent: list[dict[str, Any]] = []
    publisher = Publisher.__new__(Publisher)
    publisher._point = SimpleNamespace(status=lambda: dict(says))
    publisher._wifi = SimpleNamespace(connected=True, ip="192.0.2.7", rssi_dbm=-61)
    publisher._topics = {"status": "s"}
    publisher._mqtt = SimpleNamespace(publish=lambda topic, message, *_: sent.append(json.loads(message)))
    said = publisher._send_status(publisher._point.status())
    held = ["every relay is open: undervoltage"]
    for change, due in (
        ({}, False),
        ({"problems": held}, True),
        ({"time": 2}, False),
        ({"problems": []}, True),
        ({"last_seq": 8}, True),
        ({"state": "meter_fault"}, True),
    ):
        says.update(change)
        before = len(sent)
        said = publisher._refresh_status(said)
        assert len(sent) == before + due, change
        assert publisher._refresh_status(said) == said and len(sent) == before + due, "once"
        assert {**sent[-1], "time": 0} == {**says, "time": 0, "ip": "192.0.2.7", "rssi_dbm": -61}
    says["problems"] = held

    def full(*_: object) -> None:
        raise MqttFull("no room")

    publisher._mqtt.publish = full
    assert publisher._refresh_status(said) == said, "the next round sends it"
