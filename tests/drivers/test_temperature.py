"""Temperature sensors: right to a tenth of a degree, or None. Runs on CPython and on both MicroPythons."""

from both import raises
from fakes.io_bench import DS18B20Chip, Machine, NtcDivider, run

from drivers.ds18b20 import DS18B20, crc8
from drivers.ntc import NTC
from drivers.temperature import FAILURES, Temperature, from_board

BETA = 3950
TABLE = [
    int(10000 * 2.718281828459045 ** (BETA * (1 / (273.15 + t) - 1 / 298.15)) + 0.5)
    for t in range(-40, 126, 5)
]
SECTION = {
    "driver": "ntc",
    "pin": 32,
    "supply_mv": 3300,
    "series_ohm": 10000,
    "open_mv": 3250,
    "short_mv": 40,
    "table_ohm": TABLE,
}


class Slept:
    """Stands for asyncio.sleep_ms: time passes at once, for the chip too, and is added up."""

    def __init__(self, chip=None):
        self.chip = chip
        self.ms = 0
        self.steps = 0

    def __call__(self, ms):
        self.ms += ms
        self.steps += 1
        if self.chip:
            self.chip.on_time(self.ms)
        return _done()


async def _done():
    pass


class Place:
    def __init__(self, celsius):
        self.celsius = celsius

    def __call__(self):
        return self.celsius


def wire(celsius=25.0):
    place = Place(celsius)
    chip = DS18B20Chip(place)
    slept = Slept(chip)
    return Temperature(DS18B20(chip, slept)), chip, place, slept


def read(temperature, times=1):
    for _ in range(times):
        run(temperature.read_once())
    return temperature.temperature_dc


def test_nothing_is_known_at_first():
    temperature = wire()[0]
    assert temperature.temperature_dc is None and temperature.reads == 0


def test_the_data_sheets_examples():
    for celsius, expected in (
        (125, 1250),
        (25.0625, 251),
        (10.125, 101),
        (0.5, 5),
        (0, 0),
        (-0.5, -5),
        (-25.0625, -251),
    ):
        temperature, _, _, _ = wire(celsius)
        assert read(temperature) == expected, celsius


def test_every_degree_of_a_ds18b20():
    temperature, _, place, _ = wire()
    for celsius in range(-40, 126):
        place.celsius = celsius
        assert read(temperature) == 10 * celsius, celsius


def test_a_conversion_is_slept_not_waited_for():
    temperature, _, _, slept = wire()
    read(temperature)
    assert 750 <= slept.ms <= 1000
    assert slept.steps >= 12, "no step longer than a byte"


def test_a_value_read_too_early_would_be_the_old_one():
    temperature, _, place, _ = wire(30)
    assert read(temperature) == 300
    place.celsius = 60
    assert read(temperature) == 600, "the conversion was waited for"


def test_one_bad_reading_is_forgiven_and_the_third_in_a_row_is_not():
    for fault in ("missing", "shorted", "corrupt"):
        temperature, chip, _, _ = wire(25)
        assert read(temperature) == 250 and temperature.reads == 1
        for i in range(1, FAILURES + 2):
            if fault == "corrupt":
                chip.corrupt_next(1)
            else:
                setattr(chip, fault, True)
            assert read(temperature) == (250 if i < FAILURES else None), (fault, i)
            assert temperature.reads == 1
        if fault != "corrupt":
            setattr(chip, fault, False)
        assert read(temperature) == 250 and temperature.reads == 2


def test_failures_must_be_in_a_row():
    temperature, chip, _, _ = wire(25)
    read(temperature)
    for _ in range(10):
        chip.corrupt_next(1)
        read(temperature, FAILURES)
        assert temperature.temperature_dc == 250


def test_a_flipped_bit_in_any_byte_is_refused():
    for byte in range(9):
        temperature, chip, _, _ = wire(25)
        reads = [0]
        chip.readbyte = _flipping(chip.readbyte, byte, reads)
        assert read(temperature) is None, byte


def _flipping(readbyte, at, count):
    def answer():
        value = readbyte()
        if count[0] == at:
            value ^= 1
        count[0] += 1
        return value

    return answer


def test_85_degrees_after_a_reset_of_the_chip_are_not_a_temperature():
    temperature, chip, _, slept = wire(25)
    slept.chip = None  # no conversion is ever done
    assert read(temperature) is None
    temperature, chip, _, slept = wire(25)
    assert read(temperature) == 250
    chip.power_on()
    slept.chip = None
    assert read(temperature) == 250, "one is forgiven"
    assert read(temperature, 2) is None


def test_85_degrees_are_believed_where_it_was_nearly_so_hot():
    temperature, _, place, _ = wire(80)
    assert read(temperature) == 800
    place.celsius = 85
    assert read(temperature) == 850


def test_out_of_all_reason_is_none():
    for celsius in (-41, -55):
        assert read(wire(celsius)[0]) is None


def test_a_sensor_that_raises_is_none_and_the_task_goes_on():
    temperature, chip, _, _ = wire(25)
    read(temperature)

    def broken():
        raise OSError(5)

    good, chip.reset = chip.reset, broken
    assert read(temperature, FAILURES) is None
    chip.reset = good
    assert read(temperature) == 250


def test_crc8():
    assert crc8(b"\x00" * 9) == 0
    assert crc8(b"\xbe") != 0
    pad = bytes([0x50, 0x05, 0x4B, 0x46, 0x7F, 0xFF, 0x0C, 0x10])
    assert crc8(pad + bytes([0x1C])) == 0, "the scratchpad after power-up, as many captures show it"


def ntc(celsius=25.0, **changed):
    place = Place(celsius)
    divider = NtcDivider(place, 3300, 10000, 10000, BETA)
    section = dict(SECTION)
    section.update(changed)
    return Temperature(NTC(divider, section, Slept())), divider, place


def test_an_ntc_within_half_a_degree():
    temperature, _, place = ntc()
    for tenths in range(-350, 1240, 7):
        place.celsius = tenths / 10
        read(temperature)
        assert abs(temperature.temperature_dc - tenths) <= 5, tenths
    for tenths in range(500, 800):
        place.celsius = tenths / 10
        read(temperature)
        assert abs(temperature.temperature_dc - tenths) <= 2, tenths


def test_an_ntc_that_is_cut_or_shorted_is_none():
    for fault in ("cut", "shorted"):
        temperature, divider, _ = ntc()
        assert read(temperature) == 250
        setattr(divider, fault, True)
        assert read(temperature, FAILURES) is None, fault
        setattr(divider, fault, False)
        assert abs(read(temperature) - 250) <= 1


def test_hotter_than_the_table_is_its_end_and_not_nothing():
    """A box on fire is no broken sensor."""
    assert read(ntc(160)[0]) == 1250


def test_the_ends_of_the_voltages():
    sensor = NTC(None, SECTION, None)
    assert sensor.convert(32500) is None and sensor.convert(400) is None
    assert sensor.convert(32499) == -400 and sensor.convert(401) == 1250
    values = [sensor.convert(mv) for mv in range(401, 32500, 13)]
    assert values == sorted(values, reverse=True), "hotter is always hotter"


def test_from_board():
    machine = Machine()
    machine.uv = lambda: 1650000
    temperature = from_board(SECTION, machine)
    sensor = temperature._sensor
    sensor._sleep_ms = Slept()
    assert read(temperature) == 250
    assert sensor._adc.atten == machine.ADC.ATTN_11DB
    raises(ValueError, from_board, dict(SECTION, driver="lm75"), machine)
    raises(KeyError, from_board, {"driver": "ntc", "pin": 32}, machine)
