"""One simulated board: `micropython run.py SETTINGS.json`, in a folder of its own.

SETTINGS.json: `config` and `board` (written here as config.json and board.json), `firmware` (folder), `speed`,
`start_unix`, `seed`, `events` (world.py), and at will `entropy` (the firmware's chance), `skip` (quiet.py), `answers`
and `horizon_s` (outside.py). Files here: flash.bin, the journal partition; world.json, what goes on while
the board restarts.

Exit codes, after which whoever started it starts it again: 81 reset, 82 watchdog, 83 power cut, 84 soft reset (of
virtual.py, which has a prompt). 0 when standard input
ended. A firmware that hangs for good is ended by SIGALRM, a little after its watchdog would have.
"""

import json
import os
import sys

import gc_shim
import micropython_shim

sys.modules["micropython"] = micropython_shim
sys.modules["gc"] = gc_shim

import time  # noqa: E402

import esp32  # noqa: E402 - after its micropython
import flight  # noqa: E402
import machine  # noqa: E402
import network  # noqa: E402
import outside  # noqa: E402
import utime  # noqa: E402
import wiring  # noqa: E402
from clock import clock  # noqa: E402
from quiet import Quiet  # noqa: E402
from world import World  # noqa: E402

EXIT_RESET = 81
EXIT_WATCHDOG = 82
EXIT_POWER_CUT = 83
EXIT_SOFT_RESET = 84
JOURNAL_ADDRESS = 0x280000
JOURNAL_SIZE = 1536 * 1024
_BOOT_US = 1000000  # until the first line of boot.py
_ARM_US = 1000000
_SAVE_US = 10000000
_EXITS = {machine.SOFT_RESET: EXIT_RESET, machine.WDT_RESET: EXIT_WATCHDOG}

folder = ""  # what goes before the names of our files


class Runner:
    """The process: what was before it, and how it ends."""

    def __init__(self, settings):
        self._settings = settings
        self._start_unix = settings["start_unix"]
        self._alarm = _alarm()
        self._saved = 0
        self._saved_changes = 0
        self._armed = 0
        self._dark_until_us = 0
        self.ended = False
        before = load(folder + "world.json") or {"now_us": 0, "off_us": 0, "cause": machine.PWRON_RESET}
        soft = "soft" in before
        board = settings["board"]
        clock.begin(before["now_us"], settings["speed"])
        self.world = World(
            board["sockets"], settings.get("seed", 1), self._start_unix, outside.tell, self.power_cut
        )
        wiring.wire(board, self.world)
        if "world" in before:
            cold = before["cause"] == machine.PWRON_RESET
            self.world.load(before["world"], before["now_us"], cold)
            hold_us = self.world.relays.hold_us
            if cold or hold_us > 0 or (hold_us == 0 and not soft):  # a soft reset leaves the pins as they are
                self.world.drop_relays(before["now_us"])
        else:
            self._schedule(settings.get("events", []))
        clock.keep_alive = self.keep_alive
        clock.on_patience = network.on_cut = flight.give_up
        outside.answers = settings.get("answers", False)
        self._orders = outside.Orders(self.world, self.leave, settings.get("horizon_s"))
        self.quiet = Quiet(self.world, self.world.truth.unix) if settings.get("skip") else None
        self._advance = self.world.advance
        if self.quiet is not None:
            self._advance = self.quiet.advance
            outside.on_event = self.quiet.stir
        clock.world = lambda now: self._orders.advance(now, self._advance(now))
        if settings.get("entropy"):
            os.seed("{}/{}".format(settings["entropy"], before["now_us"]))
        self._rtc(before)
        self._off(before)

    def _schedule(self, events):
        for event in events:
            self.world.later(event, int(event["at_s"] * 1000000))

    def _off(self, before):
        """The time without a supply, and that of the boot loader."""
        if "soft" not in before:
            self._dark_until_us = before["now_us"] + before["off_us"]
            clock.sleep_us(before["off_us"] + self._settings.get("boot_us", _BOOT_US))
        clock.boot_us = clock.read()

    def _rtc(self, before):
        cold = before["cause"] == machine.PWRON_RESET
        memory = b"" if cold else bytes.fromhex(before["rtc_memory"])
        machine.begin(before["cause"], memory, self.reset)
        if before.get("watchdog"):
            machine.resume_watchdog(*before["watchdog"])
        time.rtc_zero_us = -(before["now_us"] + before["off_us"]) if cold else before["rtc_zero_us"]

    def server_us(self):
        """Unix microseconds of the world as the time server tells them."""
        return self._start_unix * 1000000 + clock.now_us + self.world.time_error_us

    def power_cut(self, for_us):
        """The supply goes, for so long; where it was gone already, not for less than it would have been."""
        now = clock.read()
        self.world.drop_relays(now)
        self._end(EXIT_POWER_CUT, machine.PWRON_RESET, max(for_us, self._dark_until_us - now))

    def reset(self, cause):
        """The CPU starts anew; the relays hold until nothing holds them."""
        now = clock.read()
        self.world.tell("reset", cause="watchdog" if cause == machine.WDT_RESET else "software")
        self.world.release_relays(now)
        self._end(_EXITS[cause], cause, 0)

    def soft_reset(self, prompt):
        """MicroPython starts anew: timers are gone, pins are as they were, and so is the watchdog. `prompt` is kept."""
        self.ended = True
        self._save(machine.SOFT_RESET, 0, prompt)
        sys.exit(EXIT_SOFT_RESET)

    def leave(self, _why):
        """Whoever started us is gone, or wants us to go."""
        self._end(0, machine.PWRON_RESET, 0)

    def _end(self, code, cause, off_us):
        self.ended = True
        self._save(cause, off_us)
        sys.exit(code)

    def _save(self, cause, off_us, soft=None):
        state = {
            "now_us": clock.now_us,
            "off_us": off_us,
            "cause": cause,
            "rtc_zero_us": time.rtc_zero_us,
            "rtc_memory": machine.rtc_memory().hex(),
            "world": self.world.save(),
        }
        if soft is not None:
            state["soft"] = soft
            state["watchdog"] = machine.watchdog_left()
        with open(folder + "world.new", "w") as file:
            json.dump(state, file)
        os.rename(folder + "world.new", folder + "world.json")

    def keep_alive(self):
        """At every look outside: against a firmware that hangs, an alarm that ends the process, and a saved world."""
        if clock.watchdog is None or self._alarm is None:
            return
        now = utime.ticks_us()
        if now - self._armed > _ARM_US:
            self._armed = now
            self._alarm(clock.watchdog.timeout_s + 2)
        if now - self._saved > _SAVE_US or machine.rtc_memory_changes() != self._saved_changes:
            self._saved = now
            self._saved_changes = machine.rtc_memory_changes()
            self._save(machine.WDT_RESET, 0)


def _observe(quiet):
    """A firmware without our session loop, as in a test, is run tick by tick."""
    try:
        from core.point import Point
        from tasks.protect import ProtectTask
    except ImportError:
        return
    quiet.observe(Point, ProtectTask)


def _alarm():
    try:
        import ffi

        return ffi.open(None).func("i", "alarm", "i")
    except (ImportError, OSError):
        return None


def load(path):
    """What a file holds, {} where there is none."""
    try:
        with open(path) as file:
            return json.load(file)
    except OSError:
        return {}


def _execute(path):
    with open(path) as file:
        exec(compile(file.read(), path, "exec"), {"__name__": "__main__"})


def main(path):
    """Runs the board until its process ends."""
    import sys_portless

    sys.modules["sys"] = sys_portless
    outside.type_line = sys_portless.stdin.buffer.type
    settings = load(path)
    firmware = settings["firmware"]
    runner = Runner(settings)
    server = outside.TimeServer(runner.server_us)
    settings["config"]["time"] = {"host": "127.0.0.1", "port": server.port}
    kept = load("config.json")
    if kept and "calibration" in kept:
        settings["config"]["calibration"] = kept["calibration"]  # what the firmware wrote lives on
    for name in ("board", "config"):
        with open(name + ".json", "w") as file:
            json.dump(settings[name], file)
    esp32.add_partition("journal", JOURNAL_ADDRESS, JOURNAL_SIZE, "flash.bin")
    sys.path.append(firmware)
    outside.Console(runner.world.truth.unix)
    runner.world.tell("boot", cause=machine.reset_cause())
    if runner.quiet is not None:
        _observe(runner.quiet)
    for name in ("boot.py", "main.py"):
        try:
            _execute(firmware + "/" + name)
        except Exception as e:  # noqa: BLE001 - as on the board: printed, and the timers go on at the prompt
            sys.print_exception(e)
    while True:
        clock.sleep_us(1000000)


if __name__ == "__main__":
    main(sys.argv[1])
