"""`select` whose waiting takes virtual time: where asyncio waits, timers are delivered."""

import network
import uselect
from clock import clock
from uselect import POLLERR, POLLHUP, POLLIN, POLLOUT  # noqa: F401 - the module's interface


class Poll:
    """As select.poll(); what is registered may be a socket of ours or a stream."""

    def __init__(self):
        self._poll = uselect.poll()
        self._given = {}  # id of the real stream: what was registered
        self._buffered = []  # those that may hold bytes of their own
        for stream, _ in clock.house.values():
            self._poll.register(stream, POLLIN)

    def register(self, stream, events=POLLIN | POLLOUT):
        """Watch it."""
        if hasattr(stream, "any") and stream not in self._buffered:
            self._buffered.append(stream)
        real = getattr(stream, "real", stream)
        if real is None:
            return  # only its own bytes ever come there
        self._given[id(real)] = stream
        self._poll.register(real, events)

    def modify(self, stream, events):
        """Watch it for other events."""
        self._poll.modify(getattr(stream, "real", stream), events)

    def unregister(self, stream):
        """Watch it no longer."""
        self._buffered = [other for other in self._buffered if other is not stream]
        real = getattr(stream, "real", stream)
        if real is None:
            return
        self._given.pop(id(real), None)
        self._poll.unregister(real)

    def poll(self, timeout_ms=-1):
        """[(stream, events)] of what is ready; [] when the time is over."""
        until = -1 if timeout_ms < 0 else clock.read() + timeout_ms * 1000
        while True:
            if self._buffered:
                held = [(stream, POLLIN) for stream in self._buffered if stream.any()]
                if held:
                    return held
            left = -1 if until < 0 else max(0, until - clock.now_us)
            ready = clock.wait(self._poll, left)
            if ready and network.is_cut():
                # Their bytes arrive later: nobody hears them now.
                clock.sleep_us(20000 if left < 0 else min(left, 20000))
                ready = []
            if ready or (until >= 0 and clock.now_us >= until):
                return [(self._given.get(id(item[0]), item[0]), item[1]) for item in ready]

    def ipoll(self, timeout_ms=-1, flags=0):
        """As poll(), to be iterated over."""
        return iter(self.poll(timeout_ms))


def poll():
    """A new Poll."""
    return Poll()
