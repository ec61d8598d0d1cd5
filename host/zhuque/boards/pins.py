"""What the pins of an ESP32 can do, and what a board asks of them.

The levels at reset are the pulls of the strapping pins (ESP32 data sheet, "Strapping Pins"). What hangs there
must want the same level while the chip boots: a line that rests at the other one decides how the chip boots, and a
relay that closes at it is closed at every reset. Which pins put out pulses meanwhile is in no data sheet: it is what
public pin tables of the ESP32 agree on.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from zhuque.boards.schema import INPUTS, integer, integers, table

_EXIST = {*range(20), *range(21, 24), *range(25, 28), *range(32, 40)}
_NOT_BROUGHT_OUT = (37, 38)
_FLASH = range(6, 12)
_INPUT_ONLY = range(34, 40)
_ADC1 = range(32, 40)
_CONSOLE = (1, 3)
_PSRAM = (16, 17)
_STRAPS = {0: 1, 2: 0, 5: 1, 12: 0, 15: 1}  # pin -> its level at reset, which boots normally
_PULLED = {**_STRAPS, 4: 0}  # 4 is pulled down, too
_CLOCKED = (5, 14, 15)  # put out pulses while the chip boots, 14 a clock; 0 does, too
_BOOT_BUTTON = 0  # the button and esptool hold it at 0 through a reset, to get into the ROM's loader


@dataclass(frozen=True)
class Use:
    """What a pin is used for. `rests`: its level while the chip boots, None when that is not known.

    `closes`: the level that closes a relay, None where none hangs there. `edges`: what pulses would do there, "" where
    they do nothing. `what` is for people.
    """

    path: str
    pin: int
    what: str
    output: bool = False
    rests: int | None = None
    closes: int | None = None
    edges: str = ""
    pulled_up: bool = False
    analog: bool = False
    shared: str = ""  # uses of the same shared bus line are one


def uses(data: dict[str, object]) -> Iterator[Use]:
    """Every use of a pin, in the order of the file."""
    for section in ("meter", "relay", "contactor"):
        yield from _driver(section, table(data.get(section)))
    yield from _inputs(table(data.get("inputs")))
    temperature = table(data.get("temperature"))
    if temperature.get("driver") == "ntc":
        yield Use("temperature.pin", integer(temperature, "pin"), "NTC", analog=True)
    elif temperature:
        yield Use("temperature.pin", integer(temperature, "pin"), "DS18B20, 1-Wire", output=True, rests=1)
    led = table(data.get("led"))
    if led:
        rests = 1 if led.get("active_low") else 0
        yield Use("led.pin", integer(led, "pin"), "LED that identifies the board", output=True, rests=rests)
    for name in table(data.get("reserved")):
        for pin in integers(table(data["reserved"]), name):
            yield Use(f"reserved.{name}", pin, f"taken: {name}", rests=_STRAPS.get(pin))


def _driver(section: str, data: dict[str, object]) -> Iterator[Use]:
    name = str(data.get("driver")).upper()
    yield from _buses(section, data, name)
    closes = 0 if data.get("active_low") else 1
    if "pins" in data:
        for i, pin in enumerate(integers(data, "pins")):
            what = f"relay of socket {i + 1}" if section == "relay" else "upstream contactor"
            yield Use(f"{section}.pins", pin, f"{what}, closes at {closes}", output=True, closes=closes)
    for key, what, edges in (
        ("latch", "74HC595 RCLK, both chips", "a word that a reset cut off would close the wrong relays"),
        ("pump", "charge pump of the output enable", "the relays would be held closed before boot.py runs"),
    ):
        if key in data:
            yield Use(f"{section}.{key}", integer(data, key), what, output=True, edges=edges)
    if "enable" in data:
        what = "supply of the relay coils, on at 1"
        yield Use(f"{section}.enable", integer(data, "enable"), what, output=True, closes=1)


def _buses(section: str, data: dict[str, object], name: str) -> Iterator[Use]:
    spi, uart, i2c = table(data.get("spi")), table(data.get("uart")), table(data.get("i2c"))
    for key in ("sck", "mosi", "miso", "cs"):
        if key in spi:
            yield Use(
                f"{section}.spi.{key}", integer(spi, key), f"{name} SPI {key.upper()}", output=key != "miso"
            )
    if "tx" in uart:
        yield Use(f"{section}.uart.tx", integer(uart, "tx"), f"{name} RX", output=True)
    if "rx" in uart:
        yield Use(f"{section}.uart.rx", integer(uart, "rx"), f"{name} TX")
    for key in ("scl", "sda"):
        if key in i2c:
            path, what = f"{section}.i2c.{key}", f"I2C {key.upper()}"
            yield Use(path, integer(i2c, key), what, output=True, rests=1, shared=key)


def _inputs(data: dict[str, object]) -> Iterator[Use]:
    yield from _buses("inputs", data, "")
    for name in INPUTS:
        loop = table(data.get(name))
        if "pin" in loop:
            what = f"{name} loop, open at {integer(loop, 'open_level')}"
            pulled = bool(loop.get("pull_up"))
            yield Use(f"inputs.{name}.pin", integer(loop, "pin"), what, pulled_up=pulled)


def check(data: dict[str, object]) -> list[str]:
    """Every pin that clashes, does not exist, cannot do what is asked of it or disturbs the boot."""
    problems: list[str] = []
    used: dict[int, Use] = {}
    for use in uses(data):
        problems += [f"{use.path} is pin {use.pin}, {text}" for text in _judge(use, str(data["mcu"]))]
        other = used.setdefault(use.pin, use)
        if other is not use and not (use.shared and use.shared == other.shared):
            problems.append(f"{use.path} is pin {use.pin}, which is {other.path} already")
    return problems


def _judge(use: Use, mcu: str) -> Iterator[str]:
    pin = use.pin
    if pin not in _EXIST:
        yield "which does not exist on an ESP32"
    elif pin in _FLASH:
        yield "which belongs to the flash"
    elif pin in _NOT_BROUGHT_OUT:
        yield f"which {mcu} does not bring out"
    elif pin in _CONSOLE:
        yield "which is the console on USB: the boot messages come out of it"
    elif pin in _PSRAM and "WROVER" in mcu:
        yield f"which belongs to the memory of {mcu}"
    if pin in _INPUT_ONLY:
        if use.output:
            yield "which can only read"
        if use.pulled_up:
            yield "which has no pull-up of its own: put a resistor there, and leave pull_up away"
    if use.analog and pin not in _ADC1:
        yield "which the ADC cannot read while Wi-Fi runs: use 32 to 39"
    yield from _judge_boot(use)


def _judge_boot(use: Use) -> Iterator[str]:
    if use.closes is not None:
        yield from _judge_closing(use.pin, use.closes)
    elif use.edges and use.pin in _CLOCKED:
        yield f"which puts out pulses while the chip boots: {use.edges}; take another pin"
    elif use.pin in _STRAPS and use.rests != _STRAPS[use.pin]:
        yield "whose level at reset decides how the chip boots"


def _judge_closing(pin: int, closes: int) -> Iterator[str]:
    """What is wrong with a pin for a relay that closes at this level."""
    if _PULLED.get(pin) == closes:
        yield (
            f"whose level at reset is {closes}: it would close the relay at every reset; take another pin, "
            "or a relay that closes at the other level"
        )
    elif pin == _BOOT_BUTTON:
        yield (
            "which the BOOT button and esptool's reset hold at 0: each would close the relay, and no firmware runs "
            "meanwhile; take another pin"
        )
    elif pin in _CLOCKED:
        yield "which puts out pulses while the chip boots: the relay would chatter; take another pin"
