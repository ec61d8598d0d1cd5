"""`zhuque collect`: the collector until it is told to end."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from zhuque.cli.options import AGE, NAME, age_options, ages, broker_options, db_option, need_broker, need_db
from zhuque.errors import StoreBusyError

if TYPE_CHECKING:
    from zhuque.collector.broker import BrokerAddress
    from zhuque.collector.client import Collector
    from zhuque.store.telemetry import Ages
    from zhuque.store.write import Store

_RETRY_S = 1.0


@click.command(name="collect")
@click.argument("sites", nargs=-1, type=NAME, metavar="[SITE]...")
@db_option
@broker_options
@age_options
@click.option(
    "--gap-age",
    type=AGE,
    default="60s",
    show_default=True,
    help="Ask a point for missing records once they are this old.",
)
def command(
    sites: tuple[str, ...],
    db: str | None,
    broker: str | None,
    insecure: bool,
    ca: Path | None,
    minutes_after: int,
    hours_after: int,
    drop_after: int | None,
    gap_age: int,
) -> None:
    """Store what the charge points of these sites send; without a name, of every site.

    Ends on Ctrl-C or SIGTERM, after what is in hand is stored and acknowledged. One collector a site.

    \b
    Example:
      zhuque collect riverside --db site.db --broker mqtt://127.0.0.1:1883
    """
    where, address = need_db(db), need_broker(broker, insecure, ca)
    kept = ages(minutes_after, hours_after, drop_after)

    def say(text: str) -> None:
        click.echo("zhuque collect: " + text, err=True)

    store, collector = _when_it_can_be_opened(where, address, sites, say, gap_age, kept)
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: collector.stop())
        collector.run()
        say(f"stopped; {collector.records} records stored since the start")
    finally:
        store.close()


def _when_it_can_be_opened(
    where: str,
    address: BrokerAddress,
    sites: Sequence[str],
    say: Callable[[str], None],
    gap_age_s: float,
    kept: Ages,
) -> tuple[Store, Collector]:
    """A database that is locked or full at the start is waited for as it is later; the broker holds what comes."""
    from zhuque.collector.client import Collector
    from zhuque.store.write import Store

    waiting = False
    while True:
        store = None
        try:
            store = Store(where)
            return store, Collector(address, store, sites, say, gap_age_s, kept)
        except StoreBusyError as error:
            if not waiting:
                say(f"{error}; waiting until it can be used")
            waiting = True
            if store is not None:
                store.close()
            time.sleep(_RETRY_S)
