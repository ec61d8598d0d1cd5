"""Plays a trace of tests/traces on the bench: what flows, step by step, and what the protection says of it, and when.

A trace is {"sockets", "closed", "steps", "expect"} and whatever `Player` reads (`asleep`: nothing was
heard before it). A step is one of

    [ms, {changes}]                     the changes, then so many milliseconds
    ["repeat", times, [steps]]
    ["curve", ms, "w1", [values]]       each value for so long

A change names what the bench sets, with the number of the socket where it has one: `ma1` current in mA of the closed
relay, `welded1` of the open one, `w1` active power in W with the current that belongs to it, `mw1` power alone,
`slow_ma1` what the filtered current shows, `silent1`, `slow_silent1`; of the point `mv`, `voltage_silent`, `dc` (0.1
degrees), `errors` (of fifteen frames a poll), `lease`, `cut` (bits of the sockets that the meter chip itself has cut),
`input` (the name of a cause); done once: `want1`, `stall` (a tick that comes so late), `announced` (the same, but
announced before), `took` (how long a tick itself ran), `distrust1`, `trust`, `fail`.

What it returns is a list of [cause, socket, ms]: when each cause first appeared, socket 0 for the whole point; and the
numbers of the sockets that are closed at the end.
"""

from fakes.bench import Bench

from core import causes
from core.limits import Limits

_VOLTS = 230
_OF_SOCKET = ("ma", "welded", "mw", "slow_ma", "silent", "slow_silent")
_OF_POINT = ("mv", "voltage_silent", "dc", "errors", "lease", "cut")


class Player:
    """One trace; `happened` and `closed` after `play`."""

    def __init__(self, trace):
        self.trace = trace
        limits = Limits(trace.get("rated_ma", 5000), 1_000_000, trace.get("point_current_ma", 80_000))
        self.bench = Bench(
            trace.get("sockets", 2),
            limits,
            "asleep" not in trace,
            "has_temperature" in trace,
            trace.get("window_ms", 20),
        )
        self.happened = []
        self._now = []
        for socket in trace["closed"]:
            self.bench.close(socket - 1)
        for socket in trace["closed"]:
            self.bench.theta[socket - 1] = 0
            if "aged" in trace:  # closed for more than a minute
                self.bench.protection.load.closed_ms[socket - 1] = 60_000
        assert self.bench.protection.trips.take() is None
        self._began = self.bench.ms

    def play(self):
        self._steps(self.trace["steps"])
        word = self.bench.protection.word
        return self.happened, [i + 1 for i in range(self.bench.sockets) if word >> i & 1]

    def _steps(self, steps):
        for step in steps:
            if step[0] == "repeat":
                for _ in range(step[1]):
                    self._steps(step[2])
            elif step[0] == "curve":
                for value in step[3]:
                    self._change(step[2], value)
                    self._run(step[1])
            else:
                for name, value in sorted(step[1].items()):
                    self._change(name, value)
                self._run(step[0])

    def _run(self, ms):
        tick_ms = self.trace.get("tick_ms", 20)
        for _ in range(ms // tick_ms):
            self._tick(tick_ms)

    def _tick(self, ms):
        self.bench.tick(ms)
        self._look()

    def _change(self, name, value):
        bench, guard = self.bench, self.bench.protection
        word = name.rstrip("0123456789")
        i = int(name[len(word) :] or 0) - 1
        if word in _OF_SOCKET:
            getattr(bench, word)[i] = value
        elif word in _OF_POINT:
            setattr(bench, word, value)
        elif word == "w":
            bench.mw[i] = int(1000 * value)
            bench.ma[i] = int(100_000 * value) // (_VOLTS * self.trace.get("power_factor_percent", 100))
        elif word == "input":
            bench.active = causes.bit(value) if value else 0
        elif word == "want":
            guard.want(i, value)
        elif word in ("stall", "announced"):
            if word == "announced":
                guard.announce_gap()
            self._tick(value)
        else:
            self._ask(word, i, value)

    def _ask(self, word, i, value):
        guard = self.bench.protection
        if word == "took":
            guard.ran(value)
        elif word == "distrust":
            guard.distrust(i)
        elif word == "trust":
            guard.trust()
        elif word == "fail":
            guard.fail()
        else:
            raise ValueError("no such change in a trace: " + word)
        self._look()

    def _look(self):
        """Note what is new; a cause that cleared and comes again is new again."""
        guard = self.bench.protection
        now = [[causes.name(guard.supply.held), 0]] if guard.supply.held else []
        for i in range(self.bench.sockets):
            held = guard.against(i)[0] & ~guard.supply.held & ~causes.POINT_OVERLOAD
            if held:
                now.append([causes.name(held), i + 1])
        new = [what for what in now if what not in self._now]
        self._now = now
        event = guard.trips.take()
        while event:
            new.append([causes.name(event[1]), event[0] + 1])
            event = guard.trips.take()
        self.happened += [what + [self.bench.ms - self._began] for what in new]
