"""Where the broker is, and whether one may talk to it in the open.

`mqtt://HOST[:PORT]` is plain and allowed on loopback, elsewhere only with `insecure`; `mqtts://` is TLS with the
authorities of the system or the one in `ca`. User and password are no part of it: everybody can read a command line.
"""

from __future__ import annotations

import ipaddress
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from zhuque.errors import RefusedError, UsageError

C = TypeVar("C", bound=Client)

_PORTS = {"mqtt": 1883, "mqtts": 8883}
CONNECT_TIMEOUT_S = 5.0


@dataclass(frozen=True)
class BrokerAddress:
    """A broker; its text form holds no password."""

    host: str
    port: int
    tls: bool = False
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    ca: Path | None = None
    certificate: Path | None = None  # ours, with its key, where the broker asks for one

    def __str__(self) -> str:
        return f"{'mqtts' if self.tls else 'mqtt'}://{self.host}:{self.port}"

    def client(self, client_id: str) -> Client:
        """A paho client for MQTT 5, not connected yet. Raises UsageError for a CA that cannot be read."""
        return self.prepare(
            Client(CallbackAPIVersion.VERSION2, client_id, protocol=MQTTProtocolVersion.MQTTv5)
        )

    def prepare(self, client: C) -> C:
        """The client with what this broker asks for. Raises UsageError for a CA that cannot be read."""
        client.connect_timeout = CONNECT_TIMEOUT_S
        if self.user is not None:
            client.username_pw_set(self.user, self.password)
        if self.tls:
            try:
                context = ssl.create_default_context(cafile=self.ca)
                if self.certificate is not None:
                    context.load_cert_chain(self.certificate)
                client.tls_set_context(context)
            except (OSError, ssl.SSLError) as error:
                raise UsageError(
                    f"{self.ca} or {self.certificate} cannot be read: {error}; give --ca FILE in PEM"
                    if self.certificate
                    else f"the certificate authority {self.ca} cannot be read: {error}; give --ca FILE in PEM"
                ) from error
        return client


def parse(url: str, insecure: bool = False, ca: Path | None = None) -> BrokerAddress:
    """The address in a URL. Raises UsageError for what is none, RefusedError for plain MQTT over a network."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise UsageError(f"--broker is no URL: {error}; it looks like mqtt://127.0.0.1:1883") from error
    if parts.scheme not in _PORTS or not parts.hostname or parts.path.strip("/") or parts.query:
        raise UsageError("--broker must look like mqtt://HOST:PORT or mqtts://HOST:PORT")
    if "@" in parts.netloc:
        raise UsageError(
            "--broker holds a user or a password, and everybody on this computer can read a command line:"
            " put both into a file of mode 0600 and give --login FILE, or use --site DIR"
        )
    tls = parts.scheme == "mqtts"
    if not tls and not insecure and not _is_loopback(parts.hostname):
        raise RefusedError(
            f"plain MQTT to {parts.hostname} would carry passwords and commands in the open:"
            " use mqtts://, or --insecure if nobody else is on that network"
        )
    return BrokerAddress(parts.hostname, port or _PORTS[parts.scheme], tls, ca=ca)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
