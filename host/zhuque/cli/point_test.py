"""`zhuque point test`: a point proven at the wall, line by line, and kept. The work is done by zhuque.install."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zhuque.cli.options import (
    broker_options,
    json_option,
    json_text,
    need_broker,
    need_site,
    our_actor,
    our_name,
)
from zhuque.cli.versions import tell_other
from zhuque.errors import NoAnswerError, UsageError, ZhuqueError
from zhuque.report import figures

if TYPE_CHECKING:
    from zhuque.collector.broker import BrokerAddress
    from zhuque.install.wall_test import Reference
    from zhuque.site.settings import Settings
    from zhuque.store.point_tests import Line, PointTest

_REPLY_S = 15.0


@click.command(name="test")
@click.argument("point", metavar="POINT")
@click.option(
    "--port", help="The board is on this port too: what it says of Wi-Fi, TLS and broker. It is restarted."
)
@click.option("--socket", type=click.IntRange(1, 255), help="The socket that a known load is plugged into.")
@click.option(
    "--reference-w", type=click.FloatRange(40, 4000), help="What a reference meter shows for it, in watts."
)
@click.option(
    "--wait",
    "wait_s",
    type=click.FloatRange(0, 600),
    default=60,
    show_default=True,
    help="Seconds for the point to connect.",
)
@broker_options
@json_option
def test(
    point: str,
    port: str | None,
    socket: int | None,
    reference_w: float | None,
    wait_s: float,
    broker: str | None,
    insecure: bool,
    ca: Path | None,
    as_json: bool,
) -> None:
    """Prove a point where it hangs: uplink, clock, inputs, meter, every relay, a known load; and keep the result.

    Each socket gets a session of some seconds; nobody may be charging there. Without --port the point must be online;
    with it the board says why it is not, a wrong Wi-Fi password or certificate among the reasons.

    \b
    Example:
      zhuque point test p07 --site riverside
      zhuque point test p07 --port /dev/ttyUSB0 --socket 3 --reference-w 998.5 --site riverside
    """
    site = need_site()
    name = _name(site, point)

    from zhuque.install.wall_test import Reference
    from zhuque.site import points, tests
    from zhuque.store.point_tests import PointTest

    if (socket is None) != (reference_w is None):
        raise UsageError("--socket and --reference-w go together: which load, and where it is plugged in")
    installed, _ = points.shown(site, name)
    reference = Reference(socket, reference_w) if socket and reference_w else None
    address = need_broker(broker, insecure, ca)
    run = _Run(site, name, installed.board, address, our_actor(broker), reference, wait_s)
    lines = []
    for line in run.lines(port):
        lines.append(line)
        if not as_json:
            _tell(line)
    via = "usb" if port else "mqtt"
    tell_other(f"{site.name}/{name}", run.firmware)
    firmware = run.firmware or installed.firmware
    kept = PointTest(name, int(time.time()), our_name(), via, installed.mac, firmware, tuple(lines))
    tests.keep(site, kept)
    if as_json:
        click.echo(json_text(row(site.name, kept)))
    else:
        failed = len(kept.failed)
        click.echo(
            f"{site.name}/{name}: {'PASS' if kept.passed else f'FAIL, {failed} of {len(lines)} lines'}"
        )
    if not kept.passed:
        raise SystemExit(1)


class _Run:
    """The lines of one test: over USB where there is a port, and then, once the point is online, over MQTT."""

    def __init__(
        self,
        site: Settings,
        point: str,
        board: str,
        address: BrokerAddress,
        actor: str,
        reference: Reference | None,
        wait_s: float,
    ) -> None:
        self._site, self._point, self._board = site, point, board
        self._address, self._actor, self._reference = address, actor, reference
        self._wait_s = wait_s
        self.firmware: str | None = None

    def lines(self, port: str | None) -> Iterator[Line]:
        """Each as it is known. What goes wrong with the line itself is a line, too."""
        from zhuque.store.point_tests import Line

        if port is not None:
            from zhuque.install import uplink_test

            try:
                for line in uplink_test.test(port, self._site.name, self._point, self._actor):
                    yield line
                    if line.result == "FAIL":
                        return
            except ZhuqueError as error:
                yield Line("USB", "FAIL", str(error), "plug the board in again and run the command again")
                return
        try:
            yield from self._wall()
        except ZhuqueError as error:
            yield Line("broker", "FAIL", str(error), "run the command again when that is mended")

    def _wall(self) -> Iterator[Line]:
        from zhuque import boards
        from zhuque.install.wall_test import WallTest

        wall = _MqttWall(self._address, self._site.name, self._point, self._actor, self._wait_s)
        named = f"{self._site.name}/{self._point}"
        board: Any = boards.load(self._board).data
        limit = board["limits"]["point_current_ma"]
        limit = min(limit, self._site.limits.get("point_current_ma", limit))
        running = WallTest(wall, named, board, limit, self._reference)
        yield from running.run()
        self.firmware = running.firmware


class _MqttWall:
    """A point at the broker, as install.wall_test wants it."""

    def __init__(self, address: BrokerAddress, site: str, point: str, actor: str, wait_s: float) -> None:
        self._address, self._site, self._point = address, site, point
        self._actor, self._wait_s = actor, wait_s

    def status(self) -> dict[str, Any] | None:
        """As the broker keeps it; a point, and a broker, that were just started are waited for."""
        until = time.monotonic() + self._wait_s
        told = False
        while True:
            try:
                status = self._kept()
            except NoAnswerError:
                if time.monotonic() >= until:
                    raise
                status = None
            if status is not None or time.monotonic() >= until:
                return status
            if not told:
                told = True
                click.echo(f"waiting for {self._site}/{self._point} to connect", err=True)
            time.sleep(1)

    def _kept(self) -> dict[str, Any] | None:
        from zhuque.collector import ask

        found = ask.kept_status(self._address, self._site, self._point)
        if found and found[0].problem:
            raise ZhuqueError(f"{self._site}/{self._point} {found[0].problem}")
        return found[0].status if found and found[0].online else None

    def ask(self, op: str, **fields: Any) -> dict[str, Any]:
        """A command, as anybody's."""
        from zhuque.collector import ask

        message = {"op": op, **fields, "actor": self._actor, "expires": int(time.time()) + 60}
        return ask.command(self._address, self._site, self._point, message, _REPLY_S)

    def telemetry(self) -> Iterator[dict[str, Any]]:
        """From now on."""
        from zhuque.collector import ask

        return ask.telemetry(self._address, self._site, self._point)


def row(site: str, test: PointTest) -> dict[str, Any]:
    """A test as other programs see it."""
    return {
        "site": site,
        "point": test.point,
        "at": figures.utc_iso(test.at),
        "by": test.by,
        "via": test.via,
        "mac": test.mac,
        "firmware": test.firmware,
        "passed": test.passed,
        "lines": [vars(line) for line in test.lines],
    }


def _name(site: Settings, point: str) -> str:
    """`p07`, or `riverside/p07` of this site."""
    first, slash, rest = point.rpartition("/")
    if slash and first != site.name:
        raise UsageError(f"{point} is no point of {site.name}, whose folder --site is")
    return rest


def _tell(line: Line) -> None:
    click.echo(f"{line.result}  {line.name}: {figures.with_local_times(line.detail)}")
    if line.result == "FAIL" and line.remedy:
        click.echo(f"      {line.remedy}")
