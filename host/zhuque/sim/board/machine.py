"""`machine` of an ESP32: pins and buses that end at simulated chips, timers and the watchdog on the virtual clock.

What hangs on a pin or a bus is told by `wire_pin` and `wire_bus` before the firmware starts. A reset of any kind ends
the process by way of `leave_by`, set by the runner: the process that follows is the board after the reset.
"""

import time

import micropython
from clock import NEVER, clock

PWRON_RESET = 1
HARD_RESET = 2
WDT_RESET = 3
DEEPSLEEP_RESET = 4
SOFT_RESET = 5

_leave = micropython.leave
_enter = micropython.enter
_pins = {}
_levels = {}
_analog = {}
_buses = {}
_i2c = {}
_uarts = {}
_frequency = [160000000]  # the stock image's
_board = {"cause": PWRON_RESET, "memory": b"", "changes": 0, "leave_by": None}


def wire_pin(number, on_level):
    """What hangs on an output pin: `on_level(0 or 1)` at every write."""
    _pins[number] = on_level


def wire_level(number, level):
    """What an input pin reads: `level()`, 0 or 1."""
    _levels[number] = level


def wire_analog(number, microvolts):
    """What the ADC reads at a pin: `microvolts()`."""
    _analog[number] = microvolts


def wire_i2c(scl, sda, wires):
    """The I2C bus on these pins; `wires` as chips.pcf8574.I2cWires."""
    _i2c[(scl, sda)] = wires
    for number, line in ((scl, wires.scl), (sda, wires.sda)):
        wire_pin(number, line)
        wire_level(number, line)


def wire_uart(rx, line):
    """The serial line that ends at this pin; `line` as chips.serial_line.SerialLine."""
    _uarts[rx] = line


def wire_bus(pins, phase, exchange):
    """What hangs on the SPI bus with these (sck, mosi, miso) pins: `exchange(out, into)` a transaction."""
    _buses[pins] = (phase, exchange)


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
    return b"\x02zq\x00\x00\x01"


def idle():
    """A moment of waiting."""
    clock.sleep_us(1000)


def disable_irq():
    """Interrupts do not exist here."""
    return 0


def enable_irq(_state):
    """Interrupts do not exist here."""


class Pin:
    """An output ends where it was wired; an input reads what was last put there, high with a pull-up."""

    IN = 1
    OUT = 3
    OPEN_DRAIN = 7
    PULL_UP = 2
    PULL_DOWN = 1

    def __init__(self, id, mode=-1, pull=-1, value=None):
        if not 0 <= id <= 39 or id in (20, 24) or 28 <= id <= 31:
            raise ValueError("invalid pin")
        if id >= 34 and mode == Pin.OUT:
            raise ValueError("pin can only be input")
        self.id = id
        self._on_level = _pins.get(id)
        self._read_level = _levels.get(id)
        self._level = 1 if pull == Pin.PULL_UP else 0
        self.init(mode, pull, value)

    def init(self, mode=-1, pull=-1, value=None):
        """As the constructor."""
        if value is not None:
            self(value)

    def __call__(self, level=None):
        if level is None:
            return self._level if self._read_level is None else self._read_level()
        self._level = level
        on_level = self._on_level
        if on_level is not None:
            depth = _leave()
            on_level(level)
            _enter(depth)
        return None

    def value(self, level=None):
        """Read or write."""
        return self(level)

    def on(self):
        """High."""
        self(1)

    def off(self):
        """Low."""
        self(0)


class SPI:
    """A controller: its pins decide which chip is at the other end."""

    MSB = 0
    LSB = 1

    def __init__(
        self, id, baudrate=500000, polarity=0, phase=0, bits=8, firstbit=0, sck=None, mosi=None, miso=None
    ):
        if id not in (1, 2):
            raise ValueError("SPI({}) doesn't exist".format(id))
        wanted, self._exchange = _buses.get((sck.id, mosi.id, miso.id), (phase, None))
        if (polarity, phase) != (0, wanted):
            self._exchange = _noise  # bits are sampled at the wrong edge

    def write_readinto(self, out, into):
        """A transaction; nobody at the other end reads as ones."""
        depth = _leave()
        if self._exchange is None:
            _noise(out, into)
        else:
            self._exchange(out, into)
        _enter(depth)

    def write(self, out):
        """A transaction whose answer nobody wants."""
        self.write_readinto(out, bytearray(len(out)))

    def readinto(self, into, write=0):
        """A transaction that sends `write` all the time."""
        self.write_readinto(bytes([write] * len(into)), into)

    def deinit(self):
        """Nothing to give back."""


def _noise(out, into):
    for i in range(len(into)):
        into[i] = 0xFF


class ADC:
    """The converter: what its pin was wired to, or nothing."""

    ATTN_0DB = 0
    ATTN_11DB = 3

    def __init__(self, pin, atten=0):
        if not 32 <= pin.id <= 39:
            raise ValueError("invalid pin")  # the other converter does not work beside Wi-Fi
        self._microvolts = _analog.get(pin.id)

    def read_uv(self):
        """Microvolts; it saturates as the real one."""
        return min(self._microvolts(), 3150000) if self._microvolts else 0


class SoftI2C:
    """A bit-banged controller: its pins decide which chips are on the bus."""

    def __init__(self, scl, sda, freq=400000, timeout=50000):
        self._wires = _i2c.get((scl.id, sda.id))

    def writeto(self, address, data):
        """The number of bytes acknowledged. Raises OSError."""
        depth = _leave()
        try:
            return self._bus().writeto(address, data)
        finally:
            _enter(depth)

    def readfrom_into(self, address, into):
        """Raises OSError."""
        depth = _leave()
        try:
            self._bus().readfrom_into(address, into)
        finally:
            _enter(depth)

    def _bus(self):
        if self._wires is None:
            raise OSError(19)
        return self._wires


class UART:
    """A serial port: its receiving pin decides which line it is on; without one nothing ever comes."""

    def __init__(self, id, baudrate=115200, tx=None, rx=None, **options):
        if id not in (1, 2):
            raise ValueError("UART({}) is the console".format(id))
        self._line = _uarts.get(rx.id)
        self.init(baudrate)

    def init(self, baudrate=115200, **options):
        """Another baud rate."""
        if self._line is not None:
            self._line.init(baudrate=baudrate)

    def any(self):
        """Bytes that have come."""
        return self._outside("any", ()) or 0

    def readinto(self, *into):
        """Bytes read, or None."""
        return self._outside("readinto", into)

    def write(self, data):
        """The number of bytes."""
        self._outside("write", (data,))
        return len(data)

    def _outside(self, name, arguments):
        if self._line is None:
            return None
        depth = _leave()
        try:
            return getattr(self._line, name)(*arguments)
        finally:
            _enter(depth)


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

    def check(self, now):
        """Called by the clock wherever time passes."""
        if now - self._fed_us > self._timeout_us:
            _board["leave_by"](WDT_RESET)


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
