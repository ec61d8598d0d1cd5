"""`zhuque provision`: boards on USB become points of the site. The work is done by zhuque.install."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from zhuque.cli.options import (
    baud_option,
    firmware_option,
    json_option,
    need_site,
    our_name,
    print_json,
    site_option,
)
from zhuque.cli.versions import tell_replaced

if TYPE_CHECKING:
    from zhuque.install.provision import Outcome, Provisioner
    from zhuque.site.settings import Settings


@click.command(name="provision")
@click.option(
    "--points",
    "wanted",
    metavar="P01..P30",
    help="Handed out in this order; without it all that lack a board.",
)
@click.option(
    "--port",
    "chosen",
    multiple=True,
    metavar="PORT",
    help="Only this port, once; without it whatever is plugged in.",
)
@click.option(
    "--jobs", type=click.IntRange(1, 32), default=8, show_default=True, help="So many boards at a time."
)
@firmware_option
@click.option("--again", is_flag=True, help="Provision what is done already too.")
@click.option("--yes", is_flag=True, help="Overwrite a board that runs something else.")
@baud_option
@click.option(
    "--wait", type=click.FloatRange(1), default=30, show_default=True, help="Seconds for a board's answer."
)
@site_option
@json_option
def command(
    wanted: str | None,
    chosen: tuple[str, ...],
    jobs: int,
    firmware: str | None,
    again: bool,
    yes: bool,
    baud: int,
    wait: float,
    as_json: bool,
) -> None:
    """Give boards on USB their identity: firmware, secrets, profile; read every file back, and hear each board.

    Without --port it waits for boards and hands the points out as they are plugged in, until each has its board or
    Ctrl-C. A board keeps its point: pulled half-way it is finished by the next run, and one that is done is skipped.
    A blank board gets all in one write, one with the same firmware only its files; its journal stays.

    \b
    Example:
      zhuque provision --points p01..p30 --site riverside
      zhuque provision --points p07 --port /dev/ttyUSB0 --site riverside
    """
    site = need_site()

    from zhuque.device import esptool, flasher
    from zhuque.install.provision import Wish

    esptool.check_version()
    if not as_json:
        _need_a_port(chosen)
    wish = Wish(flasher.Settings(baud, wait_s=wait), yes, again)
    work = _provisioner(site, wanted, firmware, wish)
    outcomes = _run(work, chosen, jobs, as_json)
    if as_json:
        print_json(_row(site, outcome) for outcome in outcomes)
    left = work.assigner.left()
    passed = {outcome.port: outcome.passed for outcome in outcomes}
    click.echo(_summary(sum(passed.values()), len(passed), left), err=True)
    last = {outcome.port: outcome for outcome in outcomes}.values()
    codes = {outcome.error.exit_code if outcome.error else 1 for outcome in last if not outcome.passed}
    sys.exit(0 if not codes else codes.pop() if len(codes) == 1 else 1)


def _need_a_port(chosen: tuple[str, ...]) -> None:
    """Raises at once what is wrong with the only port that was named; of several, each board tells its own."""
    from zhuque.device import ports

    if len(ports.distinct(chosen)) == 1:
        ports.check(chosen[0])


def _provisioner(site: Settings, wanted: str | None, firmware: str | None, wish: object) -> Provisioner:
    from zhuque import boards
    from zhuque.cli.flash_bars import say_compiling
    from zhuque.device import image
    from zhuque.device.shelf import Shelf, load
    from zhuque.errors import NotFoundError
    from zhuque.install import assign, provision
    from zhuque.site import points

    if wanted is None:
        named = [point.point for point in points.listed(site) if point.retired_at is None]
    else:
        named = provision.names(wanted)
    if not named:
        raise NotFoundError(f"{site.name} has no points: `zhuque point add p01` makes one")
    board = boards.load(assign.board_of(site, named))
    say_compiling(board)
    base = image.build(board, load(firmware, Shelf()))
    assert isinstance(wish, provision.Wish)
    return provision.Provisioner(base, assign.Assigner(site, named, base, our_name()), wish)


def _run(work: Provisioner, chosen: tuple[str, ...], jobs: int, as_json: bool) -> list[Outcome]:
    """Every outcome, told as it comes."""
    from zhuque.cli.flash_bars import bars, stopped

    outcomes: list[Outcome] = []
    with stopped(), bars(chosen) as work.on_progress:
        for outcome in _outcomes(work, chosen, jobs):
            outcomes.append(outcome)
            if not as_json:
                _tell(outcome)
    return outcomes


def _outcomes(work: Provisioner, chosen: tuple[str, ...], jobs: int) -> Iterator[Outcome]:
    import signal
    import threading

    from zhuque.install import batch

    if chosen:
        yield from batch.named(work, chosen, jobs)
        return
    over = threading.Event()
    before = signal.signal(signal.SIGINT, lambda *_: over.set())
    click.echo("plug boards in; Ctrl-C when no more come: what has begun is finished", err=True)
    try:
        yield from batch.plugged(work, jobs, over)
    finally:
        signal.signal(signal.SIGINT, before)


def _tell(outcome: Outcome) -> None:
    if outcome.passed:
        state = outcome.hello.state if outcome.hello else "ready"
        told = f"{outcome.how}, {outcome.files} files read back, {state}" if outcome.files else outcome.how
        told += f", {outcome.rescued} records pulled first" if outcome.rescued else ""
        told += f", those of another garage kept in {outcome.kept}" if outcome.kept else ""
        click.echo(f"PASS  {outcome.point}  {outcome.mac}  {outcome.port}  {told}, {outcome.seconds:.0f} s")
        tell_replaced(outcome.point, outcome.ran)
        return
    where = "  ".join(filter(None, (outcome.point, outcome.mac)))
    if outcome.error is not None:
        click.echo(f"FAIL  {where}{'  ' if where else ''}{outcome.error}", err=True)
    for problem in outcome.wrong:
        click.echo(f"FAIL  {where}  {outcome.port}  written and running, but: {problem}", err=True)


def _row(site: Settings, outcome: Outcome) -> dict[str, object]:
    hello = outcome.hello
    return {
        "site": site.name,
        "point": outcome.point or None,
        "port": outcome.port,
        "result": "PASS" if outcome.passed else "FAIL",
        "mac": outcome.mac or None,
        "chip": outcome.chip or None,
        "how": outcome.how or None,
        "files": outcome.files,
        "rescued": outcome.rescued,
        "kept": str(outcome.kept) if outcome.kept else None,
        "seconds": round(outcome.seconds, 1),
        "firmware": hello.firmware if hello else None,
        "firmware_before": outcome.ran or None,
        "state": hello.state if hello else None,
        "error": str(outcome.error) if outcome.error else "; ".join(outcome.wrong) or None,
    }


def _summary(passed: int, boards: int, left: list[str]) -> str:
    text = f"{passed} of {boards} boards passed"
    if not left:
        return text + "; every point asked for is provisioned: `zhuque point test` proves each at the wall"
    more = f" and {len(left) - 6} more" if len(left) > 6 else ""
    return text + f"; left: {', '.join(left[:6])}{more}: run the command again with their boards plugged in"
