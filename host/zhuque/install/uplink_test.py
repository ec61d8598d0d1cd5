"""Why a point is not heard, by its own words on USB: Wi-Fi, time, broker, certificate, password.

The board is restarted once, so that it begins to connect, and says on its console how that goes (tasks/publish.py).
What it says is a sentence of the firmware, and each has its remedy here; a sentence that is not known is quoted.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from zhuque.device import console
from zhuque.device.console_link import ConsoleLink
from zhuque.errors import ZhuqueError
from zhuque.store.point_tests import Line

WAIT_S = 60.0
_UPLINK = "zhuque: uplink: "
_BOOTED = re.compile(r"zhuque: \S+ \S+ boot \d+ epoch .*")
_LONGEST = 400
_CONNECTED = "connected to "
_FAILED = re.compile(r"(.*?) ?; next try in \d+ s")
_AGAIN = "then `zhuque provision --points {point}` writes it to the board"
# What the firmware's sentence holds, which line it fails, and what to do.
_REMEDIES = (
    (
        r"the password is wrong|password may be wrong",
        "Wi-Fi",
        "write the right password into secrets.toml of the site's folder, " + _AGAIN,
    ),
    (
        r"no access point of that name",
        "Wi-Fi",
        "is an access point in reach, of 2.4 GHz, with exactly this name? Mend [wifi] ssid in site.toml, "
        + _AGAIN,
    ),
    (
        r"^Wi-Fi ",
        "Wi-Fi",
        "look at the access point: does it have room for one more, is it in reach, does it give addresses?",
    ),
    (
        r"the time is not known",
        "clock",
        "no time server answers at [time] host of site.toml: start one there (chrony, `allow` this network), or name "
        "another, " + _AGAIN,
    ),
    (
        r"certificate is not accepted",
        "TLS",
        "the broker shows a certificate of another authority or name than the board was given: `zhuque site check`, "
        "and for a board of another garage `zhuque provision --again --points {point}`",
    ),
    (
        r"has no certificates",
        "TLS",
        "the board lacks ca.der: `zhuque provision --again --points {point}`",
    ),
    (
        r"user name or password is wrong|not authorised",
        "broker",
        "the broker does not take its password: `zhuque provision --again --points {point}` gives it a new one",
    ),
    (
        r"no connection to|did not accept us|hung up|no answer from|cannot be resolved",
        "broker",
        "is `zhuque site up` running, are [broker] host and port of site.toml what the point reaches, does a firewall "
        "stand between them?",
    ),
)


def test(port: str, site: str, point: str, actor: str, wait_s: float = WAIT_S) -> Iterator[Line]:
    """The lines that the board's console gives, as they are known; the last is of what stands between it and us.

    `actor` is who asks for the restart. Raises NoAnswerError where the port or the board does not answer.
    """
    with ConsoleLink(port) as link:
        yield _identity(link, site, point)
        order = {"id": os.urandom(8).hex(), "op": "reboot", "actor": actor}  # open sessions go on afterwards
        reply = link.ask(order)
    if not reply.get("ok"):
        raise ZhuqueError(
            f"{port}: the board does not restart: {reply.get('detail')}; try again in a few seconds"
        )
    yield from _heard(console.hear(port, wait_s), point)


def _identity(link: ConsoleLink, site: str, point: str) -> Line:
    """Whether the board on this port is that point."""
    status = link.status()
    found = f"{status['site']}/{status['point']}" if status.get("point") else "nobody yet"
    if found == f"{site}/{point}":
        return Line("identity", "PASS", f"the board on {link.port} is {found}")
    remedy = f"test it as that, or make it this one: `zhuque provision --points {point} --port {link.port}`"
    return Line("identity", "FAIL", f"the board on {link.port} is {found}, not {site}/{point}", remedy)


def _heard(texts: Iterator[str], point: str) -> Iterator[Line]:
    told, words = False, ""
    for text in texts:
        if _BOOTED.fullmatch(text):
            break  # what was said before is of the start before
    for text in texts:
        hello = console.parse(text)
        if hello is not None and not told and hello.state != "starting":
            told = True
            yield _state(hello)
        # A reason may be of several lines: mbedTLS breaks its own.
        words = text.removeprefix(_UPLINK) if text.startswith(_UPLINK) else f"{words} {text}"[-_LONGEST:]
        if text.startswith(_UPLINK + _CONNECTED):
            yield Line("uplink", "PASS", words)
            return
        if found := _FAILED.fullmatch(words):
            yield explain(found[1].strip(), point)
            return
    yield Line(
        "uplink",
        "FAIL",
        "the board says nothing of its uplink",
        f"it has no usable config.json: `zhuque provision --points {point}`",
    )


def _state(hello: console.Hello) -> Line:
    if hello.state == "ready":
        return Line("state", "PASS", f"{hello.board} {hello.firmware}, ready")
    problems = "; ".join(hello.problems) or f"it is {hello.state}"
    return Line("state", "FAIL", problems, "mend what it says; a meter is asked again every 10 s")


def explain(words: str, point: str) -> Line:
    """The line for why an uplink is down, as the firmware says it."""
    for pattern, name, remedy in _REMEDIES:
        if re.search(pattern, words):
            return Line(name, "FAIL", words, remedy.format(point=point))
    return Line("uplink", "FAIL", words, "look at the broker's log, and at `zhuque site check`")
