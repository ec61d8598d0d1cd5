"""What happened in a session, in order and in words: from its records."""

from __future__ import annotations

from datetime import tzinfo
from typing import Any

from zhuque.report import figures
from zhuque.store.dossier import Dossier, Entry
from zhuque.wire.records import FIELDS

# What every record has, and what the columns beside say.
_HEAD = ("epoch", "seq", "boot", "uptime_ms", "time", "kind", "socket", "session")
_FIGURES = {
    "energy_mwh": ("kWh", figures.kwh_text),
    "max_energy_mwh": ("kWh", figures.kwh_text),
    "power_mw": ("W", figures.watt_text),
    "peak_mw": ("W", figures.watt_text),
    "duration_s": ("", figures.duration_text),
    "suspended_s": ("", figures.duration_text),
    "max_duration_s": ("", figures.duration_text),
    "outage_s": ("", figures.duration_text),
}
_TIMES = ("started", "was")
_MILLI = {"current_ma": "A", "peak_ma": "A", "voltage_mv": "V"}


def words(entry: Entry, zone: tzinfo | None = None) -> str:
    """What a record says beyond its place and kind, with units; a null is left out."""
    said = []
    order = [name for name, _ in FIELDS.get(entry.kind, ())]  # as on flash; a board sends JSON in any
    known = [name for name in order if name in entry.body]
    for name in (*known, *(name for name in entry.body if name not in known)):
        value = entry.body[name]
        if value is None or name in _HEAD:
            continue
        plain = name.rsplit("_", 1)[0]
        if name in _TIMES and type(value) is int:
            said.append(f"{name} {figures.local_text(value, zone)}")
        elif name in _FIGURES and type(value) is int:
            unit, text = _FIGURES[name]
            said.append(f"{plain} {text(value)} {unit}".rstrip())
        elif name in _MILLI and type(value) is int:
            said.append(f"{plain} {figures.milli(value)} {_MILLI[name]}")
        else:
            said.append(f"{name} {value}")
    return ", ".join(said)


def suspensions(found: Dossier) -> list[tuple[int | None, int | None, str]]:
    """(from, to, cause) of each time the relay was open for a cause that clears by itself; None: not known when."""
    out: list[tuple[int | None, int | None, str]] = []
    began: Entry | None = None
    for entry in found.entries:
        if not entry.own:
            continue
        resumed = entry.body.get("resumed") is not None or entry.kind == "session_end"
        if began is not None and resumed:
            out.append((began.at, entry.at, str(began.body["cause"])))
            began = None
        elif entry.kind == "session_checkpoint" and entry.body.get("cause") is not None and not resumed:
            began = began or entry
    if began is not None:
        out.append((began.at, None, str(began.body["cause"])))
    return out


def trips(found: Dossier) -> list[tuple[int | None, str]]:
    """(when, cause) of each trip of the socket or of the whole point while the session lasted."""
    return [(entry.at, str(entry.body.get("cause"))) for entry in found.entries if entry.kind == "trip"]


def limits(found: Dossier) -> list[str]:
    """What bounded the session, a line each."""
    row, started = found.session, any(entry.kind == "session_start" and entry.own for entry in found.entries)
    out = []
    if not started:
        out.append("not known: the record of its start is not here")
    else:
        out.append(f"longest charge  {_or_none(row['max_duration_s'], figures.duration_text)}")
        out.append(
            f"most energy     {_or_none(row['max_energy_mwh'], lambda n: figures.kwh_text(n) + ' kWh')}"
        )
    out += [f"{entry.kind:15} {words(entry)} (record {entry.seq})" for entry in found.before]
    return out


def _or_none(value: Any, text: Any) -> str:
    return "none given: the site's" if value is None else str(text(value))
