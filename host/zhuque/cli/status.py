"""`zhuque status`: how the points are, from the database or, without one, from what the broker keeps."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zhuque.cli.options import broker_options, db_option, json_option, need_broker, print_json, print_table
from zhuque.cli.targets import ANY, Target, TargetType
from zhuque.errors import NotFoundError, UsageError
from zhuque.report import figures

if TYPE_CHECKING:
    from zhuque.store.views import PointView

_POINTS = ("point", "online", "state", "firmware", "last seen", "problems")
_SOCKETS = ("socket", "state", "A", "W", "Wh")


@click.command(name="status")
@click.argument("target", type=TargetType(most=2), required=False)
@db_option
@broker_options
@json_option
def command(
    target: Target | None,
    db: str | None,
    broker: str | None,
    insecure: bool,
    ca: Path | None,
    as_json: bool,
) -> None:
    """How the charge points of a site are, or one, or all: from --db, or live from --broker without a database.

    \b
    Example:
      zhuque status riverside --db site.db
      zhuque status --broker mqtt://127.0.0.1:1883 --json
    """
    views = _views(target or ANY, db, broker, insecure, ca)
    if not views and target:
        raise NotFoundError(f"nothing has been heard of {target}; `zhuque status` lists all")
    if as_json:
        print_json([_public(view) for view in views])
    else:
        _print(views)


def _views(
    target: Target, db: str | None, broker: str | None, insecure: bool, ca: Path | None
) -> list[PointView]:
    if db:
        from zhuque.store.engine import open_reader, translate
        from zhuque.store.names import check_known
        from zhuque.store.queries import point_views

        with translate(db):
            engine = open_reader(db)
            found = point_views(engine, target.site, target.point)
            if not found:
                check_known(engine, target.site, target.point, None)
            return found
    if not broker:
        raise UsageError("from where? Give --db PATH (ZHUQUE_DB) or --broker URL (ZHUQUE_BROKER)")
    from zhuque.collector.ask import kept_status

    return kept_status(need_broker(broker, insecure, ca), target.site, target.point)


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
