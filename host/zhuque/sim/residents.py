"""Who comes to a garage: bikes with chargers drawn from measured ranges, and people who scan, forget and leave.

`Residents` is the phone and the operator's desk: whenever somebody in the simulated world scans or asks, it publishes
the command over MQTT, with the time of that world. What was refused for a while, or lost, is asked again a minute
later, as people do: that is an event of the world again. A world that runs fast stands still from the question to
`go`, which comes with the reply; where its point is offline nothing is asked, and so nothing arrives by chance.

A range is (lowest, typical, highest). Sources: measured charges of two Lectric XPedition and two Rad Power 48 V
chargers (github.com/hilo-software/ebike-battery-manager, MIT), a Bosch 4 A charger
(sites.google.com/view/ebikestudy/charging), Mean Well PB-300/360 and PB-1000 for power factor and inrush.
"""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from paho.mqtt.client import Client, MQTTMessage

from zhuque.collector.broker import BrokerAddress
from zhuque.report import figures
from zhuque.sim.scenario import Event
from zhuque.wire import topics

_EXPIRES_S = 300
_ASK_AGAIN_S = 60
_TRIES = 6
_AGAIN = ("not_ready", "socket_busy", "expired", "journal")

RANGES = {
    "peak_w": (72.0, 105.0, 400.0),
    "start_over_peak": (0.83, 0.92, 0.96),
    "ramp_s": (0.5, 3.0, 6.0),
    "taper_pct_min": (0.7, 1.2, 1.6),
    "taper_until": (0.4, 0.45, 0.5),
    "tau_min": (27.0, 32.0, 50.0),
    "cutoff_w": (5.0, 12.0, 25.0),
    "standby_w": (0.0, 0.7, 6.0),
}
_CONSTANT_S = (300.0, 2400.0, 7200.0)  # assumed: how much of the constant-current part is left on arrival
_CORRECTED = 0.15  # assumed: one charger in seven has a corrected power factor
_I2T = (0.2, 0.5, 2.2)  # A2s of the inrush; as RMS in a window of 20 ms
_WINDOW_S = 0.02


def charger(chance: random.Random) -> dict[str, float | bool]:
    """The load of one bike (keys of board/loads.py)."""
    load: dict[str, float | bool] = {
        name: round(chance.triangular(low, high, typical), 4) for name, (low, typical, high) in RANGES.items()
    }
    low, typical, high = _CONSTANT_S
    load["constant_s"] = round(chance.triangular(low, high, typical))
    load["corrected"] = int(chance.random() < _CORRECTED)
    low, typical, high = _I2T
    load["inrush_a"] = round((chance.triangular(low, high, typical) / _WINDOW_S) ** 0.5, 2)
    return load


def visit(
    socket: int,
    arrives_s: float,
    leaves_s: float,
    account: str,
    load: dict[str, float | bool],
    scan_after_s: float = 20,
) -> list[Event]:
    """A bike that comes, and its resident who scans; then both are gone."""
    return [
        {
            "at_s": arrives_s,
            "do": "plug",
            "socket": socket,
            "account": account,
            "scan_after_s": scan_after_s,
            "load": load,
        },
        {"at_s": leaves_s, "do": "unplug", "socket": socket},
    ]


@dataclass
class _Request:
    op: str
    socket: int | None  # None: the whole point
    keys: dict[str, object]
    asked: int
    again: Event
    waits: bool


@dataclass
class Residents:
    """Answers the events of one point. `say(time, socket, text)` tells a person of what was refused.

    `order(event)` lets an event happen in the point's world.
    """

    broker: BrokerAddress
    site: str
    point: str
    say: Callable[[int, int | None, str], None]
    order: Callable[[Event], None] = lambda event: None
    _requests: dict[str, _Request] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _tries: dict[tuple[str, int | None], int] = field(default_factory=dict)
    _on: set[int] = field(default_factory=set)
    _count: int = 0
    _now: int = 0

    def __post_init__(self) -> None:
        self._client: Client = self.broker.client(f"residents-{self.site}-{self.point}")
        self._client.on_connect = lambda client, *_: client.subscribe(self._topic("reply"), 1)
        self._client.on_message = self._on_reply

    def start(self) -> Residents:
        """Connect; OSError when the broker does not answer."""
        self._client.connect(self.broker.host, self.broker.port)
        self._client.loop_start()
        return self

    def stop(self) -> None:
        """Leave the broker."""
        self._client.disconnect()
        self._client.loop_stop()

    def on_event(self, event: Event) -> None:
        """What happened in the simulated world."""
        self._now = event["time"]
        kind, socket = event["event"], event.get("socket", 0)
        if kind in ("scan", "ask") and not event.get("at_point"):
            self._ask(event)
        elif kind == "relay":
            (self._on.add if event["closed"] else self._on.discard)(socket)
            if event["closed"]:
                self._forget("start", socket)  # it came on: no matter which answer is still under way
        elif kind == "unplug":
            self._forget("start", socket)
        elif kind == "time":
            self._give_up_on_answers()

    def _topic(self, channel: str) -> str:
        return topics.topic(self.site, self.point, channel)

    def _ask(self, event: Event) -> None:
        """Publish the command, unless the world says that the point is offline."""
        socket = event.get("socket")
        op = "start" if event["event"] == "scan" else event["op"]
        keys = {"account": event.get("account"), "actor": event.get("actor")}
        if op == "start":
            keys["source"] = "remote"
        again: Event = {name: event[name] for name in ("socket", "account", "op", "actor") if name in event}
        again |= {"do": event["event"], "bike": True, "in_s": _ASK_AGAIN_S}
        request = _Request(op, socket, keys, self._now, again, event.get("waits", False))
        with self._lock:
            if op == "start" and socket in self._on:
                self._answered(request)  # it is on already: the answer was lost, not the command
            elif event.get("online") is False:
                self._retry(request, "the point is offline")
            else:
                self._send(request)

    def _send(self, request: _Request) -> None:
        self._count += 1
        id = f"sim-{self._now:x}-{request.socket or 'point'}-{self._count}"
        self._requests[id] = request
        message = {"id": id, "op": request.op, "expires": self._now + _EXPIRES_S}
        keys = {"socket": request.socket, **request.keys}
        message.update({name: value for name, value in keys.items() if value is not None})
        self._client.publish(self._topic("command"), json.dumps(message), 1)

    def _answered(self, request: _Request) -> None:
        if request.waits:
            self.order({"do": "go"})

    def _retry(self, request: _Request, why: str) -> None:
        key = request.op, request.socket
        self._tries[key] = self._tries.get(key, 0) + 1
        if self._tries[key] < _TRIES:
            self.order(request.again)
        else:
            self._tries.pop(key)
            self.say(self._now, request.socket, f"{request.op} is given up: {why}")
        self._answered(request)

    def _forget(self, op: str, socket: int) -> None:
        with self._lock:
            self._tries.pop((op, socket), None)
            for id, request in list(self._requests.items()):
                if (request.op, request.socket) == (op, socket) and not request.waits:
                    del self._requests[id]

    def _give_up_on_answers(self) -> None:
        with self._lock:
            for id, request in list(self._requests.items()):
                if self._now - request.asked >= _ASK_AGAIN_S:
                    del self._requests[id]
                    self._retry(request, "nobody answers")

    def _on_reply(self, client: Client, userdata: object, message: MQTTMessage) -> None:
        reply = json.loads(message.payload)
        with self._lock:
            request = self._requests.pop(reply.get("id"), None)
            if request is None:
                return
            if reply["ok"]:
                self._tries.pop((request.op, request.socket), None)
                self._answered(request)
                return
            why = reply["error"]
            if reply.get("detail"):
                why += ": " + figures.with_local_times(str(reply["detail"]))
            if reply["error"] in _AGAIN:
                self._retry(request, why)
            else:
                self.say(self._now, request.socket, f"{request.op} refused: {why}")
                self._answered(request)
