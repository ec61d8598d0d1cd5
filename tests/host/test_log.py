"""`zhuque log`: a board's own journal, pulled over a broker, carried in a file, compared with the database."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tests.fakes.collecting import Running, rows, wait_for
from tests.fakes.journal_point import JournalPoint
from tests.host import wire_samples as wire
from zhuque.cli import main
from zhuque.collector.ingest import decode
from zhuque.sim.broker import Broker
from zhuque.store.items import DeadLetter, Lost, Record
from zhuque.store.write import Store

NOW = 1764000100
NAME = "riverside/p01"


def zhuque(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(a) for a in arguments], env={"ZHUQUE_DB": "", "ZHUQUE_BROKER": ""})


class OldPoint(JournalPoint):
    """A point that charged before there was a broker: what it has comes only when it is asked for.

    `rotten` are records that its flash gives no more; after `leaves_after` requests it is gone.
    """

    rotten: frozenset[int] = frozenset()
    leaves_after = 1_000_000

    def _resend(self, command: dict[str, Any]) -> None:
        if len(self.asked) >= self.leaves_after:
            threading.Thread(target=self.stop).start()
            return
        super()._resend(command)
        with self._lock:
            self._again = [seq for seq in self._again if seq not in self.rotten]


@pytest.fixture
def point(broker: Broker) -> Iterator[OldPoint]:
    """450 records, its ring begins at 1."""
    made = OldPoint(broker.host, broker.port, "p01", seed=5)
    made.live(450)
    made._acked = 450
    yield made
    if made._pump.is_alive():
        made.stop()


def start(point: JournalPoint, broker: Broker) -> JournalPoint:
    """Connected, and its status told."""
    point.start()
    wait_for(lambda: point._online)
    wait_for(lambda: zhuque("status", NAME, "--broker", broker.url).exit_code == 0)
    return point


def pull(broker: Broker, *options: str | Path) -> Result:
    return zhuque("log", "pull", NAME, "--broker", broker.url, "--timeout", "3", *options)


def sessions(db: str) -> list[tuple[Any, ...]]:
    return rows(db, "SELECT * FROM sessions ORDER BY session")


def told(result: Result) -> dict[str, Any]:
    assert result.exit_code == 0, result.output + result.stderr
    out: dict[str, Any] = json.loads(result.stdout)
    return out


def test_a_pull_fills_the_database_and_a_second_changes_nothing(
    broker: Broker, point: OldPoint, where: str
) -> None:
    start(point, broker)
    first = pull(broker, "--db", where)
    assert (first.exit_code, "450 records added, 0 were there, 0 contradict" in first.output) == (0, True)
    assert point.asked == [(1, 200), (201, 400), (401, 450)]
    before = sessions(where)
    assert len(before) > 20
    assert told(pull(broker, "--db", where, "--json"))["added"] == 0
    assert len(point.asked) == 3  # there was nothing to ask for
    again = told(pull(broker, "--db", where, "--all", "--json"))
    assert (again["added"], again["same"], again["contradictions"]) == (0, 450, [])
    assert sessions(where) == before
    verified = zhuque("log", "verify", NAME, "--db", where, "--broker", broker.url)
    assert (verified.exit_code, "1 to 450" in verified.output, "agree" in verified.output) == (0, True, True)
    assert zhuque("session", "rebuild", "--db", where).exit_code == 0
    assert sessions(where) == before


def test_contradictions_are_shown_and_kept_beside(broker: Broker, point: OldPoint, tmp_path: Path) -> None:
    db = str(tmp_path / "site.db")
    forged = {**point.records[6], "energy_mwh": 1, "note": "forged"}
    store = Store(db)
    store.write([decode(wire.RECORD, wire.raw(forged), False, NOW)])
    store.close()
    start(point, broker)
    result = pull(broker, "--db", db, "--all")
    assert result.exit_code == 0
    assert "449 records added, 0 were there, 1 contradict" in result.stdout
    assert '"forged"' in result.stderr and "record 7 of" in result.stderr
    assert rows(db, "SELECT seq, reason FROM dead_letters") == [(7, "contradiction")]
    assert rows(db, "SELECT raw FROM records WHERE seq = 7") == [(wire.raw(forged).decode(),)]
    verified = zhuque("log", "verify", NAME, "--db", db, "--broker", broker.url)
    assert verified.exit_code == 1
    assert "1 of 450" in verified.stderr
    assert ["8 to 450", "agree"] in [line.split("  ") for line in verified.stdout.splitlines()]
    assert verified.stdout.count('"forged"') == 1
    each = zhuque("log", "verify", NAME, "--db", db, "--broker", broker.url, "--json")
    verdicts = json.loads(each.stdout)
    assert [one["seq"] for one in verdicts] == list(range(1, 451))
    assert [one["verdict"] for one in verdicts if one["seq"] == 7] == ["contradict"]


def test_a_board_that_goes_away_half_way(broker: Broker, point: OldPoint, tmp_path: Path) -> None:
    file, whole = tmp_path / "p01.jsonl", tmp_path / "whole.jsonl"
    point.leaves_after = 2
    start(point, broker)
    result = pull(broker, "--to", file)
    assert (result.exit_code, "went offline" in result.stderr) == (4, True)
    assert not file.exists()
    offline = pull(broker, "--to", file)
    assert (offline.exit_code, "is offline" in offline.stderr) == (4, True)
    back = OldPoint(broker.host, broker.port, "p01", seed=5)
    back.live(450)
    back._acked = 450
    with (tmp_path / "p01.jsonl.part").open("ab") as torn:
        torn.write(b'{"epoch":"')
    start(back, broker)
    try:
        wait_for(lambda: pull(broker, "--to", file).exit_code == 0)
        assert back.asked == [(401, 450)]
        assert pull(broker, "--to", whole).exit_code == 0
    finally:
        back.stop()
    lines, others = (path.read_text().splitlines()[1:] for path in (file, whole))
    assert lines == others
    assert len(lines) == 451


def test_a_pull_into_a_database_goes_on(broker: Broker, point: OldPoint, tmp_path: Path) -> None:
    db = str(tmp_path / "site.db")
    point.leaves_after = 1
    start(point, broker)
    result = pull(broker, "--db", db)
    assert (result.exit_code, "200 records added" in result.stdout) == (4, True)
    assert rows(db, "SELECT max(seq) FROM records") == [(200,)]
    assert rows(db, "SELECT count(*) FROM alarms") == [(0,)]  # nothing is lost yet


def test_a_rotten_record_is_lost_and_said(broker: Broker, point: OldPoint, tmp_path: Path) -> None:
    db = str(tmp_path / "site.db")
    point.rotten, point.first_seq = frozenset({30, 31}), 11
    start(point, broker)
    assert told(pull(broker, "--db", db, "--json"))["added"] == 438
    lost = rows(db, "SELECT from_seq, to_seq, missing, state FROM alarms ORDER BY from_seq")
    assert lost == [(1, 10, 10, "raised"), (30, 31, 2, "raised")]
    assert rows(db, "SELECT stored_seq FROM epochs") == [(450,)]
    verified = zhuque("log", "verify", NAME, "--db", db, "--broker", broker.url, "--timeout", "3")
    assert (verified.exit_code, "30 to 31" in verified.stdout, "nowhere" in verified.stdout) == (
        1,
        True,
        True,
    )


def test_nobody_there(broker: Broker, tmp_path: Path) -> None:
    result = pull(broker, "--to", tmp_path / "x.jsonl")
    assert (result.exit_code, "never heard of" in result.stderr) == (3, True)
    assert zhuque("log", "pull", NAME, "--to", "x", "--broker", "mqtt://127.0.0.1:1").exit_code == 4
    assert zhuque("log", "pull", "riverside", "--to", "x", "--broker", broker.url).exit_code == 2
    assert list(tmp_path.glob("*.jsonl*")) == []


# Files ----------------------------------------------------------------------------------------------------------------


def journal(*bodies: dict[str, Any], ended: int | None = None, **head: Any) -> str:
    """The text of a file as `log pull --to` writes it."""
    first = {"zhuque": "journal", "wire": 1, "site": "riverside", "point": "p01", "epoch": wire.EPOCH}
    lines: list[dict[str, Any]] = [{**first, "first_seq": 1, "pulled_at": NOW, **head}, *bodies]
    if ended is not None:
        lines.append({"zhuque": "end", "last_seq": ended})
    return "".join(json.dumps(line) + "\n" for line in lines)


def import_(tmp_path: Path, db: str, text: str | bytes, *options: str) -> Result:
    file = tmp_path / "import.jsonl"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return zhuque("log", "import", file, "--db", db, *options)


def test_a_file_carries_a_journal_to_another_machine(
    broker: Broker, point: OldPoint, where: str, tmp_path: Path
) -> None:
    file, direct = tmp_path / "p01.jsonl", str(tmp_path / "direct.db")
    start(point, broker)
    assert told(pull(broker, "--to", file, "--json"))["records"] == 450
    assert pull(broker, "--db", direct).exit_code == 0
    assert told(zhuque("log", "import", file, "--db", where, "--json"))["added"] == 450
    before = sessions(where)
    assert before == sessions(direct)
    assert told(zhuque("log", "import", file, "--db", where, "--json"))["same"] == 450
    assert sessions(where) == before
    assert rows(where, "SELECT seen_at > 0, online FROM points") == [(True, None)]


@pytest.mark.parametrize(
    ("text", "code", "says"),
    [
        (journal(wire.boot(1), ended=1, site="hillside"), 5, "--new-site"),
        (journal(wire.boot(1), ended=1, point="p02"), 5, "the database has it as riverside/p01's"),
        (journal(wire.boot(1), ended=1, wire=2), 1, "upgrade this zhuque"),
        (journal(wire.boot(1), ended=1, wire=0), 1, "wire version 0"),
        (journal(wire.boot(1), ended=1, point="Ä"), 1, "whose journal"),
        (journal(wire.boot(1), ended=1, first_seq="x"), 1, "first_seq"),
        (journal({**wire.boot(1), "epoch": wire.OTHER_EPOCH}), 1, "among those of"),
        (json.dumps(wire.boot(1)) + "\n", 1, "is no journal"),
        ("", 1, "is empty"),
        ("hello\n", 1, "line 1 is no JSON"),
        (journal() + "[1]\n", 1, "line 2"),
        (journal({**wire.boot(1), "x": "y" * 5000}), 1, "longer"),
    ],
)
def test_a_file_that_is_not_taken(tmp_path: Path, text: str, code: int, says: str) -> None:
    db = str(tmp_path / "site.db")
    store = Store(db)
    store.write([decode(wire.RECORD, wire.raw(wire.boot(7)), False, NOW)])
    store.close()
    result = import_(tmp_path, db, text)
    assert (result.exit_code, says in result.stderr) == (code, True), result.stderr
    assert rows(db, "SELECT seq FROM records") == [(7,)]
    assert zhuque("log", "import", tmp_path / "none.jsonl", "--db", db).exit_code == 3


def test_another_site_where_it_is_meant(where: str, tmp_path: Path) -> None:
    assert import_(tmp_path, where, journal(wire.boot(1), ended=1)).exit_code == 0
    other = {**wire.boot(1), "epoch": wire.OTHER_EPOCH}
    text = journal(other, ended=1, site="hillside", epoch=wire.OTHER_EPOCH)
    assert import_(tmp_path, where, text).exit_code == 5
    assert import_(tmp_path, where, text, "--new-site").exit_code == 0
    # Two files after each other are one.
    both = text + journal(wire.boot(1), wire.boot(2), ended=2)
    assert "1 records added, 2 were there" in import_(tmp_path, where, both).output


def test_a_file_that_was_cut_off(where: str, tmp_path: Path) -> None:
    text = journal(wire.boot(1), wire.start(2)) + '{"epoch": "9f3'
    result = import_(tmp_path, where, text)
    assert (result.exit_code, "cut off" in result.stderr) == (0, True)
    assert rows(where, "SELECT count(*) FROM records") == [(2,)]
    assert rows(where, "SELECT count(*) FROM alarms") == [(0,)]


def test_a_bad_record_is_kept_as_a_dead_letter(where: str, tmp_path: Path) -> None:
    result = import_(tmp_path, where, journal(wire.start(1, socket="x"), wire.boot(2), ended=2))
    assert (result.exit_code, "1 break a rule" in result.output) == (0, True)
    assert rows(where, "SELECT reason, seq FROM dead_letters") == [("bad_field", 1)]
    assert rows(where, "SELECT stored_seq FROM epochs") == [(2,)]


def test_a_collector_beside_an_import(broker: Broker, where: str, tmp_path: Path) -> None:
    """It does not know what a file brought, and neither takes it back nor calls it lost."""
    point = JournalPoint(broker.host, broker.port, "p01", seed=5)
    point.live(60)
    point._acked, point.first_seq = 50, 41
    running = Running(broker.url, where, gap_age_s=2.0).connected()
    point.start()
    try:
        wait_for(lambda: rows(where, "SELECT count(*) FROM records") == [(10,)])
        text = journal(*point.records[:50], ended=50, epoch=point.epoch)
        assert import_(tmp_path, where, text).exit_code == 0
        assert rows(where, "SELECT stored_seq FROM epochs") == [(60,)]
        point.live(5)
        wait_for(lambda: point.stored >= 65 or rows(where, "SELECT stored_seq FROM epochs") == [(65,)], 30)
    finally:
        point.stop()
        running.stop()
    assert rows(where, "SELECT count(*) FROM alarms") == [(0,)]
    assert rows(where, "SELECT count(*) FROM records") == [(65,)]
    assert rows(where, "SELECT stored_seq FROM epochs") == [(65,)]


def test_a_loss_counts_only_what_is_nowhere(where: str) -> None:
    """The collector that declares it has not seen what another process stored."""
    mine, other = Store(where), Store(where)
    mine.write([decode(wire.RECORD, wire.raw(wire.boot(6)), False, NOW)])
    items = [decode(wire.RECORD, wire.raw(wire.boot(seq)), False, NOW) for seq in (1, 2, 4)]
    assert all(isinstance(item, Record | DeadLetter) for item in items)
    other.write(items)
    mine.write([Lost("riverside", "p01", wire.EPOCH, 6, "gone", NOW)])
    assert rows(where, "SELECT from_seq, to_seq, missing FROM alarms") == [(3, 5, 2)]
    assert mine.stored(("riverside", "p01", wire.EPOCH)) == 6
    mine.close()
    other.close()
