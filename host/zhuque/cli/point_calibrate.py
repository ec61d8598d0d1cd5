"""`zhuque point calibrate`: a socket's meter against a load whose power is known.

The point is told to start a session, as for anybody; what it shows of the socket in its telemetry is averaged. The gain
and offset that follow are sent to it while every relay is open, for only then it writes its flash. Then the same load
is measured again; where that is not right, what was in force before is put back.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import click

from zhuque import calibration
from zhuque.calibration import CalibrationError, Pair, told
from zhuque.cli.options import broker_options, json_option, json_text, need_broker, our_actor
from zhuque.cli.refusals import refusal
from zhuque.cli.targets import Target, TargetType
from zhuque.errors import NotFoundError, RefusedError

_QUANTITIES = ("power", "current")
_OPEN = ("armed", "charging", "suspended")
_ACCOUNT = "calibration"
_SETTLE_ROWS = 3  # the meter's own averaging, and the load's first seconds
_LOAD_ROWS = 8  # of telemetry, until which a load must show
_TIMES_FREE = 8  # how often the change is offered while a relay may not have opened yet
_SESSION_S = 1800
_NO_LOAD_MW = 5000

Ask = Callable[[dict[str, Any]], dict[str, Any]]


class Row(NamedTuple):
    """What telemetry says of the socket."""

    state: str
    current_ma: int
    power_mw: int
    voltage_mv: int
    others: tuple[int, ...]  # the other sockets with an open session


@click.command(name="calibrate")
@click.argument("point", type=TargetType(least=2, most=2))
@click.option(
    "--socket", type=click.IntRange(1, 255), required=True, help="The socket that the load is plugged into."
)
@click.option(
    "--reference-w",
    type=click.FloatRange(40, 4000),
    required=True,
    help="What a reference meter shows for the load, in watts: a heater or lamps, nothing that regulates itself.",
)
@click.option(
    "--samples",
    type=click.IntRange(5, 200),
    default=12,
    show_default=True,
    help="How many messages of telemetry are averaged; one comes every 5 s.",
)
@broker_options
@json_option
def calibrate(
    point: Target,
    socket: int,
    reference_w: float,
    samples: int,
    broker: str | None,
    insecure: bool,
    ca: Path | None,
    as_json: bool,
) -> None:
    """Calibrate a socket's power and current with a known load, and measure it again.

    Nobody may be charging at the point meanwhile: the change is written only while every relay is open. A correction of
    more than 10 %, a load that is not steady to 1 % and a socket on which nothing draws are refused. The current is
    taken to be the power over the voltage: so the load must be a plain resistance.

    \b
    Example:
      zhuque point calibrate riverside/p01 --socket 3 --reference-w 998.5 --broker mqtt://127.0.0.1:1883
    """
    address = need_broker(broker, insecure, ca)

    from zhuque.collector import ask

    place = Target(point.site, point.point, socket)

    def command(fields: dict[str, Any]) -> dict[str, Any]:
        message = {**fields, "actor": our_actor(broker), "expires": int(time.time()) + _SESSION_S}
        return ask.command(address, str(place.site), str(place.point), message, 10.0)

    def say(text: str) -> None:
        click.echo(text, err=as_json)

    def listen() -> Iterator[Row]:
        return (
            _row(body, place, socket) for body in ask.telemetry(address, str(place.site), str(place.point))
        )

    found = _Run(place, command, listen, say, round(reference_w * 1000), samples).run()
    if as_json:
        click.echo(json_text(found))


def _row(body: dict[str, Any], place: Target, socket: int) -> Row:
    sockets = body["sockets"]
    if socket > len(sockets):
        raise NotFoundError(f"{place.site}/{place.point} has {len(sockets)} sockets, no {socket}")
    state, current_ma, power_mw = sockets[socket - 1][:3]
    others = tuple(i + 1 for i, row in enumerate(sockets) if row[0] in _OPEN and i + 1 != socket)
    return Row(state, current_ma, power_mw, body.get("voltage_mv") or 0, others)


class _Run:
    """One calibration, step by step; every step may end it with an error that says what to do."""

    def __init__(
        self,
        place: Target,
        ask: Ask,
        listen: Callable[[], Iterator[Row]],
        say: Callable[[str], None],
        reference_mw: int,
        samples: int,
    ) -> None:
        self._place = place
        self._socket = place.socket or 0
        self._ask = ask
        self._listen = listen
        self._rows: Iterator[Row] = iter(())
        self._say = say
        self._reference_mw = reference_mw
        self._samples = samples

    def run(self) -> dict[str, Any]:
        """Calibrates and verifies; the pairs and what is left of the error. Raises CalibrationError and others."""
        before = self._in_force()
        zero = self._zero()
        with self._session():
            shown = self._measure("measuring")
        pairs = {name: self._pair(name, shown, zero, before[name]) for name in _QUANTITIES}
        self._change(pairs)
        self._say("written to the point; the load is measured again")
        try:
            with self._session():
                again = self._measure("verifying")
            left = {name: self._verify(name, again) for name in _QUANTITIES}
        except BaseException:
            self._change(before)
            self._say("what was in force before is in force again")
            raise
        self._say(f"{self._place} is calibrated")
        return {
            "socket": str(self._place),
            "reference_mw": self._reference_mw,
            "calibration": {name: list(pair) for name, pair in pairs.items()},
            "left_ppm": left,
        }

    # What is asked of the point

    def _command(self, op: str, **fields: Any) -> dict[str, Any]:
        answer = self._ask({"op": op, **fields})
        if not answer["ok"]:
            raise refusal(self._place, op, str(answer.get("error")), answer.get("detail"))
        return answer

    def _in_force(self) -> dict[str, Pair]:
        """The socket's pairs, of a point that knows the command."""
        table = self._command("config", config={})["config"]["calibration"]
        found = {}
        for name in _QUANTITIES:
            row = table.get(name, [])
            pair = row[self._socket - 1] if len(row) >= self._socket else calibration.NEUTRAL
            found[name] = (int(pair[0]), int(pair[1]))
        return found

    def _change(self, pairs: dict[str, Pair]) -> None:
        """Sends them; relays that are about to open are waited for. What the point then says must be the same."""
        self._rows = self._listen()
        gap = [None] * (self._socket - 1)
        message = {"config": {"calibration": {name: [*gap, list(pair)] for name, pair in pairs.items()}}}
        for attempt in range(_TIMES_FREE):
            answer = self._ask({"op": "config", **message})
            if answer["ok"]:
                break
            if answer.get("error") not in ("socket_busy", "journal") or attempt + 1 == _TIMES_FREE:
                raise refusal(self._place, "config", str(answer.get("error")), answer.get("detail"))
            next(self._rows)
        if self._in_force() != pairs:
            raise CalibrationError(
                "the point says yes and holds something else: nothing is certain; restart it and calibrate again"
            )

    @contextmanager
    def _session(self) -> Iterator[None]:
        """A session of ours on the socket, ended whatever happens."""
        started = {"max_duration_s": _SESSION_S, "account": _ACCOUNT, "source": "remote"}
        self._command("start", socket=self._socket, **started)
        self._rows = self._listen()  # nothing that was said before counts
        try:
            yield
        finally:
            self._ask({"op": "stop", "socket": self._socket})

    # What the telemetry says

    def _zero(self) -> dict[str, int]:
        """What the meter shows with the relay open. Raises RefusedError while anybody charges."""
        self._rows = self._listen()
        rows = [next(self._rows) for _ in range(3)]
        for row in rows:
            if row.state in _OPEN:
                raise RefusedError(f"{self._place} is {row.state}: somebody uses it; stop that session first")
            if row.others:
                names = ", ".join(map(str, row.others))
                raise RefusedError(
                    f"sockets {names} of this point are in use, and it writes its flash only while no relay is "
                    "closed; calibrate when nobody charges"
                )
        zero = {"power": rows[-1].power_mw, "current": rows[-1].current_ma}
        self._say(f"without a load: {told('power', zero['power'])}, {told('current', zero['current'])}")
        return zero

    def _measure(self, what: str) -> dict[str, int]:
        """The means of the quantities, with the load on."""
        rows: list[Row] = []
        waited = 0
        while len(rows) < _SETTLE_ROWS + self._samples:
            row = next(self._rows)
            if row.state in _OPEN and row.power_mw >= _NO_LOAD_MW:
                rows.append(row)
            elif rows or waited >= _LOAD_ROWS:
                raise self._nothing(row)
            else:
                waited += 1
        rows = rows[_SETTLE_ROWS:]
        found = {
            "power": calibration.steady("power", [row.power_mw for row in rows]),
            "current": calibration.steady("current", [row.current_ma for row in rows]),
            "voltage": calibration.steady("voltage", [row.voltage_mv for row in rows]),
        }
        power, current, voltage = (told(name, value) for name, value in found.items())
        self._say(f"{what}: {power}, {current} at {voltage}, the mean of {len(rows)} messages")
        return found

    def _nothing(self, row: Row) -> CalibrationError:
        if row.state in _OPEN:
            return CalibrationError(
                f"nothing draws on {self._place} ({told('power', row.power_mw)}): is the load switched on, and plugged "
                f"into socket {self._socket}?"
            )
        return CalibrationError(
            f"the session ended while the load was measured, the socket is {row.state}: look at `zhuque status`, "
            "and take a smaller load if it was tripped"
        )

    def _reference(self, name: str, shown: dict[str, int]) -> int:
        if name == "power":
            return self._reference_mw
        return calibration.resistive_ma(self._reference_mw, shown["voltage"])

    def _pair(self, name: str, shown: dict[str, int], zero: dict[str, int], before: Pair) -> Pair:
        reference = self._reference(name, shown)
        pair = calibration.compute(name, reference, shown[name], zero[name], before)
        self._say(
            f"{name}: shown {told(name, shown[name])}, true {told(name, reference)}: "
            f"gain {pair[0] / 1_000_000:.4f}, offset {told(name, pair[1])}"
        )
        return pair

    def _verify(self, name: str, shown: dict[str, int]) -> int:
        off_ppm = calibration.verify(name, self._reference(name, shown), shown[name])
        self._say(f"{name}: {told(name, shown[name])}, {abs(off_ppm) / 10_000:.2f} % off")
        return off_ppm
