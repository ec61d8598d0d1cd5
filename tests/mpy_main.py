"""Runs the tests of one file on MicroPython: `micropython tests/mpy_main.py tests/core/test_energy.py [FIRMWARE]`.

Every function `test_*` is run; a line each, a traceback for what failed. Exit code 1 when one failed or none was there.
"""

import sys

_TESTS = __file__.rsplit("/", 1)[0]
_ROOT = _TESTS.rsplit("/", 1)[0] if "/" in _TESTS else "."


def run(path, firmware):
    """Runs the file, and returns how many passed and how many failed."""
    folder, name = path.rsplit("/", 1)
    # The script's own folder goes to the end: tests/wire must not hide firmware/wire.
    sys.path[:] = [firmware, ".frozen", _TESTS, folder]
    module = __import__(name.rsplit(".", 1)[0])
    passed = failed = 0
    for test in sorted(name for name in dir(module) if name.startswith("test_")):
        try:
            getattr(module, test)()
        except Exception as error:
            failed += 1
            print("FAILED", test)
            sys.print_exception(error, sys.stdout)
        else:
            passed += 1
            print("ok", test)
    return passed, failed


if __name__ == "__main__":
    passed, failed = run(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else _ROOT + "/firmware")
    print("{} passed, {} failed on {}".format(passed, failed, sys.version))
    sys.exit(0 if passed and not failed else 1)
