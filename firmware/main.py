"""The composition root: builds what the board is, wires it, starts it, and drops what only the start needs.

Boot order: relays open (boot.py) -> files (files.py) -> radio -> parts and tick (assembly.py) -> journal and what was
before -> meter -> network (uplink.py). A file that is missing or absurd, or a meter that does not answer, is a state
that `status` and the console show, never a reboot loop: the board then runs with every relay open.
"""

import asyncio
import gc
import sys

import machine

from core import view
from drivers import memory
from tasks.console import console_loop
from tasks.forget import forget
from tasks.keep import keep
from wire.units import const
from wire.version import VERSION

CPU_HZ = const(240_000_000)
METER_RETRY_S = const(10)
METER_LOOK_MS = const(500)
TRUST_AGAIN_LOOKS = const(10)
MUTE_LOOKS = const(10)
# A set-up silences the meters for a while: after each there is to be time to hear whether their line is quiet.
NOISY_LOOKS = const(60)
THERMOMETER_MS = const(2000)
SAFE_MODE_SPAN_S = const(600)
# Bytes allocated between two collections. Left to itself the heap is collected only when it is full: what stays is
# then spread all over it, and the heap takes the memory that TLS, Wi-Fi and the UARTs need outside of it.
COLLECT_AFTER = const(2048)


def say(*words):
    """A line on the console, where an installer and the flash command read it."""
    print("zhuque:", *words)


def drop_setup():
    """Modules that only the set-up of a meter needs; the next one loads them again."""
    forget([name for name in sys.modules if name.endswith("_setup")])


async def together(loops):
    """Runs them beside the tick, for ever."""
    await asyncio.gather(*loops)


class Board:
    """Everything that was built, by name."""

    def configure(self, *order):
        """The op `config`; see tasks/configure.py."""
        from tasks import configure

        return configure.obey(self, *order)

    def identify(self, *order):
        """The op `identify`; see tasks/identify.py."""
        from tasks import identify

        return identify.obey(machine, *order)

    async def meter_loop(self):
        """Configure the meter, however long it takes to answer; and again when it no longer is what was written.

        A meter that reset itself measures with other gains: until it is set up again every relay is open.
        """
        if self.point.maintenance:
            from tasks import maintenance

            await maintenance.keep(self.point, machine.WDT)
            return
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
            # A relay may be welded all the same, where no contactor has cut it off.
            if self.contactor is None and self.protect.meter_is_safe:
                await keep("the meter", self._watch_meter)
        else:
            await self._watch_meter()

    async def _watch_meter(self):
        await self._set_up_meter()
        self.protect.meter = self.meter
        looks = distrusted = mute = 0
        while True:
            await asyncio.sleep_ms(METER_LOOK_MS)
            before, distrusted = distrusted, self.protection.distrusted
            looks = 1 if distrusted & ~before else looks + 1  # since the last socket that came to it
            mute = 0 if any(self.reading.slow_ok) else mute + 1
            if self.meter.wrong != self.protect.meter_wrong:
                await self._mend_meter()
            elif mute >= MUTE_LOOKS:  # whatever hangs there; a meter that does not answer says why
                mute = 0
                await self._set_up_meter()
            elif distrusted and looks >= (NOISY_LOOKS if self.protection.noisy else TRUST_AGAIN_LOOKS):
                looks = 0
                await self._trust_again()

    async def _mend_meter(self):
        say("meter: registers were found changed, or a chip was lost; it is set up again")
        await self._set_up_meter()  # the tick that found it opened every relay
        self.protection.trust()
        now = self.clock.uptime_ms(), self.clock.unix()
        try:
            self.point.alarm(
                "meter_rewritten",
                now[0],
                now[1],
                "registers changed, or a chip was lost: it was set up again",
            )
        except Exception as e:  # noqa: BLE001 - as in the session loop: reported, and the board restarts
            sys.print_exception(e)
            self.protection.fail()

    async def _trust_again(self):
        """What was distrusted for what it said is set up and read back anew, unless others charge by the same chip."""
        if not self.protection.word | self.protection.wanted:
            await self._set_up_meter()
        self.protection.trust()

    async def _set_up_meter(self):
        while True:
            wrong = self.meter.wrong  # before: what is counted meanwhile is for the next one
            try:
                self.meter.configure()
            except OSError as e:
                self.protection.ready = False
                problem = "meter: {}".format(e)
                say(problem)
                if not self.protect.safe_mode:  # which is worse, and stays said
                    self.point.state = "meter_fault"
                    self.point.problems = [problem]
                await asyncio.sleep(METER_RETRY_S)
            else:
                drop_setup()
                self.protect.meter_wrong = wrong
                if not self.protect.safe_mode:
                    self.point.problems = []
                    self.point.state = "ready"
                    if not self.protection.ready:
                        self.protection.ready = True
                        say("ready")
                return

    def console(self):
        """The loop that takes what is typed."""
        return console_loop(sys.stdin.buffer, self.take_line)

    async def uplink(self):
        """Builds and runs the uplink."""
        import uplink

        try:
            publisher = uplink.build(self, PointView(self))
        finally:
            forget(uplink.LOADED)
        del uplink  # this runs for ever, and would keep it
        await publisher.run()

    async def take_line(self, line):
        """What somebody typed at the console, done and answered."""
        from tasks import console_line

        await console_line.answer(line, self, PointView(self))
        forget(("tasks.console_line",))

    async def announce(self):
        """How the board is, on the console, for some seconds."""
        from tasks import announce

        await announce.announce(self.point)
        forget(("tasks.announce",))

    async def temperature_loop(self):
        """What the thermometer says, or that it says nothing, into the reading that the tick judges."""
        from core.supply import UNKNOWN_DC

        try:
            while True:
                await self.temperature.read_once()
                dc = self.temperature.temperature_dc
                self.reading.temperature_dc = UNKNOWN_DC if dc is None else dc
                await asyncio.sleep_ms(THERMOMETER_MS)
        finally:
            self.reading.temperature_dc = UNKNOWN_DC  # what it said last is not what is

    def may_shake_hands(self):
        """True when a TLS handshake may begin; then the gap that it makes is announced."""
        protection = self.protection
        if protection.still:
            return False
        protection.still = True  # before the question: a tick right after it might close a relay
        if not protection.may_stall():
            protection.still = False
            return False
        protection.announce_gap()
        self.protect.blame_handshake()
        return True

    def shook_hands(self):
        """The handshake is over, well or badly."""
        self.protection.end_gap()
        self.protection.still = False

    def lacks_memory(self):
        """What the network lacks a restart gives back: when no session is open, and ten minutes after the last one.

        Safe mode is ended by people alone.
        """
        if self.point.is_charging or self.protect.safe_mode:
            return
        if self.clock.uptime_ms() >= 1000 * SAFE_MODE_SPAN_S:
            self.point.restart_asked = True

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
        from core import status

        try:
            return status.status(self._parts.point, self._parts.clock.unix())
        finally:
            forget(("core.status",))

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
    gc.threshold(COLLECT_AFTER)
    import start

    board = Board()
    loops = start.start(board)
    del start
    forget(("start",))
    drop_setup()
    point = board.point
    say("{} {} boot {} epoch {}".format(point.board_name, VERSION, point.boot, point.journal.epoch))
    asyncio.run(together(loops))


if __name__ == "__main__":
    main()
