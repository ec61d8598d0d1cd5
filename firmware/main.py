"""The composition root: reads what the board is, builds the parts, wires them, starts them.

Boot order: relays open (boot.py) -> files -> journal and what was before -> meter -> tick -> network. A file that is
missing or absurd, or a meter that does not answer, is a state that `status` and the console show, never a reboot loop:
the board then runs with every relay open.
"""

import asyncio
import json
import os
import sys

import esp32
import machine
import network

import drivers.inputs
import drivers.temperature
import drivers.tls
from core import causes, recovery, trip_memo, view
from core.commands import Commands
from core.energy import Energy
from core.journal import Journal
from core.limits import Limits, intersect
from core.outbox import Outbox
from core.point import Point
from core.protection import Protection
from core.reading import Reading
from core.supply import UNKNOWN_DC
from drivers import memory
from drivers.clock import Clock
from drivers.flash_store import FlashStore
from drivers.mqtt import MqttClient
from drivers.temperature import PERIOD_MS as THERMOMETER_MS
from drivers.wifi import Wifi
from tasks.announce import announce
from tasks.command import CommandTask
from tasks.protect import APPEND, ERASE, ProtectTask
from tasks.publish import Publisher
from tasks.record import record_loop
from wire import config as wire_config
from wire.version import RELEASED, VERSION

CPU_HZ = 240_000_000
WATCHDOG_MS = 4000
METER_RETRY_S = 10
TRUST_AGAIN_MS = 5000
INPUT_BITS = {name: causes.bit(name) for name in drivers.inputs.NAMES}
AFTER_POWER_CUT_MS = 90_000
SAFE_MODE_SPAN_S = 600
# A config.json with one of these wrong leads nowhere; with any other the board still says what is wrong in `status`.
_NEEDED_ONLINE = ("wire", "site", "point", "wifi", "broker", "time")
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

    window_ms = 20
    stale_windows = 5
    settle_ms = 0
    floor_ma = 100
    rms_floor_ma = 20
    energy_mws_num = energy_mws_den = 1
    wrong = 0
    channels = 0


class NoRelays:
    """Where none could be built there is nothing to open: boot.py has said so."""

    readback_ok = True

    def write(self, word):
        """Nothing to write to."""


def say(*words):
    """A line on the console, where an installer and the flash command read it."""
    print("zhuque:", *words)


def read_json(name, check):
    """(data, problems) of a file; the data are empty where it cannot be read."""
    try:
        with open(name) as file:
            data = json.load(file)
    except (OSError, ValueError) as e:
        return {}, ["{} cannot be read ({}): provision the board again".format(name, e)]
    return data if isinstance(data, dict) else {}, [name + ": " + problem for problem in check(data)]


def driver(kind, section):
    """The driver that board.json names, built by its `from_board`."""
    module = __import__("drivers.{}_{}".format(kind, section["driver"]), None, None, ("from_board",))
    return module.from_board(section, machine)


def build(kind, section, problems, fallback):
    """The driver of that kind, or the fallback and a problem."""
    try:
        return driver(kind, section)
    except Exception as e:  # noqa: BLE001 - whatever a wrong board.json leads to: it is said, and nothing closes
        problems.append("board.json: {} cannot be built: {}".format(kind, repr(e)))
        return fallback()


def drop_setup():
    """Modules that only set-up needs give their heap back; the next set-up loads them again."""
    for name in [name for name in sys.modules if name.endswith("_setup")]:
        package, part = name.rsplit(".", 1)
        del sys.modules[name]
        delattr(sys.modules[package], part)


def limits_of(settings):
    """The Limits in a settings file."""
    return Limits(
        settings["limits.rated_ma"], settings["limits.max_power_mw"], settings["limits.point_current_ma"]
    )


def roll(low, high):
    """A random integer from low to high."""
    return low + int.from_bytes(os.urandom(2), "big") % (high - low + 1)


class Board:
    """Everything that was built, by name. `offline` is set where config.json does not say how to reach anybody."""

    def __init__(self):
        board_data, wrong_board = read_json("board.json", wire_config.check_board)
        config_data, wrong_config = read_json("config.json", wire_config.check_config)
        self.problems = wrong_board + wrong_config
        self.board = board = wire_config.board(board_data)
        self.config = config = wire_config.config(config_data)
        self.offline = not config_data or any(
            [problem.split(": ", 1)[1].startswith(_NEEDED_ONLINE) for problem in wrong_config]
        )
        self.meter = build("meter", board.section("meter"), self.problems, NoMeter)
        self.relays = build("relay", board.section("relay"), self.problems, NoRelays)
        self.contactor = self.inputs = self.temperature = None
        if board.section("contactor"):
            self.contactor = build("relay", board.section("contactor"), self.problems, NoRelays)
        self._build_sensors()
        if not wrong_board and self.meter.channels != board["sockets"]:
            self.problems.append(
                "board.json: {} sockets, but a meter of {}".format(board["sockets"], self.meter.channels)
            )
            self.meter = NoMeter()
        limits = LOWEST_LIMITS if self.problems else intersect(limits_of(board), limits_of(config))
        sockets = 0 if wrong_board else board["sockets"]
        self.reading = Reading(sockets)
        self.protection = Protection(sockets, limits, self.meter, self.temperature is not None)
        self.rtc = machine.RTC()
        self.clock = Clock(self.rtc, config.get("provisioned", RELEASED))
        partition = esp32.Partition.find(esp32.Partition.TYPE_DATA, label="journal")[0]
        self.store = FlashStore(partition)
        self.journal = Journal(self.store, lambda: os.urandom(8).hex())
        self.energy = energy = Energy(sockets, self.meter.energy_mws_num, self.meter.energy_mws_den)
        if config_data.get("calibration") and not self.problems:
            self.calibrate(config_data["calibration"])
        self.point = Point(
            board, config, self.protection, self.reading, energy, self.journal, self.meter, roll
        )
        self.point.problems = self.problems

    def calibrate(self, section):
        """Give the meter and the energy their corrections; only while every relay is open."""
        from core import calibration

        table = calibration.table(section, self.meter.channels)
        self.meter.calibrate(table)
        self.energy.calibrate([gain for gain, _ in table["power"]])

    def configure(self, *order):
        """The op `config`; see tasks/configure.py."""
        from tasks import configure

        return configure.obey(self, *order)

    def _build_sensors(self):
        """The safety inputs and the thermometer of a board that has them."""
        inputs, temperature = self.board.section("inputs"), self.board.section("temperature")
        try:
            if inputs:
                self.inputs = drivers.inputs.from_board(inputs, machine, INPUT_BITS)
            if temperature:
                self.temperature = drivers.temperature.from_board(temperature, machine)
        except Exception as e:  # noqa: BLE001 - as in `build`
            self.problems.append("board.json: inputs or temperature cannot be built: {}".format(repr(e)))

    def start_tick(self):
        """From here on the protection decides, every 20 ms; it closes nothing before the self-test."""
        latched, crashes, own = trip_memo.unpack(bytes(self.rtc.memory()), len(self.protection.latched))
        self.reset_cause = _RESET_CAUSES.get(machine.reset_cause(), "unknown")
        if self.reset_cause in ("watchdog", "software") and not own:
            crashes += 1  # nobody meant to restart: the watchdog, or a panic below us
        self.crashes = crashes
        for i, bits in enumerate(latched):
            self.protection.restore(i, bits)
        watchdog = machine.WDT(timeout=WATCHDOG_MS)
        self.protect = protect = ProtectTask(
            self.protection, self.reading, self.relays, watchdog, self.rtc, self.crashes
        )
        protect.inputs = self.inputs
        protect.contactor = self.contactor
        self.protection.has_contactor = self.contactor is not None
        self.store.before_program = lambda: protect.blame(APPEND)
        self.store.before_erase = lambda: protect.blame(ERASE)
        protect.start(machine.Timer(0))

    def recover(self):
        """The journal and what was before; returns the ids of the commands that were obeyed.

        A journal that cannot even be recovered must not end in a reboot loop, nor in a closed relay.
        """
        try:
            found = self.journal.recover()
            now = self.clock.uptime_ms(), self.clock.unix()
            ids = recovery.recover(self.point, self.reset_cause, VERSION, *now)
            self.clock.believe_from(self.point.outage_from or 0)
            for alarm, detail in found:
                say("journal:", detail)
                self.point.alarm(alarm, now[0], now[1], detail)
            return ids
        except Exception as e:  # noqa: BLE001 - see above
            sys.print_exception(e)
            self.problems.append(
                "recovery failed ({}): what was locked is not known, relays stay open".format(repr(e))
            )
            return []

    async def meter_loop(self):
        """Configure the meter, however long it takes to answer; and again when it no longer is what was written.

        A meter that reset itself measures with other gains: until it is set up again every relay is open.
        """
        if self.problems:
            self.point.state = "misconfigured"
            return
        if self.protect.safe_mode:
            self.point.state = "safe_mode"
            self.point.problems = ["it crashed {} times in a row: relays stay open".format(self.crashes)]
            say(
                self.point.problems[0],
                "until it has run for 10 minutes and is restarted, or its power is cut",
            )
            return
        await self._set_up_meter()
        self.protect.meter = self.meter
        self.protection.ready = True
        say("ready")
        while True:
            await asyncio.sleep_ms(500)
            if self.meter.wrong != self._wrong:
                await self._mend_meter()
            elif self.protection.distrusted:
                # Its registers are right, the tick's audit says: after some quiet seconds it is tried again.
                await asyncio.sleep_ms(TRUST_AGAIN_MS)
                if self.meter.wrong == self._wrong:
                    self.protection.trust()

    async def _mend_meter(self):
        self.protection.distrust()
        say("meter: registers were found changed; it is set up again")
        await asyncio.sleep_ms(100)  # the relays open at the next tick
        await self._set_up_meter()
        self.protection.trust()
        now = self.clock.uptime_ms(), self.clock.unix()
        self.point.alarm("meter_rewritten", now[0], now[1], "registers changed by themselves")

    async def _set_up_meter(self):
        while True:
            try:
                self.meter.configure()
            except OSError as e:
                self.point.state = "meter_fault"
                self.point.problems = ["meter: {}".format(e)]
                say(self.point.problems[0])
                await asyncio.sleep(METER_RETRY_S)
            else:
                drop_setup()
                self._wrong = self.meter.wrong
                self.point.problems = []
                self.point.state = "ready"
                return

    async def run(self, obeyed):
        """Everything that runs beside the tick, for ever."""
        loops = [
            record_loop(self.point, self.clock, self.protect, machine.reset),
            self.meter_loop(),
            self.forget_crashes(),
            announce(self.point),
        ]
        if self.temperature is not None:
            loops.append(self.temperature_loop())
        if not self.offline:
            loops.append(self.uplink(obeyed).run())
        await asyncio.gather(*loops)

    async def temperature_loop(self):
        """What the thermometer says, or that it says nothing, into the reading that the tick judges."""
        while True:
            await self.temperature.read_once()
            dc = self.temperature.temperature_dc
            self.reading.temperature_dc = UNKNOWN_DC if dc is None else dc
            await asyncio.sleep_ms(THERMOMETER_MS)

    def uplink(self, obeyed):
        """The publish task, with the command task behind it."""
        config = self.config
        wlan = network.WLAN(network.STA_IF)
        wifi = Wifi(wlan, config["wifi.ssid"], config["wifi.password"])
        outbox = Outbox(self.journal)
        commands = Commands(self.point, obeyed, outbox)
        commands.configure = self.configure
        publisher = Publisher(
            config,
            wifi,
            self.clock,
            MqttClient,
            outbox,
            PointView(self),
            None,
            self.may_shake_hands,
            drivers.tls.context() if config["broker.tls"] else None,
            AFTER_POWER_CUT_MS if self.reset_cause == "power_on" and self.point.boot > 1 else 0,
        )
        publisher.on_command = CommandTask(commands, self.clock, publisher.reply)
        return publisher

    def may_shake_hands(self):
        """True when a TLS handshake may begin; then the gap that it makes is announced."""
        if not self.protection.may_stall():
            return False
        self.protection.announce_gap()
        return True

    async def forget_crashes(self):
        """Ten minutes without a crash: those before do not count any more."""
        await asyncio.sleep(SAFE_MODE_SPAN_S)
        self.protect.forget_crashes()


class PointView:
    """What the uplink may ask of the point."""

    def __init__(self, parts):
        self._parts = parts

    def status(self):
        """The `status` message but for the network's keys."""
        return view.status(self._parts.point, self._parts.clock.unix())

    def telemetry(self):
        """The `telemetry` message; reading it starts the next span of blind_ms and tick_us."""
        parts = self._parts
        message = view.telemetry(parts.point, parts.clock.uptime_ms(), parts.clock.unix())
        blind_ms = parts.protect.take_blind_ms()
        message["blind_ms"] = max(blind_ms.values())
        message["blind"] = blind_ms
        message["tick_us"] = parts.protect.take_tick_us()
        message.update(memory.figures())
        return message

    @property
    def is_charging(self):
        """True while a session is open: telemetry comes more often."""
        return self._parts.point.is_charging


def main():
    """Start; returns only by an exception, and then the watchdog restarts the board."""
    machine.freq(CPU_HZ)
    board = Board()
    for problem in board.problems:
        say(problem)
    board.start_tick()
    obeyed = board.recover()
    point = board.point
    say("{} {} boot {} epoch {}".format(point.board_name, VERSION, point.boot, point.journal.epoch))
    asyncio.run(board.run(obeyed))


if __name__ == "__main__":
    main()
