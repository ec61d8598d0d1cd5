"""What the numbers of a board must satisfy together. Each rule is a function that yields its problems."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from zhuque.boards import traits
from zhuque.boards.schema import INPUTS, NTC_POINTS, integer, integers, table

_MIN_FULL_SCALE = 10  # times the rated current: a reading at full scale exceeds every threshold
# core/supply trips at 264, 300 and 350 V, and a broken neutral brings up to 400 V. An input that is over range reads at
# full scale or above, and a calibration takes 10 % of that at most: 360 V are left, above every threshold.
_LEAST_FULL_SCALE_MV = 400_000
# 230 V must use a twentieth of the input's range: below, its noise and offset count as volts. A choice; the data sheets
# give their accuracy at a fifth.
_MOST_FULL_SCALE_MV = 20 * 230_000
_INRUSH_TIMES = 8  # core/judge: the instantaneous threshold while a load starts
_BREAKER_TIMES = {
    "B": 5,
    "C": 10,
    "D": 20,
}  # IEC 60898-1: at this many times its rating it trips at once, at the latest
_MOST_TIMES_RATED = 20  # the breaker's instantaneous trip, times the socket's rated current
_MOST_V = 253  # 230 V + 10 %
# How long a closed relay stays closed when the processor hangs, at least: the watchdog's 4 s, and where an expander
# holds the relays, the start until boot.py; the charge pump's 0.2 s.
_HANG_MS = {"hc595": 200, "gpio": 4000, "pcf8574": 5000}
_EXPANDER_HZ = {"pcf8574": 100_000, "pcf8575": 400_000}
_BAUDS = (9600, 19_200, 38_400)
_GAINS = {"bl0910": (1, 2, 8, 16), "bl0942": (1, 4, 16, 24)}


def check(data: dict[str, object]) -> list[str]:
    """Every contradiction in a board's data, whose keys and ranges were checked before."""
    problems: list[str] = []
    for rule in (
        _sockets,
        _gains,
        _ratings,
        _full_scale,
        _voltage_scale,
        _own_cut,
        _instant_stage,
        _hang,
        _controllers,
        _expanders,
        _inputs,
        _ntc,
    ):
        problems += rule(data)
    return problems


def _sockets(data: dict[str, object]) -> Iterator[str]:
    sockets = integer(data, "sockets")
    meter, relay = table(data["meter"]), table(data["relay"])
    if traits.channels(meter) != sockets:
        yield f"the meter has {traits.channels(meter)} channels in use, the board has {sockets} sockets"
    if integer(relay, "sockets") != sockets:
        yield f"relay.sockets is {integer(relay, 'sockets')}, the board has {sockets}"
    ports = traits.ports(relay)
    if ports < sockets or (relay["driver"] == "gpio" and ports != sockets):
        yield f"relay drives {ports} relays, the board has {sockets} sockets"
    for path, section in (("meter", meter), ("relay", relay)):
        for key in ("addresses", "pins"):
            numbers = integers(section, key)
            if len(set(numbers)) != len(numbers):
                written = f"[{', '.join(map(hex, numbers))}]" if "chip" in section else str(numbers)
                yield f"{path}.{key} holds a number twice: {written}"


def _gains(data: dict[str, object]) -> Iterator[str]:
    meter = table(data["meter"])
    for key in ("current_gain", "voltage_gain"):
        gains = _GAINS.get(str(meter["driver"]), ())
        if key in meter and integer(meter, key) not in gains:
            yield f"meter.{key} must be one of {', '.join(map(str, gains))}, is {integer(meter, key)}"
    baud = integer(table(meter.get("uart")), "baud", 19_200)
    if baud not in _BAUDS:
        yield f"meter.uart.baud must be one of {', '.join(map(str, _BAUDS))}, as the chip's pins set it, is {baud}"
    cfdiv = integer(meter, "cfdiv", 1)
    if cfdiv & (cfdiv - 1):
        yield f"meter.cfdiv must be a power of two, is {cfdiv}"


def _ratings(data: dict[str, object]) -> Iterator[str]:
    limits, relay = table(data["limits"]), table(data["relay"])
    rated, point = integer(limits, "rated_ma"), integer(limits, "point_current_ma")
    if rated > integer(relay, "rating_ma"):
        yield (
            f"limits.rated_ma is {rated}, above the relay's rating of {integer(relay, 'rating_ma')} mA: its contacts "
            "would weld; lower the limit"
        )
    if point < rated:
        yield f"limits.point_current_ma is {point}, below limits.rated_ma: no socket could ever give {rated} mA"
    if integer(limits, "max_power_mw") > rated * _MOST_V:
        yield (
            f"limits.max_power_mw is {integer(limits, 'max_power_mw')}, more than {rated} mA give at {_MOST_V} V: it "
            f"would never trip; at most {rated * _MOST_V}"
        )
    contactor = table(data.get("contactor"))
    if contactor and integer(contactor, "rating_ma") < point:
        yield f"contactor.rating_ma is {integer(contactor, 'rating_ma')}, below limits.point_current_ma of {point}"


def _full_scale(data: dict[str, object]) -> Iterator[str]:
    meter = table(data["meter"])
    if meter["driver"] in _GAINS and integer(meter, "current_gain") not in _GAINS[str(meter["driver"])]:
        return
    full_ma = traits.full_scale_ma(meter)
    if full_ma < _MIN_FULL_SCALE * integer(table(data["limits"]), "rated_ma"):
        yield (
            f"the meter's full scale is {full_ma} mA, below {_MIN_FULL_SCALE} x limits.rated_ma: a short would read as "
            "an overload; lower the shunt, the gain or the limit"
        )


def _voltage_scale(data: dict[str, object]) -> Iterator[str]:
    meter = table(data["meter"])
    full_mv = traits.full_scale_mv(meter)
    if full_mv is None:
        return
    text = f"the meter's full scale is {full_mv // 1000} V,"
    if full_mv < _LEAST_FULL_SCALE_MV:
        gain = " or voltage_gain" if integer(meter, "voltage_gain", 1) > 1 else ""
        yield (
            f"{text} below {_LEAST_FULL_SCALE_MV // 1000} V: an overvoltage would read as less than it is, and a "
            f"broken neutral might trip nothing; lower meter.divider_low_ohm{gain}"
        )
    elif full_mv > _MOST_FULL_SCALE_MV:
        yield (
            f"{text} above {_MOST_FULL_SCALE_MV // 1000} V: 230 V would drown in the input's noise; raise "
            "meter.divider_low_ohm"
        )


def _own_cut(data: dict[str, object]) -> Iterator[str]:
    """What a meter chip cuts by itself: more than any start of a charger, and less than its full scale."""
    meter = table(data["meter"])
    if "fast_trip_ma" not in meter:
        return
    trip_ma, rated = integer(meter, "fast_trip_ma"), integer(table(data["limits"]), "rated_ma")
    if trip_ma < _INRUSH_TIMES * rated:
        yield (
            f"meter.fast_trip_ma is {trip_ma}, below {_INRUSH_TIMES} x limits.rated_ma: the chip would cut what the "
            f"protection lets a starting charger draw; at least {_INRUSH_TIMES * rated}"
        )
    if integer(meter, "current_gain") in _GAINS["bl0910"] and trip_ma > traits.full_scale_ma(meter):
        yield (
            f"meter.fast_trip_ma is {trip_ma}, above the meter's full scale of {traits.full_scale_ma(meter)} mA: the "
            "chip would never cut; lower it, the shunt or the gain"
        )


def _instant_stage(data: dict[str, object]) -> Iterator[str]:
    meter, breaker = table(data["meter"]), table(data.get("breaker"))
    rated = integer(table(data["limits"]), "rated_ma")
    if not breaker:
        if not traits.is_instant(meter):
            yield (
                f"the meter is a {traits.chip(meter)}, too slow for the instantaneous stage: the board needs a circuit "
                "breaker for each socket, declared as breaker with curve and rated_ma"
            )
        return
    breaker_ma = integer(breaker, "rated_ma")
    if breaker_ma < rated:
        yield f"breaker.rated_ma is {breaker_ma}, below limits.rated_ma of {rated}: it would trip before the board"
    trips_ma = _BREAKER_TIMES[str(breaker["curve"])] * breaker_ma
    if trips_ma > _MOST_TIMES_RATED * rated:
        yield (
            f"the breaker trips at once only at {trips_ma} mA, above {_MOST_TIMES_RATED} x limits.rated_ma: it is no "
            "instantaneous stage for a socket; take a smaller one or curve B"
        )


def _hang(data: dict[str, object]) -> Iterator[str]:
    relay = table(data["relay"])
    least, said = _HANG_MS[str(relay["driver"])], integer(relay, "hang_ms")
    if said < least:
        yield (
            f"relay.hang_ms is {said}, but relays on {relay['driver']} stay closed for {least} ms and more when the "
            "processor hangs"
        )


def _controllers(data: dict[str, object]) -> Iterator[str]:
    """machine.SPI(2) is one object on an ESP32, and machine.UART(2), too: it has the pins and the mode it got last.

    Not even with the same pins could a meter and a 74HC595 share one: they sample on different edges of the clock.
    """
    taken: dict[tuple[str, int], str] = {}
    for section in ("meter", "relay"):
        for kind in ("spi", "uart"):
            bus = table(table(data[section]).get(kind))
            if not bus:
                continue
            number, path = integer(bus, "id"), f"{section}.{kind}"
            other = taken.setdefault((kind, number), path)
            if other != path:
                yield (
                    f"{path}.id is {number}, which is {other}'s already: both would get the pins and the mode of the "
                    "one that is set up last; give one of them the other id"
                )


def _expanders(data: dict[str, object]) -> Iterator[str]:
    relay, inputs = table(data["relay"]), table(data.get("inputs"))
    taken: dict[int, str] = {}
    for path, section in (("relay", relay), ("inputs", inputs)):
        if "chip" not in section:
            continue
        addresses = integers(section, "addresses") or [integer(section, "address")]
        for address in addresses:
            yield from _address(path, str(section["chip"]), address)
            if taken.setdefault(address, path) != path:
                yield f"{path} has a chip at address 0x{address:02x}, where {taken[address]} has one"
        highest = _EXPANDER_HZ[str(section["chip"])]
        if integer(table(section["i2c"]), "freq") > highest:
            yield f"{path}.i2c.freq is above the {highest} Hz that a {section['chip']} takes"
    if "i2c" in relay and "i2c" in inputs and table(relay["i2c"]) != table(inputs["i2c"]):
        yield "inputs.i2c is not relay.i2c: one bus serves both, with the same pins and the same freq"
    if relay["driver"] == "pcf8574" and not relay["active_low"] and "enable" not in relay:
        yield (
            "relay.active_low is false on an expander whose outputs are 1 after power-up: every relay would close by "
            "itself; wire relays that close at 0, or an enable pin that holds the supply of the coils"
        )


def _address(path: str, chip: str, address: int) -> Iterator[str]:
    if not (0x20 <= address <= 0x27 or (chip == "pcf8574" and 0x38 <= address <= 0x3F)):
        yield (
            f"{path} has a {chip} at address 0x{address:02x}: 0x20 to 0x27 (a PCF8574A: 0x38 to 0x3f) can be set"
        )


def _inputs(data: dict[str, object]) -> Iterator[str]:
    inputs = table(data.get("inputs"))
    bits: dict[int, str] = {}
    for name in INPUTS:
        loop = table(inputs.get(name))
        path = f"inputs.{name}"
        if "bit" in loop:
            bit = integer(loop, "bit")
            if bit >= traits.width(inputs):
                yield f"{path}.bit is {bit}, and the expander has {traits.width(inputs)}"
            if bits.setdefault(bit, path) != path:
                yield f"{path}.bit is {bit}, which is {bits[bit]} already"
        pulled_up = "bit" in loop or bool(loop.get("pull_up"))
        if loop and pulled_up and integer(loop, "open_level") != 1:
            yield f"{path}.open_level is 0, but the input is pulled up: a cut wire would read as a closed loop"


def _ntc(data: dict[str, object]) -> Iterator[str]:
    sensor = table(data.get("temperature"))
    if sensor.get("driver") != "ntc":
        return
    ohm = integers(sensor, "table_ohm")
    if len(ohm) != NTC_POINTS or any(colder <= hotter for colder, hotter in pairwise(ohm)):
        yield f"temperature.table_ohm must be {NTC_POINTS} falling numbers: every 5 degrees from -40 to 125"
    if not integer(sensor, "short_mv") < integer(sensor, "open_mv") < integer(sensor, "supply_mv"):
        yield "temperature needs short_mv < open_mv < supply_mv: else a cut wire would read as cold"
