"""BL0910: ten currents against one voltage, on SPI or on a UART. What its registers say.

The bus is the board's: meter_bl0910_spi.py reads every fast current in every poll, meter_bl0910_uart.py one register a
poll. Both read in turn the slow set of one channel (RMS, power, energy counter), the voltage, and one configuration
register, which must still hold what was written: so a setting that is lost, as when the chip resets, is noticed, and
`wrong` counts it. bl0910_setup.py knows the registers that are written once, and the sources; it is loaded to build and
to set up.

Rules: a value without a right checksum is marked, never guessed. Nothing in `poll` allocates: no number reaches 2**30,
no buffer is sliced. `configure` and `verify` belong to the same thread of control as the tick's timer, which may run
between any two of their steps: while they work, `poll` reports every channel as unread.

The fast value is the mean of |i|: right for a sine, too low for a peaky current, in which only the slow RMS is right.

Where the chip's own over-current outputs are wired (`fast_trip_ma`), the reading says what the chip has `cut`, so that
the protection trips it too; then the chip's output is let go. What the chip cut while the processor hung is found by
`configure`, and told in the first polls after it.
"""

from array import array

from wire.units import const, scale, scale_factor

from .meter_calibration import Calibrated

SATURATED = const(1 << 29)  # reported where the input is over range: above every threshold

RMS = const(0x0C)
RMS_VOLTAGE = const(0x16)
FAST_RMS = const(0x17)
WATT = const(0x22)
CF_COUNT = const(0x2F)
_STATUS3 = const(0x56)
_FLAG_CTRL2 = const(0x92)
_WRPROT = const(0x9E)
_UNLOCK = const(0x005555)
# What the chip has cut is told in at least two of these, though one tick might be lost.
_TELL_POLLS = const(4)


class BL0910(Calibrated):
    """One chip; socket i is its channel i + 1. `section` is board.json's `meter`.

    energy_mws_num / energy_mws_den milliwatt-seconds are one count of the energy counters. `wrong` counts configuration
    registers that were found changed since `configure`, modulo 2**24. A bus adds `read`, `write`, `clear_bus`,
    `_round`.
    """

    rms_floor_ma = 20

    def __init__(self, section):
        from . import bl0910_setup as setup

        self.channels = sockets = section.get("sockets", setup.CHANNELS)
        if not 1 <= sockets <= setup.CHANNELS:
            raise ValueError("meter.sockets must be 1 to 10, is {}".format(sockets))
        self.floor_ma = section["fast_floor_ma"]
        self.wrong = 0
        self._settings = setup.settings(section)
        order = setup.rounds(self._settings, "fast_trip_ma" in section)
        self._rounds = bytes([address for address, _ in order])
        self._expected = array("i", [value for _, value in order])
        self._set_scales(setup.scales(section))
        self.energy_mws_num, self.energy_mws_den = setup.energy_of_count(section)
        self.calibrate({})
        self._tripped = 0  # channels that the chip has cut
        self._tell = 0  # polls until the chip's output is let go
        self._turn = 0
        self._audit = 0
        self._busy = False

    def _set_scales(self, found):
        rms, fast, volt, watt, full_scale_ma = found
        self._rms_k, self._rms_shift = scale_factor(rms)
        self._fast_ratio = fast
        self._volt_k, self._volt_shift = scale_factor(volt)
        self._watt_k, self._watt_shift = scale_factor(watt)
        self.full_scale_ma = full_scale_ma
        self._limit = int(full_scale_ma / fast)
        if self._limit >= 1 << 24:
            raise ValueError("meter: full scale does not fit the registers: raise shunt_uohm or current_gain")

    def configure(self):
        """Resets, unlocks, writes, reads back and locks the configuration registers; about 0.1 s.

        The energy counters go on where the chip answers at once. Raises MeterError.
        """
        from . import bl0910_setup as setup

        self._busy = True
        try:
            setup.configure(self, self._settings)
        finally:
            self._busy = False

    def verify(self):
        """True when every configuration and calibration register holds what it should."""
        from . import bl0910_setup as setup

        self._busy = True
        try:
            return setup.differing(self, self._settings) == ""
        finally:
            self._busy = False

    def note_trips(self, found):
        """Remember what STATUS3 says that the chip has cut, before a reset of its registers forgets it."""
        if found and _STATUS3 in self._rounds and found != 0xFFFFFF:
            self._note(found)

    # Where MicroPython needs more than 11 words for what a function holds, it takes them from the heap at every call
    # and gives them back, or, in the tick, from the stack: hence few names but for one loop. Those that take a raw
    # value, -1 for a bad one, return how many were bad.

    def poll(self, reading):
        """Reads what the bus allows in a tick into `reading` (core/reading.py); no error for a bad frame."""
        reading.polls = (reading.polls + 1) & 0xFFFFFF
        reading.cut = self._tripped
        if self._busy:
            self._unread(reading)
            return
        bad = self._round(reading)
        if bad:
            reading.errors = (reading.errors + bad) & 0xFFFFFF

    def _unread(self, reading):
        for i in range(self.channels):
            reading.fast_ok[i] = 0
            reading.slow_ok[i] = 0
        reading.voltage_ok = 0

    def _take_fast(self, reading, i, raw):
        if raw < 0:
            reading.fast_ok[i] = 0
            return 1
        if raw >= self._limit:
            reading.fast_ma[i] = SATURATED
        else:
            reading.fast_ma[i] = scale(raw, self._fast_k[i], self._fast_shift[i])
        reading.fast_ok[i] = 1
        return 0

    def _take_voltage(self, reading, raw):
        if raw < 0:
            reading.voltage_ok = 0
            return 1
        reading.voltage_mv = self._voltage.apply(0, scale(raw, self._volt_k, self._volt_shift))
        reading.voltage_ok = 1
        return 0

    def _take_current(self, reading, turn, raw):
        if raw < 0:
            return 1
        reading.current_ma[turn] = self._current.apply(turn, scale(raw, self._rms_k, self._rms_shift))
        return 0

    def _take_power(self, reading, turn, raw):
        if raw < 0:
            return 1
        if raw & 0x800000:  # below zero, in two's complement: a shunt the wrong way round, or noise
            raw = 0
        reading.power_mw[turn] = self._power.apply(turn, scale(raw, self._watt_k, self._watt_shift))
        return 0

    def _take_count(self, reading, turn, raw):
        if raw < 0:
            return 1
        reading.count[turn] = raw
        return 0

    def _pass_turn(self):
        turn = self._turn
        self._turn = turn + 1 if turn + 1 < self.channels else 0
        return turn

    def _take_audit(self, raw):
        """The configuration register whose turn it is; the turn passes on."""
        at = self._audit
        self._audit = at + 1 if at + 1 < len(self._rounds) else 0
        # A line that nobody drives reads FF throughout: for register 81 a good checksum, and nobody wrote FFFFFF.
        if raw < 0 or raw == 0xFFFFFF:
            return 1
        if raw != self._expected[at] and not self._tripped:
            if self._rounds[at] == _STATUS3:
                self._note(raw)
            else:
                self.wrong = (self.wrong + 1) & 0xFFFFFF
        return 0

    def _note(self, flags):
        self._tripped = flags & 0x3FF
        self._tell = _TELL_POLLS

    def _release(self):
        """A poll less to tell; in the last two the chip's outputs are let go: a 1 in their bit, and a 0 again.

        Returns True where it wrote to the chip.
        """
        self._tell -= 1
        if self._tell == 1:
            self.write(_WRPROT, _UNLOCK)
            self.write(_FLAG_CTRL2, self._tripped)
        elif not self._tell:
            self.write(_FLAG_CTRL2, 0)
            self.write(_WRPROT, 0)
            self._tripped = 0
        return self._tell <= 1


def from_board(section, machine):
    """The driver on the bus of board.json's `meter`; the chip is not touched yet. Raises KeyError, ValueError."""
    name = "drivers.meter_bl0910_{}".format("spi" if "spi" in section else "uart")
    return __import__(name, None, None, ("from_board",)).from_board(section, machine)
