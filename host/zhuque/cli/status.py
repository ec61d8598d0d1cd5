"""`zhuque status`: how the points are, from the database or, without one, from what the broker keeps."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zhuque.cli.options import broker_options, db_option, json_option, need_broker, print_json, print_table
from zhuque.cli.targets import ANY, Target, TargetType
from zhuque.errors import NotFoundError, UsageError
from zhuque.lockouts import cause_in, way_out
from zhuque.report import figures

if TYPE_CHECKING:
    from zhuque.store.locked import Lockout
    from zhuque.store.views import PointView

_POINTS = ("point", "online", "state", "firmware", "last seen", "problems")
_SOCKETS = ("socket", "state", "A", "W", "Wh", "why")


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

    What is locked is told with its cause and what resets it. A point tells a change of its state within a minute.

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
        "lockouts": None if view.lockouts is None else [_public_lockout(one) for one in view.lockouts],
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


def _public_lockout(lockout: Lockout) -> dict[str, Any]:
    return {"socket": lockout.socket, "cause": lockout.cause, "since": figures.utc_iso(lockout.since)}


def _problems(view: PointView) -> list[str]:
    said = ([view.problem] if view.problem else []) + list(view.status.get("problems") or [])
    whole = _of_the_point(view)
    if whole and not any(whole.cause in text for text in said):  # its status is older than the record
        said.append(f"locked for {whole.cause}")
    return said


def _of_the_point(view: PointView) -> Lockout | None:
    return next((one for one in view.lockouts or () if one.socket is None), None)


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
                figures.with_local_times("; ".join(_problems(view))) or figures.DASH,
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
            _why(view, number, row),
        ]
        for view in views
        for number, row in enumerate(view.telemetry.get("sockets", []), 1)
    ]
    if rows:
        click.echo()
        print_table(_SOCKETS, rows, _SOCKETS[2:5])
    steps = [step for view in views for step in _steps(view)]
    if steps:
        click.echo()
    for step in steps:
        click.echo(step)


def _why(view: PointView, number: int, row: list[Any]) -> str:
    """Why nobody can charge at a socket, where that is known."""
    if row[0] == "locked":
        # Its own cause before that of the whole point: that one stays when the point is reset.
        own = [one for one in view.lockouts or () if one.socket == number]
        return (
            "; ".join(map(_lockout_text, own or [one for one in [_of_the_point(view)] if one]))
            or figures.DASH
        )
    if row[0] == "unavailable" and row[1] is None:
        return "its meter gives no reading"
    return figures.DASH


def _lockout_text(lockout: Lockout) -> str:
    cause = lockout.cause if lockout.socket else f"the whole point: {lockout.cause}"
    return cause if lockout.since is None else f"{cause} since {figures.local_text(lockout.since)}"


def _steps(view: PointView) -> list[str]:
    """What to do about each lockout. Without records a point's own words tell what locks it as a whole."""
    name = f"{view.site}/{view.point}"
    known = [(one.socket, one.cause) for one in view.lockouts or ()]
    if view.status.get("state") == "locked" and not _of_the_point(view):
        known.insert(
            0, (None, cause_in("; ".join(_problems(view))) or "a cause that this zhuque does not know")
        )
    return [
        f"{name}{f'/{socket}' if socket else ''}: {cause}: {way_out(name, socket, cause)}"
        for socket, cause in known
    ]
