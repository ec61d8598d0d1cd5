"""Thirty points after one outage: the real uplink's pauses, in virtual time, over many garages."""

from __future__ import annotations

import random
import re
from types import SimpleNamespace
from typing import Any

import pytest

from tests.runner import ROOT
from zhuque import board_code

publish = board_code.load("tasks.publish")
connecting = board_code.load("tasks.connect")
POINTS = 30
GARAGES = 200
SETTLED_MS = 3_600_000  # connected for an hour before the outage


class ConnectedError(BaseException):
    """It is back: nothing more is asked of it."""


class Wifi:
    dns = "192.0.2.1"

    async def associate(self) -> None:
        """At once."""


class Config(dict[str, Any]):
    def __missing__(self, key: str) -> Any:
        return {"broker.tls": False}.get(key, "127.0.0.1")


def back_after_ms(chance: random.Random, outage_ms: int, power_cut: bool, monkeypatch: Any) -> int:
    """Milliseconds from the end of the outage to the accepted connection of one point."""
    now = [0]
    begins = 0 if power_cut else SETTLED_MS

    async def sleep_ms(ms: int) -> None:
        now[0] += ms

    async def connect(*_: Any) -> None:
        if not power_cut and now[0] < begins:
            return
        if now[0] >= (0 if power_cut else begins + outage_ms):
            raise ConnectedError
        now[0] += 50
        raise publish.MqttError("nobody there")

    async def serve() -> None:
        now[0] = begins
        raise publish.MqttError("gone")

    ticks = SimpleNamespace(ticks_ms=lambda: now[0], ticks_diff=lambda one, other: one - other)
    monkeypatch.setattr(publish, "asyncio", SimpleNamespace(sleep_ms=sleep_ms))
    monkeypatch.setattr(publish, "time", ticks)
    monkeypatch.setattr(publish, "os", SimpleNamespace(urandom=chance.randbytes))
    for module in (publish, connecting):
        monkeypatch.setattr(module, "forget", lambda names: None)  # here it would cost a collection each
    mqtt = SimpleNamespace(dial=connect, subscribe_to=lambda topics: None, close=lambda: None)
    clock = SimpleNamespace(is_set=True, uptime_ms=lambda: -1)
    words = (Config(site="g", point="p"), Wifi(), clock, lambda *_: mqtt, None, None, None, None)
    spread_ms = uplink_constant("AFTER_POWER_CUT_MS") if power_cut else 0
    publisher = publish.Publisher(*words, spread_ms=spread_ms)
    publisher._serve = serve
    with pytest.raises(ConnectedError):
        publisher.run().send(None)
    return now[0] - (0 if power_cut else begins + outage_ms)


def uplink_constant(name: str) -> int:
    """Of the firmware's uplink.py, which cannot be imported here."""
    [value] = re.findall(rf"^{name} = const\(([\d_]+)\)$", (ROOT / "firmware/uplink.py").read_text(), re.M)
    return int(value.replace("_", ""))


@pytest.mark.parametrize(("outage_s", "power_cut"), [(120, False), (600, False), (0, True)], ids=str)
def test_a_garage_comes_back_over_a_minute(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, outage_s: int, power_cut: bool
) -> None:
    """Over at least 60 s in 99 of 100 garages; nobody waits for more than 121 s; within 5 s never half of them."""
    chance = random.Random(7)
    wide = 0
    for _ in range(GARAGES):
        back = sorted(back_after_ms(chance, 1000 * outage_s, power_cut, monkeypatch) for _ in range(POINTS))
        wide += back[-1] - back[0] >= 60_000
        assert back[-1] <= 121_000
        assert max(sum(at <= other < at + 5000 for other in back) for at in back) < POINTS / 2
    assert wide >= 0.99 * GARAGES


def test_after_a_short_break_it_is_back_soon(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A broker that restarts within a second costs a second or two, not a minute."""
    chance = random.Random(7)
    back = sorted(back_after_ms(chance, 500, False, monkeypatch) for _ in range(1000))
    assert back[950] < 3000
