"""The meter chips of a board on their buses: which chip measures which socket, and what a scenario may do to them."""

import machine
from chips.bl0910 import BL0910Chip
from chips.bl0910_outputs import NEVER, BL0910Outputs
from chips.bl0910_uart import BL0910Line
from chips.bl0942 import BL0942Chip
from chips.hlw8032 import HLW8032Chip
from chips.pzem004t import PZEM004TChip
from chips.serial_line import SerialLine
from clock import clock

_KEPT = ("_registers", "_joules", "_seen_j", "_pulses", "address", "threshold_w", "silent", "gain_error")
_LOST_COLD = ("_registers", "_joules", "_pulses")  # of a PZEM-004T the energy is kept, too


class Lens:
    """What a chip sees of the physics; its energy may stand still while all else goes on."""

    def __init__(self, physics):
        self._physics = physics
        self._held = {}
        self.voltage_v = physics.voltage_v
        self.current_a = physics.current_a
        self.power_w = physics.power_w

    def energy_j(self, i):
        """As the physics'."""
        if self._held and i in self._held:
            return self._held[i]
        return self._physics.energy_j(i)

    def freeze(self, i, on):
        """The energy of socket i stands still from now on, or again shows what went through."""
        if on:
            self._held[i] = self._physics.energy_j(i)
        else:
            self._held.pop(i, None)


class Meters:
    """`chips` in the order of their sockets; one chip for all where it has many channels."""

    def __init__(self, lens, count, chips):
        self._lens = lens
        self._count = count
        self.chips = chips
        self._front = None  # what keeps answers
        self._version = lambda: None  # of the physics
        self.on_cut = lambda word: None  # the chip's own over-current outputs, where they are wired

    def of_socket(self, i):
        """The chips that measure socket i; all of them for None."""
        if i is None or len(self.chips) == 1:
            return self.chips
        return [self.chips[i]]

    def freeze_energy(self, i, on):
        """The counter of a socket, or of all, stands still."""
        for channel in range(self._count) if i is None else (i,):
            self._lens.freeze(channel, on)

    def changed(self):
        """A fault began or ended: what was remembered of answers counts no more."""
        if self._front is not None:
            self._front.forget()

    def watch(self, now_us):
        """Lets the chips' own outputs follow the time; returns when to come again."""
        due = self.chips[0].watch(now_us, self._version()) if hasattr(self.chips[0], "watch") else None
        return NEVER if due is None else due

    def save(self):
        """Everything, as JSON can hold it."""
        rows = []
        for chip in self.chips:
            row = {name: getattr(chip, name) for name in _KEPT if hasattr(chip, name)}
            if isinstance(row.get("_registers"), dict):
                row["_registers"] = [[key, value] for key, value in row["_registers"].items()]
            if getattr(chip, "outputs", None) is not None:
                row["outputs"] = chip.outputs.state()
            rows.append(row)
        return rows

    def load(self, rows, cold):
        """What `save` gave; `cold`: their supply was gone meanwhile."""
        for chip, row in zip(self.chips, rows):
            keeps = isinstance(chip, PZEM004TChip)
            if cold and not keeps:
                chip.power_on()
            outputs = row.pop("outputs", None)
            if outputs is not None and not cold:
                chip.outputs.restore(outputs)
            for name, value in row.items():
                if cold and not keeps and name in _LOST_COLD:
                    continue
                if name == "_registers" and isinstance(chip, BL0942Chip):
                    value = dict([(key, held) for key, held in value])
                if name == "_seen_j" and cold and not keeps:
                    continue
                setattr(chip, name, value)
            if hasattr(chip, "_configured"):
                chip._configured()


def wire(board, physics):
    """Builds the chips of board.json's `meter`. ValueError for a driver that is not simulated."""
    section = board["meter"]
    lens = Lens(physics)
    driver = section["driver"]
    if driver == "bl0910":
        return _wire_bl0910(board, section, physics, lens)
    if driver == "bl0942":
        line = SerialLine(clock.read, section.get("start_baud", 9600))
        chips = [
            BL0942Chip(lens, section, ch, address, section.get("start_baud", 9600))
            for ch, address in enumerate(section["addresses"])
        ]
    elif driver == "hlw8032":
        line = SerialLine(clock.read, 4800, 11)
        chips = [HLW8032Chip(lens, section)]
    elif driver == "pzem004t":
        line = SerialLine(clock.read, 9600)
        chips = [PZEM004TChip(lens, section, ch, a) for ch, a in enumerate(section["addresses"])]
    else:
        raise ValueError("no simulated chip for the meter driver {}".format(driver))
    for chip in chips:
        line.attach(chip)
    machine.wire_uart(section["uart"]["rx"], line)
    return Meters(lens, board["sockets"], chips)


def _wire_bl0910(board, section, physics, lens):
    chip = BL0910Chip(lens, section)
    meters = Meters(lens, board["sockets"], [chip])
    if "fast_trip_ma" in section:
        outputs = BL0910Outputs(chip, lambda word: meters.on_cut(word))
        outputs.wake = lambda: clock.wake_world(clock.now_us)
        meters._version = lambda: physics.version
    if "uart" in section:
        bus = section["uart"]
        line = SerialLine(clock.read, bus.get("baud", 19200))
        line.attach(BL0910Line(chip, bus.get("baud", 19200)))
        machine.wire_uart(bus["rx"], line)
        return meters
    front = Remembered(chip, physics)
    spi = section["spi"]
    machine.wire_pin(spi["cs"], chip.select)
    machine.wire_bus((spi["sck"], spi["mosi"], spi["miso"]), 1, front.exchange)
    meters._front = front
    return meters


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

    def forget(self):
        """What is kept may be wrong."""
        self._version = -1

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
