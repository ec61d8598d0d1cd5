"""The mains voltage and the temperature: what concerns every socket at once. Allocates nothing.

A value that is not known is not a good one: a voltage not read for a second counts as a silent meter, a temperature not
read for half a minute, on a board that has a sensor, holds every relay open until it is. So does, from the start, one
that was not read yet.
"""

from wire.units import const

from .causes import METER_STALE, OVERTEMPERATURE, OVERVOLTAGE, UNDERVOLTAGE
from .judge import STALE_CLEAR_MS
from .timer import FOREVER, JITTER_MS, run

# IEC 60038: 230 V +-10 % is 207..253 V; a charger survives more, a broken neutral brings up to 400 V.
UNDER_MV = const(176_000)
UNDER_MS = const(2000)
OVER_MV = const(264_000)
OVER_MS = const(2000)
HIGH_MV = const(300_000)
HIGH_MS = const(200)
NEUTRAL_MV = const(350_000)  # in two windows
GOOD_LOW_MV = const(187_000)
GOOD_HIGH_MV = const(253_000)
GOOD_MS = const(60_000)
SILENT_MS = const(1000)

HOT_DC = const(700)
WARM_DC = const(600)
COOL_DC = const(550)
UNKNOWN_DC = const(-32768)
TEMPERATURE_SILENT_MS = const(30_000)


class Supply:
    """`held` are the bits that keep every relay open now; `hot` is True from 70 until 55 degrees Celsius."""

    def __init__(self, has_temperature, window_ms=20):
        self.held = METER_STALE | OVERTEMPERATURE if has_temperature else METER_STALE
        self.hot = False
        self.warm = False  # no new starts
        self._has_temperature = has_temperature
        self._under_ms = 0
        self._over_ms = 0
        self._high_ms = 0
        self._neutral_ms = 0
        # Of the meter: until then its voltage may be the same reading.
        self._window_ms = window_ms - JITTER_MS
        self._good_ms = 0
        self._silent_ms = 0
        self._heard_ms = 0
        self._temperature_ms = 0

    def judge(self, dt_ms, reading):
        """One tick; returns the bits held."""
        if reading.voltage_ok:
            self._silent_ms = 0
            self._judge_voltage(dt_ms, reading.voltage_mv)
        else:
            self._silent_ms = min(self._silent_ms + dt_ms, FOREVER)
            self._good_ms = 0
            if self._silent_ms >= SILENT_MS:
                self.held |= METER_STALE
        if self.held & METER_STALE:
            self._heard_ms = run(self._heard_ms, reading.voltage_ok, dt_ms)
            if self._heard_ms > STALE_CLEAR_MS:
                self.held &= ~METER_STALE
        if self._has_temperature:
            self._judge_temperature(dt_ms, reading.temperature_dc)
        return self.held

    def _judge_voltage(self, dt_ms, mv):
        if mv < UNDER_MV or self._under_ms:
            self._under_ms = run(self._under_ms, mv < UNDER_MV, dt_ms)
            if self._under_ms > UNDER_MS:
                self.held |= UNDERVOLTAGE
        if mv > OVER_MV or self._over_ms:
            self._judge_over(dt_ms, mv)
        if self.held & (UNDERVOLTAGE | OVERVOLTAGE):
            self._good_ms = run(self._good_ms, GOOD_LOW_MV <= mv <= GOOD_HIGH_MV, dt_ms)
            if self._good_ms > GOOD_MS:
                self.held &= ~(UNDERVOLTAGE | OVERVOLTAGE)

    def _judge_over(self, dt_ms, mv):
        self._over_ms = run(self._over_ms, mv > OVER_MV, dt_ms)
        self._high_ms = run(self._high_ms, mv > HIGH_MV, dt_ms)
        self._neutral_ms = run(self._neutral_ms, mv > NEUTRAL_MV, dt_ms)
        neutral = self._neutral_ms > self._window_ms
        if neutral or self._over_ms > OVER_MS or self._high_ms > HIGH_MS:
            self.held |= OVERVOLTAGE

    def _judge_temperature(self, dt_ms, dc):
        if dc == UNKNOWN_DC:
            self._temperature_ms = min(self._temperature_ms + dt_ms, FOREVER)
            if self._temperature_ms >= TEMPERATURE_SILENT_MS:
                self.held |= OVERTEMPERATURE
            return
        self._temperature_ms = 0
        self.held &= ~OVERTEMPERATURE
        self.warm = dc >= WARM_DC
        if dc >= HOT_DC:
            self.hot = True
        elif dc <= COOL_DC:
            self.hot = False
