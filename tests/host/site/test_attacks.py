"""The generated configuration against somebody who wants more than his share, on a real mosquitto with TLS."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from paho.mqtt.enums import MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from tests.fakes.collecting import wait_for
from tests.fakes.garage import Mosquitto, Talker
from zhuque.site import people, points
from zhuque.site.login import read
from zhuque.site.settings import Settings

NOW = 1_795_500_000
QUIET_S = 0.5


def issued(site: Settings, name: str) -> tuple[str, str]:
    """User and password of a point."""
    config = points.identity(site, name, NOW, "tester").config
    return f"{config['site']}/{config['point']}", config["broker"]["password"]


def account(site: Settings, name: str, role: str) -> Talker:
    login = read(people.add(site, name, role, NOW, "tester"))
    return Talker(site, login.user, login.password, people=True, certificate=login.certificate)


def collector(site: Settings, **more: object) -> Talker:
    login = read(site.logins / f"{site.name}.toml")
    return Talker(site, login.user, login.password, people=True, certificate=login.certificate, **more)  # type: ignore[arg-type]


def sentinel(talker: Talker, topic: str, listener: Talker) -> None:
    """What was published before it has been judged once this one is heard."""
    talker.publish(topic, '"sentinel"')
    wait_for(lambda: (topic, b'"sentinel"') in listener.heard)


def test_a_point_speaks_in_its_own_name_and_hears_its_own_commands(
    site: Settings, mosquitto: Mosquitto
) -> None:
    with Talker(site, *issued(site, "p01")) as point, collector(site) as listener:
        listener.subscribe("zq/+/riverside/+/status", "zq/1/riverside/+/record")
        point.subscribe("zq/1/riverside/p01/command", "zq/1/riverside/p01/stored")
        sentinel(point, "zq/1/riverside/p01/status", listener)
        sentinel(listener, "zq/1/riverside/p01/command", point)
        sentinel(listener, "zq/1/riverside/p01/stored", point)


@pytest.mark.parametrize("password", ["", "wrong", None])
def test_a_wrong_password_gets_nothing(site: Settings, mosquitto: Mosquitto, password: str | None) -> None:
    user, _ = issued(site, "p01")
    with Talker(site, user, password) as stranger:
        assert stranger.refused is not None and not stranger.connected.is_set()


def test_nobody_gets_nothing(site: Settings, mosquitto: Mosquitto) -> None:
    for people_port in (False, True):
        with Talker(site, None, None, people=people_port) as stranger:
            assert stranger.refused is not None


def test_a_password_of_a_point_is_worth_nothing_where_people_come(
    site: Settings, mosquitto: Mosquitto
) -> None:
    """There a client id is the client's word: whoever has a board's password must not get that far."""
    with Talker(site, *issued(site, "p01"), people=True, id="riverside/p02") as point:
        assert point.refused is not None and not point.connected.is_set()
    login = read(people.add(site, "li", "operator", NOW, "tester"))
    with Talker(site, login.user, "wrong", people=True, certificate=login.certificate) as person:
        assert person.refused is not None


def test_a_point_cannot_speak_as_another(site: Settings, mosquitto: Mosquitto) -> None:
    with Talker(site, *issued(site, "p01")) as point, collector(site) as listener:
        listener.subscribe("zq/+/riverside/+/status", "zq/1/riverside/+/record", "zq/1/riverside/+/reply")
        for channel in ("status", "record", "reply", "telemetry"):
            point.publish(f"zq/1/riverside/p02/{channel}", '{"forged":1}')
            point.publish(f"zq/2/riverside/p01/{channel}", '{"forged":1}')
        wait_for(lambda: point.connected.is_set())
    # mosquitto 2.0 hangs up on a 3.1.1 client that is denied: what it says afterwards comes on another connection.
    with Talker(site, *issued(site, "p01")) as point, collector(site) as listener:
        listener.subscribe("zq/+/riverside/+/status", "zq/1/riverside/+/record", "zq/1/riverside/+/reply")
        sentinel(point, "zq/1/riverside/p01/record", listener)
        assert [payload for _, payload in listener.heard] == [b'"sentinel"']


def test_a_point_cannot_command_not_even_itself(site: Settings, mosquitto: Mosquitto) -> None:
    with Talker(site, *issued(site, "p02")) as victim:
        victim.subscribe("zq/1/riverside/p02/command", "zq/1/riverside/p02/stored")
        with Talker(site, *issued(site, "p01")) as point:
            point.publish("zq/1/riverside/p02/command", '{"id":"x","op":"start","socket":1}')
            point.publish("zq/1/riverside/p02/stored", '{"epoch":"9f3ac2d15b7e0c44","seq":9999}', retain=True)
        with collector(site) as listener:
            sentinel(listener, "zq/1/riverside/p02/command", victim)
        assert victim.heard == [("zq/1/riverside/p02/command", b'"sentinel"')]


@pytest.mark.parametrize("filter", ["#", "zq/#", "+/+/+/+/+", "zq/1/riverside/p02/command", "$SYS/#"])
def test_a_point_hears_nothing_of_the_others(site: Settings, mosquitto: Mosquitto, filter: str) -> None:
    with Talker(site, *issued(site, "p02")) as other, collector(site) as listener:
        listener.subscribe("zq/1/riverside/+/record")
        with Talker(site, *issued(site, "p01")) as point:
            point.subscribe(filter)
            other.publish("zq/1/riverside/p02/status", "{}", retain=True)
            sentinel(other, "zq/1/riverside/p02/record", listener)
            listener.publish("zq/1/riverside/p02/command")
            point.subscribe("zq/1/riverside/p01/command")
            sentinel(listener, "zq/1/riverside/p01/command", point)
            assert {topic for topic, _ in point.heard} == {"zq/1/riverside/p01/command"}


def test_a_point_cannot_push_another_one_out(site: Settings, mosquitto: Mosquitto) -> None:
    """A client id names whose session it is; at the points' listener the broker takes the user name for it."""
    with Talker(site, *issued(site, "p02")) as victim:
        with Talker(site, *issued(site, "p01"), id="riverside/p02"):
            time.sleep(QUIET_S)
        assert not victim.gone.is_set()
        victim.subscribe("zq/1/riverside/p02/command")


def test_another_points_certificate_opens_nothing(
    site: Settings, mosquitto: Mosquitto, tmp_path: Path
) -> None:
    """Certificates of clients are not asked for: one that our own authority signed gives no name and no right."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    from zhuque.site import authority

    signer = authority.load(site, authority.CURRENT)
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "riverside/p01")])
    ca = signer.certificate
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(ca.subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(ca.not_valid_before_utc)
        .not_valid_after(ca.not_valid_after_utc)
        .sign(signer.key, hashes.SHA256())
    )
    stolen = tmp_path / "stolen.pem"
    stolen.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    issued(site, "p01")
    for people_port in (False, True):
        for user, password in ((None, None), ("riverside/p01", ""), ("riverside/p01", "guess")):
            with Talker(site, user, password, people=people_port, certificate=stolen) as stranger:
                assert stranger.refused is not None


@pytest.mark.parametrize("take_away", [points.replace, points.retire])
def test_a_revoked_board_is_out_at_once(site: Settings, mosquitto: Mosquitto, take_away: object) -> None:
    user, password = issued(site, "p01")
    with Talker(site, *issued(site, "p02")) as other, Talker(site, user, password) as board:
        take_away(site, "p01", NOW + 1, "tester")  # type: ignore[operator]
        wait_for(board.gone.is_set, 5)
        assert not other.gone.is_set()
    with Talker(site, user, password) as board:
        assert board.refused is not None


def test_what_was_issued_before_is_worth_nothing(site: Settings, mosquitto: Mosquitto) -> None:
    user, old = issued(site, "p01")
    with Talker(site, user, old) as board:
        _, new = issued(site, "p01")
        wait_for(board.gone.is_set, 5)
    with Talker(site, user, old) as board:
        assert board.refused is not None
    with Talker(site, user, new) as board:
        assert board.refused is None


def test_a_viewer_looks_and_does_nothing_else(site: Settings, mosquitto: Mosquitto) -> None:
    with Talker(site, *issued(site, "p01")) as point, account(site, "xu", "viewer") as viewer:
        point.subscribe("zq/1/riverside/p01/command", "zq/1/riverside/p01/stored")
        viewer.subscribe("#")
        login = read(site.logins / "xu.toml")
        with Talker(
            site, "xu", login.password, people=True, id="again", certificate=login.certificate
        ) as forger:
            forger.publish("zq/1/riverside/p01/command", '{"id":"x","op":"start","socket":1}')
            forger.publish("zq/1/riverside/p01/stored", '{"epoch":"9f3ac2d15b7e0c44","seq":9}', retain=True)
            forger.publish("zq/1/riverside/p01/status", '{"online":false}', retain=True)
        point.publish("zq/1/riverside/p01/record", '{"account":"r-0412"}')
        point.publish("zq/1/riverside/p01/reply")
        point.publish("zq/1/riverside/p01/telemetry")
        with collector(site) as listener:
            sentinel(listener, "zq/1/riverside/p01/command", point)
        sentinel(point, "zq/1/riverside/p01/status", viewer)
        assert point.heard == [("zq/1/riverside/p01/command", b'"sentinel"')]
        assert {topic for topic, _ in viewer.heard} == {
            "zq/1/riverside/p01/telemetry",
            "zq/1/riverside/p01/status",
        }


def test_a_person_is_out_at_once_when_removed(site: Settings, mosquitto: Mosquitto) -> None:
    with account(site, "li", "operator") as person, account(site, "xu", "viewer") as other:
        people.remove(site, "li")
        wait_for(person.gone.is_set, 5)
        assert not other.gone.is_set()


def test_an_operator_of_one_garage_is_nobody_in_another(site: Settings, mosquitto: Mosquitto) -> None:
    with account(site, "li", "operator") as person, collector(site) as listener:
        listener.subscribe("zq/+/riverside/+/status")
        person.publish("zq/1/hillside/p01/command")
        person.publish("zq/1/li/status", retain=True)
        time.sleep(QUIET_S)
    with account(site, "wu", "operator") as person:
        person.subscribe("zq/1/hillside/#", "zq/1/li/status")
        time.sleep(QUIET_S)
        assert person.heard == []


def test_what_comes_while_the_collector_is_away_waits_for_it(site: Settings, mosquitto: Mosquitto) -> None:
    """Rights must not cost a kept session its messages, over a restart of the broker either."""
    v5 = MQTTProtocolVersion.MQTTv5
    properties = Properties(PacketTypes.CONNECT)
    properties.SessionExpiryInterval = 3600

    def kept() -> Talker:
        talker = collector(site, id="kept", version=v5)
        connect = talker.client.connect
        talker.client.connect = lambda host, port, alive: connect(  # type: ignore[method-assign]
            host, port, alive, clean_start=False, properties=properties
        )
        return talker

    with kept() as listener:
        listener.subscribe("zq/1/riverside/+/record")
    with Talker(site, *issued(site, "p01")) as point:
        mids = {point.publish("zq/1/riverside/p01/record", json.dumps(n)) for n in range(3)}
        wait_for(lambda: mids <= point.acknowledged)
    mosquitto.stop()
    mosquitto.start()
    with Talker(site, *issued(site, "p01")) as point:
        mids = {point.publish("zq/1/riverside/p01/record", json.dumps(n)) for n in range(3, 6)}
        wait_for(lambda: mids <= point.acknowledged)
    with kept() as listener:
        wait_for(lambda: len(listener.heard) >= 6)
        assert [int(payload) for _, payload in listener.heard] == [0, 1, 2, 3, 4, 5]
