"""The simulator's own ends: JSON lines out and in, and the time server that the firmware asks.

Out: one object a line on standard output, with `event` and `time` (Unix seconds of the world). In: one event a line,
as world.py has them; the end of standard input ends the process, so that a board never outlives whoever started it.
"""

import builtins
import json
import sys

import usocket
from clock import clock

_FROM_1900_S = 2208988800


def tell(event, unix, keys):
    """One line on standard output."""
    line = {"event": event, "time": unix}
    line.update(keys)
    sys.stdout.write(json.dumps(line) + "\n")


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
    """Events asked for on standard input."""

    def __init__(self, world, leave):
        self._world = world
        self._leave = leave
        clock.add_house(sys.stdin.buffer, self.on_readable)

    def on_readable(self, _events):
        """Takes one line."""
        line = sys.stdin.buffer.readline()
        if not line:
            self._leave(None)
        try:
            event = json.loads(line)
            if not isinstance(event, dict):
                raise ValueError("not an object")
            self._world.do(event)
        except (ValueError, KeyError, TypeError) as e:
            self._world.tell("refused", asked=str(line, "utf-8").strip(), why=str(e))
        return False


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
