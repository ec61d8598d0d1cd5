"""Time: Unix seconds once known, and an uptime that does not wrap.

The only place where seconds since 2000 (the ESP32) and since 1970 (everybody else) are told apart. The RTC survives a
reset of the CPU, so the clock may be right from the start. A time before the board was provisioned or before the
journal's last is no time at all, and neither is one that moved otherwise than the uptime did: what has no time is dated
back later, what has a wrong one never is. But the journal's last may itself be wrong, where a time server once told the
future: three answers in a row that agree, against the uptime, are believed against it.
"""

import time

from wire.units import EPOCH_2000_S, const

_STEP_S = const(2)
_AGREEING = const(3)


class Clock:
    """`rtc` is machine.RTC or alike; `not_before` in Unix seconds, before which no time is ever believed."""

    def __init__(self, rtc, not_before):
        self._rtc = rtc
        self._provisioned = self._not_before = not_before
        self._epoch_s = EPOCH_2000_S if time.gmtime(0)[0] == 2000 else 0
        self._ticks = time.ticks_ms()
        self._uptime_ms = 0
        self._offset_s = None  # Unix seconds less uptime, as last believed
        self._told_s = None  # the same, as told against the journal's last, and how often in a row
        self._told = 0

    def believe_from(self, t):
        """No time before Unix seconds `t`, the journal's last, is believed from the RTC; see `set_unix`."""
        self._not_before = max(self._not_before, t)

    @property
    def is_set(self):
        """True when the time is known."""
        return self.unix() is not None

    def unix(self):
        """Unix seconds, or None until the clock is set, and again once it jumped by itself."""
        now = int(time.time()) + self._epoch_s
        offset = now - self.uptime_ms() // 1000
        was = offset if self._offset_s is None else self._offset_s
        if now < self._not_before:
            return None
        if abs(offset - was) > _STEP_S:
            print("zhuque: the clock jumped by {} s: the time is not known".format(offset - was))
            self._rtc.datetime((2000, 1, 1, 5, 0, 0, 0, 0))  # nor believed after a restart
            return None
        self._offset_s = offset
        return now

    def set_unix(self, t, us=0):
        """Sets the RTC to Unix seconds and microseconds, of a time server.

        ValueError before the board was provisioned, and before the journal's last time until it is told a third time.
        """
        offset = t - self.uptime_ms() // 1000
        if t < self._not_before:
            if self._told_s is None or abs(offset - self._told_s) > _STEP_S:
                self._told = 0
            self._told_s = offset
            self._told += 1
            if t < self._provisioned or self._told < _AGREEING:
                raise ValueError(
                    "time {} is before {}, when it was provisioned or last ran".format(t, self._not_before)
                )
            print("zhuque: time {} is told again and again: the journal's last was wrong".format(t))
            self._not_before = t
        self._told = 0
        self._offset_s = offset
        year, month, day, hour, minute, second, weekday, _ = time.gmtime(t - self._epoch_s)[:8]
        self._rtc.datetime((year, month, day, weekday, hour, minute, second, us))

    def uptime_ms(self):
        """Milliseconds since this object was made; to be called at least once a day, or a wrap is missed."""
        now = time.ticks_ms()
        self._uptime_ms += time.ticks_diff(now, self._ticks)
        self._ticks = now
        return self._uptime_ms
