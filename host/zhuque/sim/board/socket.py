"""`socket` that a cut network silences: then nothing is sent, received or connected.

A thin object around each real socket, whose bytes are real. A blocking call would stop the virtual clock, so a timeout
is refused; names are not looked up: the firmware must not do so either while relays are closed.
"""

import errno

import network
import usocket
from clock import clock
from flight import Flight
from usocket import (  # noqa: F401 - the module's interface
    AF_INET,
    AF_INET6,
    SO_KEEPALIVE,
    SO_REUSEADDR,
    SOCK_DGRAM,
    SOCK_STREAM,
    SOL_SOCKET,
)

IPPROTO_TCP = 6
IPPROTO_UDP = 17
redirected = {}  # port: (host, port) where the simulation itself answers


def getaddrinfo(host, port, *hints):
    """As the real one, for numeric addresses alone."""
    host, port = redirected.get(port, (host, port))
    if not host.replace(".", "").isdigit():
        raise OSError(-2)
    return usocket.getaddrinfo(host, port, *hints)


class socket:
    """As socket.socket."""

    def __init__(self, family=AF_INET, kind=SOCK_STREAM, protocol=0):
        self._open(usocket.socket(family, kind, protocol), kind == SOCK_STREAM and not clock.live)

    def _open(self, real, watched=False):
        self._flight = Flight() if watched else None
        self.real = real
        # The calls that need no look at the network go straight through.
        self.setblocking = real.setblocking
        self.setsockopt = real.setsockopt
        self.fileno = real.fileno
        self.bind = real.bind
        self.listen = real.listen

    def settimeout(self, seconds):
        """0 is non-blocking; anything else would stop the virtual clock."""
        if seconds != 0:
            raise OSError(errno.EOPNOTSUPP)
        self.real.setblocking(False)

    def connect(self, address):
        """Raises EHOSTUNREACH while the network is cut."""
        if network.is_cut():
            raise OSError(errno.EHOSTUNREACH)
        if self._flight is not None:
            self._flight.begin()
        return self.real.connect(address)

    def close(self):
        """Nothing of it is under way any more."""
        if self._flight is not None:
            self._flight.over()
        self.real.close()

    def accept(self):
        """(socket, address)."""
        real, address = self.real.accept()
        other = socket.__new__(socket)
        other._open(real)
        return other, address

    def send(self, data):
        """How many bytes were taken; EAGAIN while the network is cut, as when nobody acknowledges."""
        if network.is_cut():
            raise OSError(errno.EAGAIN)
        return self.real.send(data)

    def sendto(self, data, address):
        """A datagram sent while the network is cut is lost."""
        return len(data) if network.is_cut() else self.real.sendto(data, address)

    def write(self, *data):
        """How many bytes were taken, None when none could be."""
        if network.is_cut():
            return None
        took = self.real.write(*data)
        if took and self._flight is not None:
            self._flight.sent(data[0], took)
        return took

    def recv(self, size):
        """Raises EAGAIN while the network is cut."""
        if network.is_cut():
            raise OSError(errno.EAGAIN)
        return self.real.recv(size)

    def recvfrom(self, size):
        """Raises EAGAIN while the network is cut."""
        if network.is_cut():
            raise OSError(errno.EAGAIN)
        return self.real.recvfrom(size)

    def read(self, *size):
        """None while the network is cut."""
        return None if network.is_cut() else self.real.read(*size)

    def readinto(self, *into):
        """None while the network is cut."""
        if network.is_cut():
            return None
        got = self.real.readinto(*into)
        if got is not None and self._flight is not None:
            self._flight.received(into[0], got)
        return got

    def readline(self, *size):
        """None while the network is cut."""
        return None if network.is_cut() else self.real.readline(*size)
