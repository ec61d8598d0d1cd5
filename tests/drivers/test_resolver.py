"""The resolver on MicroPython, against name servers that answer well, wrongly and not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.drivers.board import BoardScript
from tests.drivers.udp import udp_server

SCRIPT = "tests/drivers/on_board/net_time.py"
NAME = "broker.garage.example"
POINTER = b"\xc0\x0c"
A_RECORD = POINTER + b"\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\xc0\xa8\x01\x07"
ALIAS = POINTER + b"\x00\x05\x00\x01\x00\x00\x00\x3c\x00\x08\x05alias\xc0\x13"
FULL_NAME = b"\x05alias\x06garage\x00\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\x0a\x00\x00\x01"
AAAA = POINTER + b"\x00\x1c\x00\x01\x00\x00\x00\x3c\x00\x10" + bytes(16)


def answer(request: bytes, *records: bytes, flags: bytes = b"\x81\x80") -> bytes:
    counts = b"\x00\x01" + len(records).to_bytes(2, "big") + b"\x00\x00\x00\x00"
    return request[:2] + flags + counts + request[12:] + b"".join(records)


@pytest.mark.parametrize(
    ("records", "address"),
    [
        ((A_RECORD,), "192.168.1.7"),
        ((ALIAS, FULL_NAME), "10.0.0.1"),
        ((AAAA, A_RECORD), "192.168.1.7"),
    ],
)
def test_the_first_address_is_taken(mpy: Path, records: tuple[bytes, ...], address: str) -> None:
    queries = []

    def serve(request: bytes) -> list[bytes]:
        queries.append(request)
        return [answer(request, *records)]

    with udp_server(serve) as port, BoardScript(mpy, SCRIPT, "name", port, NAME) as script:
        assert script.wait("address") == [address]
    assert queries[0][2:] == bytes.fromhex("01000001000000000000") + (
        b"\x06broker\x06garage\x07example\x00\x00\x01\x00\x01"
    )


def test_the_answers_of_others_are_passed_over(micropython: Path) -> None:
    def serve(request: bytes) -> list[bytes]:
        good = answer(request, A_RECORD)
        other_id = bytes([good[0] ^ 1]) + good[1:]
        other_name = answer(request.replace(b"broker", b"brokes"), FULL_NAME)
        return [other_id, other_name, request, b"", good]

    with udp_server(serve) as port, BoardScript(micropython, SCRIPT, "name", port, NAME) as script:
        assert script.wait("address") == ["192.168.1.7"]


@pytest.mark.parametrize(
    ("records", "flags", "reason"),
    [
        ((), b"\x81\x83", "no such name"),
        ((), b"\x81\x82", "the server failed"),
        ((), b"\x81\x80", "no IPv4 address"),
        ((AAAA,), b"\x81\x80", "no IPv4 address"),
        ((A_RECORD[:-2],), b"\x81\x80", "cut short"),
        ((b"\x3f",), b"\x81\x80", "cut short"),
    ],
)
def test_no_address(micropython: Path, records: tuple[bytes, ...], flags: bytes, reason: str) -> None:
    with (
        udp_server(lambda request: [answer(request, *records, flags=flags)]) as port,
        BoardScript(micropython, SCRIPT, "name", port, NAME) as script,
    ):
        assert reason in script.wait("failed")[0]


def test_a_lost_query_is_sent_again(micropython: Path) -> None:
    seen = []

    def serve(request: bytes) -> list[bytes]:
        seen.append(request)
        return [answer(request, A_RECORD)] if len(seen) > 1 else []

    with udp_server(serve) as port, BoardScript(micropython, SCRIPT, "name", port, NAME) as script:
        assert script.wait("address") == ["192.168.1.7"]


def test_a_silent_server_is_given_up(mpy: Path) -> None:
    with udp_server(lambda request: []) as port, BoardScript(mpy, SCRIPT, "name", port, NAME) as script:
        reason, after_ms = script.wait("failed")
        assert NAME in reason and "no answer" in reason
        assert 3900 <= after_ms < 5500


@pytest.mark.parametrize("name", ["a..b", "x" * 64 + ".example", ""])
def test_a_name_that_is_none(micropython: Path, name: str) -> None:
    with BoardScript(micropython, SCRIPT, "name", 9, name) as script:
        assert "is not a host name" in script.wait("failed")[0]


def test_digits_are_not_asked_for(micropython: Path) -> None:
    with BoardScript(micropython, SCRIPT, "name", 9, "192.0.2.33") as script:
        assert script.wait("address") == ["192.0.2.33"]
