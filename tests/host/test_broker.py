"""The broker of the simulator: it starts, keeps retained messages over a restart, and says why it cannot start."""

from __future__ import annotations

import socket
import subprocess
from pathlib import Path

import pytest

from zhuque.sim.broker import Broker, BrokerError
from zhuque.sim.tools import ToolMissingError, find_micropython, find_mosquitto_client


def client(broker: Broker, name: str, *arguments: str) -> str:
    command = [find_mosquitto_client(name), "-h", broker.host, "-p", str(broker.port), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=20).stdout


def test_a_retained_message_survives_a_restart(broker: Broker) -> None:
    client(broker, "mosquitto_pub", "-t", "a", "-m", "kept", "-r", "-q", "1")
    port = broker.port
    broker.stop()
    assert not broker.running
    with pytest.raises(OSError):
        socket.create_connection((broker.host, port), timeout=1)
    broker.start()
    assert client(broker, "mosquitto_sub", "-t", "a", "-C", "1", "-W", "5") == "kept\n"
    assert broker.port == port


def test_a_killed_broker_starts_again(broker: Broker) -> None:
    broker.kill()
    assert not broker.running
    assert broker.start().running


def test_a_port_in_use_is_an_error_that_says_so(broker: Broker, tmp_path: Path) -> None:
    second = Broker(tmp_path / "second", port=broker.port)
    with pytest.raises(BrokerError, match=str(broker.port)):
        second.start()
    assert not second.running
    assert broker.running


def test_a_wrong_variable_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZHUQUE_MICROPYTHON", "/nowhere/micropython")
    with pytest.raises(ToolMissingError, match="ZHUQUE_MICROPYTHON"):
        find_micropython()
