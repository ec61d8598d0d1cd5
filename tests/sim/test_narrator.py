"""Every fault that a board tells has a line for people."""

from __future__ import annotations

import pytest

from zhuque.sim.events import EVENTS
from zhuque.sim.narrator import Narrator

TOLD = {
    "ma": 30.0,
    "celsius": 80,
    "volts": 170,
    "watts": 900,
    "frames": 3,
    "register": 0x60,
    "by_s": 60,
    "for_s": 5,
    "op": "stop",
    "cause": "software",
    "power_mw": 0,
    "why": "",
}


@pytest.mark.parametrize("on", [True, False])
@pytest.mark.parametrize("name", sorted(set(EVENTS) - {"speed"}))
def test_there_is_a_line(name: str, on: bool, capsys: pytest.CaptureFixture[str]) -> None:
    Narrator().tell({"event": name, "time": 1795440000, "socket": 3, "on": on, **TOLD})
    assert len(capsys.readouterr().out.splitlines()) == 1
