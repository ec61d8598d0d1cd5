"""`zhuque collect`: the collector until it is told to end."""

from __future__ import annotations

import signal
from pathlib import Path

import click

from zhuque.cli.options import NAME, broker_options, db_option, need_broker, need_db


@click.command(name="collect")
@click.argument("sites", nargs=-1, type=NAME, metavar="[SITE]...")
@db_option
@broker_options
def command(
    sites: tuple[str, ...], db: str | None, broker: str | None, insecure: bool, ca: Path | None
) -> None:
    """Store what the charge points of these sites send; without a name, of every site.

    Ends on Ctrl-C or SIGTERM, after what is in hand is stored and acknowledged. One collector a site.

    \b
    Example:
      zhuque collect riverside --db site.db --broker mqtt://127.0.0.1:1883
    """
    where, address = need_db(db), need_broker(broker, insecure, ca)

    from zhuque.collector.client import Collector
    from zhuque.store.write import Store

    def say(text: str) -> None:
        click.echo("zhuque collect: " + text, err=True)

    store = Store(where)
    try:
        collector = Collector(address, store, sites, say)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: collector.stop())
        collector.run()
        say(f"stopped; {collector.records} records stored since the start")
    finally:
        store.close()
