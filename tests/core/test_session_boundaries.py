"""A session at each of its limits: one below, at, one above; to the millisecond. Runs on both runtimes."""

from core import session as life
from core.session import Session

OUTAGE_MS = 900_000


def begun(max_duration_ms=None, max_energy_mwh=None):
    session = Session(20, OUTAGE_MS)
    session.arm("e-1", "r-1", "card", 1_764_000_000, max_duration_ms, max_energy_mwh)
    return session


def low(at_least, at_most):
    assert (at_least, at_most) == (5, 60)
    return at_least


def step(session, dt_ms, ma=650, mw=150_000, mwh=0, hold=None, latched=None, roll=low):
    return session.update(dt_ms, ma, mw, mwh, hold, latched, roll)


def charging(mw=150_000, minutes=10, **limits):
    """A session with so long at a steady power."""
    session = begun(**limits)
    for _ in range(minutes):
        step(session, 60_000, mw=mw)
    assert session.state == life.CHARGING and session.reason is None
    return session


def public(session):
    names = (
        "id account source started max_duration_ms max_energy_mwh energy_mwh charge_ms suspended_ms peak_ma peak_mw "
        "plateau_mw anomaly recloses cause reason proven outage_open"
    )
    return [getattr(session, name) for name in names.split()]


NOTHING = [None] * 6 + [0] * 6 + [None, 0, None, None, False, False]


def test_names_of_states_are_those_of_the_wire():
    assert life.IDLE == "idle" and life.ARMED == "armed" and life.CHARGING == "charging"
    assert life.SUSPENDED == "suspended" and life.ENDED == "ended" and life.LOCKED == "locked"
    assert life.UNAVAILABLE == "unavailable"
    events = ("start", "load", "suspend", "resume", "recover", "end", "lock", "reset", "lose", "regain")
    assert {event for _, event in life.TRANSITIONS} == set(events)
    assert len(life.TRANSITIONS) == 17


def test_every_row_of_the_table():
    for row in (
        "idle start armed",
        "ended start armed",
        "armed load charging",
        "armed suspend suspended",
        "charging suspend suspended",
        "suspended resume armed",
        "idle recover suspended",
        "armed end ended",
        "charging end ended",
        "suspended end ended",
        "idle lock locked",
        "ended lock locked",
        "unavailable lock locked",
        "locked reset idle",
        "idle lose unavailable",
        "ended lose unavailable",
        "unavailable regain idle",
    ):
        before, event, after = row.split()
        session = Session(20, OUTAGE_MS)
        session.state = before
        session.event(event)
        assert session.state == after
        assert session.is_open is (after in ("armed", "charging", "suspended"))


def test_an_illegal_event_says_which_and_where():
    try:
        Session(20, OUTAGE_MS).event("end")
    except life.IllegalEvent as error:
        assert str(error) == "end in state idle"
    else:
        raise AssertionError


WORKING = "settled_mw trough_mw held_ms armed_ms low_ms gone_ms sample_ms "
WORKING += "recent_mw before_mw block_ms block_mws"


def is_clear(session):
    zeros = [getattr(session, "_" + name) == 0 for name in WORKING.split()]
    nones = session._resume_in_ms is session._ending_ms is None
    return all(zeros) and session._soft_start is True and nones


def test_a_new_session_knows_nothing():
    session = Session(20, OUTAGE_MS)
    assert (
        session.state == "idle" and public(session) == NOTHING and not session.is_open and is_clear(session)
    )
    session = charging(max_duration_ms=10**9, max_energy_mwh=10**9)
    for name in WORKING.split():
        setattr(session, "_" + name, 7)
    session._soft_start, session._resume_in_ms, session._ending_ms = False, 7, 7
    session.stop("stopped_remote")
    session.end()
    session.arm("e-2", "r-2", "remote", None, 5, 6)
    assert public(session) == ["e-2", "r-2", "remote", None, 5, 6] + NOTHING[6:]
    assert session.state == "armed" and not session.worn_out and is_clear(session)


def test_no_load_to_the_milliwatt_and_the_millisecond():
    session = begun()
    assert step(session, 119_999, mw=4999) is None and session.reason is None
    step(session, 1, mw=4999)
    assert session.reason == "no_load"
    for ma, reason in ((19, "unplugged"), (20, "full"), (300, "full")):
        session = begun()
        session.plateau_mw = 1  # it had charged before it was suspended
        step(session, 120_000, ma=ma, mw=4999)
        assert session.reason == reason, ma
    session = begun()
    step(session, 119_999, mw=4999)
    step(session, 20, mw=5000)
    assert session.state == "charging" and session.reason is None


def test_a_meter_that_is_silent_says_nothing_of_the_load():
    session = begun()
    assert step(session, 500_000, ma=None, mw=None) is None and session.reason is None
    assert session.charge_ms == 500_000 and session.peak_ma == 0


def test_full_to_the_milliwatt_and_the_millisecond():
    for plateau_mw, low_mw in ((150_000, 29_999), (800_000, 79_999)):
        session = charging(plateau_mw)
        step(session, 1_799_999, mw=low_mw)
        assert session.reason is None
        step(session, 1, mw=low_mw)
        assert session.reason == "full"
        session = charging(plateau_mw)
        step(session, 1_799_999, mw=low_mw)
        step(session, 1, mw=low_mw + 1)
        step(session, 1_799_999, mw=low_mw)
        assert session.reason is None, "thirty watts or a tenth are enough, and the half hour begins anew"


def test_gone_to_the_milliampere_and_the_millisecond():
    session = charging()
    step(session, 9_999, ma=19, mw=0)
    assert session.reason is None
    step(session, 1, ma=19, mw=0)
    assert session.reason == "unplugged"
    session = charging()
    step(session, 9_999, ma=19, mw=0)
    step(session, 20, ma=20, mw=150_000)
    step(session, 9_999, ma=19, mw=0)
    assert session.reason is None


def test_full_or_unplugged_at_half_the_plateau():
    for before_mw, reason in ((74_999, "full"), (75_000, "unplugged"), (75_001, "unplugged")):
        session = charging()
        for _ in range(3):
            step(session, 1000, mw=before_mw)
        step(session, 10_000, ma=0, mw=0)
        assert session.reason == reason, before_mw


def test_it_looks_one_to_two_seconds_back():
    # The samples are a second apart; what decides is the one before the last.
    for powers, before in (((60,), 150), ((60, 50), 150), ((60, 50, 40), 60), ((60, 50, 40, 30), 50)):
        session = charging()
        for _ in range(2):
            step(session, 1000)
        for power in powers[:-1]:
            step(session, 1000, mw=power * 1000)
        step(session, 999, mw=powers[-1] * 1000)
        if len(powers) > 1:
            assert session._recent_mw == powers[-2] * 1000
        assert session._before_mw == (150_000 if len(powers) < 3 else powers[-3] * 1000), powers
        assert before  # the same in watts, for the eye
        step(session, 1, mw=powers[-1] * 1000)
        assert session._recent_mw == powers[-1] * 1000
    session = begun()
    step(session, 20, mw=90_000)
    assert session._before_mw == session._recent_mw == 90_000


def test_the_plateau_is_the_highest_mean_of_a_minute():
    session = begun()
    step(session, 20_000, mw=90_000)
    assert session.plateau_mw == 90_000
    step(session, 20_000, mw=60_000)
    assert session.plateau_mw == 75_000, "in the first minute: the mean so far"
    step(session, 19_999, mw=0, ma=100)
    assert session.plateau_mw == 3_000_000_000 // 59_999 and session._settled_mw == 0
    step(session, 1, mw=0, ma=100)
    assert session.plateau_mw == session._settled_mw == 50_000
    step(session, 59_999, mw=120_000)
    assert session.plateau_mw == 50_000
    step(session, 1, mw=120_000)
    assert session.plateau_mw == 120_000
    step(session, 60_000, mw=110_000)
    assert session.plateau_mw == 120_000


def test_limits_to_the_millisecond_and_the_milliwatt_hour():
    session = begun(max_duration_ms=600_000)
    step(session, 599_999)
    assert session.reason is None
    step(session, 1)
    assert session.reason == "time_limit"
    session = begun(max_energy_mwh=1000)
    step(session, 500, mwh=999)
    assert session.reason is None
    step(session, 500, mwh=1)
    assert session.reason == "energy_limit" and session.energy_mwh == 1000
    session = begun(max_duration_ms=500, max_energy_mwh=1)
    step(session, 500, mwh=1)
    assert session.reason == "time_limit"


def test_the_end_waits_until_the_meter_has_settled():
    session = charging()
    assert step(session, 500, latched="overpower", mwh=3) is None and session.reason == "overpower"
    assert step(session, 599, ma=9000, mw=10**6, mwh=4) is None
    assert step(session, 1, mwh=5) == "end" and session.state == "charging"
    assert session.energy_mwh == 12 and session.peak_mw == 150_000 and session.charge_ms == 600_500
    assert session.suspended_ms == 0
    session.end()
    assert session.state == "ended" and session.energy_mwh == 12
    session = charging()
    session.stop("stopped_local")
    session.stop("stopped_remote")
    assert step(session, 5000, latched="overpower") is None, "it opened somewhere in these"
    assert step(session, 599) is None and step(session, 1) == "end"
    assert session.reason == "stopped_local" and session.charge_ms == 600_000


def test_a_meter_that_comes_round_seldom_settles_for_longer():
    for round_ms, settles_ms in ((0, 600), (200, 800), (3000, 3600)):
        session = Session(20, OUTAGE_MS, round_ms)
        session.arm("e-1", "r-1", "remote", None, None, None)
        step(session, 500, latched="overpower")
        assert step(session, settles_ms - 1) is None and step(session, 1) == "end", round_ms


def test_peaks():
    session = begun()
    for ma, mw in ((500, 90_000), (700, 80_000), (600, 100_000), (None, None), (100, 6000)):
        step(session, 500, ma=ma, mw=mw)
    assert (session.peak_ma, session.peak_mw) == (700, 100_000)


# Suspended -----------------------------------------------------------------------------------------------------------


def suspended(cause="meter_stale", **limits):
    session = charging(**limits)
    assert step(session, 500, hold=cause) == "suspend"
    assert session.state == "suspended" and session.cause == cause and session.suspended_ms == 0
    return session


def test_it_resumes_after_the_drawn_seconds():
    session = suspended()
    assert step(session, 500, hold="undervoltage") is None and session.cause == "undervoltage"
    assert [step(session, dt_ms) for dt_ms in (500, 4999, 1)] == [None, None, "resume"]
    assert session.suspended_ms == 6000 and session.charge_ms == 600_500
    session.resume()
    assert (session.state, session.recloses, session.cause, session.proven) == ("armed", 1, None, False)


def test_a_hold_begins_the_wait_anew():
    session = suspended()
    assert [step(session, dt_ms) for dt_ms in (500, 4999)] == [None, None]
    step(session, 20, hold="meter_stale")
    assert [step(session, dt_ms) for dt_ms in (500, 4999, 1)] == [None, None, "resume"]


def test_what_a_resume_begins_anew():
    session = suspended()
    session.proven = True
    session._gone_ms = session._armed_ms = session._low_ms = 7
    session._block_ms = session._block_mws = 60
    step(session, 500)
    step(session, 5000)
    session.resume()
    kept = (session._gone_ms, session._armed_ms, session._low_ms, session._held_ms, session._resume_in_ms)
    assert kept == (0, 0, 7, 0, None) and (session._block_ms, session._block_mws) == (0, 0)
    assert session.proven is False and session._soft_start is True


def test_too_long_to_the_millisecond():
    for held_ms, reason in ((OUTAGE_MS, None), (OUTAGE_MS + 1, "overvoltage")):
        session = suspended("overvoltage")
        step(session, held_ms - 1000, hold="overvoltage")
        assert step(session, 1000, hold="overvoltage") is None and session.reason == reason
        assert not session.worn_out


def test_suspended_time_stops_with_the_reason():
    session = suspended()
    session.stop("stopped_remote")
    step(session, 500)
    assert session.suspended_ms == 0 and session.charge_ms == 600_500
    assert step(session, 600) == "end"


def test_what_ends_a_suspended_session_settles_from_there_on():
    session = suspended()
    session.recloses = 3
    assert step(session, 500) is None and session.reason
    assert step(session, 599) is None and step(session, 1) == "end"
    session = suspended()
    assert step(session, OUTAGE_MS + 1, hold="meter_stale") is None and session.reason == "meter_stale"
    assert step(session, 599) is None and step(session, 1) == "end"


def test_the_cause_follows_what_holds_but_for_a_power_cut():
    for cause, hold, then in (
        ("undervoltage", "meter_stale", "meter_stale"),
        ("meter_stale", "undervoltage", "undervoltage"),
        ("power_loss", "meter_stale", "power_loss"),
        ("power_loss", "undervoltage", "power_loss"),
    ):
        session = suspended(cause)
        step(session, 500, hold=hold)
        assert session.cause == then, (cause, hold)


def test_what_holds_it_when_its_time_is_over_is_the_reason():
    for hold, outage_open, reason in (
        ("meter_stale", False, "meter_stale"),
        (None, False, "power_loss"),
        ("meter_stale", True, "power_loss"),
    ):
        session = suspended("power_loss")
        session.outage_open = outage_open
        step(session, 1_000_000, hold=hold)
        assert session.reason == reason


def test_three_recloses_then_it_is_worn_out():
    session = charging()
    for n in range(3):
        step(session, 500, hold="meter_stale")
        step(session, 500)
        assert step(session, 5000) == "resume" and session.recloses == n
        session.resume()
        step(session, 60_000)
    assert not session.worn_out
    step(session, 500, hold="overvoltage")
    assert not session.worn_out
    step(session, 500)
    assert session.reason == "overvoltage" and session.worn_out
    for recloses, reason, worn in ((2, "overvoltage", False), (3, "full", False), (4, "overvoltage", True)):
        session.recloses, session.reason = recloses, reason
        assert session.worn_out is worn
    session.cause = session.reason = None
    assert session.worn_out is False


# Restart -------------------------------------------------------------------------------------------------------------


def test_a_snapshot_keeps_everything_in_its_order():
    session = charging(max_duration_ms=10**8, max_energy_mwh=10**6)
    session.energy_mwh, session.suspended_ms, session.recloses = 77, 88, 2
    row = ["e-1", "r-1", "card", 1_764_000_000, 10**8, 10**6, 77, 600_000, 88, 650, 150_000, 150_000, 2]
    assert session.snapshot(False) == row + [0, None, None] and session.snapshot(1) == row + [1, None, None]
    session.proven = True
    assert session.snapshot(0) == row + [1, None, None]
    session.reason, session.cause, session.recloses = "undervoltage", "undervoltage", 3
    ending = session.snapshot(0)
    assert ending == row[:-1] + [3, 1, "undervoltage", "undervoltage"]
    after = Session(20, OUTAGE_MS)
    after.revive(ending)
    assert after.reason == "undervoltage" and after.state == "suspended" and after.worn_out
    after = Session(20, OUTAGE_MS)
    after.revive(row + [1, None, "undervoltage"])
    assert after.reason is None and after.cause == "power_loss", "it was the power in the end"
    session.reason = None
    assert session.snapshot(0)[-2:] == [None, None]
    for more in ([], ["full"], ["full", None, 7]):  # of other releases
        after = Session(20, OUTAGE_MS)
        after.revive(row + [1] + more)
        assert after.reason == (more[0] if more else None)
        assert after.cause == (None if more else "power_loss")
    for proven in (0, 1):
        after = Session(20, OUTAGE_MS)
        after.reason = "full"
        after.revive(row + [proven])
        assert public(after) == row[:12] + [None, 2, "power_loss", None, bool(proven), True]
        assert after.state == "suspended" and after._settled_mw == 150_000


def recovered(proven=1):
    session = Session(20, OUTAGE_MS)
    session.revive(charging().snapshot(proven))
    return session


def test_an_outage_to_the_millisecond():
    for outage_ms, reason in (
        (0, None),
        (OUTAGE_MS, None),
        (OUTAGE_MS + 1, "power_loss"),
        (None, "power_loss"),
    ):
        session = recovered()
        session.outage(outage_ms)
        assert session.reason == reason and session.outage_open is False
        assert session.suspended_ms == session._held_ms == (outage_ms or 0)
    session = recovered()
    step(session, 1000)
    session.outage(OUTAGE_MS - 1000)
    assert session.reason is None and session.suspended_ms == OUTAGE_MS
    step(session, 1)
    assert session.reason == "power_loss"
    session = recovered(proven=0)
    session.outage(0)
    assert session.reason == "power_loss"


def test_nothing_resumes_before_the_outage_is_known():
    session = recovered()
    assert [step(session, dt_ms) for dt_ms in (500, 60_000, 60_000)] == [None] * 3
    session.outage(0)
    assert [step(session, dt_ms) for dt_ms in (500, 4999, 1)] == [None, None, "resume"]


# A failing battery ---------------------------------------------------------------------------------------------------


def minutes(session, *powers):
    for mw in powers:
        step(session, 60_000, mw=mw)
    return session.anomaly


def test_a_rise_after_a_taper_to_the_milliwatt():
    for plateau_mw, trough_mw, rise_mw in ((180_000, 60_000, 45_000), (60_000, 30_000, 20_000)):
        said = "rose to {} W after a taper to {} W".format(
            (trough_mw + rise_mw + 1) // 1000, trough_mw // 1000
        )
        for more_mw, anomaly in ((0, None), (1, said)):
            session = charging(plateau_mw)
            assert minutes(session, trough_mw, trough_mw + 1000, trough_mw + rise_mw + more_mw) == anomaly
    assert minutes(session, 5_000_000) == said, "what was said first stays"


def test_the_taper_begins_below_nine_tenths():
    # From 89,999 of 100,000 on it is a taper; a rise to 119,999 makes that the plateau: a quarter of it above 89,999.
    assert minutes(charging(100_000), 89_999, 119_999) == "rose to 119 W after a taper to 89 W"
    assert minutes(charging(100_000), 90_000, 140_000) is None
    session = charging(100_000)
    assert minutes(session, 80_000, 70_000, 85_000) is None and session._trough_mw == 70_000


def test_the_first_minute_after_a_closing_is_a_soft_start():
    session = begun()
    minutes(session, 10_000)
    assert session._trough_mw == 0 and session._soft_start is False
    session = charging(100_000)
    session._soft_start = True
    minutes(session, 10_000)
    assert session._trough_mw == 0
    minutes(session, 50_000)
    assert session._trough_mw == 50_000


def test_no_taper_within_ten_hours_to_the_minute():
    session = charging(minutes=599)
    assert session.anomaly is None and session.charge_ms == 35_940_000
    assert minutes(session, 150_000) == "no taper within 10 h"
    assert minutes(session, 50_000, 140_000) == "no taper within 10 h", "what was said first stays"
    session = charging(minutes=599)
    session.charge_ms -= 1
    assert minutes(session, 150_000) is None and session.charge_ms == 35_999_999
    session = charging(minutes=598)
    minutes(session, 100_000, 100_000)
    assert session.anomaly is None and session.charge_ms == 36_000_000, "it did taper"
