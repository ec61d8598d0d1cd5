"""A point proven at the wall, over MQTT: what it says of itself, its meter without a load, every relay, a known load.

Strategy. Judge what `status`, `ping` and `telemetry` say; then start a short session on each socket, see its relay
closed, stop it, and see it open. Relays are moved by nothing but such a session: the protection is in force all along.

Rules: a line that fails says what to do. A socket that somebody uses is not touched, and not proven either. Limits are
those of the design (sections 5 and 11), the measured ones with room for a busy board.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Any, Protocol

from zhuque.lockouts import cause_in, locked_place, way_out
from zhuque.store.point_tests import Line

_ACCOUNT = "point-test"
_SESSION_S = 60  # ends by itself where we cannot stop it any more
_OPEN = ("armed", "charging", "suspended")
_CLOSED_MA = 2000  # a closed socket counts at least so much against the point's limit for its first minute
_MOST_SHARE = 0.9  # of the limit, above which no socket starts
_ROWS = 5  # messages of telemetry until a relay must have moved; one comes every 5 s
_LOAD_ROWS = 6
_VOLTAGE_MV = (187_000, 253_000)
_ZERO_MA, _ZERO_MW = 100, 5000
_WEAK_DBM, _USELESS_DBM = -75, -82
_CLOCK_S = 5
_HOT_DC = 600
_BLIND_MS = {"quiet": 100, "append": 150, "erase": 500, "handshake": 2000}
_OFF, _FAR_OFF = 0.02, 0.10
_LOOPS = {
    "emergency_stop": "release the emergency stop, or close its loop at the terminals",
    "smoke": "the smoke detector's loop is open: reset the detector, check its wires",
    "residual_current": "the residual-current relay's loop is open: reset it, check its wires",
}
_REFUSED = {
    "cause_present": "the cause is still there: remove it first",
    "not_ready": "the point is not ready: look at its state above",
    "socket_busy": "somebody charges there: test it when the socket is free",
}


class Wall(Protocol):
    """The point, however it is reached. Each raises NoAnswerError when it does not answer."""

    def status(self) -> dict[str, Any] | None:
        """Its `status`, None while it is offline."""

    def ask(self, op: str, **fields: Any) -> dict[str, Any]:
        """The reply to a command."""

    def telemetry(self) -> Iterator[dict[str, Any]]:
        """Its telemetry from now on."""


@dataclass(frozen=True)
class Reference:
    """A known load: watts, on a socket."""

    socket: int
    watts: float


class WallTest:
    """`board` is the board's own description; `point_current_ma` the limit in force; `named` is SITE/POINT."""

    def __init__(
        self,
        wall: Wall,
        named: str,
        board: Mapping[str, Any],
        point_current_ma: int,
        reference: Reference | None = None,
    ) -> None:
        self._wall = wall
        self._named = named
        self._board = board
        self._reference = reference
        self._point_current_ma = point_current_ma
        self.firmware: str | None = None

    def run(self) -> Iterator[Line]:
        """Every line, as it is known; after `online` failed there are no more."""
        status = self._wall.status()
        if status is None:
            point = self._named.partition("/")[2]
            remedy = f"at the wall, with a USB cable, `zhuque point test {point} --port PORT` says why"
            yield Line("online", "FAIL", f"{self._named} is not connected to the broker", remedy)
            return
        self.firmware = status.get("firmware")
        yield Line(
            "online", "PASS", f"{self._named}, {status.get('board')} {self.firmware}, at the broker over TLS"
        )
        yield _state(status)
        yield _signal(status.get("rssi_dbm"))
        pong = self._wall.ask("ping")
        yield _clock(pong.get("time"), time.time())
        yield from self._inputs(pong)
        first = next(self._wall.telemetry())
        yield from self._quiet(first)
        yield from self._relays(first)
        yield from self._load()

    def _inputs(self, pong: dict[str, Any]) -> Iterator[Line]:
        section = self._board.get("inputs", {})
        if "inputs" not in pong:
            yield Line(
                "inputs",
                "FAIL",
                "the firmware does not tell them",
                "it is too old: `zhuque provision --again`",
            )
            return
        bad = {*pong["inputs"], *pong.get("unread", [])}
        for name, remedy in _LOOPS.items():
            if name in section and name in bad:
                yield Line(name, "FAIL", "its loop is open: every relay stays open", remedy)
            elif name in section:
                yield Line(name, "PASS", "its loop is closed")

    def _quiet(self, said: dict[str, Any]) -> Iterator[Line]:
        """What one message of telemetry tells while nothing is switched."""
        if "temperature" in self._board:
            yield _temperature(said.get("temperature_dc"))
        yield _voltage(said.get("voltage_mv"))
        yield _zero(said["sockets"])
        yield _blind(said.get("blind") or {"quiet": said.get("blind_ms", 0)})

    # Relays -----------------------------------------------------------------------------------------------------------

    def _relays(self, first: dict[str, Any]) -> Iterator[Line]:
        numbers = range(1, len(first["sockets"]) + 1)
        busy = [n for n in numbers if first["sockets"][n - 1][0] in _OPEN]
        for n in busy:
            yield Line(f"relay {n}", "FAIL", "somebody charges there", _REFUSED["socket_busy"])
        free = [n for n in numbers if n not in busy]
        drawn_ma = sum(max(first["sockets"][n - 1][1] or 0, _CLOSED_MA) for n in busy)
        at_once = max(1, int(_MOST_SHARE * self._point_current_ma - drawn_ma) // _CLOSED_MA)
        for at in range(0, len(free), at_once):
            yield from self._batch(free[at : at + at_once])

    def _batch(self, sockets: Sequence[int]) -> Iterator[Line]:
        started, refused = [], []
        try:
            for n in sockets:
                line = self._start(n)
                refused += [line] if line else []
                started += [] if line else [n]
            closed = self._wait(started, lambda row: row[0] in _OPEN)
        finally:
            for n in started:
                self._wall.ask("stop", socket=n)
        opened = self._wait(started, lambda row: row[0] not in (*_OPEN, "locked") and _is_zero(row))
        yield from refused
        for n in started:
            yield _relay(n, closed[n], opened[n])

    def _start(self, n: int) -> Line | None:
        """None when the session began, else why not."""
        answer = self._wall.ask(
            "start", socket=n, max_duration_s=_SESSION_S, account=_ACCOUNT, source="remote"
        )
        if answer.get("ok"):
            return None
        code = str(answer.get("error"))
        detail = f"it did not start: {code}" + (f" ({answer['detail']})" if answer.get("detail") else "")
        remedy = _REFUSED.get(code, f"look at `zhuque status {self._named}`")
        if code == "socket_locked":
            said = answer.get("detail")
            remedy = way_out(self._named, locked_place(n, said), cause_in(said))
        return Line(f"relay {n}", "FAIL", detail, remedy)

    def _wait(
        self, sockets: Sequence[int], right: Callable[[list[Any]], bool]
    ) -> dict[int, list[Any] | None]:
        """For each socket None once it is right, else its last row."""
        wrong: dict[int, list[Any] | None] = {n: [] for n in sockets}
        if not sockets:
            return wrong
        rows = self._wall.telemetry()
        for _ in range(_ROWS):
            said = next(rows)["sockets"]
            wrong = {
                n: None if row is None or right(said[n - 1]) else said[n - 1] for n, row in wrong.items()
            }
            if not any(row is not None for row in wrong.values()):
                break
        return wrong

    # The known load ---------------------------------------------------------------------------------------------------

    def _load(self) -> Iterator[Line]:
        reference = self._reference
        if reference is None:
            detail = "no load was named"
            yield Line("reference", "SKIP", detail, "plug a heater in: --socket N --reference-w W")
            return
        refused = self._start(reference.socket)
        if refused:
            yield Line("reference", "FAIL", refused.detail, refused.remedy)
            return
        try:
            shown = self._shown(reference.socket)
        finally:
            self._wall.ask("stop", socket=reference.socket)
        opened = self._wait([reference.socket], lambda row: row[0] not in _OPEN and _is_zero(row))
        yield _reference(reference, shown, self._named)
        if shown and opened[reference.socket] is not None:
            yield _relay(reference.socket, None, opened[reference.socket])

    def _shown(self, n: int) -> float:
        """The mean of what the meter shows once the load is steady, in watts; 0 where nothing draws."""
        rows = self._wall.telemetry()
        shown: list[int] = []
        for _ in range(_LOAD_ROWS):
            state, _current, power_mw = next(rows)["sockets"][n - 1][:3]
            if state in _OPEN and power_mw is not None and power_mw >= _ZERO_MW:
                shown.append(power_mw)
        return mean(shown[2:]) / 1000 if len(shown) > 2 else 0.0


def _state(status: dict[str, Any]) -> Line:
    if status.get("state") == "ready":
        return Line("state", "PASS", "ready")
    told = "; ".join(map(str, status.get("problems") or ())) or f"it is {status.get('state')}"
    return Line("state", "FAIL", told, "mend what it says; no relay closes before it is ready")


def _signal(dbm: int | None) -> Line:
    if dbm is None:
        return Line("Wi-Fi", "SKIP", "the point does not tell its strength")
    if dbm < _USELESS_DBM:
        remedy = "move the antenna or the access point, or set up another: it will be lost now and then"
        return Line("Wi-Fi", "FAIL", f"{dbm} dBm", remedy)
    return Line("Wi-Fi", "PASS", f"{dbm} dBm{', weak' if dbm < _WEAK_DBM else ''}")


def _clock(told: int | None, now: float) -> Line:
    if told is None:
        remedy = "no time server answers at [time] host of site.toml: start one there, or name another"
        return Line("clock", "FAIL", "the point does not know the time", remedy)
    off = told - now
    if abs(off) > _CLOCK_S:
        remedy = "set this computer's clock, or mend the time server: `zhuque site check` tells which of them is wrong"
        return Line("clock", "FAIL", f"{off:+.0f} s against this computer", remedy)
    return Line("clock", "PASS", f"{off:+.1f} s against this computer")


def _temperature(dc: int | None) -> Line:
    if dc is None:
        return Line("temperature", "FAIL", "the thermometer says nothing", "check its wires and its pull-up")
    if dc >= _HOT_DC:
        return Line(
            "temperature",
            "FAIL",
            f"{dc / 10:.1f} °C",
            "no socket starts from 60 °C on: find what heats the box",
        )
    return Line("temperature", "PASS", f"{dc / 10:.1f} °C")


def _voltage(mv: int | None) -> Line:
    if mv is None:
        return Line("voltage", "FAIL", "the meter gives none", "is the meter fed, are its wires right?")
    if not _VOLTAGE_MV[0] <= mv <= _VOLTAGE_MV[1]:
        remedy = "measure the mains with another meter: the supply is wrong, or the meter's divider"
        return Line("voltage", "FAIL", f"{mv / 1000:.1f} V", remedy)
    return Line("voltage", "PASS", f"{mv / 1000:.1f} V")


def _zero(rows: Sequence[list[Any]]) -> Line:
    """Nothing may be metered where every relay is open."""
    idle = {n: row for n, row in enumerate(rows, 1) if row[0] not in _OPEN}
    silent = [n for n, row in idle.items() if row[1] is None or row[2] is None]
    if silent:
        return Line(
            "meter at zero",
            "FAIL",
            f"no reading of {_names(silent)}",
            "is the meter fed, are its wires right?",
        )
    wrong = [n for n, row in idle.items() if not _is_zero(row)]
    if wrong:
        shown = ", ".join(f"{n}: {idle[n][1]} mA, {idle[n][2] / 1000:.1f} W" for n in wrong)
        remedy = (
            "a relay is welded, or a wire passes the meter of another socket: find it before anybody uses it"
        )
        return Line("meter at zero", "FAIL", f"with the relay open {shown}", remedy)
    return Line("meter at zero", "PASS", f"{len(idle)} sockets show nothing")


def _blind(blind: dict[str, int]) -> Line:
    over = {name: ms for name, ms in blind.items() if ms > _BLIND_MS.get(name, 2000)}
    shown = ", ".join(f"{name} {ms} ms" for name, ms in blind.items())
    if over:
        remedy = "test again; where it stays, look for a flash that is worn out or a bus that is disturbed"
        return Line("blind time", "FAIL", shown, remedy)
    return Line("blind time", "PASS", shown)


def _relay(n: int, closed: list[Any] | None, opened: list[Any] | None) -> Line:
    """`closed`, `opened`: None where that was seen, else what the socket said instead."""
    name = f"relay {n}"
    if closed is not None:
        state = closed[0] if closed else "silent"
        return Line(
            name, "FAIL", f"it did not close: the socket is {state}", "look at `zhuque log` for its trip"
        )
    if opened is not None:
        shown = f"{opened[1]} mA" if opened and opened[1] else "no reading"
        remedy = (
            "cut the breaker: the relay is welded or wired past; replace it before anybody uses the socket"
        )
        return Line(
            name,
            "FAIL",
            f"it did not open: the socket is {opened[0] if opened else 'silent'}, {shown}",
            remedy,
        )
    return Line(name, "PASS", "closed and opened")


def _reference(reference: Reference, shown: float, named: str) -> Line:
    name = f"reference on {reference.socket}"
    if not shown:
        remedy = (
            "is it plugged in there, and on? Then the relay does not close, or the socket's wires are crossed"
        )
        return Line(name, "FAIL", "nothing draws", remedy)
    off = shown / reference.watts - 1
    told = f"{shown:.1f} W of {reference.watts:.1f} W, {off:+.1%}"
    if abs(off) > _FAR_OFF:
        return Line(
            name, "FAIL", told, "that is a wrong shunt or another load, no tolerance: compare both meters"
        )
    if abs(off) > _OFF:
        remedy = (
            f"`zhuque point calibrate {named} --socket {reference.socket} --reference-w {reference.watts:g}`"
        )
        return Line(name, "FAIL", told, remedy)
    return Line(name, "PASS", told)


def _is_zero(row: Sequence[Any]) -> bool:
    return row[1] is not None and row[1] <= _ZERO_MA and (row[2] or 0) <= _ZERO_MW


def _names(numbers: Sequence[int]) -> str:
    return ("socket " if len(numbers) == 1 else "sockets ") + ", ".join(map(str, numbers))
