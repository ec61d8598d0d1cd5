"""What the collector makes of a message: understood, kept as it came, or put aside with the reason."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.host import wire_samples as wire
from zhuque.collector.ingest import decode
from zhuque.store.items import DeadLetter, Record, Refused, Reply, Status, Telemetry

NOW = 1764000100


def take(body: Any, topic: str = wire.RECORD) -> Any:
    return decode(topic, body if isinstance(body, bytes) else wire.raw(body), False, NOW)


@pytest.mark.parametrize(
    "body",
    [wire.boot(1), wire.start(2), wire.checkpoint(3, 2, 5), wire.end(4, 2, 9)],
    ids=lambda b: b["kind"],
)
def test_a_record_is_taken_whole(body: dict[str, Any]) -> None:
    item = take(body)
    assert isinstance(item, Record)
    assert (item.site, item.point, item.epoch, item.seq) == ("riverside", "p01", wire.EPOCH, body["seq"])
    assert item.session == body.get("session")
    assert json.loads(item.raw) == body


def test_what_a_newer_board_may_add_is_stored_as_it_came() -> None:
    unknown_kind = take(wire.record(5, "weather", socket="north", session=7, wind=3))
    assert isinstance(unknown_kind, Record)
    assert (unknown_kind.kind, unknown_kind.socket, unknown_kind.session) == ("weather", None, None)
    assert isinstance(take(wire.start(5, colour="red")), Record)
    assert isinstance(take(wire.end(5, 2, 9, reason="lightning")), Record)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"epoch": "xyz"}, "epoch"),
        ({"epoch": None}, "epoch"),
        ({"seq": 0}, "seq"),
        ({"seq": True}, "seq"),
        ({"seq": 1.5}, "seq"),
        ({"seq": 1 << 60}, "seq"),
        ({"kind": None}, "kind"),
        ({"kind": []}, "kind"),
        ({"time": "now"}, "time"),
        ({"time": -1}, "time"),
        ({"uptime_ms": {}}, "uptime_ms"),
        ({"socket": 0}, "socket"),
        ({"socket": "3"}, "socket"),
        ({"socket": None}, "socket"),
        ({"session": "nonsense"}, "session"),
        ({"session": None}, "session"),
        ({"reason": None}, "reason"),
        ({"reason": 5}, "reason"),
        ({"account": "\ud800"}, "account"),
        ({"account": "a\0b"}, "account"),
        ({"account": "x" * 200}, "account"),
        ({"energy_mwh": -5}, "energy_mwh"),
        ({"energy_mwh": 5.0}, "energy_mwh"),
    ],
    ids=str,
)
def test_a_wrong_field_is_named(change: dict[str, Any], says: str) -> None:
    item = take({**wire.end(9, 2, 9), **change})
    assert isinstance(item, DeadLetter)
    assert item.reason == "bad_field"
    assert item.detail.startswith(says)
    readable = "epoch" not in change and "seq" not in change
    assert (item.epoch, item.seq) == ((wire.EPOCH, 9) if readable else (None, None))


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "bad_json"),
        (b"{", "bad_json"),
        (b"[]", "bad_json"),
        (b"\xff{}", "bad_json"),
        (b"[" * 4000, "bad_json"),
        (b" " * 4097, "too_large"),
    ],
)
def test_what_is_no_message_is_put_aside(payload: bytes, reason: str) -> None:
    item = take(payload)
    assert isinstance(item, DeadLetter)
    assert (item.reason, item.payload, item.seq) == (reason, payload, None)


def test_topics() -> None:
    assert isinstance(take(wire.boot(1), "zq/1/River/p01/record"), DeadLetter)
    assert isinstance(take(wire.boot(1), "zq/1/riverside/p01/records"), DeadLetter)
    assert isinstance(take({"id": "x", "ok": True}, "zq/1/riverside/p01/reply"), Reply)
    refused = take(b"whatever", "zq/2/riverside/p01/status")
    assert isinstance(refused, Refused)
    assert "version 2" in refused.problem
    assert "upgrade this zhuque" in refused.problem


def test_status_and_telemetry() -> None:
    assert isinstance(take(wire.status(), wire.STATUS), Status)
    will = take({"online": False}, wire.STATUS)
    assert isinstance(will, Status)
    assert not will.online
    assert isinstance(take(wire.telemetry(), wire.TELEMETRY), Telemetry)
    for bad in (
        {"online": 1},
        {"first_seq": "1"},
        {"problems": "none"},
        {"problems": ["\ud800"]},
        {"problems": [None]},
        {"epoch": "1"},
        {"state": 3},
    ):
        assert isinstance(take(wire.status(**bad), wire.STATUS), DeadLetter), bad
    for rows in (None, {}, [["idle"]], [[0, 0, 0, 0]], [["idle", -1, 0, 0]], [["idle", 1.0, 0, 0]]):
        assert isinstance(take(wire.telemetry(sockets=rows), wire.TELEMETRY), DeadLetter), rows


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from([wire.RECORD, wire.STATUS, wire.TELEMETRY]),
    st.dictionaries(
        st.sampled_from(list(wire.end(1, 1, 1)) + list(wire.status()) + list(wire.telemetry())),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
            lambda inner: (
                st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=2), inner, max_size=2)
            ),
        ),
    ),
)
def test_nothing_raises(topic: str, changes: dict[str, Any]) -> None:
    for body in (wire.end(9, 2, 9), wire.status(), wire.telemetry()):
        take({**body, **changes}, topic)
