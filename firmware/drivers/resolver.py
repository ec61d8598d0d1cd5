"""Names to addresses by one UDP query of our own: getaddrinfo with a silent server stops the board for seven seconds.

Rules: IPv4 only; the answer must repeat our id and our question; the first address in it is taken, for the server has
followed the aliases already; nothing is cached, a name is asked for once a connection.
"""

import os

from .datagram import ask, is_numeric

_TRIES = 2
_TIMEOUT_MS = 2000
_RCODES = {
    1: "the query was malformed",
    2: "the server failed",
    3: "there is no such name",
    5: "the server refuses",
}


class ResolveError(OSError):
    """A name that gave no address: the text says which, and why."""


async def resolve(name, server, port=53):
    """The IPv4 address of `name` in digits; a numeric `name` is returned as it is. ResolveError after 4 s at most."""
    if is_numeric(name):
        return name
    query = _query(name)

    def is_ours(answer):
        # Id and question repeated, the response bit set.
        return (
            len(answer) >= len(query)
            and answer[:2] == query[:2]
            and answer[2] & 128
            and answer[12 : len(query)] == query[12:]
        )

    for left in range(_TRIES - 1, -1, -1):
        try:
            answer = await ask(server, port, query, 512, is_ours, _TIMEOUT_MS)
            break
        except OSError as e:
            if not left:
                raise ResolveError("{} not resolved: {}".format(name, e))
    return _address(name, answer, len(query))


def _query(name):
    labels = name.rstrip(".").split(".")
    if not all([1 <= len(label.encode()) <= 63 for label in labels]):
        raise ResolveError("{} is not a host name: check broker.host and time.host".format(repr(name)))
    query = bytearray(os.urandom(2))
    query += b"\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00"  # recursion desired, one question
    for label in labels:
        raw = label.encode()
        query.append(len(raw))
        query += raw
    query += b"\x00\x00\x01\x00\x01"  # the root; type A, class IN
    return query


def _address(name, answer, at):
    rcode = answer[3] & 15
    if rcode:
        raise ResolveError("{} not resolved: {}".format(name, _RCODES.get(rcode, "error {}".format(rcode))))
    try:
        for _ in range(answer[6] << 8 | answer[7]):
            at = _skip_name(answer, at)
            length = answer[at + 8] << 8 | answer[at + 9]
            if answer[at : at + 4] == b"\x00\x01\x00\x01" and length == 4:
                return ".".join([str(answer[at + 10 + i]) for i in range(4)])
            at += 10 + length
    except IndexError:
        raise ResolveError("{} not resolved: the answer is cut short".format(name)) from None
    raise ResolveError("{} not resolved: it has no IPv4 address".format(name))


def _skip_name(answer, at):
    while answer[at]:
        if answer[at] >= 192:  # a pointer to an earlier name ends this one
            return at + 2
        at += 1 + answer[at]
    return at + 1
