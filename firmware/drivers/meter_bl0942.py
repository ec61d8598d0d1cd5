"""BL0942: one current and one voltage a chip, up to four chips on one UART, one socket each. What the tick reads.

Strategy: at 38400 baud a question and its answer of 23 bytes take 7 ms, so that a poll takes the answer to the question
of the poll before and asks the next chip: of n chips each is heard every n x 20 ms. The answer holds everything, the
fast current too. Once a second a poll asks for a configuration register instead: it must hold what was written.

For the trip: the fast value of one mains cycle (I_FAST_RMS_CYC 1). A longer window would cover the time between two
questions to a chip, but shows a fault later: with four chips a window of four cycles is above a threshold up to 80 ms
after the fault began and is asked for up to 80 ms later, one of a single cycle 20 ms and 80 ms. It is taken behind the
high-pass filter (MODE bit 4): before it, the input's offset reads as 0.2 to 0.8 A without a load (captures). It is a
mean of |i|: too low for a peaky current, for which core/protection has the slow RMS.

Rules: `poll` never waits and never allocates. Power counts by its magnitude: nothing behind a socket feeds back, so
that a sign says which way round the shunt is; the chip counts energy so, too (MODE bit 7). While `configure` or
`verify` works, `poll` reports every socket as unread.
"""

from wire.units import const

from .bl0942_frame import (
    BAUD,
    FRAME,
    HEAD,
    PERIOD_TOP,
    READ,
    STATUS_TOP,
    board_scales,
    decode,
    energy_of_count,
    word,
)
from .meter_calibration import Calibrated
from .meter_error import MeterError
from .meter_frame import (
    COUNT,
    CURRENT_MA,
    FAST_MA,
    POWER_MW,
    SATURATED,
    VOLTAGE_MV,
    Intake,
    Window,
    values,
)

_WRITE = const(0xA8)
_PACKET = const(0xAA)
_AUDIT_POLLS = const(50)
# As many answers missing in a row: the chip may have reset itself, back to its own baud rate, or the line hangs.
_LOST_TURNS = const(25)
_ANSWER_MS = const(40)


class BL0942(Calibrated):
    """The chips of one UART; socket i is the chip with address `addresses[i]`.

    `section` is board.json's `meter`: addresses (0 to 3), shunt_uohm, current_gain (1, 4, 16, 24), divider_high_ohm,
    divider_low_ohm, vref_uv, fast_ratio_ppm (fast value over RMS), fast_floor_ma (the fast value's noise), start_baud
    if the chips wake up at another rate than 9600, uart {id, tx, rx}. energy_mws_num / energy_mws_den
    milliwatt-seconds are one count of the energy counters. `wrong` counts registers found changed and chips lost since
    `configure`, modulo 2**24.
    """

    instant = True  # fast enough for the instantaneous stage: two windows of window_ms
    stale_windows = 5
    rms_floor_ma = 20

    def __init__(self, uart, section):
        from . import bl0942_setup as setup

        self._settings, self.full_scale_ma = setup.settings(section)
        self._addresses = bytes(section["addresses"])
        self.channels = n = len(self._addresses)
        self.window_ms = self.round_ms = 20 * n
        # a cycle that began before the relay opened, one round, question and answer
        self.settle_ms = 20 * n + 60
        self.floor_ma = section["fast_floor_ma"]
        self.energy_mws_num, self.energy_mws_den = energy_of_count(section)
        self.calibrate({})
        self.wrong = 0
        self._scale = board_scales(section)
        self._start_baud = section.get("start_baud", 9600)
        self._uart = uart
        self._write = uart.write
        self._intake = Intake(uart)
        self._packet = Window(FRAME)
        self._register = Window(4)
        self._values = values()
        self._ask = bytearray(2)
        self._present = bytearray(n)
        self._missed = bytearray(n)
        self._turn = 0
        self._asked = -1  # the register that was asked for, or -1
        self._waited = False
        self._audit_in = _AUDIT_POLLS
        self._audit = 0
        self._no_voltage = 0
        self._busy = False

    # Set-up: it waits, and while it does `poll` reports nothing.

    def configure(self):
        """Writes and reads back the registers of every chip, 0.1 to 0.3 s; raises MeterError if none answers rightly.

        A chip that does not answer is left out: its socket is never read.
        """
        from . import bl0942_setup as setup

        self._busy = True
        try:
            found = setup.write_all(self, self._addresses, self._settings, self._start_baud)
        finally:
            self._asked = -1
            self._busy = False
        for i, wrong in enumerate(found):
            # One that answers and fails again is not reported again: the others go on without it.
            self._present[i] = (2 if self._present[i] == 2 else 0) if wrong else 1
            self._missed[i] = 1 if wrong else 0
        if all(found):
            raise MeterError(found[0])

    def verify(self):
        """True when every chip that answered at `configure` still holds what was written."""
        from . import bl0942_setup as setup

        self._busy = True
        try:
            chips = zip(self._addresses, self._present)
            return not any([on == 1 and setup.differing(self, a, self._settings) for a, on in chips])
        finally:
            self._asked = -1
            self._busy = False

    def set_baud(self, baud):
        """Sets up the UART anew, whatever it hung in."""
        self._uart.init(baudrate=baud, bits=8, parity=None, stop=1, timeout=0)

    def write_register(self, address, register, value):
        """What came of it is read back later."""
        out = bytearray([_WRITE | address, register, value & 255, value >> 8 & 255, value >> 16, 0])
        out[5] = ~sum(out) & 255
        self._write(out)

    def read_register(self, address, register):
        """The 24 bits of a register, or None without a valid answer."""
        from .meter_setup import sleep_ms

        self._intake.discard()
        self._register.clear()
        self._ask[0] = READ | address
        self._ask[1] = register
        self._write(self._ask)
        for _ in range(_ANSWER_MS // 4):
            sleep_ms(4)
            if self._hear_register():
                return word(self._register.frame, 0)
        return None

    # The tick: nothing below allocates.

    def poll(self, reading):
        """Takes the answer that came and asks the next chip; never waits, no error for a bad answer."""
        reading.polls = (reading.polls + 1) & 0xFFFFFF
        for i in range(self.channels):
            reading.fast_ok[i] = 0
        if self._busy:
            self._unread(reading)
            return
        if self._asked >= 0 and not self._answered(reading):
            return
        self._next(reading)

    def _unread(self, reading):
        for i in range(self.channels):
            reading.slow_ok[i] = 0
        reading.voltage_ok = 0

    def _answered(self, reading):
        """True when the question is done with, well or badly; an answer may take until the second poll."""
        heard = self._hear_packet() if self._asked == _PACKET else self._hear_register()
        if not heard and not self._waited:
            self._waited = True
            return False
        if self._asked != _PACKET:
            self._check_register(heard, reading)
        elif heard and not decode(self._packet.frame, self._ask[0], self._scale, self._values):
            self._take(reading)
        else:
            self._miss(reading)
        return True

    def _next(self, reading):
        """Asks: in turn each chip for its packet, and now and then one for a register."""
        self._audit_in -= 1
        if self._audit_in <= 0:
            self._audit_in = _AUDIT_POLLS
            self._audit = (self._audit + 1) % (self.channels * len(self._settings))
            self._send(reading, self._audit % self.channels, self._settings[self._audit // self.channels][0])
        else:
            self._turn = self._turn + 1 if self._turn + 1 < self.channels else 0
            self._send(reading, self._turn, _PACKET)

    def _send(self, reading, i, register):
        if not self._missed[i]:
            reading.frames = (reading.frames + 1) & 0xFFFFFF
        self._intake.discard()
        self._packet.clear()
        self._register.clear()
        self._ask[0] = READ | self._addresses[i]
        self._ask[1] = register
        self._asked = register
        self._waited = False
        self._write(self._ask)

    def _hear_packet(self):
        window = self._packet
        for i in range(self._intake.take()):
            if window.push(self._intake.bytes[i]) and window.byte(0) == HEAD and self._is_packet(window):
                window.lift()
                return True
        return False

    def _is_packet(self, window):
        if (window.sum + self._ask[0]) & 255 != 255:
            return False
        return not (window.byte(PERIOD_TOP) or window.byte(STATUS_TOP)) and window.byte(STATUS_TOP - 1) < 4

    def _hear_register(self):
        window = self._register
        for i in range(self._intake.take()):
            if window.push(self._intake.bytes[i]) and (window.sum + self._ask[0] + self._ask[1]) & 255 == 255:
                window.lift()
                return True
        return False

    def _take(self, reading):
        """A good packet of the chip whose turn it was; one that was not set up measures with who knows what gain."""
        turn = self._turn
        if not self._present[turn]:
            self._lost()
            self._present[turn] = 2  # reported, and left out until a `configure` finds it right
        if self._present[turn] == 2:
            return
        got = self._values
        self._missed[turn] = 0
        self._no_voltage = 0
        fast = self._current.gain(turn, got[FAST_MA])
        if got[FAST_MA] >= self.full_scale_ma or got[CURRENT_MA] >= self.full_scale_ma:
            fast = SATURATED
        reading.fast_ma[turn] = fast
        reading.current_ma[turn] = self._current.apply(turn, got[CURRENT_MA])
        reading.power_mw[turn] = self._power.apply(turn, abs(got[POWER_MW]))
        reading.count[turn] = got[COUNT]
        reading.voltage_mv = self._voltage.apply(turn, got[VOLTAGE_MV])
        reading.fast_ok[turn] = reading.slow_ok[turn] = reading.voltage_ok = 1

    def _miss(self, reading):
        turn = self._turn
        reading.slow_ok[turn] = 0
        self._count_error(reading, turn)
        if self._missed[turn] < 255:
            self._missed[turn] += 1
            if self._missed[turn] == _LOST_TURNS and self._present[turn] == 1:
                self._lost()
        self._no_voltage += 1
        if self._no_voltage > 3 * self.channels:
            self._no_voltage = 0
            reading.voltage_ok = 0

    def _check_register(self, heard, reading):
        """The register that was asked for, of a chip that is set up."""
        if self._present[self._audit % self.channels] != 1:
            return
        if not heard:
            self._count_error(reading, self._audit % self.channels)
        elif word(self._register.frame, 0) != self._settings[self._audit // self.channels][1]:
            self._lost()

    def _count_error(self, reading, i):
        if not self._missed[i]:
            reading.errors = (reading.errors + 1) & 0xFFFFFF

    def _lost(self):
        self.wrong = (self.wrong + 1) & 0xFFFFFF


def from_board(section, machine):
    """The driver on the UART of board.json's `meter`; no chip is touched yet. Raises KeyError, ValueError."""
    bus = section["uart"]
    uart = machine.UART(
        bus["id"], baudrate=BAUD, tx=machine.Pin(bus["tx"]), rx=machine.Pin(bus["rx"]), timeout=0
    )
    return BL0942(uart, section)
