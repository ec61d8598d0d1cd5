"""Every key that a load may have: what it is by itself, what it may be, what real ones show and where that was seen.

Sources: M measured, four Lectric XPedition and Rad Power chargers (github.com/hilo-software/ebike-battery-manager,
MIT); C cited (Mean Well PB-300/360/1000 and GC120, Bosch 4 A, hei6.com and justelectricbike.com for lead-acid,
sz-toppower.com and premium.es for inrush); D derived from a time-step model of a rectifier; A assumed.

Rules: no imports, so that the board and the host, which checks scenarios, both load this file.
"""

# key: (what it is by itself, least, most, (low, typical, high) of real ones, source)
KEYS = {
    "ramp_s": (3.0, 0.0, 60.0, (0.5, 3, 6), "M, 6 s from idle to 66 W; low end A"),
    "standby_w": (0.7, 0.0, 50.0, (0.0, 0.7, 15.5), "M 0.7, 4 to 6 and 15.5 W; C 0 W, Bosch"),
    "corrected": (False, 0, 1, None, "C, PB-1000: power factor 0.95 to 0.99"),
    # RMS in a window of 20 ms, and how long: 0.2 to 2.2 A2s within 6 ms are 3.2 to 10.5 A in one window.
    "inrush_a": (5.0, 0.0, 200.0, (3.2, 5, 10.5), "D"),
    "inrush_ms": (25, 0, 1000, None, "D"),
    # Or the capacitor's pulse: its peak, and its width at the base of a half sine. 230 V over 5 to 10 ohm.
    "inrush_peak_a": (0.0, 0.0, 200.0, (32, 40, 65), "D; C 30 A small, 60 A large"),
    "inrush_pulse_ms": (1.7, 0.1, 10.0, (0.5, 1.7, 5.8), "D"),
    "hot_inrush": (1.0, 1.0, 5.0, (1.0, 1.5, 2.5), "A: the thermistor is still warm a minute later"),
    "hiccup_on_s": (0.0, 0.0, 3600.0, (0.05, 0.2, 1.0), "A: a supply that gives up and tries again"),
    "hiccup_off_s": (1.0, 0.01, 3600.0, (0.5, 1.0, 3.0), "A"),
}
LI_ION = {
    "peak_w": (105.0, 1.0, 3000.0, (72, 105, 400), "M 84 to 112 W; C 150 to 600 W rated"),
    "start_over_peak": (0.92, 0.3, 1.0, (0.83, 0.92, 0.99), "M 69.7 of 83.9 W from empty"),
    "constant_s": (2400.0, 0.0, 400000.0, (300, 2400, 7200), "A: how much of this part is left on arrival"),
    "taper_pct_min": (1.2, 0.01, 100.0, (0.7, 1.2, 1.8), "M"),
    "taper_until": (0.45, 0.01, 1.0, (0.32, 0.45, 0.6), "M"),
    "tau_min": (32.0, 0.1, 1000.0, (27, 32, 50), "M"),
    "cutoff_w": (12.0, 0.0, 1000.0, (3.6, 12, 25), "M"),
    # After the step down: from here up to there, then falling. 0: no such step.
    "trickle_w": (0.0, 0.0, 100.0, (0.0, 4.2, 5.2), "M"),
    "trickle_top_w": (6.3, 0.0, 100.0, (5.4, 6.0, 6.6), "M"),
    "trickle_rise_s": (600.0, 1.0, 7200.0, (179, 500, 600), "M"),
    "trickle_tau_min": (130.0, 1.0, 1000.0, (129, 130, 150), "M"),
    "trickle_s": (7200.0, 0.0, 400000.0, None, "A: the measurement ended before it did"),
    # A failing battery: so long after the taper began the power rises again. 0: a sound one.
    "rise_after_min": (0.0, 0.0, 600.0, (10, 20, 30), "A"),
    "rise_tau_min": (45.0, 0.1, 600.0, (20, 45, 90), "A"),
    "rise_to": (0.95, 0.0, 2.0, None, "A: over the peak"),
}
LEAD_ACID = {
    "cc_a": (3.0, 0.5, 20.0, (1.8, 3.0, 3.0), "C, range A"),
    "start_v": (48.0, 10.0, 100.0, (46, 48, 52), "C: where the battery begins"),
    "cv_v": (59.2, 10.0, 120.0, (58.8, 59.2, 59.2), "C"),
    "cc_s": (14400.0, 0.0, 400000.0, (3600, 14400, 21600), "C: 6 to 10 h in all"),
    "cv_tau_min": (75.0, 1.0, 1000.0, (45, 75, 120), "A"),
    "transition_a": (0.55, 0.01, 10.0, (0.4, 0.55, 0.65), "C"),
    "float_v": (55.2, 10.0, 120.0, (55.2, 55.2, 56.0), "C"),
    "float_a": (0.15, 0.0, 5.0, None, "A"),
    "float_s": (9000.0, 0.0, 400000.0, (7200, 9000, 10800), "C"),
    "efficiency": (0.85, 0.3, 1.0, (0.72, 0.85, 0.9), "M, C"),
    "idle_w": (2.0, 0.0, 50.0, None, "A: P0"),
}
REPLAY = {"points": ((), None, None, None, "pairs of seconds and watts")}
HEATER = {"watts": (1500.0, 1.0, 4000.0, None, "")}
ADAPTER = {"loads": ((), None, None, None, ""), "after_s": ((), None, None, None, "when each comes; 0")}
KINDS = {"li_ion": LI_ION, "lead_acid": LEAD_ACID, "replay": REPLAY, "heater": HEATER, "adapter": ADAPTER}
# The four measured chargers as the model has them, fitted by least squares; a test holds them against the measurement.
FITTED = {
    "lectric_battery_1": {
        "peak_w": 111.6,
        "start_over_peak": 0.9537,
        "constant_s": 7229.0,
        "taper_pct_min": 1.528,
        "taper_until": 0.4289,
        "tau_min": 28.07,
        "cutoff_w": 3.632,
    },
    "lectric_battery_2": {
        "peak_w": 101.6,
        "start_over_peak": 0.9569,
        "constant_s": 6569.0,
        "taper_pct_min": 1.175,
        "taper_until": 0.3866,
        "tau_min": 32.91,
        "cutoff_w": 3.875,
    },
    "rad_battery_1": {
        "peak_w": 104.1,
        "start_over_peak": 0.9932,
        "constant_s": 2287.0,
        "taper_pct_min": 0.7212,
        "taper_until": 0.3236,
        "tau_min": 47.07,
        "cutoff_w": 16.45,
        "trickle_w": 4.862,
        "trickle_top_w": 6.582,
        "trickle_rise_s": 574.5,
        "trickle_tau_min": 129.5,
    },
    "rad_battery_2": {
        "peak_w": 90.45,
        "start_over_peak": 0.9659,
        "constant_s": 0.0,
        "taper_pct_min": 1.823,
        "taper_until": 0.5978,
        "tau_min": 32.79,
        "cutoff_w": 25.07,
        "trickle_w": 4.973,
        "trickle_top_w": 5.412,
        "trickle_rise_s": 179.0,
        "trickle_tau_min": 150.3,
    },
}


def keys_of(kind):
    """Every key of that kind of load, with its numbers."""
    found = dict(KEYS)
    found.update(KINDS[kind])
    return found


def problems(keys):
    """What is wrong with the keys of a load, in words; none when `make` takes them."""
    kind = keys.get("kind", "li_ion")
    if kind not in KINDS:
        return ["there is no load of kind {}; there is {}".format(repr(kind), ", ".join(sorted(KINDS)))]
    known = keys_of(kind)
    found = []
    for key, value in keys.items():
        if key == "kind":
            continue
        if key not in known:
            found.append("a {} load has no {}; it has {}".format(kind, key, ", ".join(sorted(known))))
        elif key in ("points", "loads", "after_s"):
            found += _PARTS[key](value)
        else:
            found += _out_of_range(key, value, known[key])
    if kind in ("replay", "adapter") and not keys.get("points" if kind == "replay" else "loads"):
        found.append("a load of kind {} needs {}".format(kind, "points" if kind == "replay" else "loads"))
    return found


def _out_of_range(key, value, known):
    if not isinstance(value, (int, float, bool)) or not known[1] <= value <= known[2]:
        return ["{} must be {} to {}, is {}".format(key, known[1], known[2], repr(value))]
    return []


def _wrong_points(points):
    last = -1.0
    for point in points:
        if len(point) != 2 or not last < point[0] or not 0 <= point[1] <= 4000:
            return [
                "points must be pairs [s, W] in the order of their seconds, one is {}".format(repr(point))
            ]
        last = point[0]
    return []


def _wrong_loads(loads):
    found = []
    for i, keys in enumerate(loads):
        if keys.get("kind") == "adapter":
            found.append("load {} of the adapter is an adapter".format(i + 1))
        found += ["load {} of the adapter: {}".format(i + 1, text) for text in problems(keys)]
    return found


def _wrong_after(after):
    return [] if all([at >= 0 for at in after]) else ["after_s must be seconds from 0"]


_PARTS = {"points": _wrong_points, "loads": _wrong_loads, "after_s": _wrong_after}
