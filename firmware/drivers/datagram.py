"""Opening a socket, which never blocks (drivers/waiting.py waits for it), and asking something by datagram."""

import asyncio
import socket

from .waiting import readable


def is_numeric(host):
    """True for an IPv4 address in digits: the only kind that getaddrinfo answers without asking anybody."""
    parts = host.split(".")
    return len(parts) == 4 and all([part.isdigit() and len(part) < 4 and int(part) < 256 for part in parts])


def open_socket(host, port, kind):
    """(socket, address) for a numeric host; OSError for a name, which would block for seconds."""
    if not is_numeric(host):
        raise OSError("{} is not a numeric IPv4 address: resolve it first".format(host))
    family, _, protocol, _, address = socket.getaddrinfo(host, port, 0, kind)[0]
    sock = socket.socket(family, kind, protocol)
    sock.setblocking(False)
    return sock, address


async def ask(host, port, request, size, accept, timeout_ms):
    """Sends a datagram; returns the first answer, at most `size` bytes of it, that `accept(answer)` takes.

    Datagrams that it does not take are passed over. OSError when there is no route or no answer in `timeout_ms`.
    """
    sock, address = open_socket(host, port, socket.SOCK_DGRAM)
    try:
        sock.connect(address)  # from now on only this peer is heard
        sock.send(request)
        return await asyncio.wait_for_ms(_answer(sock, size, accept), timeout_ms)
    except asyncio.TimeoutError:
        raise OSError("no answer from {} port {} in {} ms".format(host, port, timeout_ms)) from None
    finally:
        sock.close()


async def _answer(sock, size, accept):
    while True:
        await readable(sock)
        answer = sock.recv(size)  # readinto would join datagrams
        if accept(answer):
            return answer
