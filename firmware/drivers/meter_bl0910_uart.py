"""BL0910 on its UART: one register a poll.

Strategy: question `35 addr` and answer `L M H sum` take 3.5 ms at 19200 baud, and the chip is not known to take a
second question while it answers: so a poll takes the answer to the question of the poll before and asks the next. Of
three questions two are for the fast current of the next channel, one is for the rest: RMS, power and counter of the
channel whose turn it is, the voltage, a configuration register, in turn.

What that costs, with ten sockets: a socket's fast current comes every 0.3 s (`window_ms`), of which the chip's window
of 20 ms is one fifteenth; its slow set every 3 s, the voltage every 0.3 s; a lost setting is noticed within 7 s. Too
slow for the instantaneous stage (`instant` is False), which a breaker must be; the chip's own outputs, where they are
wired, are as fast as ever.

Rules: as in meter_bl0910.py. An answer is four bytes that come after the question, whose sum has the register in it:
more or fewer bytes are a bad answer, for a sum of one byte is little. `configure` sets up the UART and resets the
chip's (data sheet 5.2.5), whatever they hung in.
"""

from wire.units import const

from .meter_bl0910 import BL0910, CF_COUNT, FAST_RMS, RMS, RMS_VOLTAGE, WATT
from .meter_frame import Intake
from .meter_setup import sleep_ms

_READ = const(0x35)
_WRITE = const(0xCA)
_BAUD = const(19200)  # /CS high, SCLK low; the chip's pins set it (data sheet 5.2.1)
_ANSWER_MS = const(20)
# What is asked for: a kind each.
_NOTHING = const(0)
_FAST = const(1)
_CURRENT = const(2)
_POWER = const(3)
_COUNT = const(4)
_VOLTAGE = const(5)
_AUDIT = const(6)


class BL0910Uart(BL0910):
    """A chip on `uart`, whose timeout is 0."""

    instant = False
    stale_windows = 5

    def __init__(self, uart, section):
        BL0910.__init__(self, section)
        # Every third question is not for a fast current; each of a slow set's five is one of these.
        self.window_ms = 20 * ((3 * self.channels + 1) // 2)
        self.settle_ms = self.window_ms + 60
        self.round_ms = 300 * self.channels
        self._baud = section["uart"].get("baud", _BAUD)
        self.write_ms = 60000 // self._baud + 1
        self._uart = uart
        self._send = uart.write
        self._intake = Intake(uart, 16)
        self._ask = bytearray(2)
        self._out = bytearray(6)
        self._answer = bytearray(4)
        self._held = 0
        self._kind = _NOTHING
        self._waited = False
        self._step = 0
        self._fast = 0
        self._rest = 0
        self._slow_bad = 0

    def clear_bus(self):
        """The chip resets its UART after 32 bits of low level: a zero byte at a quarter of the rate is 36."""
        self._uart.init(baudrate=self._baud // 4, bits=8, parity=None, stop=1, timeout=0)
        self._send(b"\x00")
        sleep_ms(20)
        self._uart.init(baudrate=self._baud, bits=8, parity=None, stop=1, timeout=0)
        self._kind = _NOTHING

    def write(self, address, value):
        """A register; what came of it is read back later."""
        out = self._out
        out[0] = _WRITE
        out[1] = address
        out[2] = value & 255
        out[3] = value >> 8 & 255
        out[4] = value >> 16
        out[5] = ~(address + out[2] + out[3] + out[4]) & 255
        self._send(out)

    def read(self, address):
        """The 24 bits of a register, or None without a valid answer; waits up to 40 ms."""
        self._kind = _NOTHING
        for _ in range(2):  # the first may come while the chip still answers the tick
            self._question(address)
            for _ in range(_ANSWER_MS // 4):
                sleep_ms(4)
                if self._hear():
                    break
            raw = self._raw(self._hear())
            if raw >= 0:
                return raw
        return None

    def _question(self, address):
        self._intake.discard()
        self._held = 0
        self._waited = False
        self._ask[0] = _READ
        self._ask[1] = address
        self._send(self._ask)

    def _round(self, reading):
        for i in range(self.channels):
            reading.fast_ok[i] = 0
        bad = 0
        if self._kind:
            heard = self._hear()
            if not heard and not self._waited:
                self._waited = True  # an answer may take until the second poll
                return 0
            bad = self._take(reading, self._raw(heard))
        self._next(reading)
        return bad

    def _next(self, reading):
        if self._tripped and self._release():
            self._kind = _NOTHING  # it has just written: the next poll asks
            return
        self._choose()
        self._question(self._address())
        reading.frames = (reading.frames + 1) & 0xFFFFFF

    def _choose(self):
        """What is asked for now: twice a fast current, then something else."""
        self._step = self._step + 1 if self._step < 2 else 0
        if self._step:
            self._kind = _FAST
            self._fast = self._fast + 1 if self._fast + 1 < self.channels else 0
        else:
            self._kind = _CURRENT + self._rest
            self._rest = self._rest + 1 if self._rest < 4 else 0

    def _address(self):
        kind = self._kind
        if kind == _FAST:
            return FAST_RMS + self._fast
        if kind == _CURRENT:
            return RMS + self._turn
        if kind == _POWER:
            return WATT + self._turn
        if kind == _COUNT:
            return CF_COUNT + self._turn
        return RMS_VOLTAGE if kind == _VOLTAGE else self._rounds[self._audit]

    def _hear(self):
        """True when as many bytes as an answer has came, or more."""
        came = self._intake.take()
        if came < 0:
            self._held = 5
        for i in range(came):
            if self._held < 4:
                self._answer[self._held] = self._intake.bytes[i]
            self._held += 1
        return self._held >= 4

    def _raw(self, heard):
        """The 24 bits of the answer, or -1."""
        answer = self._answer
        if not heard or self._held != 4:
            return -1
        if (self._ask[1] + answer[0] + answer[1] + answer[2] + answer[3]) & 255 != 255:
            return -1
        return answer[2] << 16 | answer[1] << 8 | answer[0]

    def _take(self, reading, raw):
        kind = self._kind
        if kind == _FAST:
            return self._take_fast(reading, self._fast, raw)
        if kind == _VOLTAGE:
            return self._take_voltage(reading, raw)
        if kind == _AUDIT:
            return self._take_audit(raw)
        return self._take_slow(reading, kind, raw)

    def _take_slow(self, reading, kind, raw):
        """Part of the slow set of the channel whose turn it is; with the last one the turn passes on."""
        turn = self._turn
        if kind == _CURRENT:
            self._slow_bad = bad = self._take_current(reading, turn, raw)
            return bad
        bad = self._take_power(reading, turn, raw) if kind == _POWER else self._take_count(reading, turn, raw)
        self._slow_bad += bad
        if kind == _COUNT or bad:
            reading.slow_ok[turn] = not self._slow_bad
        if kind == _COUNT:
            self._pass_turn()
        return bad


def from_board(section, machine):
    """The driver on the UART of board.json's `meter`. Raises KeyError, ValueError."""
    bus = section["uart"]
    uart = machine.UART(
        bus["id"],
        baudrate=bus.get("baud", _BAUD),
        tx=machine.Pin(bus["tx"]),
        rx=machine.Pin(bus["rx"]),
        timeout=0,
    )
    return BL0910Uart(uart, section)
