"""The simulator's own ends: JSON lines out and in, and the time server that the firmware asks.

Out: one object a line on standard output, with `event` and `time` (Unix seconds of the world). In: one event a line,
as world.py has them; the end of standard input ends the process, so that a board never outlives whoever started it.
"""

import builtins
import json
import sys

import flight
import network
import usocket
from clock import ASKED, HORIZON, NEVER, clock

_FROM_1900_S = 2208988800


# Where lines of JSON come from and go to.
lines_in = sys.stdin.buffer
lines_out = sys.stdout
# Who is told of every event that is more than a sign of life, and whether somebody answers what is asked.
on_event = None
answers = False
# What types a line at the firmware's console; None where the board has a port, at which anybody can.
type_line = None
_SIGNS = ("time", "console", "truth", "end")
_ASKS = ("scan", "ask")


def tell(event, unix, keys):
    """One line on standard output. While a resident's command is under way, a clock that runs fast stands still."""
    line = {"event": event, "time": unix}
    line.update(keys)
    if event in _ASKS and answers and not clock.live and not keys.get("at_point"):
        line["waits"] = True
        line["online"] = flight.is_connected() and not network.is_cut()
        clock.stand(ASKED)
    lines_out.write(json.dumps(line) + "\n")
    if on_event is not None and event not in _SIGNS:
        on_event()


class Console:
    """What the firmware prints becomes an event, a line each."""

    def __init__(self, unix):
        self._unix = unix
        self._real = builtins.print
        builtins.print = self.print

    def print(self, *words, sep=" ", end="\n", file=None, **options):
        """As the builtin."""
        if file is not None:
            self._real(*words, sep=sep, end=end, file=file, **options)
            return
        tell("console", self._unix(clock.now_us), {"line": sep.join([str(word) for word in words])})


class Orders:
    """Events asked for on standard input: `in_s` has one wait. Two more orders concern the clock alone:

    go       whoever was asked has answered
    horizon  at_s: no further than that, in seconds of the world, before another horizon is given
    """

    def __init__(self, world, leave, horizon_s=None):
        self._world = world
        self._leave = leave
        self._horizon_us = NEVER if horizon_s is None else int(horizon_s * 1000000)
        clock.add_house(lines_in, self.on_readable)

    def advance(self, now, due):
        """Stands at the horizon; returns when to come again."""
        if now >= self._horizon_us:
            clock.stand(HORIZON)
            return due
        return min(due, self._horizon_us)

    def on_readable(self, _events):
        """Takes one line."""
        line = lines_in.readline()
        if not line:
            self._leave(None)
        try:
            event = json.loads(line)
            if not isinstance(event, dict):
                raise ValueError("not an object")
            self._take(event)
        except (ValueError, KeyError, TypeError) as e:
            self._world.tell("refused", asked=str(line, "utf-8").strip(), why=str(e))
        return False

    def _take(self, event):
        what = event.get("do")
        if what == "go":
            clock.go_on(ASKED)
        elif what == "horizon":
            self._horizon_us = int(event["at_s"] * 1000000)
            clock.go_on(HORIZON)
            clock.wake_world(clock.now_us)
        elif "in_s" in event:
            self._world.later(event, clock.now_us + int(event["in_s"] * 1000000))
        else:
            self._world.do(event)


class TimeServer:
    """SNTP on loopback; `port` is its own."""

    def __init__(self, unix_us):
        self._unix_us = unix_us
        self._socket = usocket.socket(usocket.AF_INET, usocket.SOCK_DGRAM)
        self.port = self._bind()
        self._socket.setblocking(False)
        clock.add_house(self._socket, self.on_readable)

    def _bind(self):
        """A free port: this MicroPython cannot ask which one the system chose."""
        for port in range(20000 + clock.ticks_ms() % 10000, 65000):
            try:
                self._socket.bind(usocket.getaddrinfo("127.0.0.1", port)[0][-1])
            except OSError:
                continue
            return port
        raise OSError("no free UDP port for the time server")

    def on_readable(self, _events):
        """Answers one query."""
        query, peer = self._socket.recvfrom(128)
        if len(query) < 48:
            return False
        now = self._unix_us()
        stamp = (now // 1000000 + _FROM_1900_S & 0xFFFFFFFF).to_bytes(4, "big")
        stamp += ((now % 1000000 << 32) // 1000000).to_bytes(4, "big")
        answer = bytearray(48)
        answer[0] = 0x24  # version 4, server
        answer[1] = 2
        answer[16:24] = stamp
        answer[24:32] = query[40:48]
        answer[32:40] = stamp
        answer[40:48] = stamp
        self._socket.sendto(answer, peer)
        return True
