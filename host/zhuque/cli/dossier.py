"""How `zhuque session show` prints a session, for people and for programs."""

from __future__ import annotations

import json
from datetime import tzinfo
from typing import Any

import click

from zhuque.cli.options import print_table, printable
from zhuque.report import curve, figures, story
from zhuque.report.sessions import public
from zhuque.store.dossier import Dossier, Entry

_RECORDS = ("seq", "time", "kind", "says")


def print_dossier(found: Dossier, zone: tzinfo | None, raw: bool) -> None:
    """Everything, part after part; a part without content is left out."""
    _head(found, zone)
    _part("Limits that applied", story.limits(found))
    _part("Trips and suspensions", _interruptions(found, zone))
    click.echo("\nRecords, the session's own and (in brackets) what happened meanwhile")
    if raw:
        for entry in found.entries:
            click.echo(json.dumps(entry.body))
    else:
        print_table(_RECORDS, [_cells(entry, zone) for entry in found.entries], ("seq",))
    _part(
        "Contradictions: what came later under the same number, kept beside, and not believed",
        [f"record {seq} of {epoch}: {printable(text)}" for epoch, seq, text in found.contradictions],
    )
    _part(
        "Missing between these records",
        [f"records {first} to {last} of {epoch}" for epoch, first, last in found.missing],
    )
    shown = curve.power(found)
    plot = curve.text_plot(shown, zone)
    _part(f"Power, from {shown.source}", plot or ["not known: there is no telemetry and no checkpoint"])


def public_dossier(found: Dossier) -> dict[str, Any]:
    """The session as in a list, and what is behind it: records whole, as they came."""
    shown = curve.power(found)
    return {
        **public(found.session),
        "account_name": found.account_name,
        "peak_a": figures.milli(found.session["peak_ma"]),
        "max_duration_s": found.session["max_duration_s"],
        "max_energy_wh": figures.milli(found.session["max_energy_mwh"]),
        "before": [_public_entry(entry) for entry in found.before],
        "records": [_public_entry(entry) for entry in found.entries],
        "suspensions": [
            {"from": figures.utc_iso(begin), "to": figures.utc_iso(end), "cause": cause}
            for begin, end, cause in story.suspensions(found)
        ],
        "trips": [{"at": figures.utc_iso(at), "cause": cause} for at, cause in story.trips(found)],
        "contradictions": [
            {"epoch": epoch, "seq": seq, "payload": text} for epoch, seq, text in found.contradictions
        ],
        "missing": [{"epoch": epoch, "from": first, "to": last} for epoch, first, last in found.missing],
        "power_from": shown.source,
        "power": [{"at": figures.utc_iso(at), "power_w": figures.milli(mw)} for at, mw in shown.points],
    }


def _public_entry(entry: Entry) -> dict[str, Any]:
    return {"at": figures.utc_iso(entry.at), "own": entry.own, "record": entry.body}


def _head(found: Dossier, zone: tzinfo | None) -> None:
    row = found.session
    account = row["account"] or figures.DASH
    if found.account_name:
        account += f" ({found.account_name})"
    peak = f"{figures.watt_text(row['peak_mw'])} W, {_exact(row['peak_ma'])} A"
    ended = figures.local_text(row["ended_at"], zone) if row["end_reason"] else "open"
    for name, value in (
        ("session", row["session"]),
        ("socket", f"{row['site']}/{row['point']}/{row['socket']}"),
        ("account", account),
        ("source", row["source"] or figures.DASH),
        ("started", figures.local_text(row["started_at"], zone)),
        ("ended", f"{ended}{', ' + row['end_reason'] if row['end_reason'] else ''}"),
        ("charged", figures.duration_text(row["duration_s"])),
        ("suspended", figures.duration_text(row["suspended_s"])),
        (
            "energy",
            f"{figures.kwh_text(row['energy_mwh'])} kWh, {_exact(row['energy_mwh'])} Wh by its records",
        ),
        ("peak", peak),
    ):
        click.echo(f"{name:10} {printable(value)}")


def _exact(thousandths: int | None) -> str:
    return figures.DASH if thousandths is None else str(figures.milli(thousandths))


def _part(title: str, lines: list[str]) -> None:
    if lines:
        click.echo(f"\n{title}")
        for line in lines:
            click.echo(f"  {line}")


def _interruptions(found: Dossier, zone: tzinfo | None) -> list[str]:
    told = [(at or 0, f"{figures.local_text(at, zone)}  trip: {cause}") for at, cause in story.trips(found)]
    for begin, end, cause in story.suspensions(found):
        lasted = figures.duration_text(None if begin is None or end is None else end - begin)
        told.append((begin or 0, f"{figures.local_text(begin, zone)}  suspended for {lasted}: {cause}"))
    return [printable(text) for _, text in sorted(told)]


def _cells(entry: Entry, zone: tzinfo | None) -> list[str]:
    says = story.words(entry, zone)
    kind = entry.kind if entry.own else f"({entry.kind})"
    return [str(entry.seq), figures.local_text(entry.at, zone), kind, says]
