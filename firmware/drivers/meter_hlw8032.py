"""HLW8032, CSE7766, CSE7759B: one socket's meter that sends by itself, 24 bytes every 50 to 105 ms at 4800 baud 8E1.

Strategy: a poll takes what came and looks at every byte whether the last 24 are a frame.

Rules. `poll` never waits and never allocates. The sum is one byte, and the state is not in it: a frame in which the
state or a coefficient has changed is suspect, and taken when the next one says the same. Pulses of power are seconds
apart at a low load: meanwhile the reading gets the last value, or the bound that the pulse gives where that is less,
and a current below QUIET_MA is none. Energy has a counter of 16 bits and a carry; it is added up here in
milliwatt-hours, which is what `count` holds. A counter that falls, or jumps by more than the meter could measure, was
reset. After a stall the bytes that waited are of unknown age and are thrown away.

Not for the instantaneous stage (`instant` is False): in captures the current register stands still for nine frames.
"""

from wire.units import const

from .hlw8032_frame import (
    BAUD,
    FRAME,
    MARK,
    QUIET_MA,
    board_scales,
    decode,
    is_state,
    pulse_mj,
)
from .meter_calibration import Calibrated
from .meter_error import MeterError
from .meter_frame import (
    COUNT,
    CURRENT_MA,
    EXTRA,
    FAST_MA,
    POWER_MW,
    SATURATED,
    UNKNOWN,
    VOLTAGE_MV,
    Intake,
    Window,
    fine,
    values,
)
from .meter_setup import sleep_ms

_FULL_SCALE_UV = const(30936)  # 43.75 mV peak, as RMS of a sine
_USABLE_PERCENT = const(98)
_MJ_PER_MWH = const(3600)
_COEFFICIENT_MAX = const(0xFFFFFF)
_PULSES = const(0x1FFFF)  # 16 bits and the carry
_MOST_PULSES = const(512)  # between two frames in a row: 8 kW make fewer than 200
_MOST_AFTER_GAP = const(8192)
_SILENT_POLLS = const(18)  # about three frames
_SET_UP_MS = const(400)


class HLW8032(Calibrated):
    """The chip of one UART.

    `section` is board.json's `meter`: shunt_uohm, divider_high_ohm, divider_low_ohm, floor_ma (below it a current is
    not told from none), uart {id, rx}; tx may be left out. Nothing is written to this chip, so there is nothing to
    audit, and nothing to be found `wrong`.
    """

    instant = False  # too slow for the instantaneous stage: a breaker must be that
    channels = 1
    window_ms = round_ms = 110
    stale_windows = 5
    settle_ms = 2000  # at no load the last pulse of current takes that long to be replaced
    energy_mws_num = 3600
    energy_mws_den = 1
    wrong = 0

    def __init__(self, uart, section):
        self.floor_ma = self.rms_floor_ma = section["floor_ma"]
        self.full_scale_ma = _FULL_SCALE_UV * 10 * _USABLE_PERCENT // section["shunt_uohm"]
        self._scale = board_scales(section)
        # A pulse is worth no more, whatever the chip's coefficient.
        self.count_step = fine(_COEFFICIENT_MAX, self._scale[3]) // _MJ_PER_MWH + 1
        self.calibrate({})
        self._uart = uart
        self._intake = Intake(uart)
        self._window = Window(FRAME)
        self._values = values()
        self._coefficients = bytearray(9)
        self._state = 0
        self._power_mw = 0
        self._pulses = -1  # at the last frame
        self._most = _MOST_PULSES
        self._rest_mj = 0
        self._mwh = 0
        self._silent = 0
        self._busy = False

    def configure(self):
        """Waits up to 0.4 s for two frames in a row; raises MeterError. There is nothing to write."""
        self._busy = True
        try:
            self._uart.init(baudrate=BAUD, bits=8, parity=0, stop=1, timeout=0)  # whatever it hung in
            heard = self._listen()
        finally:
            self._busy = False
        if not heard:
            raise MeterError(
                "the meter chip HLW8032 sends nothing that can be read: no current is measured and its relay may not "
                "close; check its supply, its TX wire, and that the UART is set to 4800 baud and even parity"
            )

    def verify(self):
        """True when the chip sends."""
        self._busy = True
        try:
            return self._listen()
        finally:
            self._busy = False

    def _listen(self):
        self._intake.discard()
        self._window.clear()
        for _ in range(_SET_UP_MS // 10):
            sleep_ms(10)
            if (
                self._hear()
                and not decode(self._window.frame, self._scale, self._values)
                and self._is_steady()
            ):
                return True
        return False

    # The tick: nothing below allocates.

    def poll(self, reading):
        """Takes what came; never waits, no error for a bad frame."""
        reading.polls = (reading.polls + 1) & 0xFFFFFF
        reading.fast_ok[0] = 0
        if self._busy:
            reading.slow_ok[0] = reading.voltage_ok = 0
            return
        if self._hear():
            reading.frames = (reading.frames + 1) & 0xFFFFFF
            if not decode(self._window.frame, self._scale, self._values) and self._is_steady():
                self._take(reading)
                return
        self._wait(reading)

    def _hear(self):
        """True when a frame was completed; it is in the window's `frame`. Of two at once it is the later."""
        window = self._window
        came = self._intake.take()
        if came < 0:
            window.clear()
            self._most = _MOST_AFTER_GAP
        found = False
        for i in range(came):
            if window.push(self._intake.bytes[i]) and window.byte(1) == MARK and self._sum_is_right():
                window.lift()
                found = True
        return found

    def _sum_is_right(self):
        window = self._window
        state = window.byte(0)
        last = window.byte(FRAME - 1)
        return is_state(state) and (window.sum - state - MARK - 2 * last) & 255 == 0

    def _is_steady(self):
        """True when the state and the three coefficients are those of the frame before."""
        same = self._state == self._window.frame[0]
        self._state = self._window.frame[0]
        for i in range(9):
            byte = self._window.frame[6 * (i // 3) + 2 + i % 3]
            if byte != self._coefficients[i]:
                self._coefficients[i] = byte
                same = False
        return same

    def _wait(self, reading):
        self._silent += 1
        if self._silent >= _SILENT_POLLS:
            self._silent = 0
            self._power_mw = 0
            reading.frames = (reading.frames + 1) & 0xFFFFFF
            reading.errors = (reading.errors + 1) & 0xFFFFFF
            reading.slow_ok[0] = reading.voltage_ok = 0

    def _take(self, reading):
        self._silent = 0
        self._add_energy()
        reading.count[0] = self._mwh
        got = self._values
        reading.voltage_ok = got[VOLTAGE_MV] != UNKNOWN
        if reading.voltage_ok:
            reading.voltage_mv = self._voltage.apply(0, got[VOLTAGE_MV])
        self._judge_power()
        reading.slow_ok[0] = 0
        if got[FAST_MA] == UNKNOWN:
            return
        self._take_current(reading, got[FAST_MA])
        if self._power_mw >= 0:
            reading.power_mw[0] = self._power.apply(0, self._power_mw)
            reading.slow_ok[0] = 1

    def _judge_power(self):
        """The power into _power_mw: as it is, or as much as it can be, or -1 where nothing is known."""
        got = self._values
        if got[POWER_MW] != UNKNOWN:
            self._power_mw = got[POWER_MW]
        elif got[EXTRA] != UNKNOWN:
            self._power_mw = min(max(self._power_mw, 0), got[EXTRA])
        else:
            self._power_mw = -1

    def _take_current(self, reading, ma):
        if self._values[CURRENT_MA] == UNKNOWN and ma < QUIET_MA:
            ma = 0
        reading.current_ma[0] = self._current.apply(0, ma)
        reading.fast_ma[0] = SATURATED if ma >= self.full_scale_ma else self._current.gain(0, ma)
        reading.fast_ok[0] = 1

    def _add_energy(self):
        now = self._values[COUNT]
        pulses = now - self._pulses & _PULSES
        if self._pulses >= 0 and pulses <= self._most:
            mj = pulses * pulse_mj(self._window.frame, self._scale) + self._rest_mj
            self._mwh = self._mwh + mj // _MJ_PER_MWH & 0xFFFFFF
            self._rest_mj = mj % _MJ_PER_MWH
        self._pulses = now
        self._most = _MOST_PULSES


def from_board(section, machine):
    """The driver on the UART of board.json's `meter`. Raises KeyError, ValueError."""
    bus = section["uart"]
    pin = machine.Pin
    options = {"tx": pin(bus["tx"])} if "tx" in bus else {}  # the chip hears nothing
    uart = machine.UART(
        bus["id"], baudrate=BAUD, bits=8, parity=0, stop=1, rx=pin(bus["rx"]), timeout=0, **options
    )
    return HLW8032(uart, section)
