"""What loads draw, and what surrounds them: against figures worked out by hand, on MicroPython."""

import load_keys
from loads import make
from physics import Physics
from surroundings import Surroundings

S = 1000000
PLAIN = {"inrush_ms": 0, "ramp_s": 0.0, "start_over_peak": 1.0, "peak_w": 100.0, "constant_s": 3600.0}


def _near(value, expected, part=1e-6):
    assert abs(value - expected) <= part * max(1.0, abs(expected)), (value, expected)


def _closed(keys, seed=1):
    physics = Physics(1, seed)
    physics.plug(0, keys)
    physics.sockets[0].commanded = True
    physics.contact(0)
    return physics


def _run(physics, now, until):
    while now < until:
        now = min(physics.update(now), until)
    physics.move(until)


def test_every_kind_can_be_made_from_its_defaults(_folder):
    for kind, more in (
        ("li_ion", {}),
        ("lead_acid", {}),
        ("heater", {}),
        ("replay", {"points": [[0, 100.0], [60, 50.0]]}),
        ("adapter", {"loads": [{}, {"kind": "lead_acid"}], "after_s": [0, 5]}),
    ):
        amps, watts, most_s = make(dict(more, kind=kind)).draw(230.0, 100.0, 100.0)
        if kind != "replay":
            assert amps * 230.0 >= watts > 0, kind
        assert most_s > 0


def test_every_default_is_within_its_own_range_and_the_seen_ones_are_allowed(_folder):
    for kind in load_keys.KINDS:
        for key, known in load_keys.keys_of(kind).items():
            if known[1] is None:
                continue
            default, least, most, seen = known[:4]
            assert least <= default <= most, key
            if seen is not None:
                assert least <= seen[0] <= seen[1] <= seen[2] <= most, key


def test_a_capacitor_is_one_window_of_its_pulse(_folder):
    """40 A peak for 1.7 ms: 1.36 A2s, 8.25 A RMS in a window of 20 ms; hot it is half as much again."""
    load = make(dict(PLAIN, inrush_peak_a=40.0, inrush_pulse_ms=1.7, hot_inrush=1.5))
    _near(load.draw(230.0, 0.0, 0.005)[0], 8.246, 1e-3)
    _near(load.draw(230.0, 0.0, 0.005, 5.0)[0], 1.5 * 8.246, 1e-3)
    assert load.draw(230.0, 0.0, 0.021)[0] < 1.0


def test_lead_acid_by_hand(_folder):
    """3 A at 48 V is 169.4 W and 2 W of its own; at the end of the constant current 59.2 V; then 75 min to 1/e."""
    load = make({"kind": "lead_acid", "cc_s": 3600.0, "cv_tau_min": 75.0, "ramp_s": 0.0})
    _near(load.settled(0.0), 48.0 * 3.0 / 0.85 + 2.0)
    _near(load.settled(3600.0), 59.2 * 3.0 / 0.85 + 2.0)
    _near(load.settled(3600.0 + 75 * 60), 59.2 * 3.0 / 2.718281828 / 0.85 + 2.0)
    float_at = 3600 + 75 * 60 * 1.696449289  # ln(3 / 0.55)
    _near(load.settled(float_at + 1), 55.2 * 0.15 / 0.85 + 2.0)
    assert load.settled(float_at + 9001) == 0.7


def test_a_battery_that_fails_rises_again(_folder):
    load = make(dict(PLAIN, constant_s=600.0, rise_after_min=20.0, rise_tau_min=20.0, rise_to=0.95))
    low = load.settled(600.0 + 1200)
    _near(low, 100.0 * (1 - 1.2 * 20 / 100))
    _near(load.settled(600.0 + 2400), 95.0 - (95.0 - low) / 2.718281828, 1e-4)


def test_a_hiccup_starts_and_stops_at_its_edges(_folder):
    physics = _closed(dict(PLAIN, hiccup_on_s=0.2, hiccup_off_s=0.8))
    _run(physics, 0, 100 * S)
    _near(physics.energy_j(0), 100 * 0.2 * 100.0, 1e-3)


def test_two_bikes_on_an_adapter_add_up(_folder):
    load = make({"kind": "adapter", "loads": [PLAIN, dict(PLAIN, peak_w=50.0)], "after_s": [0, 60]})
    one = load.draw(230.0, 59.0, 59.0)
    both = load.draw(230.0, 61.0, 61.0)
    _near(one[1], 100.0)
    _near(both[1], 150.0)
    assert both[0] > one[0] and one[2] <= 1.0


def test_a_heater_follows_the_voltage(_folder):
    heater = make({"kind": "heater", "watts": 1000.0})
    _near(heater.draw(230.0, 1, 1)[1], 1000.0)
    _near(heater.draw(115.0, 1, 1)[1], 250.0)
    _near(heater.draw(115.0, 1, 1)[0], 250.0 / 115.0)


def test_a_replayed_curve_is_itself(_folder):
    load = make({"kind": "replay", "points": [[7, 90.0], [307, 60.0], [607, 61.0]], "ramp_s": 0.0})
    for at_s, watts in ((0, 90.0), (150, 75.0), (300, 60.0), (450, 60.5), (10, 89.0), (601, 0.7)):
        _near(load.settled(at_s), watts)


def test_an_overload_ramps(_folder):
    physics = _closed(PLAIN)
    _run(physics, 0, 10 * S)
    physics.overload(0, 1000.0, -1, 10 * S)
    _run(physics, 10 * S, 20 * S)
    _near(physics.energy_j(0), 2000.0 + 1000.0 * 10 / 2, 2e-3)
    _run(physics, 20 * S, 21 * S)
    _near(physics.power_w(0), 1100.0)


def test_what_a_load_cannot_be_is_refused_in_words(_folder):
    for keys, word in (
        ({"kind": "kettle"}, "kettle"),
        ({"colour": 1}, "colour"),
        ({"peak_w": -1}, "peak_w"),
        ({"peak_w": "many"}, "peak_w"),
        ({"kind": "replay"}, "points"),
        ({"kind": "replay", "points": [[5, 1], [5, 2]]}, "order"),
        ({"kind": "adapter"}, "loads"),
        ({"kind": "adapter", "loads": [{"kind": "adapter", "loads": [{}]}]}, "adapter"),
        ({"kind": "adapter", "loads": [{"peak_w": -5}]}, "peak_w"),
    ):
        try:
            make(keys)
        except ValueError as e:
            assert word in str(e), (keys, str(e))
        else:
            raise AssertionError(keys)


def test_the_monitor_sees_what_no_current_channel_does(_folder):
    around = Surroundings()
    around.leak(0, 30.0, 100, 0)
    _near(around.leakage_ma(0, 50 * S), 15.0)
    now = 0
    while not around.is_open("residual_current") and now < 200 * S:
        around.settle(now, [0.0], [True])
        now += 100000
    assert 75 * S <= now <= 76 * S, now  # 22.5 of 30 mA, and 0.3 s
    around.settle(now, [0.0], [False])
    assert around.is_open("residual_current")
    around.settle(now + 11 * S, [0.0], [False])
    assert not around.is_open("residual_current")


def test_leakage_flows_only_where_it_is_fed(_folder):
    around = Surroundings()
    around.leak(0, 30.0, 0, 0)
    for now in range(0, 20 * S, S):
        around.settle(now, [0.0], [False])
    assert not around.is_open("residual_current")


def test_the_box_warms_and_cools(_folder):
    around = Surroundings()
    around.settle(0, [0.0], [True])
    around.heat(78.0, 60.0)
    around.settle(30 * S, [0.0], [True])
    _near(around.temperature_c(), 48.0)
    around.settle(90 * S, [0.0], [True])
    _near(around.temperature_c(), 78.0)
    around.heat(None, 0)
    around.settle(690 * S, [0.0], [True])
    _near(around.temperature_c(), 18.0 + 60.0 / 2.718281828, 1e-4)


def test_a_contactor_takes_the_feed_of_a_welded_relay(_folder):
    physics = _closed(PLAIN)
    physics.sockets[0].stuck = True
    physics.sockets[0].commanded = False
    assert not physics.contact(0)
    physics.settle(0)
    assert physics.current_a(0) > 0
    physics.feed = False
    physics.settle(0)
    assert physics.current_a(0) == 0.0


def test_a_short_asks_for_its_breaker_once(_folder):
    physics = _closed(PLAIN)
    asked = []
    physics.on_breaker = lambda i, us: asked.append((i, us))
    physics.short(0, True, 300 * S)
    physics.settle(0)
    physics.settle(0)
    assert asked == [(0, 300 * S)]
    physics.sockets[0].cleared = True
    physics.settle(0)
    assert physics.current_a(0) == 0.0


def test_everything_is_kept_over_a_restart(_folder):
    physics = _closed({"kind": "adapter", "loads": [PLAIN, PLAIN], "after_s": [0, 50]})
    physics.around.leak(0, 30.0, 100, 0)
    physics.around.open_loop("smoke", True)
    physics.around.mains(170.0)
    _run(physics, 0, 100 * S)
    other = Physics(1)
    other.load(physics.save(), 100 * S)
    assert other.around.is_open("smoke") and other.around.voltage_v(0) == 170.0
    _near(other.around.leakage_ma(0, 100 * S), 30.0)
    _run(other, 100 * S, 200 * S)
    _run(physics, 100 * S, 200 * S)
    _near(other.energy_j(0), physics.energy_j(0))
