"""The energy of each half hour of a session, from what the meter had counted at known moments.

A point writes a `session_checkpoint` at each UTC half hour; the start and the end are known too. Between two known
moments the energy is spread evenly over the time; rounding never loses any: the parts add up to the whole to the
milliwatt-hour. A moment that contradicts those before it (a clock that was set back, a counter beyond the end) is left
out: what it would have told is spread instead.
"""

from __future__ import annotations

from collections.abc import Iterable

from zhuque.billing.tariff import SLOT_S

Moment = tuple[int, int]


def halves(start: int, end: int, energy_mwh: int, between: Iterable[Moment]) -> dict[int, int]:
    """mWh by the Unix time at which the half hour begins; `between` are (Unix time, mWh so far), in journal order."""
    out: dict[int, int] = {}
    then, so_far = start, 0
    for time, counted in (*between, (end, energy_mwh)):
        if then < time <= end and so_far <= counted <= energy_mwh:
            _spread(out, then, time, counted - so_far)
            then, so_far = time, counted
    if energy_mwh > so_far:  # the end is not after the start: a clock that jumped
        _add(out, then, energy_mwh - so_far)
    return out


def _spread(out: dict[int, int], begin: int, end: int, energy_mwh: int) -> None:
    given, at = 0, begin
    while at < end:
        until = min(end, at - at % SLOT_S + SLOT_S)
        share = energy_mwh * (until - begin) // (end - begin) - given
        _add(out, at, share)
        given += share
        at = until


def _add(out: dict[int, int], time: int, energy_mwh: int) -> None:
    if energy_mwh:
        slot = time - time % SLOT_S
        out[slot] = out.get(slot, 0) + energy_mwh
