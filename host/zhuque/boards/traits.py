"""What follows from a meter's numbers: the firmware's drivers say the same, and tests/boards holds both together."""

from __future__ import annotations

from zhuque.boards.schema import integer, integers, table

# Microvolts RMS on a chip's input at each gain, of which a driver uses 98 %.
_BL0910_UV = 494975
_BL0942_UV = {1: 494975, 4: 123744, 16: 29698, 24: 19799}
_HLW8032_UV = 30936
_PZEM_MA = 100_000
# The same of a chip's voltage input, at gain 1. BL0910: 700 mV peak, as its currents (data sheet 2.4.1). BL0942: 100 mV
# peak (data sheet, as a public driver states it). HLW8032: 495 mV RMS (data sheet, as public parts lists state it).
_VOLTAGE_UV = {"bl0910": 494975, "bl0942": 70711, "hlw8032": 494975}
_USABLE_PERCENT = 98
# Meters on a bus that gives each current within two windows of 80 ms at most.
_INSTANT = {"bl0910": "spi", "bl0942": "uart"}


def full_scale_ma(meter: dict[str, object]) -> int:
    """The highest current that the meter can show."""
    driver = meter["driver"]
    if driver == "pzem004t":
        return integer(meter, "full_scale_ma", _PZEM_MA)
    shunt = integer(meter, "shunt_uohm")
    if driver == "bl0910":
        return _BL0910_UV * 10 * _USABLE_PERCENT // (integer(meter, "current_gain") * shunt)
    if driver == "bl0942":
        return _BL0942_UV[integer(meter, "current_gain")] * 10 * _USABLE_PERCENT // shunt
    return _HLW8032_UV * 10 * _USABLE_PERCENT // shunt


def full_scale_mv(meter: dict[str, object]) -> int | None:
    """The highest voltage that the meter can show; None of a finished meter, whose divider is not ours."""
    input_uv = _VOLTAGE_UV.get(str(meter["driver"]))
    if input_uv is None:
        return None
    low = integer(meter, "divider_low_ohm")
    whole = low + integer(meter, "divider_high_ohm")
    return input_uv * _USABLE_PERCENT * whole // (100_000 * low * integer(meter, "voltage_gain", 1))


def is_instant(meter: dict[str, object]) -> bool:
    """True when the meter is fast enough for the instantaneous stage of the protection."""
    return _INSTANT.get(str(meter["driver"])) in meter


def chip(meter: dict[str, object]) -> str:
    """What a message calls the meter: its driver, and its bus where that decides."""
    return (
        f"{meter['driver']} on a UART"
        if meter["driver"] == "bl0910" and "uart" in meter
        else str(meter["driver"])
    )


def channels(meter: dict[str, object]) -> int:
    """How many sockets the meter measures."""
    if "addresses" in meter:
        return len(integers(meter, "addresses"))
    return integer(meter, "sockets", 1)


def ports(relay: dict[str, object]) -> int:
    """How many relays the section drives."""
    if relay["driver"] == "gpio":
        return len(integers(relay, "pins"))
    if relay["driver"] == "pcf8574":
        return width(relay) * len(integers(relay, "addresses"))
    return 16


def width(section: dict[str, object]) -> int:
    """Bits of an expander's port."""
    return 16 if section.get("chip") == "pcf8575" else 8


def i2c_pins(section: dict[str, object]) -> tuple[object, object]:
    """Clock and data pin of a section's bus."""
    bus = table(section.get("i2c"))
    return bus.get("scl"), bus.get("sda")
