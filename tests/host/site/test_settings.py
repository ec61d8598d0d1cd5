"""site.toml: what is read from it, and how a person is told what is wrong with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from zhuque.errors import NotFoundError
from zhuque.site.create import Wish, site_toml
from zhuque.site.settings import SiteError, load, parse

GOOD = """\
name = "riverside"
id = "0123456789abcdef"
time_zone = "Asia/Shanghai"
database = "site.db"

[wifi]
ssid = "garage"

[broker]
host = "192.168.1.10"

[limits]
rated_ma = 4000

[places]
"A-1" = "p01/1"
"A-2" = "p01/2"

[[tariff]]
version = "first"
from = 2026-10-01
[tariff.periods.all]
fen_per_kwh = 60
hours = ["00:00-24:00"]
"""


def test_a_good_one(tmp_path: Path) -> None:
    site = parse(GOOD, tmp_path)
    assert (site.name, site.broker_port, site.people_port) == ("riverside", 8883, 8884)
    assert site.broker_url == "mqtts://192.168.1.10:8884"
    assert site.database == str(tmp_path / "site.db")
    assert site.places == {"A-1": ("p01", 1), "A-2": ("p01", 2)}
    assert site.points == ["p01"] and site.limits == {"rated_ma": 4000}
    assert [tariff.version for tariff in site.tariffs] == ["first"]


def test_a_tariff_by_half_hours_needs_a_zone_of_half_hours(tmp_path: Path) -> None:
    zone = GOOD.replace("Asia/Shanghai", "Asia/Kathmandu")
    assert len(parse(zone, tmp_path).tariffs) == 1  # one price all day
    night = '[tariff.periods.night]\nfen_per_kwh = 30\nhours = ["22:00-24:00"]\n'
    with pytest.raises(SiteError, match="not whole half hours"):
        parse(zone.replace("00:00-24:00", "00:00-22:00") + night, tmp_path)


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    layout = {"车位 1": ("p01", 1), 'say "A"': ("p02", 16)}
    wish = Wish(
        "r", "UTC", 'the "wifi"\\', "::1", time_host="time.example", layout=layout, limits={"rated_ma": 600}
    )
    site = parse(site_toml(wish, "0123456789abcdef"), tmp_path)
    assert (site.wifi_ssid, site.places, site.limits) == ('the "wifi"\\', layout, {"rated_ma": 600})
    assert site.broker_url == "mqtts://[::1]:8884"


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ('name = "riverside"', 'name = "River Side"', 1, "1 to 32 of a-z"),
        ('"00:00-24:00"', '"00:00-23:00"', 19, "no period holds 23:00-24:00"),
        ("[[tariff]]", "[tariff]", 19, "write each version as a table of its own, [[tariff]]"),
        ('name = "riverside"', "name = 7", 1, "must be a text in quotes"),
        ('name = "riverside"\n', "", 1, "name is missing"),
        ('id = "0123456789abcdef"', 'id = "0123456789abcdeg"', 2, "put back what was there"),
        ('"Asia/Shanghai"', '"Asia/Shanghigh"', 3, "no time zone"),
        ('"site.db"', '"postgresql://zhuque:secret@db/zhuque"', 4, "~/.pgpass"),
        ('"site.db"', '"mysql://db/zhuque"', 4, "postgresql://"),
        ('ssid = "garage"', 'sid = "garage"', 7, "is ssid meant?"),
        ('ssid = "garage"', f'ssid = "{"x" * 33}"', 7, "1 to 32 characters"),
        ("[broker]", "[brokers]", 9, "is broker meant?"),
        ('host = "192.168.1.10"', 'host = "mqtts://192.168.1.10"', 10, "without mqtts://"),
        ('host = "192.168.1.10"', 'host = "192.168.1.10"\nport = 99999', 11, "1 to 65535"),
        ("rated_ma = 4000", 'rated_ma = "4000"', 13, "whole number without quotes"),
        ("rated_ma = 4000", "rated_ma = true", 13, "whole number without quotes"),
        ("rated_ma = 4000", "rated_ma = 40", 13, "500 to 16000"),
        ('"A-2" = "p01/2"', '"A-2" = "p01/1"', 17, "as place 'A-1' does"),
        ('"A-2" = "p01/2"', '"A-2" = "p01"', 17, "POINT/SOCKET"),
        ('"A-2" = "p01/2"', '"A-2" = "p01/0"', 17, "sockets 1 to 16"),
        ('"A-2" = "p01/2"', '"A-2" = "p01/²"', 17, "POINT/SOCKET"),
        ('[wifi]\nssid = "garage"', 'wifi = "garage"', 6, "[wifi] on a line of its own"),
    ],
)
def test_nonsense_is_told_with_line_and_remedy(
    tmp_path: Path, old: str, new: str, line: int, said: str
) -> None:
    assert old in GOOD
    with pytest.raises(SiteError) as caught:
        parse(GOOD.replace(old, new, 1), tmp_path)
    [problem] = [text for text in caught.value.problems if said in text]
    assert problem.startswith(f"site.toml line {line}: ")
    assert "secret" not in str(caught.value)


def test_every_problem_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(SiteError) as caught:
        parse(GOOD.replace("4000", "1").replace("garage", "").replace("p01/1", "x"), tmp_path)
    assert len(caught.value.problems) == 3


def test_what_is_no_toml_names_its_line(tmp_path: Path) -> None:
    with pytest.raises(SiteError, match="line 3"):
        parse(GOOD.replace('"Asia/Shanghai"', "Asia/Shanghai"), tmp_path)


def test_a_folder_without_a_site_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="zhuque site init"):
        load(tmp_path)


@pytest.mark.parametrize("content", [b"\xff\xfe", b"\0" * 100, b"[" * 3000])
def test_bytes_that_are_no_text(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "site.toml").write_bytes(content)
    with pytest.raises(SiteError, match=r"site\.toml"):
        load(tmp_path)
