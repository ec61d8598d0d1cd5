"""The application of the virtual ESP32: MicroPython on its flash file. `micropython virtual.py SETTINGS.json`.

Standard input and output are the board's serial port; JSON lines go in and out by the descriptors that SETTINGS.json
names. Its keys: those of run.py but `firmware` and `config`, and `flash` (path), `partitions` ([label, type, subtype,
offset, size]), `banner`, `mac` (hex), `orders_fd` and `events_fd`, `boot_us`.

As the frozen `_boot.py` does, the littlefs of the `vfs` partition is mounted, made where the partition is blank, and
where it holds something else the board complains for ever. Then boot.py, main.py, and the prompt. A soft reset is a new
process on the same world (exit code 84): what it must keep is in world.json.
"""

import sys

FOLDER = sys.path[0]
HIDDEN = "/.host"  # where the computer's own files are, once the board's root is mounted

import json  # noqa: E402
import os  # noqa: E402

with open(sys.argv[1]) as _file:
    SETTINGS = json.load(_file)
HERE = os.getcwd()

import run  # noqa: E402 - it puts our `micropython` in place, so it comes before the others

outside, machine, esp32 = run.outside, run.machine, run.esp32

import socket  # noqa: E402
import time  # noqa: E402

import repl  # noqa: E402
import sys_shim  # noqa: E402
import uart0  # noqa: E402
import vfs  # noqa: E402
import vfs_shim  # noqa: E402
from uart0 import uart  # noqa: E402

_BOOT_PY = """\
# This file is executed on every boot (including wake-boot from deepsleep)
#import esp
#esp.osdebug(None)
#import webrepl
#webrepl.start()
"""
_CORRUPT = """
The filesystem starting at sector {} with size {} sectors looks corrupt.
You may try to recover it, or perform a factory reprogramming of MicroPython
firmware (completely erase flash, followed by firmware programming).
"""


def add_partitions():
    """As the table in the flash has them."""
    for label, kind, subtype, offset, size in SETTINGS["partitions"]:
        esp32.add_partition(label, offset, size, SETTINGS["flash"], offset, kind, subtype)


def hide_the_computer():
    """The board's root is its own: what the simulation still needs is reached below HIDDEN."""
    vfs.umount("/")
    vfs.mount(vfs.VfsPosix(), HIDDEN)  # with a root of its own it would rename nothing
    os.hidden = HIDDEN[1:]
    os.uname = sys_shim.uname
    vfs_shim.hidden = HIDDEN
    sys.modules["vfs"] = vfs_shim
    sys.path[:] = [HIDDEN + FOLDER, "", ".frozen", "/lib"]


def mount():
    """The frozen _boot.py and inisetup.py."""
    found = esp32.Partition.find(esp32.Partition.TYPE_DATA, label="vfs")
    if not found:
        return
    try:
        vfs.mount(vfs.VfsLfs2(found[0]), "/")
    except OSError:
        first = bytearray(esp32.BLOCK)
        found[0].readblocks(0, first)
        if any([byte != 0xFF for byte in first]):
            complain(found[0].info())
        uart.write_text("Performing initial setup\n")
        vfs.VfsLfs2.mkfs(found[0])
        vfs.mount(vfs.VfsLfs2(found[0]), "/")
        with open("boot.py", "w") as file:
            file.write(_BOOT_PY)


def complain(info):
    """As inisetup.py: for ever."""
    while True:
        uart.write_text(_CORRUPT.format(info[2] // esp32.BLOCK, info[3] // esp32.BLOCK))
        time.sleep(3)


def main():
    """Runs the board until its process ends."""
    outside.lines_in = open(SETTINGS["orders_fd"], "rb")
    outside.lines_out = open(SETTINGS["events_fd"], "w")
    add_partitions()
    machine.mac = bytes.fromhex(SETTINGS["mac"])
    sys_shim.begin(SETTINGS["banner"])
    before_soft = run.load(HERE + "/world.json").get("soft")
    hide_the_computer()
    run.folder = HIDDEN + HERE + "/"
    sys.modules["sys"] = sys_shim
    uart0.take_over_print()
    runner = run.Runner(SETTINGS)
    server = outside.TimeServer(runner.server_us)
    socket.redirected[123] = ("127.0.0.1", server.port)
    uart.on_listen = lambda byte: runner.world.tell("listens", byte=byte)
    uart.begin()
    if not before_soft:
        runner.world.tell("boot", cause=machine.reset_cause())
    mount()
    prompt = repl.Repl(
        {"__name__": "__main__"}, SETTINGS["banner"], before_soft == "raw", lambda: runner.ended, FOLDER
    )
    over = prompt.run_file("boot.py") or (not prompt.raw and prompt.run_file("main.py"))
    if not over:
        prompt.run()
    uart.write_text("MPY: soft reboot\n")
    prompt.forget()
    runner.soft_reset("raw" if prompt.raw else "friendly")


main()
