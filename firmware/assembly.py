"""Builds what board.json and config.json say that this board is. Loaded once, and dropped when the tick runs.

What cannot be built is a problem that `status` and the console tell, never an exception.
"""

import sys

import esp32
import machine

from core import calibration, causes, trip_memo
from core.energy import Energy
from core.journal import Journal
from core.limits import Limits, intersect
from core.point import Point
from core.protection import Protection
from core.reading import Reading
from drivers.chance import epoch, roll
from drivers.clock import Clock
from drivers.flash_store import FlashStore
from tasks.forget import forget
from tasks.protect import ProtectTask
from wire.units import const
from wire.version import RELEASED

# Of no use once the board is built; drivers may name set-up modules of their own, by the end of their names.
LOADED = (
    "assembly",
    "wire.config",
    "core.limits",
    "core.calibration",
)

WATCHDOG_MS = const(4000)
# Where board.json gives no usable limits nothing may close; these only keep the arithmetic defined.
LOWEST_LIMITS = Limits(500, 50_000, 1000)
_RESET_CAUSES = {
    machine.PWRON_RESET: "power_on",
    machine.HARD_RESET: "software",  # what the port says of machine.reset() and of a panic
    machine.WDT_RESET: "watchdog",
    machine.SOFT_RESET: "software",
    machine.DEEPSLEEP_RESET: "deep_sleep",
}


class NoMeter:
    """The traits of a meter where none could be built: nothing is ever read."""

    window_ms = round_ms = 20
    stale_windows = 5
    settle_ms = 0
    floor_ma = 100
    rms_floor_ma = 20
    energy_mws_num = energy_mws_den = count_step = 1
    wrong = 0
    channels = 0


class NoRelays:
    """Where none could be built there is nothing to open: boot.py has said so."""

    readback_ok = True

    def write(self, word):
        """Nothing to write to."""

    def off(self):
        """Nothing to open."""


def driver(kind, section):
    """The driver that board.json names, built by its `from_board`."""
    name = "{}_{}".format(kind, section["driver"])
    built = __import__("drivers." + name, None, None, ("from_board",)).from_board(section, machine)
    if kind == "meter":  # boot.py has loaded the relays'
        forget([module for module in sys.modules if name in module and not module.endswith("_setup")])
    return built


def build(kind, section, problems, fallback):
    """The driver of that kind, or the fallback and a problem."""
    try:
        return driver(kind, section)
    except Exception as e:  # noqa: BLE001 - whatever a wrong board.json leads to: it is said, and nothing closes
        problems.append("board.json: {} cannot be built: {}".format(kind, repr(e)))
        return fallback()


def limits_of(settings):
    """The Limits in a settings file."""
    return Limits(
        settings["limits.rated_ma"], settings["limits.max_power_mw"], settings["limits.point_current_ma"]
    )


def assemble(board):
    """Every part of the main.Board that its files name, as its attributes; then the tick runs."""
    settings, config, problems = board.settings, board.config, board.problems
    _build_drivers(board, problems)
    limits = LOWEST_LIMITS if problems else intersect(limits_of(settings), limits_of(config))
    sockets = settings["sockets"] if board.sound else 0
    board.reading = Reading(sockets)
    board.protection = Protection(sockets, limits, board.meter, board.temperature is not None)
    board.rtc = machine.RTC()
    board.clock = Clock(board.rtc, config.get("provisioned", RELEASED))
    partition = esp32.Partition.find(esp32.Partition.TYPE_DATA, label="journal")[0]
    board.store = FlashStore(partition)
    board.journal = Journal(board.store, epoch)
    meter = board.meter
    counts = meter.energy_mws_num, meter.energy_mws_den
    board.energy = energy = Energy(sockets, *counts, step=meter.count_step, round_ms=meter.round_ms)
    if board.calibration and not problems:
        calibration.apply(board.calibration, meter, energy)
    board.point = Point(settings, config, board.protection, board.reading, energy, board.journal, meter, roll)
    board.point.problems = problems
    del board.sections, board.settings, board.calibration
    _start_tick(board)


def _build_drivers(board, problems):
    sections = board.sections
    board.meter = build("meter", sections["meter"], problems, NoMeter)
    board.relays = build("relay", sections["relay"], problems, NoRelays)
    board.contactor = board.inputs = board.temperature = None
    if sections["contactor"]:
        board.contactor = build("relay", sections["contactor"], problems, NoRelays)
    try:
        if sections["inputs"]:
            from drivers import inputs

            bits = {name: causes.bit(name) for name in inputs.NAMES}
            board.inputs = inputs.from_board(sections["inputs"], machine, bits)
        if sections["temperature"]:
            from drivers import temperature

            board.temperature = temperature.from_board(sections["temperature"], machine)
    except Exception as e:  # noqa: BLE001 - as in `build`
        problems.append("board.json: inputs or temperature cannot be built: {}".format(repr(e)))
    sockets = board.settings.get("sockets")
    if board.sound and board.meter.channels != sockets:
        problems.append("board.json: {} sockets, but a meter of {}".format(sockets, board.meter.channels))
        board.meter = NoMeter()


def _start_tick(board):
    """From here on the protection decides, every 20 ms; it closes nothing before the self-test."""
    protection = board.protection
    latched, crashes, own = trip_memo.unpack(bytes(board.rtc.memory()), len(protection.latched))
    board.reset_cause = _RESET_CAUSES.get(machine.reset_cause(), "unknown")
    if board.reset_cause in ("watchdog", "software") and not own:
        crashes += 1  # nobody meant to restart: the watchdog, or a panic below us
    board.crashes = crashes
    for i, bits in enumerate(latched):
        protection.restore(i, bits)
    watchdog = machine.WDT(timeout=WATCHDOG_MS)
    board.protect = protect = ProtectTask(
        protection, board.reading, board.relays, watchdog, board.rtc, crashes
    )
    protect.inputs = board.inputs
    protect.contactor = board.contactor
    protection.has_contactor = board.contactor is not None
    board.store.before_program = protect.blame_append
    board.store.before_erase = protect.blame_erase
    protect.run_by(machine.Timer(0))
