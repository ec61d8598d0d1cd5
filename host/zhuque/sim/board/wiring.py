"""Which chips hang on which pins: from board.json, as a board's wires are."""

import machine
from chips.bl0910 import BL0910Chip
from chips.hc595 import HC595Chip
from chips.temperature import NtcDivider

_BETA_K = 3950


def wire(board, world):
    """Builds the chips that board.json names, gives them to `world`. ValueError for a driver that is not simulated."""
    meter, relay = board["meter"], board["relay"]
    if meter["driver"] != "bl0910" or relay["driver"] != "hc595":
        raise ValueError("no simulated chips for {} and {}".format(meter["driver"], relay["driver"]))
    chip = BL0910Chip(world.physics, meter)
    machine.wire_pin(meter["spi"]["cs"], chip.select)
    machine.wire_bus(_bus(meter["spi"]), 1, Remembered(chip, world.physics).exchange)
    relays = HC595Chip((board["sockets"] + 7) // 8, world.on_relays)
    machine.wire_pin(relay["latch"], relays.latch)
    machine.wire_pin(relay["pump"], relays.pump)
    machine.wire_bus(_bus(relay["spi"]), 0, relays.exchange)
    world.meter = chip
    world.relays = relays
    world.surroundings = Surroundings(board)


class Surroundings:
    """What the safety inputs and the thermometer see: `cut` holds the names of open loops, `celsius` the box's heat."""

    def __init__(self, board):
        self.cut = set()
        self.celsius = 25.0
        inputs, sensor = board.get("inputs", {}), board.get("temperature", {})
        for name in inputs:
            loop = inputs[name]
            if isinstance(loop, dict) and "pin" in loop:
                machine.wire_level(loop["pin"], self._loop(name, loop["open_level"]))
        if sensor.get("driver") == "ntc":
            ohm_25 = sensor["table_ohm"][13]  # 65 degrees above -40, in steps of 5
            ntc = NtcDivider(lambda: self.celsius, sensor["supply_mv"], sensor["series_ohm"], ohm_25, _BETA_K)
            machine.wire_analog(sensor["pin"], ntc.read_uv)

    def _loop(self, name, open_level):
        closed_level = 1 - open_level
        cut = self.cut
        return lambda: open_level if name in cut else closed_level


def _bus(section):
    return section["sck"], section["mosi"], section["miso"]


class Remembered:
    """In front of a BL0910Chip: while nothing flows differently, its answer to the same question is the same.

    A poll asks for the fast currents and the voltage, then for four registers that differ from poll to poll. The first
    part is kept as long as the physics' version and the question do not change; the rest, and everything while the chip
    has a fault, goes to the chip. This is a third of the cost of a tick.
    """

    _CHANGING = 24  # bytes at the end of a poll

    def __init__(self, chip, physics):
        self._chip = chip
        self._physics = physics
        self._version = -1
        self._asked = b""
        self._answer = b""
        self._out = self._into = None  # whose ends these are
        self._out_end = self._into_end = None

    def exchange(self, out, into):
        """As the chip's."""
        chip = self._chip
        kept = len(out) - self._CHANGING
        sound = chip._selected and not (chip.silent or chip._corrupt or chip._pokes or chip.frozen)
        if kept <= 0 or into is None or not sound:
            self._version = -1  # what is written may change every answer
            chip.exchange(out, into)
            return
        if self._version != self._physics.version or self._asked != out[:kept]:
            chip.exchange(out, into)
            self._version = self._physics.version
            self._asked = bytes(out[:kept])
            self._answer = bytes(into[:kept])
            return
        if out is not self._out or into is not self._into:
            self._out, self._into = out, into
            self._out_end, self._into_end = memoryview(out)[kept:], memoryview(into)[kept:]
        into[:kept] = self._answer
        chip.exchange(self._out_end, self._into_end)
