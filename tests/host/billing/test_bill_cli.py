"""`zhuque bill` and `zhuque report` as the office types them."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result
from pypdfium2 import PdfDocument

from tests.host.billing.test_month import SITE, YEAR, fill, line
from tests.host.billing.test_tariff import GOOD
from zhuque.cli import main
from zhuque.store.engine import open_writer
from zhuque.store.schema import costs

MONTH = f"{YEAR}-06"
TOML = f"""name = "{SITE}"
id = "0123456789abcdef"
time_zone = "Asia/Shanghai"
database = "site.db"

[broker]
host = "127.0.0.1"
"""


@pytest.fixture
def garage(tmp_path: Path) -> Path:
    (tmp_path / "site.toml").write_text(TOML + GOOD)
    return tmp_path


def run(folder: Path, *words: str) -> Result:
    return CliRunner().invoke(main, [*words, "--site", str(folder)])


def change(folder: Path, statement: sa.Update | sa.Delete) -> None:
    engine = open_writer(folder / "site.db")
    with engine.begin() as db:
        db.execute(statement)
    engine.dispose()


def test_from_records_to_a_printed_month(garage: Path) -> None:
    truth = fill(str(garage / "site.db"), 21, 2)
    of_month = line([x for x in truth if (x.ended.year, x.ended.month) == (YEAR, 6)])
    change(garage, sa.delete(costs))
    before = run(garage, "report", "month", MONTH)
    assert f"{of_month.sessions} sessions have no price" in before.output
    priced = run(garage, "bill", "price", MONTH)
    assert (priced.exit_code, priced.output) == (0, f"{of_month.sessions} sessions priced, 0 had a price\n")
    again = run(garage, "bill", "price", MONTH)
    assert again.output == f"0 sessions priced, {of_month.sessions} had a price\n"
    files = ["--csv", str(garage / "m.csv"), "--pdf", str(garage / "m.pdf")]
    report = run(garage, "report", "month", MONTH, "--json", *files)
    assert report.exit_code == 0, report.output
    total = json.loads(report.output)["total"]
    assert (total["sessions"], total["total_fen"]) == (of_month.sessions, of_month.fen)
    rows = list(csv.DictReader((garage / "m.csv").open()))
    for group in {row["group"] for row in rows}:
        of_group = [row for row in rows if row["group"] == group]
        assert sum(int(row["total_fen"]) for row in of_group) == of_month.fen
        wh = [row["energy_wh"].replace(".", "") for row in of_group]
        assert sum(map(int, wh)) == of_month.energy_mwh
    assert (garage / "m.pdf").read_bytes().startswith(b"%PDF")
    table = run(garage, "report", "month", MONTH, "--by", "socket")
    assert table.output.splitlines()[0].startswith("socket") and "p01/1" in table.output


def test_the_month_names_whom_it_knows(garage: Path) -> None:
    truth = fill(str(garage / "site.db"), 21, 1)
    account = next(x.account for x in truth if (x.ended.year, x.ended.month) == (YEAR, 6))
    told = ["account", "add", account, "--name", "王芳", "--flat", "3-502", "--phone", "13800138000"]
    assert run(garage, *told).exit_code == 0

    def shown(*options: str) -> tuple[str, str]:
        """The table and the pages."""
        pdf = garage / "m.pdf"
        result = run(garage, "report", "month", MONTH, "--pdf", str(pdf), *options)
        assert result.exit_code == 0, result.output
        return result.output, "".join(page.get_textpage().get_text_range() for page in PdfDocument(pdf))

    table, pages = shown()
    (row,) = [row.split() for row in table.splitlines() if row.startswith(account)]
    assert row[1:3] == ["王芳", "3-502"]
    assert account in pages and "王芳" in pages and "3-502" in pages
    for text in shown("--anonymous"):
        assert account in text and "王芳" not in text and "3-502" not in text
    assert run(garage, "account", "erase", account, "--yes").exit_code == 0
    for text in shown():
        assert account in text and "王芳" not in text and "3-502" not in text


def test_a_bill_is_proven_or_the_difference_is_said(garage: Path) -> None:
    fill(str(garage / "site.db"), 22, 1)
    assert run(garage, "bill", "check", MONTH).output == "every price comes out again\n"
    change(garage, sa.update(costs).values(service_fen=costs.c.service_fen + 1))
    wrong = run(garage, "bill", "check", MONTH)
    assert wrong.exit_code == 1 and "do not come out again" in wrong.output
    listed = run(garage, "bill", "check", MONTH, "--json")
    assert listed.exit_code == 1 and '"why": ' in listed.output
    assert run(garage, "bill", "price", MONTH, "--again").exit_code == 0
    assert run(garage, "bill", "check", MONTH).exit_code == 0


def test_the_tariff_is_shown(garage: Path) -> None:
    shown = run(garage, "bill", "tariff")
    assert shown.exit_code == 0 and "08:00-11:00  peak" in shown.output
    assert "  service, up to 200 W: 30 fen/kWh, 0 fen an hour\n" in shown.output
    assert "  a session: at least 0.50 yuan, at most 10.00 yuan, free up to 5 min\n" in shown.output
    assert json.loads(run(garage, "bill", "tariff", "--json").output)[0] == {
        "version": "2026-10",
        "from": "2026-10-01",
        "hours": "00:00-08:00",
        "period": "valley",
        "fen_per_kwh": 30.71,
        "free_minutes": 5,
        "minimum_fen": 50,
        "cap_fen": 1000,
        "service": [
            {"up_to_w": 200, "fen_per_kwh": 30.0, "fen_per_hour": 0.0},
            {"up_to_w": None, "fen_per_kwh": 40.0, "fen_per_hour": 5.0},
        ],
    }


def test_what_is_refused(garage: Path, tmp_path: Path) -> None:
    open_writer(garage / "site.db").dispose()
    assert run(garage, "report", "month", "2026-13").exit_code == 2
    assert run(garage, "bill", "price", "2026").exit_code == 2
    nowhere = run(garage, "report", "month", MONTH, "--pdf", str(tmp_path / "no" / "m.pdf"))
    assert nowhere.exit_code == 3 and "make it first" in nowhere.output
    (garage / "site.toml").write_text(TOML)
    without = run(garage, "bill", "price", MONTH)
    assert without.exit_code == 3 and "has no tariff" in without.output
    (garage / "site.toml").write_text(TOML + GOOD.replace('"11:00-17:00"', '"11:00-16:00"'))
    gap = run(garage, "bill", "price", MONTH)
    assert gap.exit_code == 1 and "line 9: tariff '2026-10': no period holds 16:00-17:00" in gap.output
    later = GOOD.replace("2026-10", "2026-12").replace('"11:00-17:00"', '"11:00-18:00"')
    (garage / "site.toml").write_text(TOML + GOOD + later)
    line = 9 + GOOD.count("\n")
    overlap = run(garage, "bill", "price", MONTH)
    assert f"line {line}: tariff '2026-12': more than one period holds 17:00-18:00" in overlap.output
    assert CliRunner().invoke(main, ["bill", "price", MONTH, "--db", str(garage / "site.db")]).exit_code == 2
