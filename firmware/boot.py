"""Every relay off; nothing else. An expander keeps its outputs when the CPU resets, so this comes before anything."""

import json

import machine

try:
    with open("board.json") as _file:
        _relay = json.load(_file)["relay"]
    __import__("drivers.relay_" + _relay["driver"], None, None, ("from_board",)).from_board(
        _relay, machine
    ).off()
except Exception as _error:  # noqa: BLE001 - whatever it was, main.py must still run
    # No board.json, or a wrong one: nothing is known to open, and main.py closes nothing.
    print("zhuque: boot.py opened no relay:", repr(_error))
