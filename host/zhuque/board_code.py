"""The firmware's own code on the host: the only module that loads anything of `zhuque/_firmware`.

Strategy: what a meter's bytes mean is written once, in the drivers' files for the board; here they are imported as the
board imports them (`drivers.`, `wire.` from the folder of the firmware) and asked, without any hardware. A BL0910 has
no frames with an address of their own, so its whole driver runs, on a bus that answers with the captured frames.

A scale is either a board's (its shunt, divider and reference) or the user's: for BL0942 and BL0910 counts of the
register per volt and per ampere, for the HLW8032 the factors K of its data sheet. Energy is what the chip's counter
holds.

A value at the full scale of the chip's inputs or above is no measurement: it is not given, and named as over range.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from zhuque.errors import UsageError, ZhuqueError
from zhuque.full_scale import FullScale, of_meter, over_range

FIRMWARE = Path(__file__).resolve().parent / "_firmware"
KEYS = ("voltage_mv", "current_ma", "power_mw", "energy_mwh", "frequency_mhz")
METERS = ("bl0942", "hlw8032", "pzem004t", "bl0910")

# The BL0942's data sheet: 1 mOhm, five 390 kOhm over 510 Ohm, 1.218 V.
_BL0942_ANY = {
    "driver": "bl0942",
    "shunt_uohm": 1000,
    "current_gain": 16,
    "divider_high_ohm": 1_950_000,
    "divider_low_ohm": 510,
}
_BL0942_PER_VOLT = 73989 / 1.218 * 510 / 1950510 * 1000
_BL0942_PER_AMPERE = 305978 / 1.218
_BL0942_POWER = 3537 / (305978 * 73989)
_BL0942_COUNT_MJ = 419430400  # millijoules of a count, times counts of power per watt
# The BL0910's formulas (drivers/bl0910_setup.py), and a count of energy at the chip's own CFDIV of 16.
_BL0910_POWER = 40.4125 / (12875 * 13162)
_BL0910_COUNT_MJ = Fraction(2**37, 1000)  # millijoules of a count, times counts of power per watt
_HLW8032_ANY = {
    "driver": "hlw8032",
    "shunt_uohm": 1000,
    "divider_high_ohm": 999,
    "divider_low_ohm": 1,
}  # K = 1
_BL0910_ANY = {  # any chip that there can be: its scale is replaced
    "driver": "bl0910",
    "shunt_uohm": 1000,
    "current_gain": 8,
    "voltage_gain": 1,
    "divider_high_ohm": 1_000_000,
    "divider_low_ohm": 430,
    "vref_uv": 1_097_000,
    "fast_ratio_ppm": 550_000,
    "fast_floor_ma": 50,
    "cfdiv": 16,
    "power_creep": 0,
    "rms_creep": 0,
}
# Bits of the HLW8032's state byte, and of its `adj`.
_HLW8032_BELOW = ((8, "voltage"), (4, "current"), (2, "power"), (1, "coefficients"))
_HLW8032_FINISHED = ((64, "voltage"), (32, "current"), (16, "power"))


class FrameError(ZhuqueError):
    """Bytes that are no reading of the meter: damaged, cut off, or something else altogether."""


@dataclass(frozen=True)
class Scale:
    """What the user said of the scale; None is the chip's usual one."""

    voltage: float | None = None
    current: float | None = None
    power: float | None = None
    board: dict[str, Any] | None = None


@dataclass(frozen=True)
class Reading:
    """One frame: its five values by key, None for what it does not give, and what is to be said about it.

    `over_range`: the keys of those that are None because they are at full scale or above.
    """

    values: dict[str, int | None]
    notes: tuple[str, ...] = ()
    over_range: tuple[str, ...] = ()


@dataclass(frozen=True)
class Decoded:
    """What a capture held: at least one reading, and the bytes that belonged to none."""

    readings: tuple[Reading, ...]
    junk: int


# Decodes one frame: the code of drivers/meter_frame.py, and the reading where it is 0.
_Decoder = Callable[[bytes], tuple[int, Reading | None]]


def load(name: str) -> Any:
    """A module of the firmware by the name it has on the board, such as `drivers.bl0942_frame`."""
    folder = str(FIRMWARE)
    if folder not in sys.path:
        sys.path.append(folder)
    return importlib.import_module(name)


def decode(meter: str, data: bytes, scale: Scale, address: int = 0) -> Decoded:
    """Every frame of the meter in `data`. Raises FrameError where there is none, UsageError for an absurd scale."""
    try:
        if meter == "bl0910":
            return _bl0910(data, scale)
        size, decoder = _decoder(meter, scale, address)
    except (ValueError, KeyError, ZeroDivisionError) as error:
        raise UsageError(
            f"the scale cannot be used: {error}; give factors that belong to this meter"
        ) from error
    found = _scan(data, size, decoder)
    if not found.readings:
        raise FrameError(_why(meter, data, size, decoder, address))
    return found


def _decoder(meter: str, scale: Scale, address: int) -> tuple[int, _Decoder]:
    if meter == "bl0942":
        return _bl0942(scale, address)
    if meter == "hlw8032":
        return _hlw8032(scale)
    return _pzem004t(scale, address)


def _scan(data: bytes, size: int, decoder: _Decoder) -> Decoded:
    """Frames wherever they begin, as the driver looks for them: after a miss, one byte on."""
    readings = []
    at = 0
    while at + size <= len(data):
        _, reading = decoder(data[at : at + size])
        if reading:
            readings.append(reading)
        at += size if reading else 1
    return Decoded(tuple(readings), len(data) - size * len(readings))


def _bl0942(scale: Scale, address: int) -> tuple[int, _Decoder]:
    frames, common = load("drivers.bl0942_frame"), load("drivers.meter_frame")
    if scale.board is not None:
        factors = frames.board_scales(scale.board)
        count_mj = Fraction(*frames.energy_of_count(scale.board))
        full = of_meter(scale.board)
    else:
        per_volt, per_ampere = scale.voltage or _BL0942_PER_VOLT, scale.current or _BL0942_PER_AMPERE
        if per_volt < 1 or per_ampere < 1:
            raise ValueError(
                "for the BL0942 --k-voltage and --k-current are counts of a register per volt and ampere"
            )
        per_watt = scale.power or per_volt * per_ampere * _BL0942_POWER
        factors = frames.scales(1000 / per_volt, 1000 / per_ampere, 1000 / per_ampere, 1000 / per_watt)
        count_mj = _BL0942_COUNT_MJ / Fraction(per_watt)
        full = of_meter(_BL0942_ANY, _BL0942_PER_VOLT / per_volt, _BL0942_PER_AMPERE / per_ampere)

    def decoder(frame: bytes) -> tuple[int, Reading | None]:
        got = common.values()
        code = frames.decode(frame, frames.READ | address, factors, got)
        return code, None if code else _reading(common, got, count_mj, full)

    return frames.FRAME, decoder


def _hlw8032(scale: Scale) -> tuple[int, _Decoder]:
    frames, common = load("drivers.hlw8032_frame"), load("drivers.meter_frame")
    if scale.power:
        raise ValueError("the HLW8032's power takes the product of --k-voltage and --k-current")
    if scale.board is not None:
        factors, full = frames.board_scales(scale.board), of_meter(scale.board)
    else:
        k_voltage, k_current = scale.voltage or 1.0, scale.current or 1.0
        factors, full = frames.scales(k_voltage, k_current), of_meter(_HLW8032_ANY, k_voltage, k_current)

    def decoder(frame: bytes) -> tuple[int, Reading | None]:
        got = common.values()
        code = frames.decode(frame, factors, got)
        if code:
            return code, None
        usable = got[common.VOLTAGE_MV] != common.UNKNOWN or got[common.FAST_MA] != common.UNKNOWN
        got[common.COUNT] = got[common.COUNT] & 0xFFFF if usable else common.UNKNOWN
        count_mj = Fraction(frames.pulse_mj(frame, factors))
        notes = (_DAMAGED_STATE,) if _contradicts(common, got, frame[0]) else _hlw8032_notes(frame)
        return 0, _reading(common, got, count_mj, full, notes)

    return frames.FRAME, decoder


_DAMAGED_STATE = (
    "the state byte tells of a current or a power near zero beside one that is not: the sum does not cover it, it is "
    "damaged; take the frame after it"
)


def _contradicts(common: Any, got: Any, state: int) -> bool:
    """Near zero, said the state of what the decoder does not believe."""
    if state <= 0xF0 or got[common.VOLTAGE_MV] == common.UNKNOWN:
        return False
    no_power = got[common.POWER_MW] == common.UNKNOWN == got[common.EXTRA]
    return bool((state & 2 and no_power) or (state & 4 and got[common.FAST_MA] == common.UNKNOWN))


def _hlw8032_notes(frame: bytes) -> tuple[str, ...]:
    """What the state byte and `adj` say of values that are missing."""
    state, adj = frame[0], frame[20]
    if state == 0xAA:
        return ("the chip lost its calibration: nothing that it sends can be used",)
    below = [name for bit, name in _HLW8032_BELOW if state > 0xF0 and state & bit]
    notes = [f"below the chip's range: {', '.join(below)}"] if below else []
    # A pulse that takes too long to be in range is not finished either: that is the same, and said.
    unfinished = [name for bit, name in _HLW8032_FINISHED if not adj & bit and name not in below]
    if unfinished:
        notes.append(f"not measured yet: {', '.join(unfinished)}")
    return tuple(notes)


def _pzem004t(scale: Scale, address: int) -> tuple[int, _Decoder]:
    frames, common = load("drivers.pzem004t_frame"), load("drivers.meter_frame")
    if scale.voltage or scale.current or scale.power:
        raise ValueError("the PZEM-004T sends volts and amperes: it has no scale")
    full = of_meter(scale.board or {"driver": "pzem004t"})

    def decoder(frame: bytes) -> tuple[int, Reading | None]:
        got = common.values()
        code = frames.decode(frame, address, got)
        return code, None if code else _reading(common, got, Fraction(3600000), full)

    return frames.FRAME, decoder


def _reading(
    common: Any, got: Any, count_mj: Fraction, full: FullScale, notes: tuple[str, ...] = ()
) -> Reading:
    places = (common.VOLTAGE_MV, common.CURRENT_MA, common.POWER_MW, common.COUNT, common.FREQUENCY_MHZ)
    values = {
        key: None if got[i] == common.UNKNOWN else int(got[i]) for key, i in zip(KEYS, places, strict=True)
    }
    count = values["energy_mwh"]
    values["energy_mwh"] = None if count is None else round(count * count_mj / 3600)
    return _without_over_range(Reading(values, notes), int(got[common.FAST_MA]), full)


def _without_over_range(reading: Reading, fast_ma: int, full: FullScale) -> Reading:
    """The reading without what is at full scale or above. `fast_ma` is the current that the protection goes by."""
    over = over_range(reading.values, fast_ma, full)
    values = {**reading.values, **dict.fromkeys(over)}
    return Reading(values, (*reading.notes, *over.values()), tuple(over))


def _why(meter: str, data: bytes, size: int, decoder: _Decoder, address: int) -> str:
    """What is wrong with bytes that hold no frame, and what to do."""
    common = load("drivers.meter_frame")
    if meter == "pzem004t" and (other := _other_modbus(data, address)):
        return other
    if len(data) < size:
        return f"{len(data)} bytes are no frame of the {meter}, which has {size}: it is cut off; capture it again"
    code, _ = decoder(data[:size])
    if meter == "bl0942" and code == common.BAD_SUM:
        for other_address in {0, 1, 2, 3} - {address}:
            if _decoder(meter, Scale(), other_address)[1](data[:size])[0] == common.GOOD:
                return f"the sum is that of the chip with address {other_address}: give --address {other_address}"
    reasons = {
        common.BAD_HEADER: "it does not begin as one",
        common.BAD_SUM: "its checksum is wrong: a byte was damaged",
        common.BAD_EMPTY: "everything in it is zero: the chip had measured nothing yet",
        common.BAD_RANGE: "it shows what the meter's registers cannot hold",
    }
    reason = reasons.get(code, "nothing in it is one")
    return f"no frame of the {meter} in {len(data)} bytes: {reason}; nothing in it is to be believed, capture it again"


def _other_modbus(data: bytes, address: int) -> str:
    """Right Modbus that is no answer with readings of the meter with this address; 0 is any."""
    frames = load("drivers.pzem004t_frame")
    if len(data) < 4:
        return ""
    answer = data[: frames.FRAME]
    is_answer = frames.is_head(*answer[:3], 0) and not frames.crc16(answer, len(answer))
    if is_answer and address not in (0, answer[0]):
        return f"this is an answer of the meter {data[0]}, not of {address}: give --address {data[0]}, or leave it out"
    if frames.crc16(data, len(data)):
        return ""
    if data[1] & 0x80:
        return f"the meter {data[0]} refuses the question with exception {data[2]}: it gives no reading"
    return f"this is a question to the meter {data[0]}, or an answer without readings: give the answer to function 4"


def _bl0910(data: bytes, scale: Scale) -> Decoded:
    """Runs the driver of the BL0910 for one round over captured frames, of SPI and of the UART alike."""
    driver = _bl0910_driver(scale)
    answers: dict[int, bytes] = {}
    junk = 0
    at = 0
    while at + 6 <= len(data):
        frame = data[at : at + 6]
        value = _bl0910_value(frame)
        if value is None:
            junk += 1
            at += 1
        else:
            answers[frame[1]] = value
            at += 6
    if not answers:
        raise FrameError(
            f"no frame of the BL0910 in {len(data)} bytes: none begins with 82 (SPI) or 35 (UART) and its register and "
            "has a right sum; give question and answer together: 82, register, high, middle, low, sum, or 35, "
            "register, low, middle, high, sum"
        )
    driver._transfer = _Replay(answers).write_readinto
    return Decoded(tuple(_bl0910_readings(answers, driver, _bl0910_full_scale(scale))), junk + len(data) - at)


def _bl0910_value(frame: bytes) -> bytes | None:
    """High, middle and low byte and the sum that SPI would have had; None where the six bytes are no frame."""
    register = frame[1]
    if frame[0] == 0x82 and sum(frame) & 255 == 255:
        value = frame[2:5]
    elif frame[0] == 0x35 and sum(frame[1:]) & 255 == 255:
        value = frame[4:1:-1]
    else:
        return None
    return value + bytes([~(0x82 + register + sum(value)) & 255])


def _bl0910_driver(scale: Scale) -> Any:
    """The driver on no bus, with the scale of a board, or with counts of a register per volt and per ampere."""
    chip = load("drivers.meter_bl0910_spi").BL0910Spi
    if scale.board is not None:
        return chip(_Replay({}), lambda level: None, scale.board)
    if scale.voltage is None or scale.current is None:
        raise UsageError(
            "a BL0910 has no usual scale: give --board NAME, such as --board zq10, or --k-voltage and --k-current"
        )
    if scale.voltage < 1 or scale.current < 1:
        raise ValueError(
            "for the BL0910 --k-voltage and --k-current are counts of a register per volt and ampere"
        )
    per_watt = scale.power or scale.voltage * scale.current * _BL0910_POWER
    milliamperes = 1000 / scale.current
    driver = chip(_Replay({}), lambda level: None, _BL0910_ANY)
    full_ma = _bl0910_full_scale(scale).current_ma
    driver._set_scales((milliamperes, milliamperes / 0.55, 1000 / scale.voltage, 1000 / per_watt, full_ma))
    driver.calibrate({})
    count_mj = _BL0910_COUNT_MJ / Fraction(per_watt)
    driver.energy_mws_num, driver.energy_mws_den = count_mj.numerator, count_mj.denominator
    return driver


def _bl0910_full_scale(scale: Scale) -> FullScale:
    if scale.board is not None:
        return of_meter(scale.board)
    milliamperes, _, millivolts, _, _ = load("drivers.bl0910_setup").scales(_BL0910_ANY)
    assert scale.voltage is not None and scale.current is not None  # _bl0910_driver has asked
    return of_meter(_BL0910_ANY, 1000 / millivolts / scale.voltage, 1000 / milliamperes / scale.current)


class _Replay:
    """The bus of a BL0910 that answers with captured frames, and otherwise not at all."""

    def __init__(self, answers: dict[int, bytes]) -> None:
        self._answers = answers

    def write_readinto(self, out: bytearray, into: bytearray) -> None:
        """One transaction of frames of six bytes."""
        for at in range(0, len(out), 6):
            into[at + 2 : at + 6] = self._answers.get(out[at + 1], bytes(4))


def _bl0910_readings(answers: dict[int, bytes], driver: Any, full: FullScale) -> list[Reading]:
    into = load("core.reading").Reading(driver.channels)
    for _ in range(driver.channels):
        driver.poll(into)
    count_mj = Fraction(driver.energy_mws_num, driver.energy_mws_den)
    readings = []
    for i in range(driver.channels):
        given = [register + i in answers for register in (0x0C, 0x17, 0x22, 0x2F)]
        if not any(given):
            continue
        values: dict[str, int | None] = dict.fromkeys(KEYS)
        if into.voltage_ok:
            values["voltage_mv"] = into.voltage_mv
        if given[0] or given[1]:
            values["current_ma"] = into.current_ma[i] if given[0] else into.fast_ma[i]
        if given[2]:
            values["power_mw"] = into.power_mw[i]
        if given[3]:
            values["energy_mwh"] = round(into.count[i] * count_mj / 3600)
        fast_ma = into.fast_ma[i] if given[1] else 0
        readings.append(_without_over_range(Reading(values, (f"channel {i + 1}",)), fast_ma, full))
    if not readings:
        voltage_mv = into.voltage_mv if into.voltage_ok else None
        values = {**dict.fromkeys(KEYS), "voltage_mv": voltage_mv}
        readings.append(_without_over_range(Reading(values), 0, full))
    return readings
