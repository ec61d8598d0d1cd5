"""The mains, the loads and the truth, against figures worked out by hand."""

from loads import LiIon as Charger
from physics import Physics
from truth import Truth

S = 1000000
# No inrush and no soft start: a load that draws what it says from the first moment.
PLAIN = {"inrush_ms": 0, "ramp_s": 0.0, "start_over_peak": 1.0, "peak_w": 100.0, "constant_s": 3600.0}


def _run(physics, now, until):
    """Update whenever it asks to be; returns `until`."""
    while now < until:
        now = min(physics.update(now), until)
    physics.move(until)
    return until


def _close(physics, i, on=True):
    physics.sockets[i].commanded = on
    return physics.contact(i)


def _near(value, expected, part=1e-9):
    assert abs(value - expected) <= part * max(1.0, abs(expected)), (value, expected)


def test_constant_power_is_integrated_exactly(_folder):
    physics = Physics(2)
    physics.plug(0, PLAIN)
    _close(physics, 0)
    _run(physics, 0, 600 * S)
    _near(physics.energy_j(0), 100.0 * 600)
    assert physics.energy_j(1) == 0.0


def test_rise_and_taper_against_the_integral(_folder):
    """Rise from 80 to 100 W in 1000 s: 90 kJ; then 1.2 %/min down to half: 2500 s at 75 W on average."""
    physics = Physics(1)
    keys = dict(PLAIN, start_over_peak=0.8, constant_s=1000.0, taper_pct_min=1.2, taper_until=0.5)
    physics.plug(0, keys)
    _close(physics, 0)
    _run(physics, 0, 1000 * S)
    _near(physics.energy_j(0), 90000.0, 2e-4)
    _run(physics, 1000 * S, 3500 * S)
    _near(physics.energy_j(0), 90000.0 + 2500 * 75.0, 2e-4)


def test_exponential_tail_cuts_to_standby(_folder):
    charger = Charger(
        dict(PLAIN, constant_s=0.0, taper_pct_min=60.0, taper_until=0.5, tau_min=30.0, cutoff_w=10.0)
    )
    _near(charger.watts(50.0, 1e9), 50.0, 1e-6)
    _near(charger.watts(50.0 + 1800, 1e9), 50.0 / 2.718281828, 1e-6)
    tail_s = 1800 * 1.6094379  # ln(50 / 10)
    assert charger.watts(50.0 + tail_s - 1, 1e9) > 10.0
    assert charger.watts(50.0 + tail_s + 1, 1e9) == 0.7


def test_power_factor(_folder):
    charger = Charger(dict(PLAIN, peak_w=120.0))
    for watts, factor in ((5.0, 0.36), (20.0, 0.42), (120.0, 0.55)):
        _near(charger.power_factor(watts), factor)
    assert Charger({"corrected": True}).power_factor(50.0) >= 0.95


def test_nothing_flows_through_an_open_contact_or_into_nothing(_folder):
    physics = Physics(2)
    physics.plug(0, PLAIN)
    _close(physics, 1)
    _run(physics, 0, 100 * S)
    assert physics.current_a(0) == physics.current_a(1) == 0.0
    assert physics.energy_j(0) == physics.energy_j(1) == 0.0


def test_charging_goes_on_where_it_was_interrupted(_folder):
    physics = Physics(1)
    physics.plug(0, PLAIN)
    _close(physics, 0)
    _run(physics, 0, 100 * S)
    _close(physics, 0, False)
    _run(physics, 100 * S, 5000 * S)
    _close(physics, 0)
    _run(physics, 5000 * S, 5050 * S)
    physics.update(5050 * S)
    assert physics.sockets[0].charged_us == 150 * S
    _near(physics.energy_j(0), 15000.0)


def test_inrush_is_there_at_the_next_tick_and_gone_after(_folder):
    physics = Physics(1)
    physics.plug(0, dict(PLAIN, inrush_a=40.0, inrush_ms=180))
    _close(physics, 0)
    assert physics.current_a(0) == 40.0
    assert physics.update(0) == 180000
    physics.update(180000)
    assert physics.current_a(0) < 1.0


def test_overload_and_short_are_immediate(_folder):
    physics = Physics(1)
    physics.plug(0, PLAIN)
    _close(physics, 0)
    _run(physics, 0, 10 * S)
    quiet = physics.current_a(0)
    version = physics.version
    physics.overload(0, 2300.0, 5 * S)
    assert physics.version > version
    _near(physics.current_a(0) - quiet, 2300.0 / physics.voltage_v(), 1e-3)
    _run(physics, 10 * S, 20 * S)
    _near(physics.current_a(0), quiet, 0.02)
    _near(physics.energy_j(0), 2000.0 + 2300.0 * 5)
    physics.short(0, True)
    assert physics.current_a(0) > 300
    physics.unplug(0)
    assert physics.current_a(0) == 0.0


def test_a_welded_contact_stays_and_a_dead_one_does_not_close(_folder):
    physics = Physics(2)
    physics.plug(0, PLAIN)
    _close(physics, 0)
    physics.sockets[0].stuck = True
    assert not _close(physics, 0, False)
    assert physics.current_a(0) > 0
    physics.sockets[1].dead = True
    assert not _close(physics, 1)
    assert not physics.sockets[1].closed


def test_voltage_wanders_a_little(_folder):
    physics = Physics(1)
    seen = []
    for t in range(0, 7200, 10):
        physics.update(t * S)
        seen.append(physics.voltage_v())
    assert 225 < min(seen) < 228 and 232 < max(seen) < 235


def test_saved_and_loaded_it_goes_on(_folder):
    physics = Physics(1)
    physics.plug(0, PLAIN)
    _close(physics, 0)
    _run(physics, 0, 100 * S)
    other = Physics(1)
    other.load(physics.save(), 100 * S)
    _run(other, 100 * S, 200 * S)
    _near(other.energy_j(0), 20000.0)


def test_truth_of_sessions(_folder):
    physics = Physics(1)
    truth = Truth(physics, 1000000)
    physics.plug(0, PLAIN)
    truth.asked(0, "r-1")
    _run(physics, 0, 10 * S)
    _close(physics, 0)
    truth.closed(0, 10 * S)
    _run(physics, 10 * S, 46 * S)
    _close(physics, 0, False)
    truth.opened(0, 46 * S)
    _run(physics, 46 * S, 60 * S)
    _close(physics, 0)  # by itself: the same session
    truth.closed(0, 60 * S)
    _run(physics, 60 * S, 96 * S)
    physics.unplug(0)
    truth.unplugged(0, 96 * S)
    truth.asked(0, "r-2")
    truth.closed(0, 120 * S)
    report = truth.report()
    assert report["sockets"] == [{"socket": 1, "energy_mwh": 2000.0}]
    first, second = report["sessions"]
    assert (first["started"], first["ended"], first["account"]) == (1000010, 1000096, "r-1")
    _near(first["energy_mwh"], 2000.0)
    assert (second["started"], second["ended"], second["energy_mwh"]) == (1000120, None, 0.0)
