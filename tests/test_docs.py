"""The documentation against the code: the tables of protection, sessions and wire, and the links."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from core import causes, session
from wire import codes, records, words
from zhuque.device import layout
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


def constant(file: str, name: str) -> int:
    """A module's constant, of its source."""
    for node in ast.parse((ROOT / "firmware" / f"{file}.py").read_text()).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
            return int(eval(ast.unparse(node.value), {"const": int}))
    raise AssertionError(f"{file} has no {name}")


def quantities(*names: str) -> list[str]:
    """The constants as a reader is told them, by the ends of their names."""
    said = []
    for name in names:
        file, name = name.split(": ")
        value = constant(file, name)
        if name.endswith(("_MS", "_MV", "_MA")):
            unit = name[-1]
            small = value % 1000 or not value
            said.append(f"{value if small else value // 1000} {'m' if small else ''}{unit.replace('S', 's')}")
        elif name.endswith("_DC"):
            said.append(f"{value / 10:.1f} °C")
        elif name.endswith("_PERCENT"):
            said.append(f"{value} %")
        elif name.endswith("_TIMES_RATED"):
            said.append(f"{value} x")
        else:
            said.append(str(value))
    return said


QUANTITY = re.compile(
    r"\d+(?:\.\d+)? (?:ms|s|V|A|mA|°C|x|%)(?!\w)|\d+ to \d+ V|\b\d+(?= counts' worth)|in \d+ consecutive|\d\.\d\d\b"
)
GOOD_VOLTAGE = (
    f"{constant('core/supply', 'GOOD_LOW_MV') // 1000} to {constant('core/supply', 'GOOD_HIGH_MV') // 1000} V"
)
# What the cells `sets` and `clears` of a row tell, in their order; a text stands for itself.
NUMBERS = {
    "internal": [
        *quantities("core/protection: SLOW_TICK_SPAN_MS", "core/protection: SLOW_TICK_MS"),
        *quantities("core/protection: LEASE_MS"),
    ],
    "emergency_stop": [],
    "smoke": [],
    "residual_current": [],
    "overcurrent_instant": [
        f"{constant('core/judge', 'INSTANT_TIMES_RATED')}.0 x",
        f"in {constant('core/judge', 'INSTANT_WINDOWS')} consecutive",
        *quantities("core/judge: INRUSH_TIMES_RATED", "core/judge: INRUSH_MS", "core/judge: INRUSH_FROM_MA"),
    ],
    "relay_welded": [
        *quantities("core/judge: WELD_AFTER_MS", "core/judge: WELD_MA", "core/judge: WELD_MS"),
        *quantities("core/judge: LEAK_MA", "core/judge: LEAK_MS", "core/protection: FED_MS"),
    ],
    "overcurrent": [
        *quantities("core/thermal: TAU_MS"),
        f"{constant('core/thermal', 'THETA_TRIP') / constant('core/thermal', 'THETA_ONE'):.2f}",
    ],
    "overpower": quantities("core/judge: OVERPOWER_MS", "core/judge: OVERPOWER_MS"),
    "overtemperature": [
        *quantities("core/supply: HOT_DC", "core/supply: WARM_DC", "core/supply: TEMPERATURE_SILENT_MS"),
        *quantities("core/supply: COOL_DC"),
    ],
    "overvoltage": [
        *quantities("core/supply: OVER_MV", "core/supply: OVER_MS", "core/supply: HIGH_MV"),
        *quantities("core/supply: HIGH_MS", "core/supply: NEUTRAL_MV"),
        GOOD_VOLTAGE,
        *quantities("core/supply: GOOD_MS"),
    ],
    "undervoltage": [
        *quantities("core/supply: UNDER_MV", "core/supply: UNDER_MS"),
        GOOD_VOLTAGE,
        *quantities("core/supply: GOOD_MS"),
    ],
    "meter_implausible": [
        *quantities("core/protection: IMPLAUSIBLE_PERCENT", "core/protection: IMPLAUSIBLE_SPAN_MS"),
        *quantities("core/energy: FROZEN_COUNTS"),
        f"{constant('main', 'TRUST_AGAIN_LOOKS') * constant('main', 'METER_LOOK_MS') // 1000} s",
        *quantities("core/protection: IMPLAUSIBLE_SPAN_MS"),
        f"{constant('main', 'NOISY_LOOKS') * constant('main', 'METER_LOOK_MS') // 1000} s",
    ],
    "meter_stale": [
        *quantities("core/judge: SLOW_STALE_MS", "core/supply: SILENT_MS", "core/protection: MAX_GAP_MS"),
        *quantities("core/judge: STALE_CLEAR_MS"),
    ],
    "point_overload": [
        *quantities("core/load: NEW_MA", "core/load: NEW_MS"),
        "100 %",
        *quantities("core/load: SHED_MS", "core/load: ALL_PERCENT", "core/load: ALL_MS"),
        *quantities("core/load: START_PERCENT", "core/load: NEW_MA"),
        *quantities("core/load: CLEAR_MS", "core/load: CLEAR_PERCENT"),
    ],
}


@pytest.mark.parametrize("cause", codes.CAUSES)
def test_the_numbers_of_a_causes_row_are_those_of_the_code(cause: str) -> None:
    (row,) = [row for row in rows(FIRMWARE, "| cause | sets | clears |") if names(row[0])[0] == cause]
    assert QUANTITY.findall(f"{row[1]} {row[2]}") == NUMBERS[cause]


def test_only_the_rows_that_say_so_are_reset_at_the_point() -> None:
    local = {
        names(row[0])[0]
        for row in rows(FIRMWARE, "| cause | sets | clears |")
        if re.search(r"reset (there|at the point) only", row[2])
    }
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


def test_the_way_out_of_a_recovery_that_fails_erases_the_journal() -> None:
    journal = layout.JOURNAL
    assert f"erase-region 0x{journal.offset:x} 0x{journal.size:x}`" in FIRMWARE


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


def test_every_state_of_a_point_is_told() -> None:
    (told,) = re.findall(r"^`state` is one of (.*?) \(", WIRE, re.M | re.S)
    assert names(told) == list(words.POINT_STATES)


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
