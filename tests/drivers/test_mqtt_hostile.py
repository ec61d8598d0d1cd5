"""Connections to hostile brokers: each ends with a reason, in time, without a busy loop, in bounded memory."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.drivers.board import BoardScript
from tests.fakes.hostile_broker import MOST_BYTES, HostileBroker

SCRIPT = "tests/drivers/on_board/mqtt_hostile.py"
ROUNDS = 40
# Of a board's 115 KB, with the sources compiled where a board has them compiled already.
HEAP = "200K"
LONGEST_MS = 6000  # a greeting of 0.5 s, twice the keep-alive of 1 s, and what a busy machine adds
# A wait for each piece that may come, and a few for timers.
MOST_WAITS = MOST_BYTES + 500


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_every_connection_ends_and_nothing_is_left_of_it(mpy: Path, seed: int) -> None:
    with (
        HostileBroker(seed) as broker,
        BoardScript(mpy, SCRIPT, broker.port, ROUNDS, heap=HEAP) as script,
    ):
        rounds = [script.wait("round", 30) for _ in range(ROUNDS)]
        (heard,) = script.wait("done")
    assert heard > 0
    assert broker.connections == ROUNDS
    for why, took_ms, waits, _ in rounds:
        assert why
        assert took_ms < LONGEST_MS, why
        assert waits < MOST_WAITS, why
    used = [row[3] for row in rounds]
    assert max(used[5:]) - used[5] < 2000, "memory grows from connection to connection"
    assert any("broke the protocol" in row[0] for row in rounds)
    assert len({row[0].split(":")[0] for row in rounds}) >= 3, "the brokers were all alike"


def test_silence_is_waited_for_without_a_busy_loop(mpy: Path) -> None:
    """A broker that accepts and then says nothing costs a look at the sockets for each timer and no more."""

    class Silent(HostileBroker):
        def _greeting(self) -> bytes:
            return b"\x20\x02\x00\x00"

        def _abuse(self, peer: object) -> None:
            peer.recv(4096)  # type: ignore[attr-defined]
            peer.sendall(self._greeting())  # type: ignore[attr-defined]
            self._listen(peer, 5)  # type: ignore[arg-type]

    with Silent(1) as broker, BoardScript(mpy, SCRIPT, broker.port, 1, heap=HEAP) as script:
        why, took_ms, waits, _ = script.wait("round", 30)
    assert "keep-alive missed" in why
    assert took_ms >= 950
    assert waits < 200
