"""`time` of an ESP32, on the virtual clock: seconds count from 2000, and ticks are those of the simulation."""

import utime
from clock import clock

_EPOCH_2000_S = 946684800

ticks_ms = clock.ticks_ms
ticks_us = clock.ticks_us
ticks_cpu = clock.ticks_us
ticks_add = utime.ticks_add
ticks_diff = utime.ticks_diff

# Microseconds of the board's own clock, counted from 2000, at the world's time 0: machine.RTC sets it.
rtc_zero_us = 0


def rtc_us():
    """Microseconds since 2000 as the board's clock has them."""
    return clock.read() + rtc_zero_us


def time():
    """Whole seconds since 2000."""
    return rtc_us() // 1000000


def time_ns():
    """Nanoseconds since 2000."""
    return rtc_us() * 1000


def gmtime(seconds=None):
    """(year, month, day, hour, minute, second, weekday, day of the year) of seconds since 2000."""
    return utime.gmtime((time() if seconds is None else int(seconds)) + _EPOCH_2000_S)[:8]


localtime = gmtime


def mktime(fields):
    """Seconds since 2000 of such a tuple."""
    year, month, day, hour, minute, second = fields[:6]
    month -= 3  # years that begin in March end with the leap day
    year += month // 12
    month %= 12
    days = year * 365 + year // 4 - year // 100 + year // 400 + (month * 153 + 2) // 5 + day - 1
    return (days - 730425) * 86400 + hour * 3600 + minute * 60 + second


def sleep_ms(ms):
    """Wait; timers are delivered meanwhile."""
    clock.sleep_us(max(0, ms) * 1000)


def sleep_us(us):
    """Wait; timers are delivered meanwhile."""
    clock.sleep_us(max(0, us))


def sleep(seconds):
    """Wait; timers are delivered meanwhile."""
    clock.sleep_us(max(0, int(seconds * 1000000)))
