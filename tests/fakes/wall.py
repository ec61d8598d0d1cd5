"""A whole point on the bench: protection, sessions, energy, a journal on flash in RAM; time is the test's."""

import json

from fakes.bench import Bench, Meter
from fakes.flash import Flash

from core import recovery, trip_memo
from core.commands import Commands
from core.energy import Energy
from core.journal import Journal
from core.obeyed import Obeyed
from core.outbox import Outbox
from core.point import Point
from wire import config as wire_config

EPOCHS = ("9f3ac2d15b7e0c44", "0011223344556677", "8899aabbccddeeff")
NOON = 1_764_000_000
COUNT_MWS = 36_000  # one count of the simulated meter: 10 mWh


class Wall(Bench):
    """`watts` is what each load draws while its relay is closed; `clock` Unix seconds or None."""

    def __init__(self, flash=None, clock=NOON, reset_cause="power_on", memo=None, awake=True, resume_s=900):
        self.flash = flash or Flash(blocks=12)
        self.clock = clock
        self.uptime_ms = 0
        self.frozen = False
        self.frozen_sockets = ()
        super().__init__(awake=False)
        self.watts = [0] * self.sockets
        self.drawn_mws = [0] * self.sockets
        config = wire_config.config({"session": {"resume_after_outage_s": resume_s}})
        board = wire_config.board({"name": "zq10"})
        self.journal = Journal(self.flash, self._new_epoch)
        self.problems = self.journal.recover()
        energy = Energy(self.sockets, COUNT_MWS, 1)
        meter = Meter()
        self.point = Point(
            board, config, self.protection, self.reading, energy, self.journal, meter, lambda low, high: low
        )
        self.protection.ready = True
        self.point.state = "ready"
        latched, self.crashes, _ = trip_memo.unpack(memo, self.sockets + 1)
        for i, bits in enumerate(latched):
            self.protection.restore(i, bits)
        obeyed = recovery.recover(self.point, reset_cause, "0.1.0", 0, clock)
        self.outbox = Outbox(self.journal)
        self.obeyed = Obeyed(obeyed)
        self.commands = Commands(self.point, self.obeyed)
        if awake:
            self.live(6)
            for i in range(self.sockets):
                self.theta[i] = 0

    def _new_epoch(self):
        used = sum([1 for block in self.flash.data if block[0] != 255])
        return EPOCHS[1 if used else 0]

    def restart(self, outage_s=0, clock_survives=False, memo=None):
        """The same flash after a power cut, or after a CPU reset where the clock survives."""
        clock = None
        if self.clock is not None and clock_survives:
            clock = self.clock + outage_s
        return Wall(self.flash, clock, "software" if clock_survives else "power_on", memo=memo, awake=False)

    def memo(self):
        """What the tick would have left in RTC memory."""
        memo = bytearray(trip_memo.size(self.sockets + 1))
        trip_memo.pack_into(memo, self.protection.latched, 0, 0)
        return bytes(memo)

    def live(self, seconds, dt_ms=100):
        """Time passes: ticks, physics, and the session loop every half second. A dt of 100 ms keeps it quick."""
        self.lease = False
        for _ in range(int(seconds * 1000) // dt_ms):
            for i in range(self.sockets):
                closed = self.word >> i & 1
                self.ma[i] = self.watts[i] * 1000 // 230 if self.watts[i] < 1e6 else 1 << 29
                self.mw[i] = self.watts[i] * 1000
                if closed or self.welded[i]:
                    mw = self.mw[i] if closed else self.welded[i] * 230
                    self.drawn_mws[i] += mw * dt_ms // 1000
                if not self.frozen and i not in self.frozen_sockets:
                    self.reading.count[i] = self.drawn_mws[i] // COUNT_MWS
            self.tick(dt_ms)
            self.uptime_ms += dt_ms
            if self.clock is not None and self.uptime_ms % 1000 < dt_ms:
                self.clock += 1
            if self.uptime_ms % 500 < dt_ms:
                self.point.update(self.uptime_ms, self.clock)

    def command(self, **fields):
        """Sends a command; returns the reply."""
        return self.commands.execute(json.dumps(fields).encode(), self.uptime_ms, self.clock, self.outbox)

    def start(self, socket, id="c1", **more):
        return self.command(id=id, op="start", socket=socket, account="r-1", actor="operator:li", **more)

    def records(self, kind=None):
        """What the journal holds, oldest first, without the boot records of the test's own starting."""
        found = [self.journal.read(seq) for seq in range(self.journal.first_seq, self.journal.last_seq + 1)]
        return [record for record in found if record and (kind is None or record["kind"] == kind)]

    def state(self, socket):
        return self.point.sessions[socket - 1].state
