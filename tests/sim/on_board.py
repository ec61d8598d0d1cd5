"""Runs the tests of one file on the simulated ESP32: `micropython tests/sim/on_board.py BOARD_FOLDER FILE`.

The file's functions `test_*(folder)` get a folder of their own for files. A line each, a traceback for what failed;
exit code 1 when one failed or none was there.
"""

import sys

sys.path[:] = [sys.argv[1], ".frozen", sys.argv[2].rsplit("/", 1)[0]]

import micropython_shim  # noqa: E402 - after the path

sys.modules["micropython"] = micropython_shim

import clock  # noqa: E402


def fresh():
    """A board that was just switched on, as fast as it can."""
    clock.clock.timers = []
    clock.clock.watchdog = None
    clock.clock.world = lambda now: clock.NEVER
    clock.clock.due_us = clock.clock.world_due_us = 0
    clock.clock.begin(0, 100000)


def main(path, folder):
    """Returns how many passed and how many failed."""
    module = __import__(path.rsplit("/", 1)[1].rsplit(".", 1)[0])
    passed = failed = 0
    for name in sorted(name for name in dir(module) if name.startswith("test_")):
        fresh()
        try:
            getattr(module, name)(folder)
        except Exception as error:  # noqa: BLE001 - a test may fail in any way
            failed += 1
            print("FAILED", name)
            sys.print_exception(error, sys.stdout)
        else:
            passed += 1
            print("ok", name)
    return passed, failed


passed, failed = main(sys.argv[2], sys.argv[3])
print(f"{passed} passed, {failed} failed")
sys.exit(0 if passed and not failed else 1)
