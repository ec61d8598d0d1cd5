"""A simulated point with its residents, for tests: its events, what it publishes, and firmware that somebody spoilt."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from queue import Empty, Queue
from typing import Any

import paho.mqtt.client as mqtt
import pytest

from zhuque import boards
from zhuque.collector.broker import BrokerAddress
from zhuque.sim.broker import Broker
from zhuque.sim.point import FIRMWARE_FOLDER, PointSettings, SimPoint
from zhuque.sim.residents import Residents

Event = dict[str, Any]
LOAD = {"peak_w": 150.0, "constant_s": 7200.0, "start_over_peak": 1.0, "ramp_s": 0.0}
PLUG: Event = {"at_s": 20, "do": "plug", "socket": 1, "account": "r-1", "scan_after_s": 5, "load": LOAD}
WAIT_S = 60.0


class _TlsSettings(PointSettings):
    def to_json(self) -> dict[str, Any]:
        settings: dict[str, Any] = super().to_json()
        settings["config"]["broker"]["tls"] = True
        return settings


class Lived:
    """A bike in socket 1 and what happens to it; `until(kind)` gives the next event of that kind, `seen` all so far.

    `tracebacks` are allowed where the firmware was spoilt on purpose.
    """

    def __init__(
        self,
        folder: Path,
        broker: Broker,
        board: str | dict[str, Any],
        *events: Event,
        speed: float = 100.0,
        plug: Event = PLUG,
        firmware: Path = FIRMWARE_FOLDER,
        tracebacks: bool = False,
        tls: tuple[int, bytes] | None = None,
    ) -> None:
        """`tls` is a port of the broker and its CA; the residents go to the broker's own port."""
        self.seen: list[Event] = []
        self._queue: Queue[Event] = Queue()
        self._tracebacks = tracebacks
        address = BrokerAddress(broker.host, broker.port)
        self._residents = Residents(address, "garage", "p01", lambda *_: None)
        kind = PointSettings
        if tls is not None:
            kind = _TlsSettings
            (folder / "point").mkdir()
            (folder / "point" / "ca.der").write_bytes(tls[1])
        settings = kind(
            board=boards.load(board).data if isinstance(board, str) else board,
            broker_host=broker.host,
            broker_port=tls[0] if tls else broker.port,
            speed=speed,
            events=(plug, *events),
            firmware=firmware,
        )
        self._point = SimPoint(folder / "point", settings, self._on_event)

    def _on_event(self, event: Event) -> None:
        self._residents.on_event(event)
        self._queue.put(event)

    def __enter__(self) -> Lived:
        self._residents.start()
        self._point.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._point.stop()
        self._residents.stop()

    def until(self, kind: str, accept: Callable[[Event], bool] = lambda event: True) -> Event:
        until = time.monotonic() + WAIT_S
        while time.monotonic() < until:
            self._point.wait(0)
            try:
                event = self._queue.get(timeout=0.2)
            except Empty:
                continue
            self.seen.append(event)
            assert self._tracebacks or "Traceback" not in str(event.get("line")), self.seen[-12:]
            if event["event"] == kind and accept(event):
                return event
        pytest.fail(f"no {kind}, but {self.seen[-12:]}", pytrace=False)

    def after(self, seconds: float) -> list[Event]:
        """The events of so many further seconds of its world."""
        begin, at = len(self.seen), self.seen[-1]["time"]
        self.until("time", lambda event: event["time"] >= at + seconds)
        return self.seen[begin:]

    def order(self, event: Event) -> None:
        self._point.send(event)

    def truth(self) -> Event:
        self._point.send({"do": "truth"})
        return self.until("truth")


class Heard:
    """What a point publishes, by channel, from the moment on that somebody listens."""

    def __init__(self, broker: Broker) -> None:
        self.messages: list[tuple[str, Event]] = []
        self._queue: Queue[tuple[str, Event]] = Queue()
        self._client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
        self._client.on_message = self._on_message
        self._client.connect(broker.host, broker.port)
        self._client.subscribe("zq/1/garage/p01/#", 1)
        self._client.loop_start()

    def _on_message(self, _client: object, _data: object, message: mqtt.MQTTMessage) -> None:
        self._queue.put((message.topic.rpartition("/")[2], json.loads(message.payload)))

    def __enter__(self) -> Heard:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.loop_stop()
        self._client.disconnect()

    def until(self, channel: str, accept: Callable[[Event], bool] = lambda message: True) -> Event:
        until = time.monotonic() + WAIT_S
        while time.monotonic() < until:
            try:
                found = self._queue.get(timeout=0.2)
            except Empty:
                continue
            self.messages.append(found)
            if found[0] == channel and accept(found[1]):
                return found[1]
        pytest.fail(f"no such {channel}, but {self.messages[-8:]}", pytrace=False)

    def record(self, kind: str, **values: object) -> Event:
        """The next record of that kind with these values."""
        wanted = {"kind": kind, **values}
        return self.until("record", lambda message: wanted.items() <= message.items())

    def ask(self, **command: object) -> Event:
        """A command, and its reply."""
        self._client.publish("zq/1/garage/p01/command", json.dumps(command), 1)
        return self.until("reply", lambda message: message.get("id") == command["id"])


def spoilt(folder: Path, code: str) -> Path:
    """A folder of the firmware in which this code runs before main.py, with the firmware's own modules at hand."""
    folder.mkdir()
    real = str(FIRMWARE_FOLDER.resolve())
    for name, first in (("boot.py", ""), ("main.py", code)):
        (folder / name).write_text(
            f"import sys\nif {real!r} not in sys.path:\n    sys.path.append({real!r})\n{first}\n"
            f"with open({real + '/' + name!r}) as _source:\n    _text = _source.read()\n"
            f"exec(compile(_text, {name!r}, 'exec'))\n"
        )
    return folder
