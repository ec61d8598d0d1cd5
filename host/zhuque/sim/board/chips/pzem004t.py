"""A PZEM-004T v3 at its bytes: Modbus RTU, with a load's ground truth behind it.

Written from public accounts of the meter and from owners' captures, not from our driver.

Modelled: function 4 over registers 0 to 9, function 3 and 6 on the alarm threshold and the address, function 42 that
resets the energy, exceptions, CRC, broadcast and the general address F8, the time that an answer takes, readings that
are renewed every 200 ms, silence without mains, zeros just after power-up. Not modelled: calibration, noise.

`source` is that of bl0910.py; the meter measures socket `ch`.
"""

from .serial_line import SerialChip

_RENEW_US = 200000
_WAKE_US = 300000
_NO_LOAD_A = 0.02
_ROLLOVER_WH = 9999990


class PZEM004TChip(SerialChip):
    """One meter. Settable: `gain_error`, `voltage_error`, `turnaround_us`.

    Faults: `silent`, `frozen`, `corrupt_next(n)`, `answers_as` (another address in its answers), `power_on()`.
    """

    baud = 9600

    def __init__(self, source, section, ch=0, address=1):
        super().__init__()
        self.source = source
        self.ch = ch
        self.address = address
        self.answers_as = None
        self.gain_error = self.voltage_error = 0.0
        self.turnaround_us = 20000
        self.threshold_w = 23000
        self._joules = 0.0
        self._seen_j = source.energy_j(ch)
        self._now_us = 0
        self._renewed_us = -_RENEW_US
        self._awake_us = 0
        self._held = (0,) * 7

    def power_on(self):
        """As after a power cut: the energy is kept, the readings are zeros for a moment."""
        self._awake_us = self._now_us + _WAKE_US
        self._renewed_us = self._now_us - _RENEW_US

    def run(self, now_us):
        """Only keeps the time."""
        self._now_us = now_us

    def hear(self, data, end_us):
        """One request; what is not for this meter, or is damaged, is not answered."""
        self._now_us = end_us
        if self.silent or self.source.voltage_v() < 60:
            return
        if len(data) < 4 or crc16(data, len(data)) or data[0] not in (self.address, 0xF8, 0):
            self.rejected += 1
            return
        body = self._respond(data)
        if data[0] == 0:
            return
        frame = bytearray([data[0] if self.answers_as is None else self.answers_as]) + body
        crc = crc16(frame, len(frame))
        frame.append(crc & 255)
        frame.append(crc >> 8)
        self.speak(frame, end_us + self.turnaround_us)

    def _respond(self, data):
        function = data[1]
        if function in (3, 4) and len(data) == 8:
            words = self._input_words() if function == 4 else (self.threshold_w, 0, self.address)
            first = data[2] << 8 | data[3]
            count = data[4] << 8 | data[5]
            if not 1 <= count <= 10 or first + count > len(words):
                return bytearray([function | 0x80, 2])
            body = bytearray([function, 2 * count])
            for value in words[first : first + count]:
                body.append(value >> 8)
                body.append(value & 255)
            return body
        if function == 6 and len(data) == 8 and data[3] in (1, 2):
            if data[3] == 2:
                self.address = data[5]
            else:
                self.threshold_w = data[4] << 8 | data[5]
            return bytearray(data[1:6])
        if function == 0x42 and len(data) == 4:
            self._joules = 0.0
            return bytearray([0x42])
        return bytearray([function | 0x80, 1])

    def _input_words(self):
        volts, milliamps, deciwatts, wh, hertz, factor, alarm = self.readings()
        pairs = (
            milliamps & 0xFFFF,
            milliamps >> 16,
            deciwatts & 0xFFFF,
            deciwatts >> 16,
            wh & 0xFFFF,
            wh >> 16,
        )
        return (volts,) + pairs + (hertz, factor, alarm)

    def measure(self):
        """Voltage in 0.1 V, current in mA, power in 0.1 W, energy in Wh, frequency in 0.1 Hz, factor, alarm."""
        self._count()
        if self._now_us < self._awake_us:
            return (0,) * 7
        if self._now_us - self._renewed_us >= _RENEW_US:
            self._renewed_us = self._now_us
            self._held = self._fresh()
        return self._held

    def _fresh(self):
        volts = self.source.voltage_v() * (1 + self.voltage_error)
        amps = self.source.current_a(self.ch) * (1 + self.gain_error)
        watts = abs(self.source.power_w(self.ch)) * (1 + self.gain_error) * (1 + self.voltage_error)
        if amps < _NO_LOAD_A:
            amps = watts = 0.0
        factor = int(100 * watts / (volts * amps) + 0.5) if amps else 0
        wh = int(self._joules / 3600) % _ROLLOVER_WH
        alarm = 0xFFFF if watts > self.threshold_w else 0
        return (
            int(volts * 10 + 0.5),
            int(amps * 1000 + 0.5),
            int(watts * 10 + 0.5),
            wh,
            500,
            min(factor, 100),
            alarm,
        )

    def _count(self):
        total = self.source.energy_j(self.ch)
        self._joules += abs(total - self._seen_j) * (1 + self.gain_error) * (1 + self.voltage_error)
        self._seen_j = total


def crc16(data, n):
    """Modbus CRC, bit by bit; of a frame with its own CRC it is 0."""
    crc = 0xFFFF
    for i in range(n):
        crc ^= data[i]
        for _ in range(8):
            crc = crc >> 1 ^ (0xA001 if crc & 1 else 0)
    return crc
