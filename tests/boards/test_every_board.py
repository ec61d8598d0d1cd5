"""What holds for every board there is, and for every board that is added: nobody needs to write this again.

boot.py is run as it is, on each board's own chips, from every state that they may have kept; the meter is found on its
bus by its own driver; what the host says of a meter is what the firmware says.
"""

from __future__ import annotations

import json
import os
import runpy
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fakes import serial_bench
from fakes.io_bench import I2cWires, Level, PCF8574Chip
from fakes.io_bench import Machine as IoMachine
from fakes.meter_bench import BL0910Chip, Bus, HC595Chip, Load, Pin
from fakes.meter_bench import Machine as SpiMachine

from core import supply
from core.causes import bit
from core.limits import Limits, intersect
from drivers import (
    bl0910_setup,
    bl0942_frame,
    hlw8032_frame,
    inputs,
    meter_bl0910_spi,
    meter_bl0910_uart,
    meter_bl0942,
    meter_hlw8032,
    meter_pzem004t,
    relay_gpio,
    temperature,
)
from drivers.meter_frame import fine
from zhuque import boards
from zhuque.boards import rules, traits
from zhuque.boards.schema import INPUTS, table
from zhuque.boards.show import figures, summary, wires
from zhuque.wire.config import GAIN_LOWEST_PPM
from zhuque.wire.config import board as board_settings

FIRMWARE = Path(__file__).resolve().parents[2] / "firmware"
METERS = {
    "bl0910": (meter_bl0910_spi, "BL0910Spi"),
    "bl0942": (meter_bl0942, "BL0942"),
    "hlw8032": (meter_hlw8032, "HLW8032"),
    "pzem004t": (meter_pzem004t, "PZEM004T"),
}
BITS = {name: bit(name) for name in INPUTS}


@pytest.fixture(params=boards.list_boards())
def board(request: pytest.FixtureRequest) -> boards.Board:
    return boards.load(request.param)


def section(board: boards.Board, name: str) -> dict[str, Any]:
    return dict(table(board.data.get(name)))


class Relays:
    """The relays of a board on simulated chips: `states` are all that the chips may have kept, `closed` a word."""

    def __init__(self, relay: dict[str, Any]) -> None:
        self.relay = relay
        self.heard: list[int] = []
        driver = relay["driver"]
        if driver == "hc595":
            self._hc595()
        elif driver == "pcf8574":
            self._pcf8574()
        else:
            self._gpio()

    def _hc595(self) -> None:
        chip = HC595Chip(2, self.heard.append)
        relay = self.relay

        class Latched(Pin):
            def __init__(self, number: int, *mode: object, **options: Any) -> None:
                told = {relay["latch"]: chip.latch, relay["pump"]: chip.pump}.get(number)
                super().__init__(number, value=options.get("value"), told=told)

        class SPI(Bus):
            def __init__(self, number: int, **settings: object) -> None:
                super().__init__(chip)

        def keep(word: int) -> None:
            chip._latched = chip._shift = word
            chip.enabled = True
            chip._pumped_at = 0
            chip._update()

        self.machine: Any = SpiMachine(Latched, SPI)
        self.keep: Callable[[int], None] = keep
        self.closed: Callable[[], int] = lambda: chip.outputs
        self.states = [0xFFFF, 0x5555, *(1 << i for i in range(16))]

    def _pcf8574(self) -> None:
        width = traits.width(self.relay) // 8
        chips = [PCF8574Chip(width) for _ in self.relay["addresses"]]
        wires = I2cWires(dict(zip(self.relay["addresses"], chips, strict=True)))
        bits, flip = 8 * width, (1 << 8 * width) - 1 if self.relay["active_low"] else 0

        def keep(word: int) -> None:
            for i, chip in enumerate(chips):
                chip._set((word >> i * bits & (1 << bits) - 1) ^ flip)
                wires.stuck_clocks = word % 9  # and the bus may hang in the middle of a byte

        self.machine = IoMachine(wires)
        self.keep = keep
        self.closed = lambda: sum((chip.port ^ flip) << i * bits for i, chip in enumerate(chips))
        self.states = list(range(256))

    def _gpio(self) -> None:
        self.machine = IoMachine()
        pins = self.relay["pins"]
        flip = 1 if self.relay["active_low"] else 0

        def keep(word: int) -> None:
            for i, pin in enumerate(pins):
                self.machine.pins[pin] = Level((word >> i & 1) ^ flip)

        self.keep = keep
        self.closed = lambda: sum((self.machine.pins[pin]() ^ flip) << i for i, pin in enumerate(pins))
        self.states = list(range(1 << len(pins))) if len(pins) <= 8 else [0, 0xFFFF, 0x5555, 0xAAAA]


@pytest.fixture
def boot(tmp_path: Path) -> Iterator[Callable[[boards.Board, Any], None]]:
    """Runs boot.py in a folder with the board's board.json, with this module `machine`."""
    before = Path.cwd()
    real = sys.modules.get("machine")

    def run(board: boards.Board, machine: Any) -> None:
        (tmp_path / "board.json").write_text(json.dumps(board.data))
        module = types.ModuleType("machine")
        for name in ("Pin", "SPI", "ADC", "SoftI2C"):
            if hasattr(machine, name):
                setattr(module, name, getattr(machine, name))
        sys.modules["machine"] = module
        os.chdir(tmp_path)
        runpy.run_path(str(FIRMWARE / "boot.py"))

    yield run
    os.chdir(before)
    sys.modules.pop("machine", None)
    if real is not None:
        sys.modules["machine"] = real


def test_boot_opens_every_relay_whatever_the_chips_kept(
    board: boards.Board, boot: Callable[[boards.Board, Any], None], capsys: pytest.CaptureFixture[str]
) -> None:
    states = Relays(section(board, "relay")).states
    for state in states:
        relays = Relays(section(board, "relay"))
        relays.keep(state)
        assert relays.closed() == state & relays.closed(), "the bench itself"
        boot(board, relays.machine)
        assert relays.closed() == 0, f"state {state:#x}"
    assert "opened no relay" not in capsys.readouterr().out


def test_the_bench_can_close_relays(board: boards.Board) -> None:
    """Otherwise the test above could not fail."""
    relays = Relays(section(board, "relay"))
    relays.keep(1)
    assert relays.closed() == 1


def test_the_contactor_is_opened_when_it_is_built(board: boards.Board) -> None:
    contactor = section(board, "contactor")
    if not contactor:
        pytest.skip("a board without one")
    closes = 0 if contactor["active_low"] else 1
    machine = IoMachine()
    machine.pins[contactor["pins"][0]] = Level(closes)
    relay_gpio.from_board(contactor, machine)
    assert machine.pins[contactor["pins"][0]].levels, "it was written to"
    assert set(machine.pins[contactor["pins"][0]].levels) == {1 - closes}


def meter_of(board: boards.Board) -> Any:
    """The driver of the board's meter on its simulated chips, configured; and its bench, where it has one."""
    meter = section(board, "meter")
    if "spi" in meter:
        load = Load()
        chip = BL0910Chip(load, meter)
        driver = meter_bl0910_spi.BL0910Spi(Bus(chip), chip.select, meter)
        driver.configure()
        return driver, load, None
    bench = getattr(serial_bench, meter["driver"])(**meter)
    bench.configure()
    return bench.driver, bench.load, bench


def test_the_meter_is_found_and_shows_its_load(board: boards.Board) -> None:
    driver, load, bench = meter_of(board)
    rated = section(board, "limits")["rated_ma"]
    for i in range(driver.channels):
        load.amps[i], load.watts[i] = rated / 1000, rated / 1000 * 230
    reading = bench.run(600).reading if bench else meter_bl0910_reading(driver)
    for i in range(driver.channels):
        assert abs(reading.fast_ma[i] - rated) <= rated // 50 + 20, f"socket {i + 1}"
        assert abs(reading.power_mw[i] - rated * 230) <= rated * 230 // 50, f"socket {i + 1}"
    assert abs(reading.voltage_mv - 230_000) < 3000


def meter_bl0910_reading(driver: Any) -> Any:
    from fakes.meter_bench import Reading

    reading = Reading(driver.channels)
    for _ in range(2 * driver.channels):
        driver.poll(reading)
    return reading


def test_the_host_says_of_the_meter_what_the_firmware_says(board: boards.Board) -> None:
    meter = section(board, "meter")
    module, name = METERS[meter["driver"]]
    bus: tuple[Any, ...] = (Bus(None), Pin()) if "spi" in meter else (serial_bench.Player(),)
    if meter["driver"] == "bl0910" and "uart" in meter:
        module, name = meter_bl0910_uart, "BL0910Uart"
    driver = getattr(module, name)(*bus, meter)
    assert driver.full_scale_ma == traits.full_scale_ma(meter)
    assert driver.channels == traits.channels(meter) == board.data["sockets"]
    assert getattr(driver, "instant", True) == traits.is_instant(meter)
    assert driver.full_scale_ma >= 10 * section(board, "limits")["rated_ma"]


# A meter's section, and what the chip's formulas make of the highest voltage on its pin: counts, or pulses' millivolts.
VOLTAGES: list[tuple[dict[str, Any], Callable[[dict[str, Any]], float]]] = [
    (serial_bench.BL0910, lambda meter: 13162 * 494.975 / 1.097 * bl0910_setup.scales(meter)[2]),
    (
        serial_bench.BL0942,
        lambda meter: fine(round(73989 * 70.711 / 1.218), bl0942_frame.board_scales(meter)[0]),
    ),
    (serial_bench.HLW8032, lambda meter: fine(494975, hlw8032_frame.board_scales(meter)[0])),
]


@pytest.mark.parametrize(("meter", "highest_mv"), VOLTAGES, ids=["bl0910", "bl0942", "hlw8032"])
def test_the_voltage_at_full_scale_is_what_the_driver_would_read(
    meter: dict[str, Any], highest_mv: Callable[[dict[str, Any]], float]
) -> None:
    assert traits.full_scale_mv(meter) == pytest.approx(highest_mv(meter) * 0.98, rel=1e-4)


def test_every_voltage_that_trips_can_be_read_even_after_a_calibration(board: boards.Board) -> None:
    full_mv = traits.full_scale_mv(section(board, "meter"))
    if full_mv is None:
        pytest.skip("a finished meter: its divider is not ours")
    highest = max(supply.OVER_MV, supply.HIGH_MV, supply.NEUTRAL_MV)
    assert highest < rules._LEAST_FULL_SCALE_MV * GAIN_LOWEST_PPM // 1_000_000
    assert full_mv >= rules._LEAST_FULL_SCALE_MV


def test_a_site_lowers_its_limits_and_never_raises_them(board: boards.Board) -> None:
    limits = section(board, "limits")
    own = Limits(limits["rated_ma"], limits["max_power_mw"], limits["point_current_ma"])
    assert intersect(own, Limits(None, None, None)) == own
    assert intersect(own, Limits(*(2 * value for value in own))) == own
    assert intersect(own, Limits(*(value // 2 for value in own))) == Limits(*(value // 2 for value in own))
    assert limits["rated_ma"] <= section(board, "relay")["rating_ma"]


def test_a_board_whose_inputs_are_cut_off_is_stopped(board: boards.Board) -> None:
    found = section(board, "inputs")
    if not found:
        pytest.skip("a board without inputs")
    chip = PCF8574Chip(traits.width(found) // 8)
    chip.held_low = 0xFFFF  # every loop is closed
    machine = IoMachine(I2cWires({found.get("address", 0): chip}))
    names = [name for name in INPUTS if name in found]
    for name in names:
        if "pin" in found[name]:
            machine.pins[found[name]["pin"]] = Level(1 - found[name]["open_level"])
    made = inputs.from_board(found, machine, BITS)
    everything = sum(BITS[name] for name in names)
    assert made.active == made.unread == everything, "not yet read is active"
    for _ in range(100):
        made.poll(20)
    assert made.active == 0, "the loops are closed"
    chip.held_low = 0
    for name in names:
        if "pin" in found[name]:
            machine.pins[found[name]["pin"]].held = found[name]["open_level"]
    for _ in range(100):
        made.poll(20)
    assert made.active == everything, "the wires are cut"


def test_its_temperature_sensor_is_built(board: boards.Board, monkeypatch: pytest.MonkeyPatch) -> None:
    found = section(board, "temperature")
    if not found:
        pytest.skip("a board without one")
    onewire = types.ModuleType("onewire")
    onewire.OneWire = lambda pin: pin  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "onewire", onewire)
    sensor = temperature.from_board(found, IoMachine())
    assert sensor.temperature_dc is None
    if found["driver"] == "ntc":
        ntc = sensor._sensor
        assert ntc.convert(5 * found["supply_mv"]) == 250, "the series resistor is the NTC's at 25 degrees"
        assert ntc.convert(10 * found["open_mv"]) is None and ntc.convert(10 * found["short_mv"]) is None


def test_what_the_firmware_reads_is_checked_by_the_firmware_too(board: boards.Board) -> None:
    settings = board_settings(board.data)
    assert settings["name"] == board.name and settings["limits.rated_ma"] > 0
    assert "origin" not in board.data
    assert len(json.dumps(board.data)) < 4000, "board.json is read whole into memory"


def test_its_readme_names_every_pin(board: boards.Board) -> None:
    text = (board.folder / "README.md").read_text()
    for wire in wires(board):
        if wire.at.startswith("GPIO") and not wire.path.startswith("reserved"):
            assert wire.at.removeprefix("GPIO") in text, f"{wire.at} ({wire.goes_to}) is not in README.md"
    assert "silicon" in text, "what was tested, and what was not"


def test_it_can_be_shown(board: boards.Board) -> None:
    assert summary(board)["name"] == board.name
    assert all(number.origin for number in figures(board))
    assert len({wire.at for wire in wires(board)}) == len(wires(board))
