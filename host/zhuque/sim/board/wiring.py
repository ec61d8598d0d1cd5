"""What hangs on which pins: from board.json, as a board's wires are. The meters are in meters.py.

Relays of every kind have the same face: `on_time(now_ms)`, `hold_us` (how long they stay as they are when the CPU
dies; -1: for ever, as an expander does), `restore(sockets, cold)` after a restart of the process, and for quiet.py
`fresh` and
`held`.
"""

import machine
import meters
import onewire
from chips.hc595 import HC595Chip
from chips.pcf8574 import I2cWires, PCF8574Chip
from chips.temperature import DS18B20Chip, NtcDivider
from surroundings import LOOPS

_BETA_K = 3950
_NTC_25_PLACE = 13  # 65 degrees above -40, in steps of 5
_busses = {}


def wire(board, world):
    """Builds the chips that board.json names, gives them to `world`. ValueError for a driver that is not simulated."""
    _busses.clear()
    world.meters = meters.wire(board, world.physics)
    world.meter = world.meters.chips[0]
    gate = Gate(world.on_relays)
    world.meters.on_cut = gate.cut
    world.relays = _relays(board["relay"], board["sockets"], gate.drive)
    world.breakers = "breaker" in board
    around = world.physics.around
    _wire_loops(board.get("inputs", {}), around)
    _wire_temperature(board.get("temperature", {}), around)
    contactor = board.get("contactor")
    if contactor:
        # Until the firmware drives it, it is closed: a firmware that knows of none must not find it open.
        low = contactor["active_low"]
        for pin in contactor["pins"]:
            machine.wire_pin(pin, lambda level: world.on_contactor(bool(level) != low))


def _relays(section, sockets, on_change):
    driver = section["driver"]
    if driver == "hc595":
        relays = PumpedRelays((sockets + 7) // 8, on_change)
        machine.wire_pin(section["latch"], relays.latch)
        machine.wire_pin(section["pump"], relays.pump)
        spi = section["spi"]
        machine.wire_bus((spi["sck"], spi["mosi"], spi["miso"]), 0, relays.exchange)
        return relays
    if driver == "gpio":
        relays = PinRelays(section["active_low"], on_change)
        for i, pin in enumerate(section["pins"]):
            machine.wire_pin(pin, relays.pin(i))
        return relays
    if driver == "pcf8574":
        relays = ExpanderRelays(section, on_change)
        for chip, address in zip(relays.chips, section["addresses"]):
            _bus(section["i2c"]).chips[address] = chip
        if "enable" in section:
            machine.wire_pin(section["enable"], relays.enable)
        return relays
    raise ValueError("no simulated chips for the relay driver {}".format(driver))


def _bus(section):
    """The wires of an I2C bus; sections that name the same pins share them."""
    pins = section["scl"], section["sda"]
    wires = _busses.get(pins)
    if wires is None:
        wires = _busses[pins] = I2cWires({})
        machine.wire_i2c(pins[0], pins[1], wires)
    return wires


class Gate:
    """Between what drives the relays and their coils: an output of the meter chip pulls its relay's driver down."""

    def __init__(self, on_change):
        self._on_change = on_change
        self._driven = 0
        self._cut = 0

    def drive(self, word):
        """What the board wants."""
        self._driven = word
        self._on_change(word & ~self._cut)

    def cut(self, word):
        """The chip's outputs, bit 0 for the first socket."""
        self._cut = word
        self._on_change(self._driven & ~word)


class PumpedRelays(HC595Chip):
    """On shift registers whose output enable a charge pump holds."""

    hold_us = 200000

    def restore(self, sockets, cold):
        """Whoever was closed was dropped before the restart."""


class PinRelays:
    """One on each pin. A pin is an input from the CPU's reset on: its resistor opens the relay at once."""

    hold_us = 0

    def __init__(self, active_low, on_change):
        self._low = active_low
        self._on_change = on_change
        self._word = 0

    def pin(self, i):
        """What hangs on the pin of socket i."""
        return lambda level: self._set(i, bool(level) != self._low)

    def _set(self, i, closed):
        word = self._word & ~(1 << i) | closed << i
        if word != self._word:
            self._word = word
            self._on_change(word)

    def on_time(self, now_ms):
        """They need no time."""

    def restore(self, sockets, cold):
        """Those that were closed when the process ended: after a reset of the CPU none is."""
        if not cold:
            for i, socket in enumerate(sockets):
                self._word |= socket.commanded << i

    def fresh(self, now_ms):
        """Nothing has to be kept alive."""
        return True

    def held(self, now_ms):
        """Nothing has to be kept alive."""


class ExpanderRelays(PinRelays):
    """On port expanders, which know nothing of the CPU: they hold what was written last until their supply goes."""

    def __init__(self, section, on_change):
        super().__init__(section["active_low"], on_change)
        self._bits = 16 if section["chip"] == "pcf8575" else 8
        self._enabled = "enable" not in section
        self.hold_us = -1 if self._enabled else 0
        self.chips = [PCF8574Chip(self._bits // 8, self._changed) for _ in section["addresses"]]

    def enable(self, level):
        """The supply of the coils."""
        self._enabled = bool(level)
        self._changed(None)

    def _changed(self, _port):
        word = 0
        for i, chip in enumerate(self.chips):
            port = chip.port ^ ((1 << self._bits) - 1) if self._low else chip.port
            word |= port << i * self._bits
        word = word if self._enabled else 0
        if word != self._word:
            self._word = word
            self._on_change(word)

    def restore(self, sockets, cold):
        """The ports as they were."""
        if cold:
            return
        for i, socket in enumerate(sockets):
            if socket.commanded:
                self._word |= 1 << i
        for i, chip in enumerate(self.chips):
            port = self._word >> i * self._bits & (1 << self._bits) - 1
            chip.port = port ^ ((1 << self._bits) - 1) if self._low else port


class LoopPort(PCF8574Chip):
    """The port of an expander that loops pull to their levels."""

    def __init__(self, section, around):
        super().__init__(2 if section["chip"] == "pcf8575" else 1)
        self._around = around
        self._loops = [(name, section[name]) for name in LOOPS if "bit" in section.get(name, {})]

    def read(self, into):
        """Fills the bytes that are asked for."""
        self.held_low = 0
        for name, loop in self._loops:
            level = loop["open_level"] if self._around.is_open(name) else 1 - loop["open_level"]
            if not level:
                self.held_low |= 1 << loop["bit"]
        super().read(into)


def _wire_loops(section, around):
    for name in LOOPS:
        loop = section.get(name, {})
        if "pin" in loop:
            machine.wire_level(loop["pin"], _loop(around, name, loop["open_level"]))
    if "chip" in section:
        _bus(section["i2c"]).chips[section["address"]] = LoopPort(section, around)


def _loop(around, name, open_level):
    return lambda: open_level if around.is_open(name) else 1 - open_level


def _wire_temperature(section, around):
    if section.get("driver") == "ntc":
        ohm_25 = section["table_ohm"][_NTC_25_PLACE]
        ntc = NtcDivider(around.temperature_c, section["supply_mv"], section["series_ohm"], ohm_25, _BETA_K)
        machine.wire_analog(section["pin"], ntc.read_uv)
    elif section.get("driver") == "ds18b20":
        chip = DS18B20Chip(around.temperature_c)
        onewire.wire(section["pin"], chip)
