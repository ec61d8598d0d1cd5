"""The clock on MicroPython: SNTP against servers that answer well, wrongly and not at all; wraps; provisioning date."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.drivers.board import BoardScript
from tests.drivers.udp import udp_server

SCRIPT = "tests/drivers/on_board/net_time.py"
NOW = 1_764_000_000
FROM_1900 = 2_208_988_800


def answer(request: bytes, unix: int = NOW, half: bool = False, **changes: bytes) -> bytes:
    """A good answer, but for the bytes in `changes`: names like b0 are places in the packet."""
    packet = bytearray(48)
    packet[0:2] = b"\x24\x02"
    packet[24:32] = request[40:48]
    packet[40:44] = ((unix + FROM_1900) % 2**32).to_bytes(4, "big")
    packet[44] = 128 if half else 0
    for place, value in changes.items():
        at = int(place[1:])
        packet[at : at + len(value)] = value
    return bytes(packet)


def rtc(unix: int) -> list[int]:
    t = datetime.fromtimestamp(unix, UTC)
    return [t.year, t.month, t.day, t.weekday(), t.hour, t.minute, t.second]


def reaches(mpy: Path, unix: int) -> bool:
    """Some builds of the Unix port have seconds of 32 bits, which the board does not (tests/sim/board_time.py)."""
    code = f"import time; print(time.gmtime({unix})[0])"
    said = subprocess.run([mpy, "-c", code], capture_output=True, text=True, check=True).stdout
    return int(said) == datetime.fromtimestamp(unix, UTC).year


@pytest.mark.parametrize("unix", [NOW, 2**32 - FROM_1900 - 1, 2**32 - FROM_1900, 2**31, 1_709_164_800])
def test_the_clock_is_set(mpy: Path, unix: int) -> None:
    """Leap day, the end of NTP's era in 2036 and the 31st bit of Unix seconds in 2038 among them."""
    if not reaches(mpy, unix):
        pytest.skip("this port's own gmtime ends before")
    with (
        udp_server(lambda request: [answer(request, unix, half=True)]) as port,
        BoardScript(mpy, SCRIPT, "sntp", port, 1_700_000_000) as script,
    ):
        *moment, us = script.wait("rtc")
        assert moment == rtc(unix)
        assert 500_000 <= us < 1_000_000
        assert script.wait("time") == [unix]


def test_answers_to_others_are_passed_over(micropython: Path) -> None:
    def several(request: bytes) -> list[bytes]:
        forged = answer(request, NOW + 999, b24=b"\x00" * 8)
        return [b"", b"short", forged, answer(request)]

    with udp_server(several) as port, BoardScript(micropython, SCRIPT, "sntp", port, 0) as script:
        assert script.wait("time") == [NOW]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"b0": b"\x23"}, "mode 3"),
        ({"b0": b"\xe4"}, "does not know"),
        ({"b1": b"\x10"}, "does not know"),
        ({"b1": b"\x00", "b12": b"RATE"}, "RATE"),
        ({"b40": b"\x00\x00\x00\x00"}, "sent no time"),
        ({"b40": (NOW - 1 + FROM_1900).to_bytes(4, "big")}, "when it was provisioned or last ran"),
    ],
)
def test_wrong_answers_set_nothing(micropython: Path, changes: dict[str, bytes], reason: str) -> None:
    with (
        udp_server(lambda request: [answer(request, **changes)]) as port,
        BoardScript(micropython, SCRIPT, "sntp", port, NOW) as script,
    ):
        assert reason in script.wait("failed")[0]
        assert not [line for line in script.output if "rtc" in line]


def test_a_silent_server_is_given_up_after_three_seconds(mpy: Path) -> None:
    with udp_server(lambda request: []) as port, BoardScript(mpy, SCRIPT, "sntp", port, 0) as script:
        reason, after_ms = script.wait("failed")
        assert "no answer" in reason
        assert 2900 <= after_ms < 4000


def test_what_is_refused(mpy: Path) -> None:
    with BoardScript(mpy, SCRIPT, "refuses", 0, 3_999_999_999) as script:
        assert script.wait("is_set") == [False, True]
        assert "when it was provisioned or last ran" in script.wait("failed")[0]
        assert "not a numeric" in script.wait("failed")[0]


def test_uptime_does_not_wrap(mpy: Path) -> None:
    with BoardScript(mpy, SCRIPT, "wraps", 0, 60) as script:
        assert script.wait("uptime_ms") == [60 * 86_400_000]


@pytest.mark.parametrize(
    ("told", "believed"),
    [
        ("1800000000@0 1800000000@60 1800000001@120", "..x"),  # three agree: the journal's last was wrong
        (
            "1800000000@0 1800000000@60 1800000000@120 1790000000@180",
            "..x.",
        ),  # which is the bound from then on
        (
            "1800000000@0 1800000000@60 1800000003@120 1800000003@180",
            "....",
        ),  # one that does not agree begins anew
        ("1800000000@0 1800000000@60 1800000003@120 1800000003@180 1800000003@240", "....x"),
        ("1800000000@0 1800000000@60 2000000000@120 1800000000@180", "..x."),  # and so does one that is later
        ("1600000000@0 1600000000@60 1600000000@120 1600000000@180", "...."),  # before provisioning: never
    ],
)
def test_a_time_before_the_journals_last_must_be_told_three_times(
    micropython: Path, told: str, believed: str
) -> None:
    """A server that once told the future must not keep a board without time, and without TLS, for good."""
    with BoardScript(micropython, SCRIPT, "contradicts", 0, told) as script:
        for step, expected in zip(told.split(), believed, strict=True):
            assert script.wait("set" if expected == "x" else "refused") == [int(step.partition("@")[0])]


def test_a_clock_that_jumps_is_no_time(mpy: Path) -> None:
    """By more than two seconds against the uptime, either way: no time until it is set, after a restart too."""
    with BoardScript(mpy, SCRIPT, "jumps", 0, 0) as script:
        for by, believed in ((1, True), (0, True), (3600, False), (-3600, False), (86400 * 400, False)):
            assert script.wait("after") == [by, believed, not believed]  # and the RTC forgets it
        assert script.wait("later") == [True]
