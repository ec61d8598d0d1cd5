"""Boards on USB: what goes into their flash, and the programs and protocols that put it there.

stock.py        the MicroPython image that an installer downloaded, judged by its own bytes
shelf.py        the images that were added, kept by hash
layout.py       where what lies in the flash
application.py  the firmware's modules for a board, compiled
filesystem.py   a littlefs image that MicroPython mounts
image.py        all of it put together
ports.py        which serial ports there are, and why one cannot be used
esptool.py      esptool as a process, and what it prints
console.py      what a board says of itself after it started
console_link.py commands to a board that runs, and its records, over the console
flasher.py      from a port to PASS, for many ports at once
repl.py         mpremote as a library: files and code of a board that runs
"""
