"""Waiting for a socket or a stream without blocking anything: the one file that knows how asyncio is told to watch one.

`readable` and `writable` end when the socket can be used or is broken, whatever comes first; a deadline is put around a
whole exchange, never around a single wait, for it costs a task.
"""

import asyncio


def readable(sock):
    """Await it: until `sock` has data, is closed by the peer, or is broken."""
    # asyncio's own streams wait this way; they offer no public name for it.
    yield asyncio.core._io_queue.queue_read(sock)


def writable(sock):
    """Await it: until `sock` takes data, is connected, or is broken."""
    yield asyncio.core._io_queue.queue_write(sock)
