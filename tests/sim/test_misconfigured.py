"""A config.json with a missing or absurd value: the board closes no relay, and says why where a person can see it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from queue import Queue
from typing import Any

import paho.mqtt.client as mqtt
import pytest

from zhuque import boards
from zhuque.sim.broker import Broker
from zhuque.sim.point import PointSettings, SimPoint


def status_of(broker: Broker, wait_s: float = 30) -> dict[str, Any]:
    """The first status that the point publishes once it knows its state."""
    found: Queue[dict[str, Any]] = Queue()
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
    client.on_message = lambda _client, _data, message: found.put(json.loads(message.payload))
    client.connect(broker.host, broker.port)
    client.subscribe("zq/1/garage/p01/status", 1)
    client.loop_start()
    try:
        while True:
            status = found.get(timeout=wait_s)
            if status["online"] and status["state"] != "starting":
                return status
    finally:
        client.loop_stop()
        client.disconnect()


@dataclass(frozen=True)
class Misconfigured(PointSettings):
    """A point whose config.json has these values changed."""

    changes: tuple[tuple[str, Any], ...] = ()

    def to_json(self) -> dict[str, object]:
        settings = super().to_json()
        for path, value in self.changes:
            *sections, key = path.split(".")
            part: Any = settings["config"]
            for section in sections:
                part = part.setdefault(section, {})
            part[key] = value
        return settings


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("limits.rated_ma", 0, "limits.rated_ma must be 500 to 16000, is 0"),
        ("limits.max_power_mw", "1 kW", "limits.max_power_mw must be int, is str"),
        ("session.resume_after_outage_s", -1, "session.resume_after_outage_s must be 0 to 86400, is -1"),
        ("provisioned", "soon", "provisioned must be int, is str"),
    ],
)
def test_status_says_what_is_wrong(tmp_path: Path, broker: Broker, path: str, value: Any, said: str) -> None:
    settings = Misconfigured(
        board=boards.load("zq10").data,
        broker_host="127.0.0.1",
        broker_port=broker.port,
        speed=50.0,
        changes=((path, value),),
    )
    events: list[dict[str, Any]] = []
    with SimPoint(tmp_path / "point", settings, events.append):
        status = status_of(broker)
    assert status["state"] == "misconfigured"
    assert status["problems"] == [f"config.json: {said}"]
    assert not [event for event in events if event["event"] == "relay" and event["closed"]]
    assert any(said in event.get("line", "") for event in events if event["event"] == "console")
