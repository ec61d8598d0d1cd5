"""`zhuque status`: how the points are, from the database or, without one, from what the broker keeps."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zhuque.cli.options import (
    NAME,
    broker_options,
    db_option,
    json_option,
    need_broker,
    print_json,
    print_table,
)
from zhuque.errors import NotFoundError, UsageError
from zhuque.report import figures

if TYPE_CHECKING:
    from zhuque.store.views import PointView

_POINTS = ("point", "online", "state", "firmware", "last seen", "problems")
_SOCKETS = ("socket", "state", "A", "W", "Wh")


@click.command(name="status")
@click.option("--site", type=NAME, help="Of this site.")
@click.option("--point", type=NAME, help="Of this point.")
@db_option
@broker_options
@json_option
def command(
    site: str | None,
    point: str | None,
    db: str | None,
    broker: str | None,
    insecure: bool,
    ca: Path | None,
    as_json: bool,
) -> None:
    """How the charge points are: from --db, or live from --broker where no database is given.

    \b
    Example:
      zhuque status --db site.db --site riverside
      zhuque status --broker mqtt://127.0.0.1:1883 --json
    """
    views = _views(site, point, db, broker, insecure, ca)
    if not views and (site or point):
        raise NotFoundError(
            f"no point {site or '*'}/{point or '*'} has been heard of; `zhuque status` lists all"
        )
    if as_json:
        print_json([_public(view) for view in views])
    else:
        _print(views)


def _views(
    site: str | None, point: str | None, db: str | None, broker: str | None, insecure: bool, ca: Path | None
) -> list[PointView]:
    if db:
        from zhuque.store.engine import open_reader, translate
        from zhuque.store.queries import point_views

        with translate(db):
            return point_views(open_reader(db), site, point)
    if not broker:
        raise UsageError("from where? Give --db PATH (ZHUQUE_DB) or --broker URL (ZHUQUE_BROKER)")
    from zhuque.collector.ask import kept_status

    return kept_status(need_broker(broker, insecure, ca), site, point)


def _public(view: PointView) -> dict[str, Any]:
    """The point as other programs see it."""
    status, telemetry = view.status, view.telemetry
    return {
        "site": view.site,
        "point": view.point,
        "online": view.online,
        "state": status.get("state"),
        "problems": _problems(view),
        "firmware": status.get("firmware"),
        "board": status.get("board"),
        "boot": status.get("boot"),
        "epoch": status.get("epoch"),
        "last_seq": status.get("last_seq"),
        "last_seen": figures.utc_iso(view.seen_at),
        "voltage_v": figures.milli(telemetry.get("voltage_mv")),
        "sockets": [
            {
                "socket": number,
                "state": row[0],
                "current_a": figures.milli(row[1]),
                "power_w": figures.milli(row[2]),
                "energy_wh": figures.milli(row[3]),
            }
            for number, row in enumerate(telemetry.get("sockets", []), 1)
        ],
    }


def _problems(view: PointView) -> list[str]:
    return ([view.problem] if view.problem else []) + list(view.status.get("problems") or [])


def _print(views: list[PointView]) -> None:
    if not views:
        click.echo("no points yet")
        return
    print_table(
        _POINTS,
        [
            [
                f"{view.site}/{view.point}",
                {True: "yes", False: "no", None: figures.DASH}[view.online],
                view.status.get("state") or figures.DASH,
                view.status.get("firmware") or figures.DASH,
                figures.local_text(view.seen_at),
                "; ".join(_problems(view)) or figures.DASH,
            ]
            for view in views
        ],
    )
    rows = [
        [
            f"{view.site}/{view.point}/{number}",
            row[0],
            figures.DASH if row[1] is None else str(figures.milli(row[1])),
            figures.watt_text(row[2]),
            figures.wh_text(row[3]),
        ]
        for view in views
        for number, row in enumerate(view.telemetry.get("sockets", []), 1)
    ]
    if rows:
        click.echo()
        print_table(_SOCKETS, rows, _SOCKETS[2:])
