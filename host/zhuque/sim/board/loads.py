"""What a bike's charger draws, as a function of how long it has been charging.

Model: P = Vb I / eta + P0 at the socket, I_rms = P / (V PF). Its numbers come from measured curves (two Lectric
XPedition and two Rad Power 48 V chargers, github.com/hilo-software/ebike-battery-manager, MIT) and cited sources;
scenarios draw from the ranges in ../residents.py:

- soft start of 0.5 to 6 s (measured on a Shimano charger: about 6 s from idle to 66 W);
- constant current: the power rises from r to 1 times its peak, r 0.83 to 0.96 (measured: 69.7 of 83.9 W from empty);
- taper: 0.7 to 1.6 % of the peak a minute, down to 0.4 to 0.5 of it (measured on four chargers);
- then exponential, with a time constant of 27 to 50 min, until the charger cuts at 5 to 25 W (measured);
- standby of 0 to 15.5 W (measured: 0.7 W and 4 to 6 W when full, 15.5 W without charging; 0 W cited for a Bosch 4 A);
- power factor without correction 0.55 at full load, 0.42 at 20 W, 0.36 at 5 W (derived from a rectifier model, and
  Mean Well PB-300/360), with correction 0.97 (Mean Well PB-1000);
- inrush: i2t of 0.2 to 2.2 A2s within 6 ms (derived; Mean Well, sz-toppower): 3.2 to 10.5 A RMS in a window of 20 ms.
"""

import math

# Keys of a load and what they are when a scenario does not say: a 105 W charger, half full.
DEFAULTS = {
    "peak_w": 105.0,
    "start_over_peak": 0.92,
    "ramp_s": 3.0,
    "constant_s": 2400.0,
    "taper_pct_min": 1.2,
    "taper_until": 0.45,
    "tau_min": 32.0,
    "cutoff_w": 12.0,
    "standby_w": 0.7,
    "corrected": False,
    "inrush_a": 5.0,
    "inrush_ms": 25,
}
_CURVE = ((5.0, 0.36), (20.0, 0.42))
_FULL_PF = 0.55
_CORRECTED_PF = 0.97


class Charger:
    """`charged_s` is the time it has been energised, over all interruptions; 0 is when the bike was plugged in."""

    def __init__(self, keys):
        unknown = [key for key in keys if key not in DEFAULTS]
        if unknown:
            raise ValueError(
                "a load has no {}; it has {}".format(", ".join(unknown), ", ".join(sorted(DEFAULTS)))
            )
        self.keys = keys
        for name, value in DEFAULTS.items():
            setattr(self, name, keys.get(name, value))
        self._taper_s = (1 - self.taper_until) / self.taper_pct_min * 6000
        until = self.cutoff_w / (self.peak_w * self.taper_until)
        self._decay_s = -math.log(until) * self.tau_min * 60 if 0 < until < 1 else 0.0

    def watts(self, charged_s, energised_s):
        """Active power; `energised_s` is the time since the socket was switched on last."""
        watts = self._settled(charged_s)
        if energised_s < self.ramp_s:
            return watts * max(0.05, energised_s / self.ramp_s)
        return watts

    def _settled(self, t):
        if t < self.constant_s:
            return self.peak_w * (self.start_over_peak + (1 - self.start_over_peak) * t / self.constant_s)
        t -= self.constant_s
        if t < self._taper_s:
            return self.peak_w * (1 - self.taper_pct_min * t / 6000)
        t -= self._taper_s
        if t < self._decay_s:
            return self.peak_w * self.taper_until * math.exp(-t / (self.tau_min * 60))
        return self.standby_w

    def power_factor(self, watts):
        """Of the whole charger at that power."""
        if self.corrected:
            return _CORRECTED_PF
        (low_w, low), (mid_w, mid) = _CURVE
        if watts <= mid_w:
            return low + (mid - low) * max(0.0, watts - low_w) / (mid_w - low_w)
        return mid + (_FULL_PF - mid) * min(1.0, (watts - mid_w) / max(1.0, self.peak_w - mid_w))
