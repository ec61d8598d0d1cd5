"""`zhuque sim`: run, garage, verify; board is in sim_board.py."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click

from zhuque.cli import sim_board
from zhuque.cli.options import ParamType, db_option, json_option, need_db, plain_broker_options, print_json
from zhuque.errors import UsageError
from zhuque.wire.topics import is_name

_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600}


class PointName(ParamType):
    """SITE/POINT."""

    name = "site/point"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """(site, point)."""
        if isinstance(value, tuple):
            return value
        site, slash, point = str(value).partition("/")
        if not slash or not is_name(site) or not is_name(point):
            self.fail(f"{value!r} is not SITE/POINT, each 1 to 32 of a-z, 0-9 and '-'", param, ctx)
        return site, point


class Span(ParamType):
    """A length of time: 90, 90s, 15m, 2h; gives seconds."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Seconds."""
        found = re.fullmatch(r"(\d{1,7})([smh]?)", str(value))
        if found is None or int(found[1]) == 0:
            self.fail(f"{value!r} is no length of time such as 90s, 15m or 2h", param, ctx)
        return int(found[1]) * _UNITS[found[2]]


@click.group(name="sim")
def command() -> None:
    """Charge points that are simulated: the real firmware on MicroPython.

    \b
    Example:
      zhuque sim run --duration 10m
    """


command.add_command(sim_board.command)


class Speed(ParamType):
    """A number from 1 on, or max; gives None for max."""

    name = "n|max"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The factor, None where ticks that decide nothing are left out."""
        if value == "max" or value is None:
            return None
        try:
            speed = float(value)
        except ValueError:
            speed = 0.0
        if not 1 <= speed <= 100_000:
            self.fail(f"{value!r} is no speed: a number from 1 to 100000, or max", param, ctx)
        return speed


def _run_options(function: Any) -> Any:
    """What one point and a garage have in common."""
    file = click.Path(dir_okay=False, path_type=Path)
    options = (
        click.option("--board", default="zq10", show_default=True, help="The board it is."),
        plain_broker_options,
        click.option(
            "--port", type=click.IntRange(1, 65535), help="Of a broker of its own; else any free one."
        ),
        click.option(
            "--speed",
            type=Speed(),
            default="1",
            show_default=True,
            help="How many times faster than the wall clock, at most; max also leaves out what decides nothing.",
        ),
        click.option("--duration", type=Span(), help="Simulated time after which it ends: 90s, 15m, 2h."),
        click.option("--scenario", type=file, help="What happens; TOML, see the README of sim."),
        click.option("--truth", "truth_file", type=file, help="Write what the loads drew there at the end."),
        click.option(
            "--seed", type=click.IntRange(1), help="Of everything left to chance; else one that is printed."
        ),
    )
    for option in reversed(options):
        function = option(function)
    return function


def _simulate(broker: str | None, insecure: bool, ca: Path | None, wanted: dict[str, Any]) -> None:
    from zhuque.sim.broker import BrokerError
    from zhuque.sim.session import Simulation
    from zhuque.sim.tools import ToolMissingError

    address = None
    if broker:
        from zhuque.collector.broker import parse

        address = parse(broker, insecure, ca)
        if address.tls:
            raise UsageError("a simulated point speaks plain MQTT without a password: give mqtt://HOST:PORT")
        if wanted["port"]:
            raise UsageError("--port is that of a broker of one's own: it does not go with --broker")
    try:
        Simulation(address, **wanted).run()
    except (BrokerError, ToolMissingError) as error:
        raise click.ClickException(str(error)) from error


@command.command(name="run")
@click.option("--point", "name", type=PointName(), default="garage/p01", show_default=True, help="Its name.")
@_run_options
def run(name: tuple[str, str], broker: str | None, insecure: bool, ca: Path | None, **wanted: Any) -> None:
    """Run one charge point until --duration is over or Ctrl-C; without --broker on a mosquitto of its own.

    Events can be typed while it runs, as JSON or words: `plug 3 account=r-0412 scan_after_s=5`, `unplug 3`,
    `overload 3 watts=3000 for_s=60`, `short 3`, `meter_silent for_s=10`, `relay_stuck 3`, `power_cut for_s=30`,
    `network_down for_s=60`.

    \b
    Example:
      zhuque sim run --point riverside/p01 --speed 60 --duration 2h --scenario day.toml --truth truth.jsonl
    """
    _simulate(broker, insecure, ca, {"site": name[0], "points": (name[1],), **wanted})


@command.command(name="garage")
@click.option("--site", default="garage", show_default=True, help="Its name.")
@click.option(
    "--points",
    "count",
    type=click.IntRange(1, 30),
    default=3,
    show_default=True,
    help="How many: p01, p02 ..",
)
@_run_options
def garage(site: str, count: int, broker: str | None, insecure: bool, ca: Path | None, **wanted: Any) -> None:
    """Run a garage of many points, a process each, until --duration is over or Ctrl-C.

    On a terminal it shows points and sockets as they are. Events can be typed as for `sim run`; a first word names the
    point they happen at, else they happen at all: `p03 overload 3 watts=3000`, `power_cut for_s=30`.

    \b
    Example:
      zhuque sim garage --points 30 --speed max --duration 2h --scenario day.toml --truth truth.jsonl --seed 7
    """
    if not is_name(site):
        raise UsageError(f"{site!r} is no name of a site: 1 to 32 of a-z, 0-9 and '-'")
    points = tuple(f"p{number:02}" for number in range(1, count + 1))
    _simulate(broker, insecure, ca, {"site": site, "points": points, "live": True, **wanted})


@command.command(name="verify")
@db_option
@click.option(
    "--truth",
    "truth_file",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    help="What `zhuque sim run --truth` wrote.",
)
@json_option
def verify(db: str | None, truth_file: Path, as_json: bool) -> None:
    """Hold a database against what was really drawn, and explain every difference; exit code 1 for a wrong one.

    A difference that a fault of the truth must lead to is told with that reason, and is not wrong.

    \b
    Example:
      zhuque sim verify --truth truth.jsonl --db site.db
    """
    where = need_db(db)

    from zhuque.sim import truth, verify
    from zhuque.store.engine import open_reader, translate
    from zhuque.store.queries import SessionFilter, session_rows

    lived = truth.read(truth_file)
    with translate(where):
        report = verify.verify(lived, list(session_rows(open_reader(where), SessionFilter())))
    if as_json:
        print_json(report.rows())
    else:
        click.echo(report.text())
    if report.wrong:
        raise SystemExit(1)
