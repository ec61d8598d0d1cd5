"""A garage's folder as `zhuque site init` makes it, the mosquitto with its configuration, and clients of it."""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
from pathlib import Path
from typing import Any

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from tests.fakes.collecting import wait_for
from zhuque.sim.broker import free_port
from zhuque.sim.tools import find_mosquitto
from zhuque.site import broker, create
from zhuque.site.settings import Settings

WIFI_PASSWORD = "the-wifi-secret-81"


def make_site(folder: Path, name: str = "riverside", **more: Any) -> Settings:
    """A garage on free ports of loopback."""
    wish = create.Wish(
        name,
        "Asia/Shanghai",
        "garage",
        "127.0.0.1",
        free_port(),
        free_port(),
        **{"label_host": "charge.example", "points": 2, **more},
    )
    return create.create(folder, wish, WIFI_PASSWORD, "tester")


class Mosquitto:
    """The broker of a site, from start() to stop()."""

    def __init__(self, site: Settings) -> None:
        self.site = site
        self.log = site.folder / "broker" / "mosquitto.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> Mosquitto:
        configuration = self.site.folder / "broker" / broker.CONFIGURATION
        self._process = process = subprocess.Popen(
            [find_mosquitto(), "-c", configuration],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            umask=0o077,  # as `site up` and the unit do
        )

        def runs() -> bool:
            assert process.poll() is None, process.communicate()[0]
            try:
                for port in (self.site.broker_port, self.site.people_port):
                    socket.create_connection(("127.0.0.1", port), timeout=1).close()
            except OSError:
                return False
            return broker.running(self.site) is not None

        wait_for(runs)
        return self

    def stop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.terminate()
            process.communicate(timeout=10)


class Talker:
    """A client as whoever it says; `heard` holds (topic, payload) of what came."""

    def __init__(
        self,
        site: Settings,
        user: str | None,
        password: str | None,
        people: bool = False,
        id: str = "",
        version: MQTTProtocolVersion = MQTTProtocolVersion.MQTTv311,
        clean: bool = True,
        certificate: Path | None = None,
    ) -> None:
        self.heard: list[tuple[str, bytes]] = []
        self.refused: str | None = None
        self.connected = threading.Event()
        self.gone = threading.Event()
        self.acknowledged: set[int] = set()
        clean_argument = {"clean_session": clean} if version == MQTTProtocolVersion.MQTTv311 else {}
        self.client = Client(
            CallbackAPIVersion.VERSION2, id or (user or "nobody"), protocol=version, **clean_argument
        )
        self.client.username_pw_set(user, password) if user else None
        context = ssl.create_default_context(cafile=site.ca)
        if certificate:
            context.load_cert_chain(certificate)
        self.client.tls_set_context(context)
        self.client.on_connect = self._on_connect
        self.client.on_disconnect = self._on_disconnect
        self.client.on_message = self._on_message
        self.client.on_publish = lambda c, d, mid, reason, p: self.acknowledged.add(mid)
        self._subscribed: set[int] = set()
        self.client.on_subscribe = lambda c, d, mid, reasons, p: self._subscribed.add(mid)
        self._port = site.people_port if people else site.broker_port
        self._host = site.broker_host

    def __enter__(self) -> Talker:
        try:
            self.client.connect(self._host, self._port, 30)
        except OSError as error:  # the broker hangs up while shaking hands
            self.refused = str(error)
            return self
        self.client.loop_start()
        wait_for(lambda: self.connected.is_set() or self.refused)
        return self

    def __exit__(self, *_: object) -> None:
        self.client.disconnect()
        self.client.loop_stop()

    def subscribe(self, *filters: str) -> None:
        _, mid = self.client.subscribe([(text, 1) for text in filters])
        wait_for(lambda: mid in self._subscribed)

    def publish(self, topic: str, payload: str = "{}", retain: bool = False) -> int:
        return int(self.client.publish(topic, payload, 1, retain).mid)

    def _on_connect(self, client: Client, data: Any, flags: Any, reason: Any, properties: Any) -> None:
        if reason.is_failure:
            self.refused = str(reason)
            client.disconnect()
        else:
            self.connected.set()

    def _on_disconnect(self, client: Client, data: Any, flags: Any, reason: Any, properties: Any) -> None:
        self.gone.set()
        if not self.connected.is_set():
            self.refused = self.refused or str(reason)
            client.disconnect()

    def _on_message(self, client: Client, data: Any, message: MQTTMessage) -> None:
        self.heard.append((message.topic, bytes(message.payload)))
