"""`zhuque site`, `point` and `label` as they are typed: what they print, how they fail, what they never tell."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tests.fakes.garage import WIFI_PASSWORD, Mosquitto, Talker, make_site
from tests.host.billing.test_tariff import GOOD
from zhuque.cli import main
from zhuque.sim.broker import free_port
from zhuque.site import people, points
from zhuque.site.login import read
from zhuque.site.settings import Settings, load

NOW = 1_795_500_000
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(autouse=True)
def own_zone() -> Iterator[None]:
    """--site sets the time zone of the process: put it back."""
    import time

    before = os.environ.get("TZ")
    yield
    os.environ.pop("TZ", None)
    if before is not None:
        os.environ["TZ"] = before
    time.tzset()


def zhuque(*arguments: str | Path, input: str | None = None, **environment: str) -> Result:
    clean = {name: "" for name in os.environ if name.startswith("ZHUQUE_") and name != "ZHUQUE_TOOLCHAIN"}
    return CliRunner().invoke(main, [str(a) for a in arguments], input=input, env={**clean, **environment})


def on(site: Settings, *arguments: str | Path, **environment: str) -> Result:
    return zhuque(*arguments, "--site", site.folder, **environment)


@pytest.fixture
def wifi_file(tmp_path: Path) -> Path:
    (tmp_path / "wifi").write_text(WIFI_PASSWORD + "\n")
    return tmp_path / "wifi"


def asked(name: str) -> list[str]:
    return ["--name", name, "--wifi", "garage", "--broker-host", "127.0.0.1", "--time-zone", "Asia/Shanghai"]


def test_init_makes_a_site_once(tmp_path: Path, wifi_file: Path) -> None:
    arguments = ("site", "init", tmp_path / "new", *asked("riverside"), "--wifi-password-file", wifi_file)
    made = zhuque(*arguments, "--points", "30")
    assert made.exit_code == 0, made.output
    site = load(tmp_path / "new")
    assert len(site.places) == 300 and site.places["300"] == ("p30", 10)
    again = zhuque(*arguments)
    assert again.exit_code == 5 and "is a site already" in again.output
    secret = [
        path for path in site.folder.rglob("*") if path.is_file() and path.name not in ("site.toml", "ca.pem")
    ]
    assert secret and all(path.stat().st_mode & 0o077 == 0 for path in secret)


def test_init_says_what_it_wants_where_nobody_can_be_asked(tmp_path: Path) -> None:
    result = zhuque("site", "init", tmp_path / "new", "--name", "riverside")
    assert result.exit_code == 2 and "--wifi, --broker-host" in result.output
    assert not (tmp_path / "new").exists()


def test_init_with_a_password_that_is_none_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "wifi").write_text("short\n")
    result = zhuque(
        "site", "init", tmp_path / "new", *asked("riverside"), "--wifi-password-file", tmp_path / "wifi"
    )
    assert result.exit_code == 1 and "8 to 63" in result.output and "short" not in result.output
    assert not (tmp_path / "new").exists()


def test_a_second_garage_from_the_first(site: Settings, tmp_path: Path, wifi_file: Path) -> None:
    (site.folder / "site.toml").write_text(
        (site.folder / "site.toml").read_text().replace("[limits]", "[limits]\nrated_ma = 4000")
        + "\n# By the decision of the owners' meeting.\n"
        + GOOD.replace('hours = ["08:00-11:00", ', 'hours = [\n  "08:00-11:00",\n  ')
    )
    people.add(site, "li", "operator", NOW, "tester")
    arguments = ("site", "copy", tmp_path / "second", *asked("hillside"), "--wifi-password-file", wifi_file)
    ports = ("--broker-port", str(free_port()), "--people-port", str(free_port()))
    copied = on(site, *arguments, *ports)
    assert copied.exit_code == 0, copied.output
    second = load(tmp_path / "second")
    assert (second.places, second.limits) == (site.places, {"rated_ma": 4000}) and second.id != site.id
    assert second.tariffs == load(site.folder).tariffs and len(second.tariffs) == 1
    assert people.names(second) == []
    for path in second.folder.rglob("*"):
        twin = site.folder / path.relative_to(second.folder)
        if path.is_file() and path.suffix == ".pem" and twin.exists():
            assert path.read_bytes() != twin.read_bytes()
    firsts = read(site.logins / "riverside.toml")
    first_broker, second_broker = Mosquitto(site), Mosquitto(second)
    try:
        first_broker.start(), second_broker.start()
        for garage, welcome in ((site, True), (second, False)):
            login = read(garage.logins / f"{garage.name}.toml")
            with Talker(
                garage, firsts.user, firsts.password, people=True, certificate=login.certificate
            ) as talker:
                assert (talker.refused is None) is welcome
    finally:
        first_broker.stop(), second_broker.stop()
    assert on(site, *arguments, *ports).exit_code == 5


def test_show_and_check_as_json(site: Settings) -> None:
    shown = json.loads(on(site, "site", "show", "--json").output)
    assert (shown["name"], shown["points"], shown["authorities"]) == ("riverside", 2, [1, 2])
    assert "people" in on(site, "site", "show").output
    checked = on(site, "site", "check", "--json")
    assert checked.exit_code == 1
    assert {"about", "text", "serious"} == set(json.loads(checked.output)[0])


def test_nonsense_in_site_toml_is_told_with_its_line(site: Settings) -> None:
    (site.folder / "site.toml").write_text(
        (site.folder / "site.toml").read_text().replace("[wifi]", "[wi-fi]")
    )
    for command in (("site", "check"), ("point", "list"), ("collect",)):
        result = zhuque(*command, ZHUQUE_SITE=str(site.folder))
        assert result.exit_code == 1 and "is wifi meant?" in result.output, command


def test_people_come_and_go(site: Settings) -> None:
    added = on(site, "site", "people", "add", "li", "--role", "operator")
    assert added.exit_code == 0 and "logins/li.toml" in added.output
    password = read(site.logins / "li.toml").password
    assert password not in added.output
    assert on(site, "site", "people", "add", "li", "--role", "viewer").exit_code == 5
    assert on(site, "site", "people", "add", "riverside", "--role", "viewer").exit_code == 5
    assert on(site, "site", "people", "add", "Li", "--role", "viewer").exit_code == 2
    assert [p["name"] for p in json.loads(on(site, "site", "people", "list", "--json").output)] == ["li"]
    assert on(site, "site", "people", "renew", "li").exit_code == 0
    assert read(site.logins / "li.toml").password != password
    assert on(site, "site", "people", "remove", "li").exit_code == 0
    assert on(site, "site", "people", "remove", "li").exit_code == 3
    assert not list(site.logins.glob("li.*"))


def test_the_inventory_from_the_command_line(site: Settings, tmp_path: Path) -> None:
    points.claim(site, "p01", points.Hardware("24:6f:28:aa:bb:01", "ESP32", "zq10", "0.1.0"), NOW, "li")
    assert on(site, "point", "label", "p01", "north wall").exit_code == 0
    listed = json.loads(on(site, "point", "list", "--json").output)
    assert [(p["point"], p["mac"], p["label"]) for p in listed] == [
        ("p01", "24:6f:28:aa:bb:01", "north wall"),
        ("p02", None, None),
    ]
    assert listed[0]["installed_at"] == "2026-11-24T06:00:00Z"
    shown = json.loads(on(site, "point", "show", "p01", "--json").output)
    assert shown["places"]["1"] == 1 and shown["history"][-1]["what"] == "label"
    assert "24:6f:28:aa:bb:01" in on(site, "point", "show", "p01").output
    replaced = on(site, "point", "replace", "p01")
    assert "24:6f:28:aa:bb:01 is locked out" in replaced.output
    assert on(site, "point", "add", "p03").exit_code == 0
    assert on(site, "point", "retire", "p03").exit_code == 0
    assert on(site, "point", "show", "p99").exit_code == 3


def test_rekey_writes_what_the_board_needs_for_nobody_else(site: Settings, tmp_path: Path) -> None:
    result = on(site, "point", "rekey", "p01", "--to", tmp_path / "files")
    config = json.loads((tmp_path / "files/config.json").read_text())
    assert result.exit_code == 0 and config["broker"]["password"] not in result.output
    assert {path.name for path in (tmp_path / "files").iterdir()} == {"config.json", "ca.der"}
    assert all(path.stat().st_mode & 0o077 == 0 for path in (tmp_path / "files").iterdir())
    assert on(site, "point", "rekey", "p01", "--to", tmp_path / "files").exit_code == 5


def test_label_sheet(site: Settings, tmp_path: Path) -> None:
    made = on(site, "label", "sheet", "--to", tmp_path / "labels.pdf")
    assert made.exit_code == 0 and "20 labels on 1 sheets" in made.output
    first = (tmp_path / "labels.pdf").read_bytes()
    assert first.startswith(b"%PDF")
    on(site, "label", "sheet", "--to", tmp_path / "again.pdf")
    assert (tmp_path / "again.pdf").read_bytes() == first
    assert on(site, "label", "sheet", "p99", "--to", tmp_path / "x.pdf").exit_code == 3
    assert on(site, "label", "sheet", "--to", tmp_path / "no/x.pdf").exit_code == 1
    assert on(site, "label", "sheet", "--to", tmp_path / "x.pdf", "--skip", "21").exit_code == 2


def test_roll_refuses_to_leave_a_point_behind(site: Settings) -> None:
    points.identity(site, "p01", NOW, "li")
    assert on(site, "site", "roll").exit_code == 0
    refused = on(site, "site", "roll")
    assert refused.exit_code == 5 and "p01 would be cut off" in refused.output
    assert json.loads(on(site, "site", "show", "--json").output)["authorities"] == [2, 3]
    assert on(site, "site", "roll", "--leave-behind").exit_code == 0
    assert on(site, "site", "renew").exit_code == 0


def test_units_that_systemd_understands(site: Settings, tmp_path: Path) -> None:
    import shutil

    (tmp_path / "units").mkdir()
    assert on(site, "site", "units", "--to", tmp_path / "units").exit_code == 0
    files = sorted((tmp_path / "units").iterdir())
    assert [file.name for file in files] == [
        "zhuque-riverside-broker.service",
        "zhuque-riverside-collector.service",
    ]
    text = files[1].read_text()
    assert f"collect riverside --site {site.folder}" in text and "ZHUQUE_USER=riverside" in text
    analyze = shutil.which("systemd-analyze")
    if analyze:
        done = subprocess.run([analyze, "verify", *files], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("url", "code", "said"),
    [
        ("mqtt://192.0.2.1:1883", 5, "--insecure"),
        ("mqtt://li:geheim@127.0.0.1:1883", 2, "--login FILE"),
        ("mqtts://li@broker.example", 2, "--login FILE"),
    ],
)
def test_no_password_in_the_open(url: str, code: int, said: str) -> None:
    result = zhuque("socket", "stop", "riverside/p01/1", "--broker", url)
    assert result.exit_code == code and said in result.output and "geheim" not in result.output


def test_insecure_says_what_it_means() -> None:
    result = zhuque(
        "socket", "stop", "riverside/p01/1", "--broker", "mqtt://127.0.0.1:9", "--insecure", "--timeout", "1"
    )
    assert result.exit_code == 4 and "can read and command" in result.output


def test_a_login_that_others_can_read_is_not_used(site: Settings) -> None:
    people.add(site, "li", "operator", NOW, "tester")
    (site.logins / "li.toml").chmod(0o640)
    result = on(site, "socket", "stop", "riverside/p01/1")
    assert result.exit_code == 5 and "chmod 600" in result.output


def test_who_are_you(site: Settings) -> None:
    people.add(site, "li", "operator", NOW, "tester")
    people.add(site, "xu", "viewer", NOW, "tester")
    result = on(site, "socket", "stop", "riverside/p01/1")
    assert result.exit_code == 2 and "ZHUQUE_USER" in result.output and "li, xu" in result.output
    assert on(site, "socket", "stop", "riverside/p01/1", ZHUQUE_USER="wu").exit_code == 3
    assert on(site, "socket", "stop", "riverside/p01/1", ZHUQUE_USER="../x").exit_code == 2


def test_a_full_disk_leaves_what_was_there(site: Settings) -> None:
    """A file may not grow beyond one byte: as on a full disk, nothing of it is replaced by half of it."""
    before = {path: path.read_bytes() for path in site.folder.rglob("*") if path.is_file()}
    script = (
        "import resource, signal, sys; from zhuque.cli import main;"
        " signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        " resource.setrlimit(resource.RLIMIT_FSIZE, (1, 1)); main()"
    )
    command = [sys.executable, "-c", script, "site", "renew", "--site", str(site.folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=ROOT)
    assert done.returncode == 1 and "unchanged: free some space" in done.stderr
    after = {path: path.read_bytes() for path in site.folder.rglob("*") if path.is_file()}
    assert after == before


def every_command(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, command in group.commands.items():
        yield from every_command(command, (*path, name)) if hasattr(command, "commands") else [(*path, name)]


@pytest.mark.parametrize("noun", ["site", "point", "label"])
def test_every_help_has_an_example(noun: str) -> None:
    from importlib import import_module

    for path in every_command(import_module(f"zhuque.cli.{noun}").command):
        output = zhuque(noun, *path, "--help").output
        assert f"zhuque {noun}" in output.partition("Example:")[2], path


def test_copies_never_share_a_secret(site: Settings, tmp_path: Path) -> None:
    other = make_site(tmp_path / "other", "other")
    assert read(site.logins / "riverside.toml").password != read(other.logins / "other.toml").password
