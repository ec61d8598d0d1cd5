"""`machine` of an ESP32: timers and the watchdog on the virtual clock, resets; its pins and buses are in buses.py.

A reset of any kind ends the process by way of `leave_by`, set by the runner: the process that follows is the board
after the reset.
"""

import time

import micropython
from buses import (  # noqa: F401 - the module's interface
    ADC,
    SPI,
    UART,
    Pin,
    SoftI2C,
    wire_analog,
    wire_bus,
    wire_i2c,
    wire_level,
    wire_pin,
    wire_uart,
)
from clock import NEVER, clock

PWRON_RESET = 1
HARD_RESET = 2
WDT_RESET = 3
DEEPSLEEP_RESET = 4
SOFT_RESET = 5

_leave = micropython.leave
_enter = micropython.enter
_frequency = [160000000]  # the stock image's
_board = {"cause": PWRON_RESET, "memory": b"", "changes": 0, "leave_by": None}
mac = b"\x02zq\x00\x00\x01"


def begin(cause, memory, leave_by):
    """What the board was before: its reset cause and RTC memory. `leave_by(cause)` ends the process."""
    _board["cause"] = cause
    _board["memory"] = memory
    _board["leave_by"] = leave_by


def rtc_memory():
    """The bytes that survive a reset of the CPU."""
    return bytes(_board["memory"])


def rtc_memory_changes():
    """How often the RTC memory was written."""
    return _board["changes"]


def reset():
    """As the real one: does not return."""
    _board["leave_by"](SOFT_RESET)


def reset_cause():
    """One of the _RESET numbers."""
    return _board["cause"]


def freq(hz=None):
    """The CPU's frequency; setting it changes nothing here."""
    if hz is None:
        return _frequency[0]
    if hz not in (20000000, 40000000, 80000000, 160000000, 240000000):
        raise ValueError("frequency must be 20MHz, 40MHz, 80Mhz, 160MHz or 240MHz")
    _frequency[0] = hz
    return None


def unique_id():
    """The MAC address."""
    return mac


def idle():
    """A moment of waiting."""
    clock.sleep_us(1000)


def disable_irq():
    """Interrupts do not exist here."""
    return 0


def enable_irq(_state):
    """Interrupts do not exist here."""


class Timer:
    """A hardware timer: its callback runs from the waits of the virtual clock."""

    ONE_SHOT = 0
    PERIODIC = 1
    _by_id = {}

    def __new__(cls, id, **options):
        timer = cls._by_id.get(id)
        if timer is None:
            if not 0 <= id <= 3:
                raise ValueError("invalid Timer number")
            timer = cls._by_id[id] = object.__new__(cls)
        return timer

    def __init__(self, id, **options):
        self.due_us = NEVER
        self._callback = None
        if options:
            self.init(**options)

    def init(self, mode=1, freq=-1, period=-1, callback=None):
        """`period` in milliseconds, or `freq` in hertz."""
        self.period_us = period * 1000 if freq == -1 else int(1000000 / freq)
        if self.period_us <= 0:
            raise ValueError("invalid period")
        self.once = mode == Timer.ONE_SHOT
        self._callback = callback
        self.due_us = clock.read() + self.period_us
        clock.add_timer(self)

    def deinit(self):
        """Stops it."""
        self.due_us = NEVER
        clock.remove_timer(self)

    def run(self, now):
        """Deliver what is due at `now`: after a stall the eight callbacks that the queue holds, the others are lost."""
        for _ in range(8):
            if self.once:
                self.deinit()
            else:
                self.due_us += self.period_us
            try:
                self._callback(self)
            except Exception as e:  # noqa: BLE001 - on the board it is only printed, and the timer goes on
                import sys

                sys.print_exception(e)
            if self.due_us > now:
                return
        self.due_us += (now - self.due_us) // self.period_us * self.period_us + self.period_us


class WDT:
    """The task watchdog: once started it cannot be stopped."""

    def __init__(self, id=0, timeout=5000):
        self._timeout_us = timeout * 1000
        self._fed_us = clock.read()
        self.timeout_s = timeout // 1000
        clock.watchdog = self

    def feed(self):
        """Another timeout from now on."""
        self._fed_us = clock.now_us

    def left(self):
        """(its timeout in milliseconds, microseconds since it was fed)."""
        return self._timeout_us // 1000, clock.read() - self._fed_us

    def was_fed(self, us):
        """So long ago."""
        self._fed_us = clock.read() - us

    def check(self, now):
        """Called by the clock wherever time passes."""
        if now - self._fed_us > self._timeout_us:
            _board["leave_by"](WDT_RESET)


def watchdog_left():
    """What `resume_watchdog` takes, None where none was started."""
    return clock.watchdog and clock.watchdog.left()


def resume_watchdog(timeout_ms, fed_us):
    """It runs on across a soft reset."""
    WDT(timeout=timeout_ms).was_fed(fed_us)


class RTC:
    """The clock that survives a reset of the CPU, and 2 KiB of memory that do, too."""

    def init(self, fields):
        """Sets the clock, as datetime()."""
        self.datetime(fields)

    def datetime(self, fields=None):
        """(year, month, day, weekday, hour, minute, second, microsecond); with an argument sets it."""
        if fields is None:
            us = time.rtc_us()
            year, month, day, hour, minute, second, weekday, _ = time.gmtime(us // 1000000)
            return year, month, day, weekday, hour, minute, second, us % 1000000
        year, month, day, _, hour, minute, second, us = fields
        seconds = time.mktime((year, month, day, hour, minute, second))
        time.rtc_zero_us = seconds * 1000000 + us - clock.read()
        return None

    def memory(self, data=None):
        """The bytes; with an argument stores them."""
        if data is None:
            return rtc_memory()
        depth = _leave()
        if len(data) > 2048:
            raise ValueError("buffer too long")
        _board["memory"] = bytes(data)
        _board["changes"] += 1
        _enter(depth)
        return None
