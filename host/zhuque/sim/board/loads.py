"""What is plugged in: what it draws, as a function of the voltage and of how long it has been fed.

Model of a charger: P = Vb I / eta + P0 at the socket, I_rms = P / (V PF). Its numbers, their ranges and sources are in
load_keys.py. Seen in real curves, and here: power that rises while the current is constant; a taper first linear, then
exponential; a step down near the end followed by a small rise; standby of 0 to 15.5 W; a power factor that falls with
the power.

Kinds: li_ion, lead_acid, replay (of a measured curve), heater, adapter (several loads at one socket). `draw` is pure.
"""

import math

try:
    from load_keys import keys_of, problems
except ImportError:  # on the host, in tests
    from zhuque.sim.board.load_keys import keys_of, problems

HALF_CYCLE_S = 0.01
_CURVE = ((5.0, 0.36), (20.0, 0.42))  # D
_FULL_PF = 0.55  # D; C 0.52 implied by PB-300/360
_CORRECTED_PF = 0.97
_HOT_S = 60.0
_LEAST_V = 80.0  # below it a charger does not run
_QUIET_S = 1.0
_STARTING_S = 0.02
_INRUSH_PF = 0.2  # a capacitor charges: much current, little energy
_NOMINAL_V = 230.0


def make(keys):
    """The load with these keys; the others are as a common one has them. ValueError where they cannot be."""
    wrong = problems(keys)
    if wrong:
        raise ValueError("; ".join(wrong))
    return _CLASSES[keys.get("kind", "li_ion")](keys)


class Load:
    """`charged_s`: the time it has been fed over all interruptions; `on_s`: since it was switched on last.

    `off_s`: how long it had been off before that.
    """

    def __init__(self, keys):
        self.keys = keys
        for name, known in keys_of(keys.get("kind", "li_ion")).items():
            setattr(self, name, keys.get(name, known[0]))
        self.full_w = 100.0

    def draw(self, volts, charged_s, on_s, off_s=1e9):
        """(amperes RMS, watts, for how many seconds that holds at the longest)."""
        if volts < _LEAST_V:
            return 0.0, 0.0, _QUIET_S
        most_s = _QUIET_S
        if self.hiccup_on_s:
            on_s %= self.hiccup_on_s + self.hiccup_off_s
            if on_s >= self.hiccup_on_s:
                return 0.0, 0.0, max(1e-6, self.hiccup_on_s + self.hiccup_off_s - on_s)
            off_s = self.hiccup_off_s
            most_s = max(1e-6, self.hiccup_on_s - on_s)
        watts = self.watts(charged_s, on_s)
        amps = watts / (volts * self.power_factor(watts))
        until_s = self._inrush_until()
        if on_s < until_s:
            rush = self._inrush(on_s) * (self.hot_inrush if off_s < _HOT_S else 1.0)
            if rush > amps:
                return rush, rush * volts * _INRUSH_PF, min(most_s, until_s - on_s)
        if on_s < self.ramp_s:
            most_s = min(most_s, _STARTING_S)
        return amps, watts, most_s

    def watts(self, charged_s, on_s):
        """Active power, but for the inrush."""
        watts = self.settled(charged_s)
        if on_s < self.ramp_s:
            return watts * max(0.05, on_s / self.ramp_s)
        return watts

    def settled(self, charged_s):
        """Active power once it has started."""
        return self.standby_w

    def _inrush_until(self):
        return 2 * HALF_CYCLE_S if self.inrush_peak_a else self.inrush_ms / 1000

    def _inrush(self, on_s):
        """RMS over a window of 20 ms with the pulse in one of its two half-cycles."""
        if not self.inrush_peak_a:
            return self.inrush_a
        return self.inrush_peak_a * math.sqrt(self.inrush_pulse_ms / 1000 / 4 / HALF_CYCLE_S)

    def power_factor(self, watts):
        """Of the whole load at that power."""
        if self.corrected:
            return _CORRECTED_PF
        (low_w, low), (mid_w, mid) = _CURVE
        if watts <= mid_w:
            return low + (mid - low) * max(0.0, watts - low_w) / (mid_w - low_w)
        return mid + (_FULL_PF - mid) * min(1.0, (watts - mid_w) / max(1.0, self.full_w - mid_w))


class LiIon(Load):
    """Constant current, linear taper, exponential tail, step, trickle, standby; or a battery that fails."""

    def __init__(self, keys):
        super().__init__(keys)
        self.full_w = self.peak_w
        self._taper_s = (1 - self.taper_until) / self.taper_pct_min * 6000
        until = self.cutoff_w / (self.peak_w * self.taper_until)
        self._decay_s = -math.log(until) * self.tau_min * 60 if 0 < until < 1 else 0.0

    def settled(self, charged_s):
        """Active power once it has started."""
        t = charged_s - self.constant_s
        if t < 0:
            return self.peak_w * (
                self.start_over_peak + (1 - self.start_over_peak) * charged_s / self.constant_s
            )
        after_s = self.rise_after_min * 60
        if after_s and t > after_s:
            low = self._tapered(after_s)
            high = self.peak_w * self.rise_to
            return low + (high - low) * (1 - math.exp((after_s - t) / (self.rise_tau_min * 60)))
        return self._tapered(t)

    def _tapered(self, t):
        if t < self._taper_s:
            return self.peak_w * (1 - self.taper_pct_min * t / 6000)
        t -= self._taper_s
        if t < self._decay_s:
            return self.peak_w * self.taper_until * math.exp(-t / (self.tau_min * 60))
        t -= self._decay_s
        return self._trickle(t) if self.trickle_w and t < self.trickle_s else self.standby_w

    def _trickle(self, t):
        if t < self.trickle_rise_s:
            return self.trickle_w + (self.trickle_top_w - self.trickle_w) * t / self.trickle_rise_s
        return max(
            self.standby_w,
            self.trickle_top_w * math.exp((self.trickle_rise_s - t) / (self.trickle_tau_min * 60)),
        )


class LeadAcid(Load):
    """Constant current while the voltage rises, constant voltage while the current falls, float, standby."""

    def __init__(self, keys):
        super().__init__(keys)
        self.full_w = self.cv_v * self.cc_a / self.efficiency + self.idle_w
        fall = self.cc_a / self.transition_a
        self._cv_s = math.log(fall) * self.cv_tau_min * 60 if fall > 1 else 0.0

    def settled(self, charged_s):
        """Active power once it has started."""
        t = charged_s
        if t < self.cc_s:
            return self._from(self.start_v + (self.cv_v - self.start_v) * t / self.cc_s, self.cc_a)
        t -= self.cc_s
        if t < self._cv_s:
            return self._from(self.cv_v, self.cc_a * math.exp(-t / (self.cv_tau_min * 60)))
        t -= self._cv_s
        return self._from(self.float_v, self.float_a) if t < self.float_s else self.standby_w

    def _from(self, volts, amps):
        return volts * amps / self.efficiency + self.idle_w


class Replay(Load):
    """A measured curve: linear between its points, standby after the last."""

    def __init__(self, keys):
        super().__init__(keys)
        self._at = 0
        self.full_w = max([watts for _, watts in self.points])

    def settled(self, charged_s):
        """Active power once it has started."""
        points = self.points
        t = charged_s + points[0][0]
        if t >= points[-1][0]:
            return self.standby_w
        i = self._at if points[self._at][0] <= t else 0
        while points[i + 1][0] <= t:
            i += 1
        self._at = i
        (t0, w0), (t1, w1) = points[i], points[i + 1]
        return w0 + (w1 - w0) * (t - t0) / (t1 - t0)


class Heater(Load):
    """A resistor."""

    def draw(self, volts, charged_s, on_s, off_s=1e9):
        """As every load's."""
        most_s = _QUIET_S
        if self.hiccup_on_s:  # a thermostat
            period = self.hiccup_on_s + self.hiccup_off_s
            on_s %= period
            if on_s >= self.hiccup_on_s:
                return 0.0, 0.0, max(1e-6, period - on_s)
            most_s = max(1e-6, min(most_s, self.hiccup_on_s - on_s))
        watts = self.watts * (volts / _NOMINAL_V) ** 2
        return watts / max(1.0, volts), watts, most_s


class Adapter(Load):
    """Several loads at one socket. Their currents add up, which is the most that they can."""

    def __init__(self, keys):
        super().__init__(keys)
        self._loads = [make(part) for part in self.loads]
        self._after = [self.after_s[i] if i < len(self.after_s) else 0.0 for i in range(len(self._loads))]

    def draw(self, volts, charged_s, on_s, off_s=1e9):
        """As every load's."""
        amps = watts = 0.0
        most_s = _QUIET_S
        for load, after_s in zip(self._loads, self._after):
            fed_s = charged_s - after_s
            if fed_s < 0:
                most_s = min(most_s, -fed_s)
                continue
            more = load.draw(volts, fed_s, min(on_s, fed_s), off_s)
            amps += more[0]
            watts += more[1]
            most_s = min(most_s, more[2])
        return amps, watts, max(1e-6, most_s)


_CLASSES = {"li_ion": LiIon, "lead_acid": LeadAcid, "replay": Replay, "heater": Heater, "adapter": Adapter}
