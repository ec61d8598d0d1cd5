"""Traces as files: what flows, in which steps, and which trip must come when, or none. Runs on both runtimes.

Every cause has at least one trace that trips it and one near miss that does not.
"""

import json
import os

from fakes.trace import Player

from wire.codes import CAUSES

_TRACES = __file__.rsplit("/", 2)[0] + "/traces/"


def _load(name):
    with open(_TRACES + name) as file:
        return json.load(file)


def _names():
    return sorted(name for name in os.listdir(_TRACES) if name.endswith(".json"))


def _wrong(trace):
    """What differs from what the trace says must happen, or None."""
    happened, closed = Player(trace).play()
    expect = trace["expect"]
    if len(happened) != len(expect):
        return "happened: {}".format(happened)
    for (cause, socket, ms), (name, place, from_ms, to_ms) in zip(happened, expect):
        if (cause, socket) != (name, place) or not from_ms <= ms <= to_ms:
            return "happened: {}".format(happened)
    gone = [socket for _, socket, _, _ in expect]
    stay = trace.get("closed_at_the_end", [n for n in trace["closed"] if n not in gone and 0 not in gone])
    return None if closed == stay else "closed at the end: {}".format(closed)


def _play(name):
    traces = _load(name)
    assert traces
    for title in sorted(traces):
        wrong = _wrong(traces[title])
        assert wrong is None, "{}: {}: {}".format(name, title, wrong)


def test_every_cause_has_a_trip_and_a_near_miss():
    for cause in CAUSES:
        traces = _load(cause + ".json")
        tripping = [title for title in traces if traces[title]["expect"]]
        assert tripping and len(tripping) < len(traces), cause
        assert all(traces[title]["expect"][0][0] == cause for title in tripping), cause


def test_every_file_is_played():
    played = [name[len("test_play_") :] + ".json" for name in globals() if name.startswith("test_play_")]
    assert sorted(played) == _names()


def test_a_trace_that_is_not_met_is_noticed():
    trace = _load("overpower.json")["10 s at 1 mW above the limit"]
    assert _wrong(trace) is None
    for expect in (
        [],
        [["overcurrent", 1, 0, 20_000]],
        [["overpower", 2, 0, 20_000]],
        [["overpower", 1, 0, 9_000]],
        [["overpower", 1, 11_000, 20_000]],
    ):
        trace["expect"] = expect
        assert _wrong(trace)
    trace["expect"] = [["overpower", 1, 0, 20_000]]
    trace["closed_at_the_end"] = [1, 2]
    assert _wrong(trace).startswith("closed at the end")


def test_play_emergency_stop():
    _play("emergency_stop.json")


def test_play_internal():
    _play("internal.json")


def test_play_meter_implausible():
    _play("meter_implausible.json")


def test_play_meter_stale():
    _play("meter_stale.json")


def test_play_overcurrent():
    _play("overcurrent.json")


def test_play_overcurrent_instant():
    _play("overcurrent_instant.json")


def test_play_overpower():
    _play("overpower.json")


def test_play_overtemperature():
    _play("overtemperature.json")


def test_play_overvoltage():
    _play("overvoltage.json")


def test_play_point_overload():
    _play("point_overload.json")


def test_play_real_life():
    _play("real_life.json")


def test_play_relay_welded():
    _play("relay_welded.json")


def test_play_residual_current():
    _play("residual_current.json")


def test_play_smoke():
    _play("smoke.json")


def test_play_undervoltage():
    _play("undervoltage.json")
