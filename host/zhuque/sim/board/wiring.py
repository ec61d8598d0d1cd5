"""Which chips hang on which pins: from board.json, as a board's wires are."""

import machine
from chips.bl0910 import BL0910Chip
from chips.hc595 import HC595Chip


def wire(board, world):
    """Builds the chips that board.json names, gives them to `world`. ValueError for a driver that is not simulated."""
    meter, relay = board["meter"], board["relay"]
    if meter["driver"] != "bl0910" or relay["driver"] != "hc595":
        raise ValueError("no simulated chips for {} and {}".format(meter["driver"], relay["driver"]))
    chip = BL0910Chip(world.physics, meter)
    machine.wire_pin(meter["spi"]["cs"], chip.select)
    machine.wire_bus(_bus(meter["spi"]), 1, chip.exchange)
    relays = HC595Chip((board["sockets"] + 7) // 8, world.on_relays)
    machine.wire_pin(relay["latch"], relays.latch)
    machine.wire_pin(relay["pump"], relays.pump)
    machine.wire_bus(_bus(relay["spi"]), 0, relays.exchange)
    world.meter = chip
    world.relays = relays


def _bus(section):
    return section["sck"], section["mosi"], section["miso"]
