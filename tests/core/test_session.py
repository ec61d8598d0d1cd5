"""The life of a session: the table, and every end reason at its boundary. Runs on both runtimes."""

from both import raises

from core import session as life
from core.session import IllegalEvent, Session

STEP_MS = 500
OUTAGE_MS = 900_000


def begun(max_duration_ms=43_200_000, max_energy_mwh=None):
    session = Session(floor_ma=20, resume_after_outage_ms=OUTAGE_MS)
    session.arm("e-1", "r-1", "remote", 1_764_000_000, max_duration_ms, max_energy_mwh)
    return session


def feed(session, watts, seconds, hold=None, latched=None, roll=lambda low, high: low, ma=None, mwh=0):
    """Updates for so long at a steady load; returns (what, seconds until then) of the first that happened."""
    steps = int(seconds * 1000) // STEP_MS
    for n in range(steps):
        current = (int(watts * 1000 / 230) if ma is None else ma) if watts is not None else None
        power = int(watts * 1000) if watts is not None else None
        what = session.update(STEP_MS, current, power, mwh, hold, latched, roll)
        if what:
            return what, (n + 1) * STEP_MS / 1000
    return None, seconds


def ended(session, watts, seconds, **more):
    """Feeds until it ends; returns the reason and when, the settling time not counted."""
    what, t = feed(session, watts, seconds, **more)
    if what is None:
        return None, t
    assert what == "end", what
    session.end()
    return session.reason, t - 1.0


def test_every_transition_of_the_table_and_no_other():
    states = (life.IDLE, life.ARMED, life.CHARGING, life.SUSPENDED, life.ENDED, life.LOCKED, life.UNAVAILABLE)
    events = sorted({event for _, event in life.TRANSITIONS})
    for state in states:
        for event in events:
            session = Session(20, OUTAGE_MS)
            session.state = state
            if (state, event) in life.TRANSITIONS:
                session.event(event)
                assert session.state == life.TRANSITIONS[state, event]
            else:
                raises(IllegalEvent, session.event, event)
                assert session.state == state


def test_a_second_start_is_illegal():
    session = begun()
    raises(IllegalEvent, session.arm, "e-2", None, "remote", None, None, None)


def test_no_load_after_two_minutes():
    session = begun()
    assert ended(session, 4.9, 200) == ("no_load", 120.0)
    session = begun()
    assert feed(session, 4.9, 119) == (None, 119)
    assert feed(session, 5.0, 10) == (None, 10)
    assert session.state == life.CHARGING
    assert feed(session, 8, 1000)[0] is None, "once it drew 5 W it is never no_load again"


def test_full_below_thirty_watts_for_half_an_hour():
    session = begun()
    feed(session, 150, 600)
    reason, t = ended(session, 29.9, 1900)
    assert reason == "full" and abs(t - 1800) <= 1


def test_not_full_at_thirty_watts():
    session = begun()
    feed(session, 150, 600)
    assert ended(session, 30.0, 4000)[0] is None


def test_full_is_a_tenth_of_a_high_plateau():
    for watts, reason in ((79.9, "full"), (80.1, None)):
        session = begun()
        feed(session, 800, 600)
        assert ended(session, watts, 2000)[0] == reason


def test_half_an_hour_begins_anew_when_the_power_returns():
    session = begun()
    feed(session, 150, 600)
    assert feed(session, 20, 1700)[0] is None
    feed(session, 60, 10)
    assert feed(session, 20, 1700)[0] is None


def test_gone_from_the_plateau_is_unplugged():
    session = begun()
    feed(session, 150, 600)
    reason, t = ended(session, 0, 60)
    assert reason == "unplugged" and abs(t - 10) <= 1, (reason, t)


def test_gone_after_the_taper_is_full():
    for watts, reason in ((74, "full"), (76, "unplugged")):
        session = begun()
        feed(session, 150, 600)
        feed(session, watts, 60)
        assert ended(session, 0, 60)[0] == reason


def test_a_slope_to_zero_is_no_taper():
    session = begun()
    feed(session, 150, 600)
    for watts in (110, 40, 8):
        feed(session, watts, 0.5)
    assert ended(session, 0, 60)[0] == "unplugged"


def test_current_that_returns_within_ten_seconds_is_not_gone():
    session = begun()
    feed(session, 150, 600)
    for _ in range(5):
        assert feed(session, 0, 9.5)[0] is None
        assert feed(session, 150, 30)[0] is None


def test_unplugged_in_the_first_second():
    session = begun()
    feed(session, 150, 0.5)
    assert ended(session, 0, 60)[0] == "unplugged"


def test_time_limit_counts_charge_time_only():
    session = begun(max_duration_ms=600_000)
    feed(session, 150, 300)
    assert feed(session, None, 100, hold="meter_stale")[0] == "suspend"
    feed(session, None, 99, hold="meter_stale")
    what, _ = feed(session, 0, 60)
    assert what == "resume"
    session.resume()
    reason, t = ended(session, 150, 400)
    assert reason == "time_limit" and abs(t - 300) <= 1, (reason, t)
    assert session.suspended_ms > 99_000


def test_energy_limit():
    session = begun(max_energy_mwh=1000)
    reason, t = ended(session, 100, 100, mwh=14)
    assert reason == "energy_limit" and abs(t - 35.5) <= 0.5, (reason, t)


def test_a_trip_ends_it_with_its_cause_and_the_last_energy_counts():
    session = begun()
    feed(session, 150, 60, mwh=20)
    before = session.energy_mwh
    reason, _ = ended(session, 0, 60, latched="overcurrent_instant", mwh=1)
    assert reason == "overcurrent_instant"
    assert session.energy_mwh == before + 3, "what the meter shows while it settles belongs to the session"


def test_stop_wins_over_what_comes_later():
    session = begun()
    feed(session, 150, 60)
    session.stop("stopped_remote")
    assert ended(session, 0, 60, latched="overpower")[0] == "stopped_remote"


def test_suspended_resumes_after_the_random_wait():
    session = begun()
    feed(session, 150, 60)
    assert feed(session, None, 1, hold="meter_stale") == ("suspend", 0.5)
    assert session.state == life.SUSPENDED and session.cause == "meter_stale"
    assert feed(session, None, 30, hold="meter_stale")[0] is None
    what, t = feed(session, 0, 100, roll=lambda low, high: high)
    assert what == "resume" and abs(t - 60) <= 1, t
    session.resume()
    assert session.state == life.ARMED and session.recloses == 1


def test_a_hold_that_returns_while_waiting_begins_the_wait_anew():
    session = begun()
    feed(session, 150, 60)
    feed(session, None, 0.5, hold="meter_stale")
    feed(session, 0, 30, roll=lambda low, high: high)
    feed(session, None, 1, hold="meter_stale")
    what, t = feed(session, 0, 100, roll=lambda low, high: high)
    assert what == "resume" and t >= 60


def test_suspended_too_long_ends_with_the_cause():
    session = begun()
    feed(session, 150, 60)
    feed(session, None, 0.5, hold="meter_stale")
    reason, t = ended(session, None, 1000, hold="meter_stale")
    assert reason == "meter_stale" and abs(t - 900) <= 1.5, (reason, t)


def test_three_recloses_and_no_more():
    session = begun()
    feed(session, 150, 60)
    for _ in range(3):
        assert feed(session, None, 1, hold="meter_stale")[0] == "suspend"
        assert feed(session, 0, 100)[0] == "resume"
        session.resume()
        feed(session, 150, 30)
    assert not session.worn_out
    assert feed(session, None, 1, hold="meter_stale")[0] == "suspend"
    assert ended(session, 0, 100)[0] == "meter_stale"
    assert session.worn_out


def recovered(proven=1):
    """A session as it was, through a checkpoint."""
    session = begun()
    feed(session, 150, 600, mwh=20)
    row = session.snapshot(settled=proven)
    after = Session(20, OUTAGE_MS)
    after.revive(row)
    assert after.id == "e-1" and after.account == "r-1" and after.energy_mwh == session.energy_mwh
    assert after.plateau_mw == session.plateau_mw and after.state == life.SUSPENDED
    return after


def test_a_short_outage_resumes_and_is_not_charge_time():
    session = recovered()
    charged = session.charge_ms
    assert feed(session, 0, 20)[0] is None, "nothing before the length of the outage is known"
    session.outage(300_000)
    assert feed(session, 0, 100)[0] == "resume"
    session.resume()
    assert session.charge_ms == charged and session.suspended_ms >= 320_000


def test_an_outage_that_was_long_or_is_unknown_ends_it():
    for outage_ms in (None, OUTAGE_MS + 1):
        session = recovered()
        session.outage(outage_ms)
        assert ended(session, 0, 10)[0] == "power_loss"


def test_without_a_checkpoint_since_closing_it_is_not_resumed():
    session = recovered(proven=0)
    session.outage(1000)
    assert ended(session, 0, 10)[0] == "power_loss"


# A failing battery ---------------------------------------------------------------------------------------------------


def curve(session, *steps):
    """Feeds (watts, minutes) in turn; returns the anomaly."""
    for watts, minutes in steps:
        feed(session, watts, minutes * 60)
    return session.anomaly


def test_a_rise_after_the_taper_is_an_anomaly():
    for rise, said in ((44, None), (46, "rose to 106 W after a taper to 60 W")):
        session = begun()
        assert curve(session, (180, 60), (120, 20), (60, 20)) is None
        assert curve(session, (60 + rise, 3)) == said, rise


def test_a_small_plateau_needs_twenty_watts():
    for rise, anomalous in ((19, False), (21, True)):
        session = begun()
        assert bool(curve(session, (60, 30), (35, 10), (35 + rise, 3))) == anomalous, rise


def test_a_real_charger_raises_nothing():
    session = begun()
    rising = [(150 + n, 5) for n in range(0, 32, 2)]  # by a fifth over 80 minutes, before the taper
    assert curve(session, (30, 0.1), *rising) is None
    tapering = [(181 - 3 * n, 3) for n in range(50)]
    assert curve(session, *tapering) is None
    assert curve(session, (5.2, 5), (6.3, 5)) is None


def test_a_resumed_soft_start_is_no_taper():
    session = begun()
    curve(session, (150, 30))
    feed(session, None, 1, hold="meter_stale")
    assert feed(session, 0, 100)[0] == "resume"
    session.resume()
    assert curve(session, (60, 0.5), (150, 30)) is None


def test_no_taper_within_ten_hours():
    session = begun(max_duration_ms=None)
    assert curve(session, (150, 599)) is None
    assert curve(session, (150, 2)) == "no taper within 10 h"


def test_charge_and_suspended_time_tile_the_session():
    session = begun()
    total = 0
    for seconds, hold in ((60, None), (30, "meter_stale"), (120, None), (10, "meter_stale"), (40, None)):
        for _ in range(seconds * 2):
            what, _ = feed(session, 0 if session.state == life.SUSPENDED else 150, 0.5, hold=hold)
            total += STEP_MS
            if what == "resume":
                session.resume()
    assert session.charge_ms + session.suspended_ms == total
