"""A point of plain paho: a journal in memory, sent as a board sends it, for tests of the collector.

It starts after the last record that the broker acknowledged, not after the last that was confirmed: so a record that
a broker lost comes again only when it is asked for. `truth` is what it lived through: its records, and its sessions.
"""

from __future__ import annotations

import json
import random
import threading
import time
from collections import deque
from typing import Any

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

_WINDOW = 16


class JournalPoint:
    """Records appended with `live` go out as long as there is a broker. Times are simulated, a record a minute."""

    def __init__(self, host: str, port: int, point: str, seed: int = 0, site: str = "riverside") -> None:
        self.site, self.point = site, point
        self.records: list[dict[str, Any]] = []
        self.first_seq = 1
        self.stored = 0
        self.asked: list[tuple[int, int]] = []
        self.answers_resend = True
        self.ahead_s = 0  # of its clock
        self._chance = random.Random(f"{seed}/{site}/{point}")
        self.epoch = f"{self._chance.getrandbits(64):016x}"
        self._open: dict[int, dict[str, Any]] = {}
        self._lock = threading.RLock()
        self._acked = 0
        self._next = 1
        self._flying: dict[int, int] = {}
        self._again: list[int] = []
        self._acks: deque[int] = deque()
        self._wake = threading.Event()
        self._ending = False
        # paho calls back under a lock of its own: only this thread sends, and it is called by nobody.
        self._pump = threading.Thread(target=self._send_all, daemon=True)
        self._online = False
        self._client = Client(CallbackAPIVersion.VERSION2, f"{site}/{point}")
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = self._on_disconnect
        self._client.on_message = self._on_message
        self._client.on_publish = self._on_publish
        self._client.reconnect_delay_set(1, 1)
        self._client.will_set(self._topic("status"), b'{"online":false}', 1, True)
        self._address = (host, port)

    # Life -----------------------------------------------------------------------------------------------------------

    def live(self, count: int) -> None:
        """Append `count` records of sessions on four sockets."""
        with self._lock:
            for _ in range(count):
                socket = self._chance.randint(1, 4)
                if socket in self._open:
                    self._go_on(socket)
                else:
                    self._begin(socket)
        self._wake.set()

    def _begin(self, socket: int) -> None:
        body = {"socket": socket, "session": f"{self.epoch}-{len(self.records) + 1}", "account": "r-1"}
        self._open[socket] = {"session": body["session"], "energy_mwh": 0, "began": len(self.records) + 1}
        self._append("session_start", {**body, "source": "remote"})

    def _go_on(self, socket: int) -> None:
        session = self._open[socket]
        session["energy_mwh"] += self._chance.randint(1, 60_000)
        totals = {"duration_s": 60 * (len(self.records) - session["began"]), "suspended_s": 0}
        totals |= {"energy_mwh": session["energy_mwh"], "peak_ma": 900, "peak_mw": 180_000}
        body = {"socket": socket, "session": session["session"], **totals}
        if self._chance.random() < 0.3:
            del self._open[socket]
            self._append("session_end", {**body, "reason": "full", "account": "r-1", "source": "remote"})
        else:
            self._append("session_checkpoint", body)

    def _append(self, kind: str, body: dict[str, Any]) -> None:
        seq = len(self.records) + 1
        head = {
            "epoch": self.epoch,
            "seq": seq,
            "boot": 1,
            "uptime_ms": seq * 60_000,
            "time": 1764000000 + 60 * seq,
        }
        self.records.append({**head, "kind": kind, **body})

    # The line -------------------------------------------------------------------------------------------------------

    def start(self) -> JournalPoint:
        """Connects, and again whenever the broker went away."""
        self._client.connect_async(*self._address)
        self._client.loop_start()
        self._pump.start()
        return self

    def stop(self) -> None:
        """Gone, with the last will's word."""
        self._ending = True
        self._wake.set()
        self._pump.join(10)
        if self._online:
            self._client.publish(self._topic("status"), b'{"online":false}', 1, True)
            time.sleep(0.02)
        self._client.disconnect()
        self._client.loop_stop()

    def tell(self) -> None:
        """Publishes the status."""
        body = {"online": True, "boot": 1, "epoch": self.epoch, "first_seq": self.first_seq}
        body |= {
            "last_seq": len(self.records),
            "firmware": "0.1.0",
            "state": "ready",
            "sockets": 4,
            "problems": [],
        }
        self._client.publish(self._topic("status"), json.dumps(body), 1, True)

    def _topic(self, channel: str) -> str:
        return f"zq/1/{self.site}/{self.point}/{channel}"

    def _on_connect(self, *_: Any) -> None:
        with self._lock:
            self._online = True
            self._flying.clear()
            self._acks.clear()
            self._next = max(self._acked, self.stored) + 1
        self._client.subscribe([(self._topic("stored"), 1), (self._topic("command"), 1)])
        self.tell()
        self._wake.set()

    def _on_disconnect(self, *_: Any) -> None:
        with self._lock:
            self._online = False
            self._flying.clear()
            self._again.clear()
        # paho would send them again by itself; a board does not.
        self._client._out_messages.clear()
        self._client._inflight_messages = 0

    def _on_publish(self, client: Client, data: Any, mid: int, *_: Any) -> None:
        self._acks.append(mid)
        self._wake.set()

    def _on_message(self, client: Client, data: Any, message: MQTTMessage) -> None:
        body = json.loads(message.payload)
        if message.topic.endswith("/stored"):
            if body["epoch"] == self.epoch:
                self.stored = max(self.stored, body["seq"])
        elif body.get("op") == "resend" and not message.retain and self.answers_resend:
            self._resend(body)

    def _resend(self, command: dict[str, Any]) -> None:
        if command.get("expires") is not None and command["expires"] < time.time() + self.ahead_s:
            reply = {"id": command["id"], "ok": False, "error": "expired"}
            self._client.publish(self._topic("reply"), json.dumps(reply), 1)
            return
        first, last = command["from"], command["to"]
        assert 1 <= first <= last < first + 200
        with self._lock:
            self.asked.append((first, last))
            there = range(max(first, self.first_seq), min(last, len(self.records)) + 1)
            gone = command["epoch"] != self.epoch or not there
            if not gone:
                self._again += there
        reply = {"id": command["id"], "ok": not gone}
        if gone:
            reply |= {"error": "gone", "first_seq": self.first_seq}
        self._client.publish(self._topic("reply"), json.dumps(reply), 1)
        self._wake.set()

    def _send_all(self) -> None:
        while not self._ending:
            self._wake.wait(0.5)
            self._wake.clear()
            self._send()

    def _send(self) -> None:
        with self._lock:
            while self._acks:
                seq = self._flying.pop(self._acks.popleft(), 0)
                if seq:
                    self._acked = max(self._acked, min([*self._flying.values(), seq + 1]) - 1)
            while self._online and len(self._flying) < _WINDOW:
                if self._again:
                    seq = self._again.pop(0)
                elif self._next <= len(self.records):
                    seq = max(self._next, self.first_seq)
                    self._next = seq + 1
                else:
                    return
                payload = json.dumps(self.records[seq - 1], separators=(",", ":"))
                info = self._client.publish(self._topic("record"), payload, 1)
                self._flying[info.mid] = seq
