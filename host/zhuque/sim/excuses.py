"""What a fault of the ground truth excuses in the records: what it must lead to, and no more.

Each question `of_...` answers with a reason in words, or None where nothing excuses the difference.
"""

from __future__ import annotations

from datetime import UTC, datetime

from zhuque.sim.truth import Row, allowed_mwh

START_S = 15  # how far a start and an end may be off without any fault
END_S = 45
_CHECKPOINT_S = 60
_RESUME_S = 1200  # an outage, and what is then waited for a clock and before a session is resumed or given up
_AFTER_S = 120
_METER = ("meter_frozen", "meter_reset", "meter_corrupt", "meter_register", "meter_silent")
_CLOCK = ("clock_jump", "time_server")
_CUTS = ("power_cut", "breaker")
_GONE_S = 15  # until a board is sure that a bike was unplugged
_UNKNOWN_S = 240  # for so long a board waits for a clock that tells how long it was dark
_SUSPENDING = (*_CUTS, "mains", *_METER)
_OPENING = (
    "power_cut",
    "relay_dead",
    "mains",
    "leak",
    "smoke",
    "emergency_stop",
    "residual_current",
    "heat",
    *_METER,
)


class Faults:
    """The faults that concern one socket, and what they excuse."""

    def __init__(self, faults: list[Row], end: int | None) -> None:
        self._faults = faults
        self._end = end

    def _during(self, truth: Row, names: tuple[str, ...], after_s: float = 0) -> list[Row]:
        """Those of these names that went on while the session did, or up to so long before it."""
        until = truth["ended"] if truth["ended"] is not None else float("inf")
        return [
            fault
            for fault in self._faults
            if fault["fault"] in names
            and fault["began"] <= until + 2
            and (fault["ended"] is None or fault["ended"] + after_s >= truth["started"])
        ]

    def just_ended(self, truth: Row) -> bool:
        """So shortly before the end of the run that the record may still be under way."""
        return self._end is not None and truth["ended"] is not None and self._end - truth["ended"] < END_S

    def of_missing(self, truth: Row) -> str | None:
        """A session of which the journal could not keep the start."""
        if self._end is not None and self._end - truth["started"] < START_S:
            return "the end of the run, so shortly after its start"
        return None

    def of_extra(self, record: Row) -> str | None:
        """A session that nobody lived, without energy: it was asked for, and its contact never closed."""
        started = record["started_at"]
        if (record["energy_mwh"] or 0) > 0 or started is None:
            return None
        ended = record["ended_at"] if record["ended_at"] is not None else started
        lived = {"started": started - _AFTER_S, "ended": ended}
        return _say(self._during(lived, _OPENING, _AFTER_S), "nothing could flow")

    def of_exchange(self, before: Row, truth: Row) -> str | None:
        """Why a session that was suspended could go on with another bike, or without one."""
        if before["ended"] is None:
            return None
        dark = {"started": before["started"], "ended": truth["started"]}
        return _say(self._during(dark, _SUSPENDING), "a bike that is exchanged in the dark is not noticed")

    def of_duration(self, truth: Row, off_s: float) -> str | None:
        """Charge time: a cut may lose that since the last checkpoint; a welded contact stays closed."""
        welded = self._during(truth, ("relay_stuck",))
        if welded and off_s < 0:
            return _say(welded, "the contact stayed closed after the session had ended")
        cuts = self._during(truth, _CUTS)
        if off_s < 0 and -off_s <= _CHECKPOINT_S * len(cuts) + END_S:
            return _say(cuts, "the time since the last checkpoint may be lost")
        return None

    def _dark_until(self, before: float) -> float:
        """When the last power cut that began before then was over; outages follow one another."""
        cuts = [fault for fault in self._faults if fault["fault"] in _CUTS and fault["began"] <= before]
        return max((float(cut["ended"] or before) for cut in cuts), default=0.0)

    def of_span(self, truth: Row, record: Row, off_s: float) -> str | None:
        """Charged and suspended time against the clock: less by outages that nobody could measure in time."""
        cuts = self._during({**truth, "ended": record["ended_at"]}, _CUTS)
        dark_s = sum((cut["ended"] or cut["began"]) - cut["began"] + _UNKNOWN_S for cut in cuts)
        if off_s < 0 and -off_s <= dark_s + END_S:
            return _say(cuts, "how long it was dark was not known in time")
        lied = self._during(truth, ("time_server",), 86400)
        return _say(lied, "the time server lied") if abs(off_s) <= _told(lied) + END_S else None

    def of_start(self, truth: Row, apart_s: float) -> str | None:
        """A clock that was wrong by as much."""
        return self._of_clock(truth, apart_s)

    def _of_clock(self, truth: Row, apart_s: float) -> str | None:
        found = self._during(truth, _CLOCK, 86400)
        return (
            _say(found, "the board's clock was wrong")
            if found and apart_s <= _told(found) + START_S
            else None
        )

    def of_open(self, truth: Row) -> str | None:
        """The record of the end could not come through."""
        names = ("network_down", "broker_down", "power_cut")
        found = [
            fault
            for fault in self._faults
            if fault["fault"] in names
            and (fault["ended"] is None or (self._end is not None and self._end - fault["ended"] < _AFTER_S))
        ]
        return _say(found, "the record of the end is still under way")

    def of_end(self, truth: Row, record: Row) -> str | None:
        """A welded relay, a power cut in which the session ended, a clock that was wrong."""
        ended = truth["ended"] if truth["ended"] is not None else float("inf")
        welded = self._during(truth, ("relay_stuck",))
        if welded and record["ended_at"] <= ended + END_S:
            return _say(welded, "the contact stayed closed after the session had ended")
        if record["end_reason"] == "relay_welded" and ended <= record["ended_at"] <= ended + _RESUME_S:
            neighbour = self._during(truth, ("contactor",))
            if neighbour:
                return _say(
                    neighbour, "a neighbour's relay welded, and the session waited in vain for its supply"
                )
        cuts = [
            fault
            for fault in self._during(truth, _CUTS)
            if fault["ended"] is not None
            and -5 <= fault["began"] - ended <= _GONE_S
            and record["ended_at"] - fault["began"] >= -_CHECKPOINT_S - END_S
        ]
        if cuts and record["ended_at"] - self._dark_until(record["ended_at"]) <= _RESUME_S:
            return _say(cuts, "the session was ended once the board was up and knew the time again")
        return self._of_clock(truth, abs(record["ended_at"] - ended)) if truth["ended"] is not None else None

    def of_energy(self, truth: Row, record: Row, off_mwh: float) -> str | None:
        """Less: cuts, and a meter that failed. Much less: a welded relay. More: only a meter that lies."""
        welded = self._during(truth, ("relay_stuck",))
        if welded and off_mwh < 0:
            return _say(welded, "what flowed after the session had ended is not in it")
        ended = truth["ended"] if truth["ended"] is not None else truth["started"]
        power_mw = 3600 * truth["energy_mwh"] / max(60, truth.get("closed_s", ended - truth["started"]))
        cuts = self._during(truth, ("power_cut",)) or self._during(truth, ("breaker",))
        meter = self._during(truth, _METER)
        seconds = _CHECKPOINT_S * len(cuts)
        for fault in meter:
            seconds += 30 + ((fault["ended"] or ended) - fault["began"])
        if (off_mwh < 0 or meter) and abs(off_mwh) <= allowed_mwh(
            truth["energy_mwh"]
        ) + 1.5 * power_mw * seconds / 3600:
            return _say(cuts + meter, f"at most {seconds:.0f} s of charging may be lost")
        return None


def _told(faults: list[Row]) -> float:
    """By how many seconds these faults of the clock can have moved a time."""
    return sum(abs(float(fault["detail"] or 0)) for fault in faults)


def _say(faults: list[Row], why: str) -> str | None:
    """Faults in words, or None when there is none."""
    if not faults:
        return None
    names = ", ".join(sorted({f"{fault['fault']} at {when(fault['began'])}" for fault in faults})[:3])
    return f"{names}: {why}"


def when(unix: float | None) -> str:
    """UTC, for people."""
    return (
        "at an unknown time"
        if unix is None
        else datetime.fromtimestamp(unix, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    )
