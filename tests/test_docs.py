"""The documentation against the code: the tables of protection, sessions and wire, and the links."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from core import causes, session
from wire import codes, records
from zhuque.wire import commands

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
ROOT = Path(__file__).resolve().parent.parent
FIRMWARE = (ROOT / "firmware" / "README.md").read_text()
HOST = (ROOT / "host" / "README.md").read_text()
WIRE = (ROOT / "firmware" / "wire" / "README.md").read_text()


def clears(bit: int) -> str:
    """With what words the third cell of a cause's row begins."""
    if bit & causes.LOCKOUTS:
        return "lockout"
    return (
        "by itself"
        if bit & causes.HOLDS
        else {causes.INTERNAL: "restart", causes.POINT_OVERLOAD: "shed"}[bit]
    )


def rows(text: str, heading: str) -> list[list[str]]:
    """The cells of the table whose first line is `heading`."""
    lines = text[text.index(heading) :].splitlines()
    return [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in (lines[2:] if "---" in lines[1] else lines)
        if line.startswith("|")
    ][: next((n for n, line in enumerate(lines[2:]) if not line.startswith("|")), len(lines))]


def names(cell: str) -> list[str]:
    return re.findall(r"`([a-z_]+)`", cell)


def test_every_cause_has_its_row_in_order_of_precedence() -> None:
    table = rows(FIRMWARE, "| cause | sets | clears |")
    assert [names(row[0])[0] for row in table] == list(codes.CAUSES)
    for row in table:
        assert row[2].startswith(clears(causes.bit(names(row[0])[0]))), row[0]


def test_only_the_rows_that_say_so_are_reset_at_the_point() -> None:
    local = {names(row[0])[0] for row in rows(FIRMWARE, "| cause | sets | clears |") if "only" in row[2]}
    assert local == {name for name in codes.CAUSES if causes.bit(name) & causes.LOCAL_ONLY}
    whole = {
        names(row[0])[0] for row in rows(FIRMWARE, "| cause | sets | clears |") if "whole point" in row[2]
    }
    assert whole == {
        name for name in codes.CAUSES if causes.bit(name) & (causes.INPUTS | causes.OVERTEMPERATURE)
    }


def test_the_hosts_table_of_lockouts_is_that_of_the_board() -> None:
    told = {name: row[1:] for row in rows(HOST, "| locked for | what | reset by |") for name in names(row[0])}
    assert set(told) == {name for name in codes.CAUSES if causes.bit(name) & causes.LOCKOUTS}
    for name, (what, how) in told.items():
        bit = causes.bit(name)
        assert what == ("the whole point" if bit & (causes.INPUTS | causes.OVERTEMPERATURE) else "the socket")
        assert ("at the point, with `--port`" in how) == bool(bit & causes.LOCAL_ONLY)


def test_every_rule_of_time_has_its_place_and_its_test() -> None:
    table = rows(FIRMWARE, "| rule | in | test |")
    assert len(table) > 20
    for rule, place, test in table:
        for cell, folder in ((place, "firmware"), (test, "tests")):
            file, name = cell.strip("`").split(": ")
            tree = ast.parse((ROOT / folder / f"{file}.py").read_text())
            found = {node.name for node in ast.walk(tree) if isinstance(node, FUNCTIONS)}
            assert name in found, f"{rule}: there is no {name} in {folder}/{file}.py"


def test_the_session_table_is_the_codes() -> None:
    told = set()
    for states, event, to in rows(FIRMWARE, "| from | event | to |"):
        told.update((state, event.split()[0].rstrip(":,"), names(to)[0]) for state in names(states))
    assert told == {(state, event, to) for (state, event), to in session.TRANSITIONS.items()}


def test_every_record_kind_lists_its_keys() -> None:
    table = {names(row[0])[0]: names(row[1]) for row in rows(WIRE, "| kind | further keys |")}
    assert list(table) == list(codes.RECORD_KINDS)
    for kind, fields in records.FIELDS.items():
        told = table[kind]
        if kind == "session_end":  # "the same totals": those of the row above
            told = told + table["session_checkpoint"]
        assert {name for name, _ in fields} <= set(told), kind


def test_every_op_that_is_implemented_is_described() -> None:
    described = {name for row in rows(WIRE, "| op | keys beside") for name in names(row[0])}
    assert described == set(codes.OPS)
    assert set(commands._COMMAND_FIELDS) == set(codes.OPS)


READMES = [
    path for path in sorted(ROOT.glob("*/**/README*.md")) if path.relative_to(ROOT).parts[0] != "build"
]


@pytest.mark.parametrize("readme", [ROOT / "README.md", ROOT / "README.zh-CN.md", *READMES], ids=str)
def test_links_lead_somewhere(readme: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", readme.read_text()):
        assert (readme.parent / target).exists(), f"{readme}: {target}"


def frame(text: str) -> tuple[list[int], list[str], list[str]]:
    """The levels of the headings in order, the code blocks word for word, and where links and pictures lead."""
    blocks = re.findall(r"^```.*?^```$", text, re.M | re.S)
    prose = re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S)
    levels = [len(marks) for marks in re.findall(r"^(#+) ", prose, re.M)]
    links = [link for link in re.findall(r"\]\(([^)]+)\)", prose) if not link.startswith("README.")]
    return levels, blocks, links


def test_the_chinese_readme_is_the_english_one() -> None:
    """Headings, commands, links and rows of tables are the same; only the words between them are another language."""
    english, chinese = (ROOT / name for name in ("README.md", "README.zh-CN.md"))
    texts = english.read_text(), chinese.read_text()
    (levels, blocks, links), found = frame(texts[0]), frame(texts[1])
    assert found[0] == levels, "the headings differ: translate what was added to README.md"
    assert found[1] == blocks, "the code blocks differ: copy them from README.md word for word"
    assert found[2] == links
    tables = [
        [line.split("|")[1].strip() for line in text.splitlines() if line.startswith("| `")] for text in texts
    ]
    assert tables[0] == tables[1]
    assert len(re.findall(r"[\u4e00-\u9fff]", texts[1])) > 400
