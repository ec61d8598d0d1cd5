"""The uplink's TLS against a real mosquitto: the site's CA, the server's name and its dates are all verified."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.drivers.board import BoardScript
from tests.drivers.certificates import Authority, broker_files
from zhuque.sim.broker import Broker, free_port

SCRIPT = "tests/drivers/on_board/tls_client.py"
NAME = "broker.riverside"


@contextmanager
def tls_broker(folder: Path, authority: Authority, name: str = NAME, days: int = 30) -> Iterator[int]:
    """A mosquitto that also listens with TLS; yields that port."""
    port = free_port()
    lines = f"listener {port} 127.0.0.1\n" + broker_files(folder, authority, name, days)
    with Broker(folder, configuration=lines):
        yield port


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    # mosquitto started by root reads its files as another user.
    for parent in (tmp_path, *tmp_path.parents[:2]):
        parent.chmod(0o755)
    return tmp_path


def test_the_right_broker_is_trusted(mpy: Path, folder: Path) -> None:
    authority = Authority()
    (folder / "ca.der").write_bytes(authority.der)
    with tls_broker(folder, authority) as port, BoardScript(mpy, SCRIPT, folder, port, NAME) as script:
        assert script.wait("puback") == [1]
        heard = [json.loads(line)[0] for line in script.output if line.startswith("[")]
        assert heard[:3] == ["asked", "asked", "over"], (
            "a handshake waits until it may begin, and says when it is over"
        )


@pytest.mark.parametrize("signs", [0, 1])
def test_either_of_two_authorities_is_trusted(mpy: Path, folder: Path, signs: int) -> None:
    """While one follows the other the board's file holds both."""
    both = Authority("riverside CA 1"), Authority("riverside CA 2")
    (folder / "ca.der").write_bytes(both[0].der + both[1].der)
    with tls_broker(folder, both[signs]) as port, BoardScript(mpy, SCRIPT, folder, port, NAME) as script:
        assert script.wait("puback") == [1]


@pytest.mark.parametrize(
    ("case", "said"),
    [
        ("another CA", "not correctly signed by the trusted CA"),
        ("another name", "does not match"),
        ("expired", "validity has expired"),
    ],
)
def test_a_wrong_broker_is_refused(micropython: Path, folder: Path, case: str, said: str) -> None:
    authority = Authority()
    trusted = Authority("somebody else's CA") if case == "another CA" else authority
    (folder / "ca.der").write_bytes(trusted.der)
    name = "broker.elsewhere" if case == "another name" else NAME
    days = -1 if case == "expired" else 30
    with (
        tls_broker(folder, authority, name, days) as port,
        BoardScript(micropython, SCRIPT, folder, port, NAME) as script,
    ):
        [why] = script.wait("refused")
        assert said in why, why
        assert not [line for line in script.output if "puback" in line]
        assert [line for line in script.output if "over" in line], "a handshake that failed is over, too"


def test_without_a_ca_there_is_no_context(micropython: Path, folder: Path) -> None:
    with BoardScript(micropython, SCRIPT, folder, 1, NAME) as script:
        assert script.wait("no_ca") == []
