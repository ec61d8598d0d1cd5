"""What a nightly export gets: every session that ended, once, whatever the order in which its records arrive."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tests.host import wire_samples as wire
from zhuque.cli import main
from zhuque.collector.ingest import decode
from zhuque.store.items import Item, Lost
from zhuque.store.write import Store

NOW = 1764000100
JOURNAL = ("riverside", "p01", wire.EPOCH)


def zhuque(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(a) for a in arguments], env={"ZHUQUE_DB": ""})


def records(*bodies: dict[str, Any]) -> list[Item]:
    return [decode(wire.RECORD, wire.raw(body), False, NOW) for body in bodies]


class Night:
    """The job of every night: `run` gives what it wrote."""

    def __init__(self, db: str, folder: Path, *options: str) -> None:
        self._arguments = ("session", "export", "--db", db, "--to", folder / "night.jsonl", *options)
        self._file = folder / "night.jsonl"
        self.state = folder / "night.state"

    def run(self) -> list[dict[str, Any]]:
        result = zhuque(*self._arguments, "--since-last", self.state)
        assert result.exit_code == 0, result.output
        return [json.loads(line) for line in self._file.read_text().splitlines()]


def day(sessions: int, chance: random.Random) -> list[dict[str, Any]]:
    """The journal of a point: sessions on four sockets, one left open."""
    bodies: list[dict[str, Any]] = [wire.boot(1)]
    open_ones: dict[int, int] = {}
    while sessions:
        seq, socket = len(bodies) + 1, chance.randint(1, 4)
        name = {"socket": socket, "time": 1764000000 + 60 * seq}
        if socket not in open_ones:
            open_ones[socket] = seq
            bodies.append(wire.start(seq, **name))
        elif chance.random() < 0.5:
            bodies.append(wire.checkpoint(seq, open_ones[socket], 1000 * seq, **name))
        else:
            bodies.append(wire.end(seq, open_ones.pop(socket), 1000 * seq, **name))
            sessions -= 1
    return bodies


@pytest.mark.parametrize("seed", range(3))
def test_every_session_comes_once(new_db: Callable[[], str], tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    db = new_db()
    store, night, seen = Store(db), Night(db, tmp_path), []
    arriving = records(*day(20, chance))
    # Late by up to thirty places, in batches, with a night now and then.
    arriving.sort(key=lambda item: getattr(item, "seq", 0) + chance.random() * 30)
    while arriving:
        size = chance.randint(1, 12)
        store.write(arriving[:size])
        arriving = arriving[size:]
        if chance.random() < 0.5:
            seen += night.run()
    seen += night.run()
    store.close()
    listed = json.loads(zhuque("session", "list", "--db", db, "--closed", "--json").output)
    by_id = {row["session"]: row for row in seen}
    assert len(seen) == len(by_id) == 20
    assert sorted(by_id.values(), key=str) == sorted(listed, key=str)
    assert night.run() == []


def test_it_waits_for_the_end_and_for_what_is_before_it(where: str, tmp_path: Path) -> None:
    store, night = Store(where), Night(where, tmp_path)
    store.write(records(wire.boot(1), wire.start(2)))
    assert night.run() == []
    store.write(records(wire.end(4, 2, 900)))
    assert night.run() == []
    store.write(records(wire.checkpoint(3, 2, 800)))
    (row,) = night.run()
    assert row["energy_wh"] == 0.9
    assert night.run() == []
    store.close()


def test_what_was_thought_lost_comes_later(where: str, tmp_path: Path) -> None:
    store, night = Store(where), Night(where, tmp_path)
    store.write(records(wire.boot(1), wire.end(4, 2, 900), wire.start(6), wire.end(9, 6, 5)))
    store.write([Lost(*JOURNAL, 9, "they left the journal", NOW)])
    first = night.run()
    assert [row["session"] for row in first] == [f"{wire.EPOCH}-2", f"{wire.EPOCH}-6"]
    store.write(records(wire.start(2, time=1763990000, account="r-7")))
    (again,) = night.run()
    assert (again["account"], again["started_at"]) == ("r-7", "2025-11-24T13:13:20Z")
    store.write(records(wire.boot(3), wire.boot(5)))
    assert night.run() == []
    store.close()


def test_a_session_comes_again_with_its_date(where: str, tmp_path: Path) -> None:
    store, night = Store(where), Night(where, tmp_path)
    store.write(records(wire.start(1, time=None), wire.end(2, 1, 900, time=None)))
    assert [row["started_at"] for row in night.run()] == [None]
    store.write(records(wire.record(3, "clock", time=1764000003, was=None)))
    assert [row["started_at"] for row in night.run()] == ["2025-11-24T16:00:01Z"]
    store.close()


def test_a_state_belongs_to_one_export(where: str, tmp_path: Path) -> None:
    store, night = Store(where), Night(where, tmp_path, "riverside")
    store.write(records(wire.start(1), wire.end(2, 1, 900)))
    store.close()
    assert len(night.run()) == 1
    export = ("session", "export", "--db", where, "--to", tmp_path / "x.csv", "--since-last", night.state)
    result = zhuque(*export)
    assert (result.exit_code, "a file of its own" in result.stderr) == (2, True)
    night.state.write_text("{}")
    result = zhuque(*export, "riverside")
    assert (result.exit_code, "begins anew" in result.stderr) == (2, True)
    assert zhuque(*export, "riverside", "--open").exit_code == 2
    assert not (tmp_path / "x.csv").exists()


def test_a_filter_holds(where: str, tmp_path: Path) -> None:
    store = Store(where)
    store.write(records(wire.start(1), wire.end(2, 1, 900), wire.start(3, account="r-9"), wire.end(4, 3, 5)))
    store.close()
    assert [row["account"] for row in Night(where, tmp_path, "--account", "r-9").run()] == ["r-9"]
