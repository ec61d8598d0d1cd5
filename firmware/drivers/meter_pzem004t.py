"""PZEM-004T v3: a finished meter on Modbus RTU, 9600 8N1, several on one RS-485 line, one socket each.

Strategy: the meters are asked in turn, one question at a time. Question and answer take 35 ms on the wire and the time
that the meter needs, about five polls; then the next is asked. Each is asked every 200 ms at most, as its manual says.

Rules: `poll` never waits and never allocates. An answer counts only from the address that was asked. The driver writes
nothing to the meter, ever: its address is set before it is built in, its energy is never reset. The line must switch
its direction by itself. The energy starts again from zero at 9999.99 kWh, which is taken for a reset: a Wh is lost.

Not for the instantaneous stage (`instant` is False): a breaker must be that.
"""

from wire.units import const

from .meter_calibration import Calibrated
from .meter_error import MeterError
from .meter_frame import (
    COUNT,
    CURRENT_MA,
    POWER_MW,
    SATURATED,
    VOLTAGE_MV,
    Intake,
    Window,
    values,
)
from .meter_setup import sleep_ms
from .pzem004t_frame import (
    BAUD,
    FRAME,
    FULL_SCALE_MA,
    crc16,
    decode,
    is_head,
    question,
)

_SLOT_POLLS = const(5)  # question, answer and a silence before the next question
_PERIOD_POLLS = const(10)
_TIMEOUT_POLLS = const(8)
_POLL_MS = const(20)
_ANSWER_MS = const(160)


class PZEM004T(Calibrated):
    """The meters of one line; socket i is the meter with address `addresses[i]`.

    `section` is board.json's `meter`: addresses (1 to 247), floor_ma (below it a current is not told from none),
    full_scale_ma if it is not 100 A, uart {id, tx, rx}. `slow_ok` stays through one answer that is lost: the next comes
    within a second, and silence is counted by core/protection. Nothing is written to these meters, so there is nothing
    to audit, and nothing to be found `wrong`.
    """

    instant = False  # too slow for the instantaneous stage: a breaker must be that
    stale_windows = 5
    energy_mws_num = 3600000  # a count is a watt-hour
    energy_mws_den = 1
    wrong = 0

    def __init__(self, uart, section):
        self._addresses = bytes(section["addresses"])
        self.channels = n = len(self._addresses)
        if (
            not n
            or len(set(self._addresses)) != n
            or not 1 <= min(self._addresses)
            or max(self._addresses) > 0xF7
        ):
            raise ValueError(
                "meter.addresses must be different numbers of 1 to 247, is {}".format(section["addresses"])
            )
        self.window_ms = self.round_ms = _POLL_MS * max(_PERIOD_POLLS, _SLOT_POLLS * n)
        self.settle_ms = 2 * self.window_ms + 1000  # the meter's own mean of about a second
        self.floor_ma = self.rms_floor_ma = section["floor_ma"]
        self.full_scale_ma = section.get("full_scale_ma", FULL_SCALE_MA)
        self.calibrate({})
        self._uart = uart
        self._write = uart.write
        self._intake = Intake(uart)
        self._window = Window(FRAME)
        self._values = values()
        self._out = bytearray(8)
        self._missed = bytearray(n)
        self._turn = n - 1
        self._awaited = 0  # polls since the question; 0: nothing is awaited
        self._pause = 0  # polls until the next question
        self._no_voltage = 0
        self._busy = False

    def configure(self):
        """Asks each meter, 0.2 s for one that is silent; raises MeterError if none answers. Nothing is written."""
        if not self._count():
            raise MeterError(
                "no meter PZEM-004T answers at the addresses {}: no current is measured and no relay may close; check "
                "the mains on the meters (they answer only then), A and B, and each address".format(
                    list(self._addresses)
                )
            )

    def verify(self):
        """True when every meter answers."""
        return self._count() == self.channels

    def _count(self):
        self._busy = True
        try:
            self._uart.init(baudrate=BAUD, bits=8, parity=None, stop=1, timeout=0)  # whatever it hung in
            return sum([self._try(address) for address in self._addresses])
        finally:
            self._awaited = 0
            self._pause = 2
            self._busy = False

    def _try(self, address):
        self._send(address)
        for _ in range(_ANSWER_MS // 10):
            sleep_ms(10)
            if self._hear(address):
                sleep_ms(10)
                return True
        return False

    # The tick: nothing below allocates.

    def poll(self, reading):
        """Takes the answer that came and asks the next meter; never waits, no error for a bad answer."""
        reading.polls = (reading.polls + 1) & 0xFFFFFF
        for i in range(self.channels):
            reading.fast_ok[i] = 0
        if self._busy:
            self._unread(reading)
        elif self._awaited:
            self._await(reading)
        elif self._pause > 1:
            self._pause -= 1
        else:
            self._next(reading)

    def _unread(self, reading):
        for i in range(self.channels):
            reading.slow_ok[i] = 0
        reading.voltage_ok = 0

    def _next(self, reading):
        self._turn = self._turn + 1 if self._turn + 1 < self.channels else 0
        self._awaited = 1
        if not self._missed[self._turn]:
            reading.frames = (reading.frames + 1) & 0xFFFFFF
        self._send(self._addresses[self._turn])

    def _send(self, address):
        self._intake.discard()
        self._window.clear()
        question(address, self._out)
        self._write(self._out)

    def _await(self, reading):
        address = self._addresses[self._turn]
        self._awaited += 1
        if self._hear(address):
            if decode(self._window.frame, address, self._values):
                self._miss(reading)
            else:
                self._take(reading)
        elif self._awaited > _TIMEOUT_POLLS:
            self._miss(reading)
        else:
            return
        # A question every slot at most, and to the same meter every period.
        slot = max(_SLOT_POLLS, _PERIOD_POLLS // self.channels)
        self._pause = max(1, slot - self._awaited + 1)
        self._awaited = 0

    # Where MicroPython needs more than 11 words for what a function holds, it takes them from the heap at every call:
    # hence small functions with few names, which a test counts.

    def _hear(self, address):
        """True when the last bytes are an answer of this address with a right CRC; it is in the window's `frame`."""
        for i in range(self._intake.take()):
            if self._window.push(self._intake.bytes[i]) and self._is_answer(address):
                self._window.clear()
                return True
        return False

    def _is_answer(self, address):
        window = self._window
        if not is_head(window.byte(0), window.byte(1), window.byte(2), address):
            return False
        window.copy()
        return not crc16(window.frame, FRAME)  # of a frame and its own CRC

    def _take(self, reading):
        turn = self._turn
        got = self._values
        self._missed[turn] = self._no_voltage = 0
        ma = got[CURRENT_MA]
        reading.current_ma[turn] = self._current.apply(turn, ma)
        reading.fast_ma[turn] = SATURATED if ma >= self.full_scale_ma else self._current.gain(turn, ma)
        reading.power_mw[turn] = self._power.apply(turn, got[POWER_MW])
        reading.count[turn] = got[COUNT]
        reading.voltage_mv = self._voltage.apply(turn, got[VOLTAGE_MV])
        reading.fast_ok[turn] = reading.slow_ok[turn] = reading.voltage_ok = 1

    def _miss(self, reading):
        turn = self._turn
        if self._missed[turn]:
            reading.slow_ok[turn] = 0
        else:
            reading.errors = (reading.errors + 1) & 0xFFFFFF
        self._missed[turn] = 1
        self._no_voltage += 1
        if self._no_voltage > 3 * self.channels:
            self._no_voltage = 0
            reading.voltage_ok = 0


def from_board(section, machine):
    """The driver on the UART of board.json's `meter`; no meter is touched yet. Raises KeyError, ValueError."""
    bus = section["uart"]
    uart = machine.UART(
        bus["id"], baudrate=BAUD, tx=machine.Pin(bus["tx"]), rx=machine.Pin(bus["rx"]), timeout=0
    )
    return PZEM004T(uart, section)
