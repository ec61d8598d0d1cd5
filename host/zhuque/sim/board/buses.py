"""Pins and buses of the simulated ESP32, that end at simulated chips. `machine` shows them to the firmware.

What hangs where is told by the functions `wire_...` before the firmware starts. A chip is the far end of a wire: what
it does within a tick is not the board's and may allocate, between `leave` and `enter` of micropython_shim.
"""

import micropython

_leave = micropython.leave
_enter = micropython.enter
_pins = {}
_levels = {}
_analog = {}
_buses = {}
_i2c = {}
_uarts = {}


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

    # Called from inside a tick, where the heap is locked: nothing may be allocated before `_leave`.

    def any(self):
        """Bytes that have come."""
        if self._line is None:
            return 0
        depth = _leave()
        count = self._line.any()
        _enter(depth)
        return count

    def readinto(self, into, most=None):
        """Bytes read, or None."""
        if self._line is None:
            return None
        depth = _leave()
        count = self._line.readinto(into, most)
        _enter(depth)
        return count

    def write(self, data):
        """The number of bytes."""
        if self._line is not None:
            depth = _leave()
            self._line.write(data)
            _enter(depth)
        return len(data)
