"""`zhuque site check`: each thing that can be wrong with a garage is found, named, and has its remedy."""

from __future__ import annotations

import shutil
import socket
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.garage import Mosquitto, make_site
from zhuque.errors import RefusedError
from zhuque.site import authority, broker, clock, create, people, points
from zhuque.site.check import Problem, check
from zhuque.site.settings import FILE, Settings, load
from zhuque.wire.version import RELEASED

NOW = RELEASED + 86_400
YEAR_S = 365 * 86_400


def found(site: Settings, about: str, now: float | None = None) -> list[Problem]:
    return [problem for problem in check(site, now) if problem.about == about]


def text_of(problems: list[Problem]) -> str:
    return "\n".join(problem.text for problem in problems)


def change(site: Settings, old: str, new: str) -> Settings:
    path = site.folder / FILE
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    return load(site.folder)


def test_a_new_site_that_runs_is_well(site: Settings, mosquitto: Mosquitto) -> None:
    assert [problem for problem in check(site) if problem.serious] == []


def test_a_broker_that_does_not_run(site: Settings) -> None:
    assert "zhuque site up" in text_of(found(site, "broker"))


def test_files_that_others_can_read(site: Settings) -> None:
    assert found(site, "modes") == []
    paths = [
        site.folder / name
        for name in ("secrets.toml", "authority/current.pem", "broker/passwords", "site.db")
    ]
    for path in paths:
        path.chmod(0o644)
    said = text_of(found(site, "modes"))
    assert all(f"chmod go= {path}" in said for path in paths)


def test_limits_above_the_boards_and_sockets_that_it_has_not(site: Settings) -> None:
    site = change(site, "[limits]", "[limits]\nmax_power_mw = 2000000")
    site = change(site, '"p02/10"', '"p02/11"')
    assert "max_power_mw is 2000000, above the 1000000" in text_of(found(site, "limits"))
    assert "p02/11, but a zq10 has 10 sockets" in text_of(found(site, "places"))


def test_certificates_that_expire(site: Settings) -> None:
    assert found(site, "certificates", NOW) == []
    [soon] = found(site, "certificates", NOW + 5 * YEAR_S - 40 * 86_400)
    assert not soon.serious and "zhuque site renew" in soon.text
    [over] = found(site, "certificates", NOW + 5 * YEAR_S + 40 * 86_400)
    assert over.serious and "the broker's certificate expired" in over.text
    said = text_of(found(site, "certificates", NOW + 26 * YEAR_S))
    assert "the authority 1 expired" in said and "zhuque site roll" in said
    with pytest.raises(RefusedError, match="the authority 1 expired"):
        authority.renew_server(site, NOW + 26 * YEAR_S)


def test_a_certificate_for_another_host_is_made_anew(site: Settings) -> None:
    site = change(site, 'host = "127.0.0.1"  # as the points', 'host = "localhost"  # as the points')
    assert "not for localhost" in text_of(found(site, "certificates"))
    assert any("certificate for localhost" in line for line in create.apply(site, "tester"))
    assert found(site, "certificates") == []


def test_a_key_that_was_mixed_up(site: Settings, tmp_path: Path) -> None:
    other = make_site(tmp_path / "hillside", "hillside")
    shutil.copy(other.folder / "broker/server.pem", site.folder / "broker/server.pem")
    assert "another authority's" in text_of(found(site, "certificates"))
    (site.folder / "authority/current.pem").write_text("nonsense")
    assert "put it back" in text_of(check(site))


def test_a_broker_that_is_not_configured_as_it_should_be(site: Settings) -> None:
    (site.folder / "broker" / broker.CONFIGURATION).write_text("allow_anonymous true\n")
    assert "zhuque site apply" in text_of(found(site, "broker"))
    assert create.apply(site, "tester")
    assert "zhuque site apply" not in text_of(found(site, "broker"))
    assert create.apply(site, "tester") == []


def test_points_and_people_that_do_not_fit(site: Settings) -> None:
    site = change(site, '"p02/10"', '"p03/1"')
    assert "p03 is in [places]" in text_of(found(site, "inventory"))
    points.retire(site, "p02", NOW, "tester")
    assert "p02 is retired" in text_of(found(site, "places"))
    broker.set_password(site, "riverside/p99", "x" * 32)
    broker.set_password(site, "mallory", "x" * 32)
    assert "lets riverside/p99 in" in text_of(found(site, "inventory"))
    assert "mallory has a password" in text_of(found(site, "people"))


def test_the_database_of_another_site(site: Settings, tmp_path: Path) -> None:
    other = make_site(tmp_path / "hillside", "hillside")
    assert "it is for hillside" in text_of(check(change(site, '"site.db"', f'"{other.database}"')))


def test_a_clock_before_this_release(site: Settings) -> None:
    [problem] = found(site, "clock", 1_700_000_000)
    assert problem.serious and "2023-11-14" in problem.text
    with pytest.raises(RefusedError, match="2023-11-14"):
        authority.renew_server(site, 1_700_000_000)


class _TimeServer:
    """Tells the time, so many seconds wrong."""

    def __init__(self, wrong_s: float, stratum: int = 2) -> None:
        self._wrong_s = wrong_s
        self._stratum = stratum
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        data, sender = self._socket.recvfrom(512)
        if data:
            seconds = int(time.time() + self._wrong_s) + 2_208_988_800
            answer = bytes([0x24, self._stratum]) + bytes(38) + struct.pack(">II", seconds & 0xFFFFFFFF, 0)
            self._socket.sendto(answer, sender)

    def close(self) -> None:
        if self._thread.is_alive():
            self._socket.sendto(b"", ("127.0.0.1", self.port))
            self._thread.join(5)
        self._socket.close()


@pytest.fixture
def time_server(request: pytest.FixtureRequest) -> Iterator[_TimeServer]:
    server = _TimeServer(*request.param)
    yield server
    server.close()


@pytest.mark.parametrize("time_server", [(0,), (7200,), (-86_400,)], indirect=True)
def test_a_clock_is_held_against_the_time_server(time_server: _TimeServer) -> None:
    off = clock.offset("127.0.0.1", time_server.port)
    assert off is not None and abs(off - time_server._wrong_s) < 5


@pytest.mark.parametrize("time_server", [(0, 0)], indirect=True)
def test_a_server_that_does_not_know_the_time_tells_nothing(time_server: _TimeServer) -> None:
    assert clock.offset("127.0.0.1", time_server.port) is None


def test_a_clock_that_is_off_is_a_problem(site: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "offset", lambda host: -7200.0)
    [problem] = found(site, "clock")
    assert problem.serious and "7200 s ahead of 127.0.0.1" in problem.text


def test_what_was_handed_out_is_gone_here(site: Settings, tmp_path: Path) -> None:
    people.add(site, "li", "operator", NOW, "tester")
    people.hand_out(site, "li", tmp_path / "stick")
    assert not list(site.logins.glob("li.*"))
    theirs = load(tmp_path / "stick")
    assert theirs.broker_url == site.broker_url and theirs.database is None
    assert {path.name for path in theirs.logins.iterdir()} == {"li.toml", "li.pem"}
    assert all(path.stat().st_mode & 0o077 == 0 for path in (theirs.folder, *theirs.logins.iterdir()))
    with pytest.raises(RefusedError, match="not empty"):
        people.renew(site, "li")
        people.hand_out(site, "li", tmp_path / "stick")
