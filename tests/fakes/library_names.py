"""For MicroPython: prints every name that its modules, and things of its types, have; what shorten.py must not take."""

import asyncio
import hashlib
import select
import socket

MODULES = (
    "array asyncio asyncio.core asyncio.event asyncio.funcs asyncio.lock asyncio.stream binascii builtins"
)
MODULES += " collections errno gc hashlib heapq io json math micropython os random re select socket struct sys time tls"
MODULES += " uctypes vfs"
THINGS = [1, 1.0, "", b"", bytearray(1), [], {}, (), {1}, memoryview(b"a"), lambda: 0, iter([]), OSError()]
THINGS += [hashlib.sha256(), select.poll(), socket.socket(), {}.keys(), (i for i in ()), asyncio.Event()]

found = set()
for name in MODULES.split():
    module = __import__(name, None, None, ("x",))
    for own in dir(module):
        found.add(own)
        found.update(dir(getattr(module, own)))
for thing in THINGS:
    found.update(dir(thing))
print(" ".join(sorted(found)))
