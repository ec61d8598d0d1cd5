"""The inventory's rules: which board may be which point, what is issued to it, and what becomes of it."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from tests.fakes.garage import WIFI_PASSWORD, make_site
from zhuque.errors import NotFoundError, RefusedError, UsageError
from zhuque.site import authority, broker, people, points
from zhuque.site.points import Hardware
from zhuque.site.settings import FILE, Settings, SiteError, load
from zhuque.wire.config import check_config

NOW = 1_795_500_000
MAC, OTHER = "24:6f:28:aa:bb:01", "24:6f:28:aa:bb:02"


def board(mac: str = MAC, firmware: str = "0.1.0") -> Hardware:
    return Hardware(mac, "ESP32-D0WD-V3 rev 3.1", "zq10", firmware)


def change(site: Settings, old: str, new: str) -> Settings:
    path = site.folder / FILE
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    return load(site.folder)


def test_a_board_becomes_a_point_and_may_be_told_again(site: Settings) -> None:
    points.claim(site, "p01", board("24-6F-28-AA-BB-01"), NOW, "li")
    points.claim(site, "p01", board(firmware="0.2.0"), NOW + 60, "wang")
    point, events = points.shown(site, "p01")
    assert (point.mac, point.firmware, point.installed_at, point.installed_by) == (MAC, "0.2.0", NOW, "li")
    assert [(event.what, event.by) for event in events] == [
        ("add", "tester"),
        ("install", "li"),
        ("update", "wang"),
    ]


def test_a_name_that_is_taken(site: Settings) -> None:
    points.claim(site, "p01", board(), NOW, "li")
    with pytest.raises(RefusedError, match="point replace p01"):
        points.claim(site, "p01", board(OTHER), NOW, "li")


def test_a_board_that_is_another_point_already(site: Settings) -> None:
    points.claim(site, "p01", board(), NOW, "li")
    with pytest.raises(RefusedError, match="riverside/p01 already"):
        points.claim(site, "p02", board(), NOW, "li")
    assert points.shown(site, "p02")[0].mac is None


def test_two_installers_at_once(site: Settings) -> None:
    """The same board to two points, from two processes' worth of threads: one of them is told."""
    said: list[str] = []

    def install(name: str) -> None:
        try:
            points.claim(site, name, board(), NOW, name)
            said.append("done")
        except RefusedError as error:
            said.append(str(error))

    threads = [threading.Thread(target=install, args=(name,)) for name in ("p01", "p02")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert said.count("done") == 1 and any("already" in text for text in said)


def test_a_replaced_board_hands_its_place_on(site: Settings) -> None:
    points.claim(site, "p01", board(), NOW, "li")
    points.label(site, "p01", "north wall", NOW, "li")
    points.identity(site, "p01", NOW, "li")
    assert "riverside/p01" in broker.users(site)
    was = points.replace(site, "p01", NOW + 1, "wang")
    assert was.mac == MAC and "riverside/p01" not in broker.users(site)
    points.claim(site, "p01", board(OTHER), NOW + 2, "wang")
    point, events = points.shown(site, "p01")
    assert (point.mac, point.label) == (OTHER, "north wall")
    assert [(e.what, e.detail) for e in events if e.what == "replace"] == [("replace", MAC)]
    points.claim(site, "p02", board(), NOW + 3, "wang")  # repaired, it may be another point


def test_a_retired_point_is_not_used_again(site: Settings) -> None:
    points.retire(site, "p02", NOW, "li")
    for attempt in (
        lambda: points.claim(site, "p02", board(), NOW, "li"),
        lambda: points.identity(site, "p02", NOW, "li"),
    ):
        with pytest.raises(RefusedError, match="retired"):
            attempt()
    assert "user riverside/p02" not in (site.folder / "broker" / "acl").read_text()
    assert points.add(site, ["p02"], "zq10", NOW, "li") == []


def test_what_is_not_there_is_said(site: Settings) -> None:
    for attempt in (points.identity, points.replace, points.retire):
        with pytest.raises(NotFoundError, match="no point p99"):
            attempt(site, "p99", NOW, "li")
    with pytest.raises(UsageError, match="no MAC"):
        points.claim(site, "p01", board("not a mac"), NOW, "li")
    with pytest.raises(NotFoundError, match="no board"):
        points.add(site, ["p03"], "zq99", NOW, "li")


def test_an_identity_is_what_the_firmware_takes(site: Settings) -> None:
    site = change(site, "[limits]", "[limits]\nrated_ma = 4000")
    made = points.identity(site, "p01", NOW, "li")
    assert check_config(made.config) == []
    assert made.config["limits"] == {"rated_ma": 4000} and made.config["broker"]["tls"] is True
    assert made.config["wifi"] == {"ssid": "garage", "password": WIFI_PASSWORD}
    assert made.fingerprint == broker.fingerprint(made.config["broker"]["password"])
    assert json.loads(made.board_files()["config.json"]) == made.config
    both = [authority.der(one) for one in authority.trusted(site)]
    assert made.files == {"ca.der": both[0] + both[1]}
    assert made.config["broker"]["password"] not in repr(made) and WIFI_PASSWORD not in repr(made)
    point, _ = points.shown(site, "p01")
    assert (point.fingerprint, point.trusts, point.issued_at) == (made.fingerprint, "1,2", NOW)


def test_a_limit_above_the_boards_is_refused(site: Settings) -> None:
    site = change(site, "[limits]", "[limits]\nrated_ma = 6000")
    with pytest.raises(SiteError, match="above the 5000 of the board zq10: lower it"):
        points.identity(site, "p01", NOW, "li")


def test_a_clock_that_cannot_be_right(site: Settings) -> None:
    with pytest.raises(RefusedError, match="clock"):
        points.identity(site, "p01", 1_700_000_000, "li")


def test_secrets_that_others_can_read_are_not_used(site: Settings) -> None:
    (site.folder / "secrets.toml").chmod(0o644)
    with pytest.raises(RefusedError, match="chmod 600"):
        points.identity(site, "p01", NOW, "li")


def test_the_database_of_another_site(site: Settings, tmp_path: Path) -> None:
    other = make_site(tmp_path / "hillside", "hillside")
    moved = change(site, '"site.db"', f'"{other.database}"')
    with pytest.raises(RefusedError, match="not that of riverside: it is for hillside"):
        points.listed(moved)
    with pytest.raises(RefusedError, match="not that of riverside"):
        people.add(moved, "li", "viewer", NOW, "tester")
    namesake = make_site(tmp_path / "second", "riverside")
    with pytest.raises(RefusedError, match="another garage called riverside"):
        points.listed(change(namesake, '"site.db"', f'"{site.database}"'))


def test_points_that_a_roll_would_leave_behind(site: Settings) -> None:
    points.identity(site, "p01", NOW, "li")
    authority.roll(site, NOW)
    points.identity(site, "p02", NOW, "li")
    assert points.left_behind(site, 2) == [] and points.left_behind(site, 3) == ["p01"]
    points.retire(site, "p01", NOW, "li")
    assert points.left_behind(site, 3) == []


def test_the_same_on_postgresql(new_db: object, tmp_path: Path) -> None:
    where = new_db()  # type: ignore[operator]
    site = make_site(tmp_path / "a", "riverside", database=where)
    other = make_site(tmp_path / "b", "hillside", database=where)
    points.claim(site, "p01", board(), NOW, "li")
    with pytest.raises(RefusedError, match="riverside/p01 already"):
        points.claim(other, "p01", board(), NOW, "li")
    assert [point.point for point in points.listed(other)] == ["p01", "p02"]
