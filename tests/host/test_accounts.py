"""`zhuque account`: few personal data, exportable, and erasable without losing a session."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tests.fakes.collecting import rows
from tests.host import wire_samples as wire
from zhuque.cli import main
from zhuque.collector.ingest import decode
from zhuque.errors import UsageError
from zhuque.sim.broker import Broker
from zhuque.store.accounts import plain_number
from zhuque.store.write import Store

NOW = 1764000100
PHONE = "138 0013 8000"


def zhuque(*arguments: str | Path, input: str | None = None) -> Result:
    environment = {"ZHUQUE_DB": ""}
    return CliRunner().invoke(main, [str(a) for a in arguments], env=environment, input=input)


@pytest.fixture
def db(where: str) -> str:
    """Two sessions, of r-0412 and of r-0500."""
    store = Store(where)
    bodies = [wire.start(1), wire.end(2, 1, 402113), wire.start(3, account="r-0500"), wire.end(4, 3, 7)]
    store.write([decode(wire.RECORD, wire.raw(body), False, NOW) for body in bodies])
    store.close()
    return where


def add(db: str, account: str, *options: str) -> Result:
    return zhuque("account", "add", account, "--db", db, *options)


def listed(db: str, *options: str) -> list[dict[str, Any]]:
    result = zhuque("account", "list", "--db", db, "--json", *options)
    assert result.exit_code == 0, result.output
    out: list[dict[str, Any]] = json.loads(result.output)
    return out


def test_an_account_is_added_and_found(db: str) -> None:
    person = (
        "--name",
        "Li Wei",
        "--flat",
        "3-201",
        "--phone",
        PHONE,
        "--card",
        "04A1B2C3",
        "--note",
        "pays cash",
    )
    assert add(db, "r-0412", *person).exit_code == 0
    assert add(db, "r-0007", "--name", "Wang Fang", "--phone", "+86 139-0000-0000").exit_code == 0
    wang, li = listed(db)
    assert (li["account"], li["name"], li["flat"], li["cards"]) == ("r-0412", "Li Wei", "3-201", ["04A1B2C3"])
    assert (li["phone_known"], li["disabled_at"], wang["cards"]) == (True, None, [])
    assert listed(db, "--card", "04A1B2C3") == [li]
    assert listed(db, "--phone", "+8613800138000") == [li]
    assert listed(db, "--phone", "13900000000") == [wang]
    assert listed(db, "--phone", "13900000001") == listed(db, "--card", "other") == []
    assert "Li Wei" in zhuque("account", "list", "--db", db).output
    shown = json.loads(zhuque("account", "show", "r-0412", "--db", db, "--json").output)
    assert (shown["sessions"], shown["energy_wh"], shown["name"]) == (1, 402.113, "Li Wei")
    assert "Li Wei" in zhuque("session", "show", f"{wire.EPOCH}-1", "--db", db).output


def test_the_number_itself_is_nowhere(db: str, tmp_path: Path) -> None:
    result = zhuque("account", "add", "r-0412", "--phone", "-", "--db", db, input=PHONE + "\n")
    assert result.exit_code == 0
    assert "8000" not in result.output + str(rows(db, "SELECT * FROM accounts"))
    assert len(listed(db, "--phone", PHONE)) == 1
    assert plain_number("0086 (138) 0013-8000") == plain_number(PHONE) == "13800138000"
    with pytest.raises(UsageError, match="5 to 15 digits"):
        plain_number("ask his wife")


@pytest.mark.parametrize(
    ("account", "options", "code", "says"),
    [
        ("r-0412", [], 1, "exists"),
        ("r-9", ["--card", "AA"], 1, "account r-0412's"),
        ("r-9", ["--card", "A A"], 2, "a card"),
        ("r 9", [], 2, "without blanks or slashes, is 'r 9'"),
        ("r" * 33, [], 2, "1 to 32 bytes"),
        ("r-9", ["--name", "a\nb"], 2, "the name"),
        ("r-9", ["--phone", "12"], 2, "telephone number"),
    ],
)
def test_what_cannot_be_added(db: str, account: str, options: list[str], code: int, says: str) -> None:
    assert add(db, "r-0412", "--card", "AA").exit_code == 0
    result = add(db, account, *options)
    assert (result.exit_code, says in result.stderr) == (code, True), result.stderr
    assert [one["account"] for one in listed(db)] == ["r-0412"]


def test_disable_and_enable(db: str) -> None:
    add(db, "r-0412")
    assert zhuque("account", "disable", "r-0412", "--db", db).exit_code == 0
    assert listed(db)[0]["disabled_at"] is not None
    assert "disabled" in zhuque("account", "show", "r-0412", "--db", db).output
    assert zhuque("account", "enable", "r-0412", "--db", db).exit_code == 0
    assert listed(db)[0]["disabled_at"] is None


def test_erasing_forgets_the_person_and_keeps_the_sessions(db: str) -> None:
    add(db, "r-0412", "--name", "Li Wei", "--flat", "3-201", "--phone", PHONE, "--card", "AA", "--note", "x")
    before = rows(db, "SELECT * FROM sessions ORDER BY session")
    declined = zhuque("account", "erase", "r-0412", "--db", db, input="n\n")
    assert (declined.exit_code, listed(db)[0]["name"]) == (1, "Li Wei")
    assert zhuque("account", "erase", "r-0412", "--yes", "--db", db).exit_code == 0
    (left,) = listed(db)
    assert left["erased_at"] is not None and left["disabled_at"] is not None
    assert [left[name] for name in ("name", "flat", "note", "phone_known", "cards")] == [None] * 3 + [
        False,
        [],
    ]
    assert rows(db, "SELECT * FROM sessions ORDER BY session") == before
    assert rows(db, "SELECT count(*) FROM cards") == [(0,)]
    if "://" not in db:
        content = b"".join(path.read_bytes() for path in Path(db).parent.glob(Path(db).name + "*"))
        assert b"Li Wei" not in content and b"3-201" not in content
    assert add(db, "r-0009", "--card", "AA").exit_code == 0  # the card is free again
    assert listed(db, "--phone", PHONE) == []
    enabled = zhuque("account", "enable", "r-0412", "--db", db)
    assert enabled.exit_code == 1 and "give the person a new id" in enabled.stderr


def test_export_gives_a_person_what_is_known_of_them(db: str, tmp_path: Path) -> None:
    add(db, "r-0412", "--name", "Li Wei", "--card", "AA")
    file = tmp_path / "r-0412.jsonl"
    assert zhuque("account", "export", "r-0412", "--to", file, "--db", db).exit_code == 0
    person, *sessions = [json.loads(line) for line in file.read_text().splitlines()]
    assert (person["name"], person["cards"]) == ("Li Wei", ["AA"])
    assert [(row["account"], row["energy_wh"]) for row in sessions] == [("r-0412", 402.113)]
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_disabled_account_starts_nothing(db: str, broker: Broker) -> None:
    add(db, "r-0412")
    assert zhuque("account", "disable", "r-0412", "--db", db).exit_code == 0
    start = ("socket", "start", "riverside/p01/3", "--broker", broker.url, "--timeout", "0.3", "--account")
    refused = zhuque(*start, "r-0412", "--db", db)
    assert refused.exit_code == 5 and "`zhuque account enable r-0412` lets it charge again" in refused.stderr
    for others in (("r-0412",), ("r-0500", "--db", db), ("r-0412", "--db", str(Path(db + ".none")))):
        if "://" not in others[-1]:
            assert zhuque(*start, *others).exit_code == 4, "asked for, and nobody is there"
    assert zhuque("account", "enable", "r-0412", "--db", db).exit_code == 0
    assert zhuque(*start, "r-0412", "--db", db).exit_code == 4


@pytest.mark.parametrize("command", ["show", "disable", "enable", "erase", "export"])
def test_an_unknown_account(db: str, tmp_path: Path, command: str) -> None:
    add(db, "r-0412")
    options = {"erase": ["--yes"], "export": ["--to", str(tmp_path / "x")]}.get(command, [])
    result = zhuque("account", command, "r-0421", *options, "--db", db)
    assert result.exit_code == 3
    assert "the nearest" in result.stderr and "r-0412" in result.stderr
    assert not (tmp_path / "x").exists()


def test_an_account_that_only_sessions_name(db: str) -> None:
    result = zhuque("account", "show", "r-0500", "--db", db)
    assert (result.exit_code, "only sessions name it" in result.output) == (0, True)


# Import ---------------------------------------------------------------------------------------------------------------


def import_(tmp_path: Path, db: str, content: str | bytes) -> Result:
    file = tmp_path / "residents.csv"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return zhuque("account", "import", file, "--db", db)


def test_import_adds_and_changes(db: str, tmp_path: Path) -> None:
    add(db, "r-0412", "--name", "Li", "--phone", PHONE, "--card", "AA")
    table = "\ufeffaccount,name,flat,phone,cards\r\nr-0412,李伟,3-201,,BB CC\r\nr-0413,Wang Fang,,13900000000,\r\n"
    result = import_(tmp_path, db, table)
    assert result.output == "1 accounts added, 1 changed\n"
    li, wang = listed(db)
    assert (li["name"], li["flat"], li["cards"], li["phone_known"]) == ("李伟", "3-201", ["BB", "CC"], True)
    assert (wang["name"], wang["flat"]) == ("Wang Fang", None)
    assert import_(tmp_path, db, table).output == "0 accounts added, 2 changed\n"
    assert listed(db, "--phone", PHONE)[0]["account"] == "r-0412"


def test_what_the_file_has_no_column_for_stays(db: str, tmp_path: Path) -> None:
    add(db, "r-0412", "--name", "Li", "--flat", "3-201", "--card", "AA")
    assert import_(tmp_path, db, "account,flat\nr-0412,3-202\n").exit_code == 0
    (li,) = listed(db)
    assert (li["name"], li["flat"], li["cards"]) == ("Li", "3-202", ["AA"])
    assert import_(tmp_path, db, "account,flat\nr-0412,\n").exit_code == 0
    assert (listed(db)[0]["flat"], listed(db)[0]["name"]) == (None, "Li")


def test_a_card_goes_from_one_to_the_other_in_any_order(db: str, tmp_path: Path) -> None:
    add(db, "r-1", "--card", "AA")
    add(db, "r-2", "--card", "BB")
    assert import_(tmp_path, db, "account,cards\nr-1,BB\nr-2,AA\n").exit_code == 0
    assert [one["cards"] for one in listed(db)] == [["BB"], ["AA"]]


def test_lines_of_empty_cells_are_none(db: str, tmp_path: Path) -> None:
    result = import_(tmp_path, db, "account,name\r\nr-1,Li\r\n,\r\n,\r\n")
    assert (result.exit_code, [one["account"] for one in listed(db)]) == (0, ["r-1"])


@pytest.mark.parametrize(
    ("table", "code", "says"),
    [
        ("name\nLi\n", 2, "account must be there"),
        (
            "account;name\nr-1;Li\n",
            2,
            "with commas between them; account must be there; it is 'account;name'",
        ),
        ("account,name,name\nr-1,Li,Wang\n", 2, "each once"),
        ("account,birthday\nr-1,x\n", 2, "must name columns"),
        ("account,name\nr-1,Li\nr-1,Wang\n", 2, "line 3: account r-1 stands in line 2"),
        ("account,name\nr-1,Li\nr-2\n", 2, "line 3: it has not as many cells"),
        ("account,name\nr-1,Li,x\n", 2, "line 2: it has not as many cells"),
        ("account,phone\nr-1,12\n", 2, "line 2: no telephone number"),
        ("account,cards\nr-1,AA\nr-2,AA\n", 1, "account r-1's"),
        ("account,name\nr-1,Li\nr-8,Zhao\n", 1, "was erased"),
        ("account,name\nr-1,李\n".encode("gb18030"), 2, "UTF-8"),
    ],
)
def test_a_wrong_line_and_nothing_is_imported(
    db: str, tmp_path: Path, table: str | bytes, code: int, says: str
) -> None:
    add(db, "r-8")
    zhuque("account", "erase", "r-8", "--yes", "--db", db)
    result = import_(tmp_path, db, table)
    assert (result.exit_code, says in result.stderr) == (code, True), result.stderr
    assert [one["account"] for one in listed(db)] == ["r-8"]
    assert zhuque("account", "import", tmp_path / "none.csv", "--db", db).exit_code == 3


def test_columns_stand_under_each_other_with_chinese_names(db: str) -> None:
    add(db, "r-0412", "--name", "李伟", "--note", "pays")
    add(db, "r-0500", "--name", "Wang Fang", "--note", "cash")
    listed = zhuque("account", "list", "--db", db).output.splitlines()
    ends = {len(line.encode("gb18030")) for line in listed}  # two bytes there, as two columns on a terminal
    assert len(ends) == 1, listed
