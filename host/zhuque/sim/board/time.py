"""`time` of an ESP32, on the virtual clock: seconds count from 2000, and ticks are those of the simulation."""

import utime
from clock import clock

_DAYS_TO_2000 = 730425  # from 1 March of the year 0 to 1 January 2000

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
    """(year, month, day, hour, minute, second, weekday, day of the year) of seconds since 2000.

    Its own arithmetic: a port with 32-bit seconds ends in January 2038, the board's own does not.
    """
    seconds = time() if seconds is None else int(seconds)
    days, rest = seconds // 86400, seconds % 86400
    of_era = days + _DAYS_TO_2000
    # 146097 days are 400 years; a year that begins in March ends with the leap day.
    era, of_era = of_era // 146097, of_era % 146097
    of_400 = (of_era - of_era // 1460 + of_era // 36524 - of_era // 146096) // 365
    of_year = of_era - (365 * of_400 + of_400 // 4 - of_400 // 100)
    month = (5 * of_year + 2) // 153
    day = of_year - (153 * month + 2) // 5 + 1
    month = month + 3 if month < 10 else month - 9
    year = era * 400 + of_400 + (month <= 2)
    yearday = days - (mktime((year, 1, 1, 0, 0, 0)) // 86400) + 1
    return year, month, day, rest // 3600, rest // 60 % 60, rest % 60, (days + 5) % 7, yearday


localtime = gmtime


def mktime(fields):
    """Seconds since 2000 of such a tuple."""
    year, month, day, hour, minute, second = fields[:6]
    month -= 3  # years that begin in March end with the leap day
    year += month // 12
    month %= 12
    days = year * 365 + year // 4 - year // 100 + year // 400 + (month * 153 + 2) // 5 + day - 1
    return (days - _DAYS_TO_2000) * 86400 + hour * 3600 + minute * 60 + second


def sleep_ms(ms):
    """Wait; timers are delivered meanwhile."""
    clock.sleep_us(max(0, ms) * 1000)


def sleep_us(us):
    """Wait; timers are delivered meanwhile."""
    clock.sleep_us(max(0, us))


def sleep(seconds):
    """Wait; timers are delivered meanwhile."""
    clock.sleep_us(max(0, int(seconds * 1000000)))
